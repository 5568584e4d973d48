"""Random matrices with known laws: for tests, for nulls and for users' own controls.

Every ensemble returns a float64 matrix [rows, cols] and is deterministic in its seed. Entry-wise laws have
unit variance where they have a variance, so that the Marchenko-Pastur bulk of W^T W / N (N the larger
dimension) lies between (1 - sqrt q)^2 and (1 + sqrt q)^2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64

from eigentrail.errors import OptionError

Seed: TypeAlias = "int | np.random.Generator"
Matrix: TypeAlias = "Float64[np.ndarray, 'rows cols']"


def _generator(seed: Seed, rows: int, cols: int) -> np.random.Generator:
    if rows < 1 or cols < 1:
        raise OptionError(f"A random matrix needs at least one row and one column, not {rows} x {cols}.")
    if isinstance(seed, int) and seed < 0:
        raise OptionError(f"A seed is not negative, got {seed}.")
    return np.random.default_rng(seed)


def _orthonormal(rng: np.random.Generator, length: int, count: int) -> np.ndarray:
    return np.asarray(np.linalg.qr(rng.standard_normal((length, count)))[0])


def gaussian(rows: int, cols: int, sigma: float = 1.0, seed: Seed = 0) -> Matrix:
    """Draw independent N(0, sigma^2) entries.

    W^T W / rows is a (white) Wishart matrix: Marchenko-Pastur bulk, Tracy-Widom edge, GOE spacings.

    Args:
        rows: number of rows.
        cols: number of columns.
        sigma: standard deviation of the entries.
        seed: an integer or a generator, which is advanced.

    Returns:
        W, [rows, cols].
    """
    return sigma * _generator(seed, rows, cols).standard_normal((rows, cols))


def wishart(rows: int, cols: int, sigma: float = 1.0, seed: Seed = 0) -> Float64[np.ndarray, "cols cols"]:
    """Draw the Wishart matrix W^T W / rows of `gaussian`.

    Args:
        rows: number of rows of W, the degrees of freedom.
        cols: number of columns of W.
        sigma: standard deviation of the entries of W.
        seed: an integer or a generator, which is advanced.

    Returns:
        A symmetric positive matrix [cols, cols]; its eigenvalues follow the Marchenko-Pastur law with q =
        cols / rows.
    """
    w = gaussian(rows, cols, sigma, seed)
    return w.T @ w / rows


def uniform(rows: int, cols: int, sigma: float = 1.0, seed: Seed = 0) -> Matrix:
    """Draw independent entries uniform on [-sqrt(3) sigma, sqrt(3) sigma].

    Bulk, edge and spacings are those of `gaussian` (universality).

    Args:
        rows: number of rows.
        cols: number of columns.
        sigma: standard deviation of the entries.
        seed: an integer or a generator, which is advanced.

    Returns:
        W, [rows, cols].
    """
    bound = sigma * 3.0**0.5
    return _generator(seed, rows, cols).uniform(-bound, bound, (rows, cols))


def wigner(size: int, sigma: float = 1.0, seed: Seed = 0) -> Float64[np.ndarray, "size size"]:
    """Draw from the Gaussian orthogonal ensemble, scaled to a semicircle of radius 2 sigma.

    Off-diagonal entries have variance sigma^2 / size, diagonal ones twice that. Mean spacing ratio 0.5307.

    Args:
        size: dimension.
        sigma: standard deviation of the semicircle law.
        seed: an integer or a generator, which is advanced.

    Returns:
        A symmetric matrix [size, size].
    """
    a = _generator(seed, size, size).standard_normal((size, size))
    return np.asarray((a + a.T) * (sigma / (2.0 * size) ** 0.5))


def poisson_levels(count: int, seed: Seed = 0) -> Float64[np.ndarray, "count"]:
    """Draw independent levels, uniform on [0, count].

    Their spacings are exponential with mean one; the mean spacing ratio is 2 ln 2 - 1.

    Args:
        count: number of levels.
        seed: an integer or a generator, which is advanced.

    Returns:
        The levels, ascending; `np.diag` of them is a matrix with this spectrum.
    """
    return np.sort(_generator(seed, count, 1).uniform(0.0, count, count))


def spiked(
    rows: int,
    cols: int,
    strengths: Sequence[float] | Float64[np.ndarray, "k"],
    sigma: float = 1.0,
    noise: str = "gaussian",
    seed: Seed = 0,
) -> Matrix:
    """Plant directions in noise.

    W = sigma X + sigma sqrt(N) sum_j theta_j u_j v_j^T with orthonormal u_j, v_j, N the larger and M the
    smaller dimension.

    Args:
        rows: number of rows.
        cols: number of columns.
        strengths: one number for each planted direction, in multiples of the BBP threshold: theta_j =
            strengths[j] q^(1/4), q = M / N. Above 1 they separate from the bulk.
        sigma: standard deviation of the noise entries.
        noise: "gaussian" or "uniform".
        seed: an integer or a generator, which is advanced.

    Returns:
        W, [rows, cols].

    Raises:
        OptionError: more directions than dimensions, or an unknown noise.
    """
    rng = _generator(seed, rows, cols)
    count, (small, large) = len(strengths), sorted((rows, cols))
    if count > small:
        raise OptionError(f"A {rows} x {cols} matrix has no room for {count} planted directions.")
    if noise not in {"gaussian", "uniform"}:
        raise OptionError(f"The noise is 'gaussian' or 'uniform', not {noise!r}.")
    w = gaussian(rows, cols, 1.0, rng) if noise == "gaussian" else uniform(rows, cols, 1.0, rng)
    left, right = _orthonormal(rng, rows, count), _orthonormal(rng, cols, count)
    theta = np.asarray(strengths, dtype=np.float64) * (small / large) ** 0.25
    return np.asarray(sigma * (w + large**0.5 * (left * theta) @ right.T))


def heavy_tailed(rows: int, cols: int, mu: float, law: str = "pareto", seed: Seed = 0) -> Matrix:
    """Draw independent entries with P(|x| > t) ~ t^-mu, any mu > 0.

    For mu < 4 the largest eigenvalues leave the Marchenko-Pastur bulk and have a power-law density of
    exponent 1 + mu / 2 in the limit; for mu < 2 the whole spectrum is heavy-tailed.

    Args:
        rows: number of rows.
        cols: number of columns.
        mu: tail exponent of the distribution function of |x|; the density falls as |x|^-(1 + mu).
        law: "pareto" (symmetric, |x| >= 1, exactly t^-mu), "pareto-positive" (one-sided, x >= 1: for mu > 1
            its mean adds one giant eigenvalue) or "student" (Student's t with mu degrees of freedom).
        seed: an integer or a generator, which is advanced.

    Returns:
        W, [rows, cols], not normalised: the variance does not exist for mu <= 2.

    Raises:
        OptionError: mu is not positive or the law is unknown.
    """
    rng = _generator(seed, rows, cols)
    if not mu > 0.0:
        raise OptionError(f"A tail exponent is positive, not {mu}.")
    if law == "student":
        return rng.standard_t(mu, (rows, cols))
    if law not in {"pareto", "pareto-positive"}:
        raise OptionError(f"The law is 'pareto', 'pareto-positive' or 'student', not {law!r}.")
    logs = -np.log1p(-rng.random((rows, cols))) / mu
    if logs.max() > 300.0:  # squares of the entries must stay finite
        raise OptionError(f"With a tail exponent of {mu} entries pass 1e130 and overflow; take mu above 0.1.")
    size = np.exp(logs)
    return size if law == "pareto-positive" else size * rng.choice([-1.0, 1.0], (rows, cols))


def low_rank(rows: int, cols: int, rank: int, noise: float = 0.0, seed: Seed = 0) -> Matrix:
    """Draw a product of Gaussian factors plus Gaussian noise.

    W = A B / sqrt(rank) + noise X, A [rows, rank], B [rank, cols]: entries of the product have unit variance.

    Args:
        rows: number of rows.
        cols: number of columns.
        rank: rank of the product.
        noise: standard deviation of the noise entries.
        seed: an integer or a generator, which is advanced.

    Returns:
        W, [rows, cols], of exact rank `rank` if `noise` is 0.

    Raises:
        OptionError: the rank does not fit the shape.
    """
    rng = _generator(seed, rows, cols)
    if not 1 <= rank <= min(rows, cols):
        raise OptionError(f"A {rows} x {cols} matrix cannot have rank {rank}.")
    w = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, cols)) / rank**0.5
    return np.asarray(w + noise * rng.standard_normal((rows, cols)) if noise > 0.0 else w)


def correlated(
    rows: int, cols: int, population: Sequence[float] | Float64[np.ndarray, "cols"] | float, seed: Seed = 0
) -> Matrix:
    """Draw independent Gaussian rows with correlated entries.

    Args:
        rows: number of rows, the samples.
        cols: number of columns.
        population: the eigenvalues of the covariance of a row (cols of them, in a random orthonormal frame),
            or the coefficient a of an AR(1) covariance C_ij = a^|i - j|, |a| < 1.
        seed: an integer or a generator, which is advanced.

    Returns:
        W, [rows, cols]; W^T W / rows follows the generalised Marchenko-Pastur law of that population.

    Raises:
        OptionError: a population eigenvalue is negative, their number is not `cols`, or |a| >= 1.
    """
    rng = _generator(seed, rows, cols)
    x = rng.standard_normal((rows, cols))
    values = np.asarray(population, dtype=np.float64)
    if values.ndim == 0:
        if not abs(float(values)) < 1.0:
            raise OptionError(f"An AR(1) coefficient lies between -1 and 1, not {float(values)}.")
        away = np.abs(np.arange(cols)[:, None] - np.arange(cols)[None, :])
        return x @ np.linalg.cholesky(float(values) ** away).T
    if values.shape != (cols,) or np.any(values < 0.0):
        raise OptionError(
            f"A population spectrum for {cols} columns has {cols} numbers, none of them negative."
        )
    return np.asarray((x * np.sqrt(values)) @ _orthonormal(rng, cols, cols).T)


PHASES = ("random-like", "bleeding-out", "bulk+spikes", "bulk-decay", "heavy-tailed", "rank-collapse")


def phase(name: str, rows: int, cols: int, seed: Seed = 0) -> Matrix:
    """Draw a matrix of one of the six phases: the truth that the phase rules are calibrated on.

    random-like: Gaussian or uniform entries. bleeding-out: 2 to 6 directions at 1.15 to 1.5 times the BBP
    threshold. bulk+spikes: 1 to 10 at 2.2 to 12 times. bulk-decay: Pareto entries, mu 2.3 to 3.3.
    heavy-tailed: Pareto entries, mu 0.5 to 1.7. rank-collapse: rank M / 20 to M / 3 plus noise of 1e-3 to
    5e-2 of the entries. The last three draw from symmetric and one-sided entries in turn, and the scale of
    all is arbitrary.

    Args:
        name: one of `PHASES`.
        rows: number of rows.
        cols: number of columns.
        seed: an integer or a generator, which is advanced.

    Returns:
        W, [rows, cols].

    Raises:
        OptionError: the name is none of the six.
    """
    rng = _generator(seed, rows, cols)
    scale = 10.0 ** rng.uniform(-3.0, 1.0)
    side = "pareto" if rng.random() < 0.5 else "pareto-positive"
    most = max(2, min(rows, cols) // 3)  # directions for which a small matrix has room
    if name == "random-like":
        return (gaussian if rng.random() < 0.5 else uniform)(rows, cols, scale, rng)
    if name == "bleeding-out":
        return spiked(
            rows, cols, [*rng.uniform(1.15, 1.5, min(int(rng.integers(2, 7)), most))], scale, seed=rng
        )
    if name == "bulk+spikes":
        return spiked(
            rows, cols, [*rng.uniform(2.2, 12.0, min(int(rng.integers(1, 11)), most))], scale, seed=rng
        )
    if name == "bulk-decay":
        return np.asarray(scale * heavy_tailed(rows, cols, rng.uniform(2.3, 3.3), side, rng))
    if name == "heavy-tailed":
        return np.asarray(scale * heavy_tailed(rows, cols, rng.uniform(0.5, 1.7), side, rng))
    if name == "rank-collapse":
        small = min(rows, cols)
        rank = int(rng.integers(max(1, small // 20), small // 3 + 1))
        return np.asarray(scale * low_rank(rows, cols, rank, 10.0 ** rng.uniform(-3.0, np.log10(0.05)), rng))
    raise OptionError(f"A phase is one of {', '.join(PHASES)}, not {name!r}.")
