"""Measure how often each statement is made where nothing is there, and how often where something is.

Every row of `docs/error_rates.csv` is a statement, a null model, the rate that is stated for it, and the rate that was
measured: the number of draws in which the statement was made. A row is right where the count lies within the 99.9%
binomial bound of the stated rate. Rows of power stand beside them: the same statement where a structure of known
strength is planted; there the stated rate is the least one.

    python tools/measure_error_rates.py                      # all groups, half an hour of one core
    python tools/measure_error_rates.py --only geodesics     # the rows of one group anew, the others stay
    python tools/measure_error_rates.py --missing            # only rows that are not measured yet
    python tools/measure_error_rates.py --page               # only docs/error_rates.md anew
"""

from __future__ import annotations

import argparse
import datetime
import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

DOCS = Path(__file__).resolve().parents[1] / "docs"
DRAWS, POWER_DRAWS = 200, 50
#: Chance of a row outside its bound though its stated rate is true.
OUTSIDE = 1e-3
# Draws of the null models within a row.
NULL = 99


@dataclass(frozen=True)
class Row:
    """A statement under one null model, or where something is planted.

    Attributes:
        group: what is tested together.
        statement: what is said.
        null: under what.
        stated: how often it may be said; where something is planted, how often it is said at least;
            None: no rate is stated there, and the row only tells what happens.
        says: whether it is said, for one seed.
        power: whether something is planted.
        draws: how many draws; None for the default.
    """

    group: str
    statement: str
    null: str
    stated: float | None
    says: Callable[[int], bool]
    power: bool = False
    draws: int | None = None

    def measured(self, draws: int | None = None, first: int = 0) -> dict[str, Any]:
        """Count how often it is said.

        Args:
            draws: how many draws; None for the row's own.
            first: the first seed.

        Returns:
            The row of the table.
        """
        count = draws or self.draws or (POWER_DRAWS if self.power else DRAWS)
        return self.told(sum(bool(self.says(first + seed)) for seed in range(count)), count)

    def told(self, said: int, count: int) -> dict[str, Any]:
        """Set a count beside the stated rate.

        Args:
            said: how often it was said.
            count: of how many draws.

        Returns:
            The row of the table, with today's date.
        """
        low, high = (0, count) if self.stated is None else bounds(self.stated, count, self.power)
        return {
            "group": self.group,
            "statement": self.statement,
            "null": self.null,
            "planted": self.power,
            "stated": self.stated,
            "draws": count,
            "said": said,
            "measured": said / count,
            "bound": None if self.stated is None else low if self.power else high,
            "within": low <= said <= high,
            "date": datetime.date.today().isoformat(),
        }


def bounds(stated: float, draws: int, power: bool) -> tuple[int, int]:
    """Give the counts between which a true rate lies.

    Args:
        stated: the rate.
        draws: of how many draws.
        power: whether the rate is the least one, not the largest.

    Returns:
        The smallest and the largest count.
    """
    if power:
        return int(binom.ppf(OUTSIDE, draws, stated)), draws
    return 0, int(binom.ppf(1.0 - OUTSIDE, draws, stated))


# Random matrices


def _noise(kind: str, shape: tuple[int, int], seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, *shape])
    if kind == "Gaussian":
        return rng.standard_normal(shape)
    if kind == "uniform":
        return rng.uniform(-1.0, 1.0, shape)
    if kind == "a tenth of each column zero (sparse_)":
        return rng.standard_normal(shape) * (
            shape[0] // 10 <= rng.permuted(np.tile(np.arange(shape[0]), (shape[1], 1)), axis=1).T
        )
    if kind == "nine tenths zero":
        return rng.standard_normal(shape) * (rng.random(shape) < 0.1)
    if kind == "Laplace":
        return rng.laplace(size=shape)
    if kind == "Student t, 5 degrees of freedom":
        return rng.standard_t(5, size=shape)
    if kind == "a tenth of the rows zero":
        return rng.standard_normal(shape) * (rng.permutation(shape[0]) >= shape[0] // 10)[:, None]
    if kind == "rows of .5 to 1.5 times the size":
        return rng.standard_normal(shape) * rng.uniform(0.5, 1.5, (shape[0], 1))
    if kind == "random orthogonal columns":
        return np.linalg.qr(rng.standard_normal(shape))[0]
    if kind == "rows of lognormal(.15) size":
        return rng.standard_normal(shape) * np.exp(0.15 * rng.standard_normal((shape[0], 1)))
    raise ValueError(kind)


def _spikes(kind: str, shape: tuple[int, int], seed: int) -> int:
    from eigentrail.spectra import Spectrum

    return Spectrum.from_matrix(_noise(kind, shape, seed)).marchenko_pastur().spikes


def _planted_spike(strength: float, seed: int) -> bool:
    from eigentrail.spectra import Spectrum

    rng = np.random.default_rng([seed, 1])
    n, m = 256, 128
    u, v = rng.standard_normal(n), rng.standard_normal(m)
    theta = strength * (m / n) ** 0.25 * np.sqrt(n)
    w = rng.standard_normal((n, m)) + theta * np.outer(u / np.linalg.norm(u), v / np.linalg.norm(v))
    return bool(Spectrum.from_matrix(w).marchenko_pastur().spikes)


def _beyond_shuffle(kind: str, shape: tuple[int, int], seed: int) -> bool:
    from eigentrail.spectra import Spectrum

    spectrum = Spectrum.from_matrix(_noise(kind, shape, seed), null=True, seed=seed)
    assert spectrum.null is not None
    return spectrum.marchenko_pastur().spikes > spectrum.null.marchenko_pastur().spikes + 2


def _told_of_equal_values(kind: str, shape: tuple[int, int], seed: int) -> bool:
    from eigentrail.errors import SpectrumError
    from eigentrail.spectra import Spectrum

    spectrum = Spectrum.from_matrix(_noise(kind, shape, seed))
    for ask in (spectrum.phase, spectrum.power_law, spectrum.require_width):
        try:
            ask()
        except SpectrumError:
            continue
        return True
    return False


def _beyond_signs(seed: int, kind: str = "rows of lognormal(.15) size") -> bool:
    from eigentrail.chance.entries import signed
    from eigentrail.spectra import Spectrum

    w = _noise(kind, (256, 128), seed)
    kept = Spectrum.from_matrix(signed(w, seed)).marchenko_pastur().spikes
    return Spectrum.from_matrix(w).marchenko_pastur().spikes > kept + 2


def _phase(kind: str, shape: tuple[int, int], seed: int) -> bool:
    from eigentrail.spectra import Spectrum

    return Spectrum.from_matrix(_noise(kind, shape, seed)).phase().label != "random-like"


def _spectra() -> Iterator[Row]:
    for shape in ((256, 128), (400, 100), (128, 128)):
        yield Row(
            "spikes",
            "a spike",
            f"Gaussian, {shape[0]} x {shape[1]}",
            0.01,
            functools.partial(lambda shape, seed: _spikes("Gaussian", shape, seed) > 0, shape),
            draws=400,
        )
    yield Row(
        "spikes",
        "a spike",
        "uniform, 256 x 128",
        0.01,
        lambda seed: _spikes("uniform", (256, 128), seed) > 0,
        draws=400,
    )
    yield Row(
        "spikes",
        "more than two spikes beyond those of random signs",
        "rows of lognormal(.15) size, 256 x 128",
        0.03,
        _beyond_signs,
    )
    for kind in ("rows of .5 to 1.5 times the size", "a tenth of the rows zero"):
        yield Row(
            "noise",
            "more than two spikes beyond those of random signs",
            f"{kind}, 256 x 128",
            0.03,
            functools.partial(_beyond_signs, kind=kind),
        )
    for columns in (13, 64, 256):
        yield Row(
            "noise",
            "a spike",
            f"Gaussian, 256 x {columns}",
            0.01,
            functools.partial(lambda shape, seed: _spikes("Gaussian", shape, seed) > 0, (256, columns)),
        )
    for kind in ("Laplace", "Student t, 5 degrees of freedom", "nine tenths zero"):
        yield Row(
            "noise",
            "more than two spikes beyond those of a shuffle",
            f"{kind}, 256 x 128",
            0.03,
            functools.partial(_beyond_shuffle, kind, (256, 128)),
        )
    for shape in ((256, 128), (128, 128)):
        yield Row(
            "noise",
            "a phase, a power law or a bulk",
            f"random orthogonal columns, {shape[0]} x {shape[1]}",
            0.01,
            functools.partial(_told_of_equal_values, "random orthogonal columns", shape),
        )
    for strength, least in ((1.2, 0.3), (1.5, 0.9), (2.0, 0.99)):
        yield Row(
            "spikes",
            "a spike",
            f"one direction at {strength:g} times the BBP threshold, 256 x 128",
            least,
            functools.partial(_planted_spike, strength),
            power=True,
        )
    stated: dict[str, float | None] = {
        "Gaussian": 0.03,
        "uniform": 0.03,
        "a tenth of each column zero (sparse_)": 0.05,
        "Laplace": 0.1,
        # Entries of fewer moments than the laws of the bulk and of its edge ask for: the phase tells nothing there.
        "nine tenths zero": None,
        "Student t, 5 degrees of freedom": None,
    }
    for kind, rate in stated.items():
        yield Row(
            "phases",
            "a phase other than random-like",
            f"{kind}, 256 x 128",
            rate,
            functools.partial(_phase, kind, (256, 128)),
        )


# Tails


def _pareto(body: bool, seed: int, count: int = 300) -> np.ndarray:
    """Values of a Pareto law, or of one that a body joins smoothly from below (Clauset, Shalizi & Newman 2009)."""
    rng = np.random.default_rng([seed, 2])
    alpha, below = 2.5, 0
    if body:
        share = np.expm1(2.5) / 2.5
        below = int(rng.binomial(count, share / (share + 1.0 / 1.5)))
    tail = (1.0 - rng.random(count - below)) ** (-1.0 / (alpha - 1.0))
    return np.concatenate([tail, -np.log1p(rng.random(below) * np.expm1(-alpha)) / alpha])


def _rejected(body: bool, seed: int) -> bool:
    from eigentrail.spectra.power_law import fit_power_law

    found = fit_power_law(_pareto(body, seed), bootstrap=NULL, alternatives=False)
    return found.p_value is not None and found.p_value <= 0.1


def _missed(body: bool, seed: int, count: int = 300) -> bool:
    from eigentrail.spectra.power_law import fit_power_law

    found = fit_power_law(_pareto(body, seed, count), bootstrap=NULL, alternatives=False)
    return found.alpha_interval is None or not found.alpha_interval[0] <= 2.5 <= found.alpha_interval[1]


def _tails() -> Iterator[Row]:
    says = "a power law is rejected (p at most .10)"
    yield Row("tails", says, "300 values of a Pareto law", 0.1, functools.partial(_rejected, False))
    yield Row(
        "tails",
        says,
        "300 values, a body joined by a Pareto tail",
        0.15,
        functools.partial(_rejected, True),
    )
    misses = "the 95% interval of alpha does not hold it"
    yield Row("tails", misses, "300 values of a Pareto law", 0.1, functools.partial(_missed, False))
    yield Row(
        "tails",
        misses,
        "100 values of a Pareto law",
        0.2,
        functools.partial(_missed, False, count=100),
    )
    yield Row(
        "tails",
        misses,
        "300 values, a body joined by a Pareto tail",
        0.1,
        functools.partial(_missed, True),
    )


# Motions


def _steps(kind: str, count: int, shape: tuple[int, int], seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 3])
    noise = rng.standard_normal((count, *shape))
    if kind == "isotropic":
        return noise
    if kind == "anisotropic":
        rows, cols = (np.arange(1, n + 1) ** -1.5 for n in shape)
        return (
            noise * rows[:, None] * cols * float(np.sqrt(np.prod(shape) / (rows**2).sum() / (cols**2).sum()))
        )
    if kind == "cosine rates":
        return noise * (0.5 + 0.5 * np.cos(np.pi * np.arange(count) / count) + 0.01)[:, None, None]
    raise ValueError(kind)


def _walk(
    kind: str,
    seed: int,
    count: int = 40,
    shape: tuple[int, int] = (12, 8),
    size: float = 0.1,
    decay: float = 0.0,
) -> np.ndarray:
    start = np.random.default_rng([seed, 4]).standard_normal(shape)
    out = [start]
    for step in _steps(kind, count - 1, shape, seed):
        out.append((1.0 - decay) * out[-1] + size * step)
    return np.array(out)


def _line(seed: int, walk: float, count: int = 40, shape: tuple[int, int] = (12, 8)) -> np.ndarray:
    rng = np.random.default_rng([seed, 5])
    start, away = rng.standard_normal((2, *shape))
    line = start + 1.2 * np.linspace(0, 1, count)[:, None, None] * away
    return line + walk * np.cumsum(_steps("isotropic", count, shape, seed), axis=0)


def _drifts(make: Callable[[int], np.ndarray], seed: int, **options: Any) -> bool:
    from eigentrail.trajectories import drift

    compared = drift(make(seed), null=NULL, seed=seed, **options).walk.compared
    return compared is not None and compared.beyond


def _persists(make: Callable[[int], np.ndarray], seed: int, **options: Any) -> bool:
    from eigentrail.trajectories import drift

    compared = drift(make(seed), null=NULL, seed=seed, **options).walk.persistence_compared
    return compared is not None and compared.beyond


def _with_drift(strength: float, seed: int) -> np.ndarray:
    away = np.random.default_rng([seed, 6]).standard_normal((12, 8))
    # In units of what the walk covers.
    far = strength * 0.1 * np.sqrt(39)
    return _walk("isotropic", seed) + far * np.linspace(0, 1, 40)[:, None, None] * away


def _components(make: Callable[[int], np.ndarray], seed: int) -> bool:
    from eigentrail.chance import compare
    from eigentrail.trajectories.scree import flipped_shares

    x = make(seed).reshape(40, -1)
    seen, drawn = flipped_shares(x @ x.T, 1, NULL, seed)
    return compare(float(seen[0]), drawn[:, 0]).beyond


def _motions() -> Iterator[Row]:
    says = "the weights drift, or return"
    for kind in ("isotropic", "anisotropic", "cosine rates"):
        make = functools.partial(_walk, kind)
        yield Row("drift", says, f"walk, {kind}", 0.05, functools.partial(_drifts, make))
        yield Row("drift", "updates persist", f"walk, {kind}", 0.05, functools.partial(_persists, make))
        yield Row(
            "components",
            "one component holds more of the motion than a walk's",
            f"walk, {kind}",
            0.05,
            functools.partial(_components, make),
        )
    decayed = functools.partial(_walk, "isotropic", decay=0.01)
    yield Row(
        "drift",
        says,
        "walk with weight decay of 1% a step, told",
        0.05,
        functools.partial(_drifts, decayed, weight_decay=0.01),
    )
    for strength, least in ((0.5, 0.15), (0.7, 0.5), (1.0, 0.95)):
        yield Row(
            "drift",
            says,
            f"drift over {strength:g} of what the walk covers",
            least,
            functools.partial(_drifts, functools.partial(_with_drift, strength)),
            power=True,
        )


# Geodesics and what follows


def _geodesic(make: Callable[[int], np.ndarray], seed: int, **options: Any) -> bool:
    from eigentrail.trajectories import geodesic

    return geodesic(make(seed), null=NULL, seed=seed, **options).claimed


def _turning(seed: int, noise: float, legs: int = 1, count: int = 60) -> np.ndarray:
    """A leading right vector that follows circles one after the other, under noise that walks."""
    rng = np.random.default_rng([seed, 7])
    axes = np.linalg.qr(rng.standard_normal((24, legs + 1)))[0].T
    u = np.linalg.qr(rng.standard_normal((16, 1)))[0][:, 0]
    point, path = axes[0], []
    for axis in axes[1:]:
        heading = axis - (axis @ point) * point
        heading /= np.linalg.norm(heading)
        angles = 0.03 * np.arange(count // legs + 1)
        leg = np.cos(angles)[:, None] * point + np.sin(angles)[:, None] * heading
        path.append(leg[:-1])
        point = leg[-1]
    v = np.concatenate([*path, point[None]])
    walk = np.cumsum(rng.standard_normal((len(v), 16, 24)), axis=0)
    return 10.0 * u[None, :, None] * v[:, None, :] + noise * walk


def _count(make: Callable[[int], np.ndarray], seed: int) -> int:
    from eigentrail.trajectories import segments

    return segments(make(seed), null=0, seed=seed).count


def _several(make: Callable[[int], np.ndarray], seed: int) -> bool:
    from eigentrail.trajectories import segments

    return segments(make(seed), null=39, seed=seed).claimed


def _geodesics() -> Iterator[Row]:
    says = "a geodesic (beyond walks and straight lines)"
    walks = {
        "walk, isotropic": functools.partial(_walk, "isotropic"),
        "walk, sd i^-1.5 on both sides": functools.partial(_walk, "anisotropic"),
        "straight line": functools.partial(_line, walk=0.0),
        "straight line with a walk on top": functools.partial(_line, walk=0.05),
    }
    for name, make in walks.items():
        yield Row("geodesics", says, name, 0.05, functools.partial(_geodesic, make))
    yield Row(
        "geodesics",
        says,
        "walk with weight decay of 1% a step, told",
        0.05,
        functools.partial(_geodesic, functools.partial(_walk, "isotropic", decay=0.01), weight_decay=0.01),
    )
    for noise, least in ((0.2, 0.2), (0.05, 0.6), (0.01, 0.6)):
        yield Row(
            "geodesics",
            says,
            f"one circle, arc 1.8, noise that walks by {noise:g} a step",
            least,
            functools.partial(_geodesic, functools.partial(_turning, noise=noise)),
            power=True,
            draws=30,
        )


def _segments() -> Iterator[Row]:
    says = "more than one segment"
    yield Row(
        "segments",
        says,
        "one circle, noise that walks by .05 a step",
        0.05,
        functools.partial(lambda seed: _count(functools.partial(_turning, noise=0.05), seed) > 1),
    )
    yield Row(
        "segments",
        says,
        "walk, 16 x 24, steps of 2% of the entries",
        0.15,
        lambda seed: _count(functools.partial(_walk, "isotropic", shape=(16, 24), size=0.02), seed) > 1,
    )
    yield Row(
        "segments",
        says,
        "walk, 12 x 8, steps of 10%: the vector turns far, through crossings",
        0.5,
        lambda seed: _count(functools.partial(_walk, "isotropic"), seed) > 1,
    )
    yield Row(
        "segments",
        "several segments, more than walks of the same updates have",
        "walk, 16 x 24, steps of 2% of the entries",
        0.05,
        functools.partial(_several, functools.partial(_walk, "isotropic", shape=(16, 24), size=0.02)),
        draws=40,
    )
    for legs, least in ((2, 0.8), (3, 0.6), (4, 0.2)):
        planted = functools.partial(_turning, noise=0.02, legs=legs, count=24 * legs)
        where = f"{legs} circles of 24 steps, noise that walks by .02 a step"
        yield Row(
            "segments",
            f"{legs} segments",
            where,
            least,
            functools.partial(lambda make, legs, seed: _count(make, seed) == legs, planted, legs),
            power=True,
            draws=40,
        )
        yield Row(
            "segments",
            "more segments than there are",
            where,
            0.1,
            functools.partial(lambda make, legs, seed: _count(make, seed) > legs, planted, legs),
            draws=40,
        )


def _crosses(make: Callable[[int], np.ndarray], seed: int) -> bool:
    from eigentrail.trajectories import crossings

    found = crossings(make(seed)[::2], 3, null=NULL, seed=seed).chance.leading_p
    return found is not None and found[0] <= 0.05


def _shared(make: Callable[[int], np.ndarray], seed: int) -> bool:
    from eigentrail.trajectories.overlap_nulls import updates_null

    x = make(seed).reshape(40, -1)
    compared = updates_null(x @ x.T, 3, NULL, seed).compared
    return compared is not None and compared.beyond


def _singular(make: Callable[[int], np.ndarray], seed: int) -> bool:
    from eigentrail.trajectories.overlap_nulls import singular_null

    compared = singular_null(make(seed)[::2], NULL, seed)[0].compared
    return compared is not None and compared.beyond


def _last(make: Callable[[int], np.ndarray], seed: int) -> bool:
    from eigentrail.trajectories import drift

    compared = drift(make(seed), null=NULL, seed=seed).end_overlap.compared
    return compared is not None and compared.beyond


def _largest(seed: int) -> bool:
    from eigentrail.bases import overlap, singular

    rng = np.random.default_rng([seed, 8])
    a, b = (singular(rng.standard_normal((20, 12)), 8) for _ in range(2))
    found = overlap(a, b)
    return bool(found.max() > found.attrs["chance_largest"])


def _others() -> Iterator[Row]:
    for kind in ("isotropic", "anisotropic"):
        make = functools.partial(_walk, kind)
        yield Row(
            "crossings",
            "the leading direction changes more often than a walk's",
            f"walk, {kind}",
            0.05,
            functools.partial(_crosses, make),
        )
        yield Row(
            "overlaps",
            "the first component lies in the updates' more than a walk's",
            f"walk, {kind}",
            0.05,
            functools.partial(_shared, make),
        )
        yield Row(
            "overlaps",
            "the first component lies along the last weights more, or less, than a walk's",
            f"walk, {kind}",
            0.05,
            functools.partial(_last, make),
        )
        yield Row(
            "overlaps",
            "the first component overlaps a singular matrix more than a walk's",
            f"walk, {kind}",
            0.05,
            functools.partial(_singular, make),
        )

    yield Row(
        "overlaps",
        "the largest overlap of two sets of singular matrices is beyond chance",
        "eight singular matrices each of two Gaussian matrices, 20 x 12",
        0.01,
        _largest,
        draws=400,
    )


def _network(kind: str, seed: int) -> dict[str, Any]:
    shapes = {"q": (64, 64), "proj": (64, 64), "fc": (256, 64), "out": (64, 256)}
    return {
        f"h.{block}.{name}.weight": 0.02 * _noise(kind, shape, 100 * seed + 7 * block + place)
        for block in range(4)
        for place, (name, shape) in enumerate(shapes.items())
    }


def _alerts(kind: str, seed: int) -> bool:
    import eigentrail as et

    found = et.inspect(_network(kind, seed), progress=False, jobs=1)
    return any(one.subject != "network" for one in found.alerts)


def _checks() -> Iterator[Row]:
    for kind, rate in (("Gaussian", 0.02), ("uniform", 0.02), ("Laplace", 0.05)):
        yield Row(
            "checks",
            "any layer of sixteen needs a look",
            f"fresh network, {kind} entries",
            rate,
            functools.partial(_alerts, kind),
            draws=DRAWS if kind == "Gaussian" else 100,
        )


# Levels, vectors and bulks of noise


def _levels(law: str, seed: int) -> bool:
    from eigentrail.spectra import Spectrum

    w = np.random.default_rng([seed, 20]).standard_normal((300, 150))
    found = Spectrum.from_matrix(w).spacings()
    p = found.p_wigner if law == "Wigner" else found.p_poisson
    return p is not None and p <= 0.05


def _not_random(seed: int) -> bool:
    from eigentrail.bases import random

    return bool(random(400, 1, seed=seed).porter_thomas()[0] <= 0.05)


def _far_bulk(seed: int) -> bool:
    from eigentrail.spectra import Spectrum
    from eigentrail.trajectories.noise_bulk import noise_bulk

    limit = noise_bulk(96, 64)
    w = np.random.default_rng([seed, 21]).standard_normal((96, 64))
    return limit is not None and Spectrum.from_matrix(w).marchenko_pastur().ks_distance > limit.high


def _laws() -> Iterator[Row]:
    yield Row(
        "levels",
        "levels are not spaced as a random matrix's (p at most .05)",
        "Gaussian, 300 x 150",
        0.05,
        functools.partial(_levels, "Wigner"),
    )
    yield Row(
        "levels",
        "levels are not independent (p at most .05)",
        "Gaussian, 300 x 150",
        0.9,
        functools.partial(_levels, "Poisson"),
        power=True,
    )
    yield Row(
        "vectors",
        "a vector's entries are not random (p at most .05)",
        "random unit vector, 400",
        0.05,
        _not_random,
    )
    yield Row(
        "bulks", "the bulk is further from its law than 95% of noise", "Gaussian, 96 x 64", 0.05, _far_bulk
    )


# What bends, and what grows with the rate


def _bends(curved: float, seed: int) -> bool:
    from eigentrail.chance import LEVEL, compare
    from eigentrail.trajectories.bending import bend

    rng = np.random.default_rng([seed, 22])
    t = np.arange(60.0)
    walk = np.cumsum(rng.standard_normal(60))
    y = 60.0 * np.expm1(-curved * t / 60.0) / np.expm1(-curved) if curved else t
    found = bend(t, y + walk, null=NULL, seed=seed)
    return compare(found.gain, found.null).p <= LEVEL


def _bending() -> Iterator[Row]:
    says = "a drift goes over to an exponential, more than a walk around a line"
    yield Row("bends", says, "straight line with a walk on top", 0.05, functools.partial(_bends, 0.0))
    for curved, least in ((1.0, 0.2), (3.0, 0.8)):
        yield Row(
            "bends",
            says,
            f"exponential over {curved:g} of its times, a walk on top",
            least,
            functools.partial(_bends, curved),
            power=True,
        )


# Claims decided over seeds


def _claim(effect: float, seeds: int, seed: int) -> str:
    from eigentrail.findings import Claim, greater_than_chance

    values = np.random.default_rng([seed, 24]).standard_normal(seeds) + effect
    claim = Claim("none", "", "It is more than chance.", "value", greater_than_chance())
    return str(claim.decide(values, [0.0]).verdict)


def _claims() -> Iterator[Row]:
    for seeds in (3, 6):
        yield Row(
            "claims",
            f"a claim holds, {seeds} seeds",
            "seeds that differ by chance alone",
            0.05,
            functools.partial(lambda seeds, seed: _claim(0.0, seeds, seed) == "yes", seeds),
            draws=400,
        )


# Jumps of the leading rank's vector


def _jumps(tied: bool, seed: int) -> bool:
    """Plant jumps of the leading vector: by crossings, each of which is one, or by turns without any."""
    from eigentrail.trajectories import jumps

    rng = np.random.default_rng([seed, 26])
    u = np.linalg.qr(rng.standard_normal((16, 2)))[0].T
    v = np.linalg.qr(rng.standard_normal((12, 2)))[0].T
    crossed = (rng.random(60) < 0.08) if tied else np.zeros(60, dtype=bool)
    # A turn of both leading vectors in a plane of their own, by 35 degrees, which leaves who they are.
    turned = np.zeros(60, dtype=bool) if tied else rng.random(60) < 0.08
    values, out = np.array([6.0, 5.0]), []
    for place in range(60):
        if crossed[place]:
            values = values[::-1]
        if turned[place]:
            turn = np.radians(35.0)
            v = np.stack(
                [np.cos(turn) * v[0] + np.sin(turn) * v[1], np.cos(turn) * v[1] - np.sin(turn) * v[0]]
            )
        w = sum(values[i] * np.outer(u[i], v[i]) for i in (0, 1))
        out.append(w + 1e-3 * rng.standard_normal((16, 12)))
    found = jumps(np.array(out)).p_value
    return found is not None and found <= 0.05


def _jumping() -> Iterator[Row]:
    says = "jumps come at crossings (Fisher's test)"
    yield Row(
        "jumps", says, "turns by 35 degrees alone make the jumps", 0.05, functools.partial(_jumps, False)
    )
    yield Row(
        "jumps", says, "crossings alone make the jumps", 0.9, functools.partial(_jumps, True), power=True
    )


# Comparisons of two checkpoints

_COMPARED = {"q": (48, 32), "up": (64, 32)}


def _compared(change: Callable[[Any, np.random.Generator], Any], question: str, seed: int) -> bool:
    """Compare a network of six layers of noise with a changed one; give whether a question is answered by yes."""
    import torch

    import eigentrail as et

    rng = np.random.default_rng([seed, 17])
    before = {
        f"h.{block}.{role}.weight": torch.from_numpy(rng.standard_normal(shape)).float()
        for block in range(3)
        for role, shape in _COMPARED.items()
    }
    found = et.compare(before, {name: change(w, rng) for name, w in before.items()}, progress=False)
    return any(str(one.verdict) == "yes" for one in found.findings if question in one.question)


def _rounded(how: str, w: Any, rng: np.random.Generator) -> Any:
    import torch

    if how == "bfloat16, cut off":
        return (w.view(torch.int32) & -65536).view(torch.float32)
    return w.to({"bfloat16": torch.bfloat16, "float16": torch.float16}[how]).float()


def _updated(kind: str, rank: int, w: Any, rng: np.random.Generator) -> Any:
    import torch

    update = _noise(kind, tuple(w.shape), int(rng.integers(2**31)))
    update = 0.05 * update * float(w.norm()) / np.linalg.norm(update)
    if rank:
        low = rng.standard_normal((w.shape[0], rank)) @ rng.standard_normal((rank, w.shape[1]))
        update += 0.05 * low * float(w.norm()) / np.linalg.norm(low)
    return w + torch.from_numpy(update).float()


def _roles(ratio: float, seed: int) -> bool:
    """Tell whether roles differ, for six layers each of four roles whose changes spread by a factor e^0.5."""
    from eigentrail.checks.changes.roles import moved_by_role

    rng = np.random.default_rng([seed, 18])
    rows = [
        {
            "name": f"h.{block}.{role}.weight",
            "relative_change": 0.05
            * np.exp(0.5 * rng.standard_normal())
            * (ratio if role == "attn.o" else 1.0),
            "rounding": 1e-7,
            "rows": 64,
            "cols": 32,
        }
        for block in range(6)
        for role in ("attn.q", "attn.k", "attn.o", "mlp.up")
    ]
    return any(str(one.verdict) == "yes" for one in moved_by_role(rows))


def _changes() -> Iterator[Row]:
    moved = "layers moved beyond rounding"
    for how in ("bfloat16", "float16", "bfloat16, cut off"):
        change = functools.partial(_rounded, how)
        yield Row(
            "comparisons",
            moved,
            f"the same numbers rounded to {how}",
            0.01,
            functools.partial(_compared, change, "more than rounding"),
            draws=20,
        )
    roles = "some roles of layers moved more than others"
    yield Row(
        "comparisons",
        roles,
        "six layers each of four roles, changes lognormal(.5), alike for all roles",
        0.05,
        functools.partial(_roles, 1.0),
        draws=400,
    )
    for ratio, least in ((1.5, 0.1), (2.0, 0.5), (3.0, 0.95)):
        yield Row(
            "comparisons",
            roles,
            f"six layers each of four roles, changes lognormal(.5), one role {ratio:g} times the others",
            least,
            functools.partial(_roles, ratio),
            power=True,
            draws=200,
        )
    low = "the updates are of low rank"
    for kind in ("Gaussian", "Laplace"):
        yield Row(
            "comparisons",
            low,
            f"updates of {kind} entries, six layers",
            0.05,
            functools.partial(_compared, functools.partial(_updated, kind, 0), "low rank"),
            draws=60,
        )
    yield Row(
        "comparisons",
        low,
        "updates of rank 2 and noise of the same norm, six layers",
        0.95,
        functools.partial(_compared, functools.partial(_updated, "Gaussian", 2), "low rank"),
        power=True,
        draws=20,
    )


def rows() -> list[Row]:
    """List all rows, in the order of the table."""
    makers = (
        _spectra, _tails, _laws, _motions, _bending, _geodesics, _segments, _others, _jumping, _claims, _checks,
        _changes,
    )  # fmt: skip
    return [row for make in makers for row in make()]


def page(table: pd.DataFrame) -> str:
    """Write the page of docs.

    Args:
        table: all measured rows.

    Returns:
        Markdown.
    """

    def lines(part: pd.DataFrame, stated: str | None) -> list[str]:
        if stated is None:
            told = [f"| {x.statement} | {x.null} | {x.measured:.1%} | {x.draws} |" for x in part.itertuples()]
            return ["| statement | where | measured | draws |", "|---|---|---:|---:|", *told]
        out = [f"| statement | where | {stated} | measured | draws |", "|---|---|---:|---:|---:|"]
        for row in part.itertuples():
            mark = "" if row.within else " **outside**"
            out.append(
                f"| {row.statement} | {row.null} | {row.stated:.0%} | {row.measured:.1%}{mark} | {row.draws} |"
            )
        return out

    unstated = table["stated"].isna()
    nothing, planted = table[~table["planted"] & ~unstated], table[table["planted"]]
    dates = " to ".join(dict.fromkeys([str(table["date"].min()), str(table["date"].max())]))
    return "\n".join(
        [
            "# How often a statement is wrong, and how much it sees",
            "",
            "Each row is a statement that eigentrail makes, asked of draws in which nothing is there. A count lies",
            "within the 99.9% binomial bound of its stated rate. `tools/measure_error_rates.py` makes this page",
            f"({dates}; null models of {NULL} draws).",
            "",
            *lines(nothing, "stated, at most"),
            "",
            "## Power",
            "",
            "The same statements where a structure of known strength is planted.",
            "",
            *lines(planted, "stated, at least"),
            "",
            "## Where no rate is stated",
            "",
            "Entries with so heavy tails, or so many zeros, are outside what the statement holds for: there it tells",
            "nothing about training.",
            "",
            *lines(table[unstated], None),
            "",
            *_lacking(table),
        ]
    )


def _lacking(table: pd.DataFrame) -> list[str]:
    measured = set(zip(table["statement"], table["null"], strict=True))
    lacking = [row for row in rows() if (row.statement, row.null) not in measured]
    if not lacking:
        return []
    listed = [f"- {row.statement}: {row.null}" for row in lacking]
    return ["## Not measured yet", "", "The tool has these rows too.", "", *listed, ""]


def main() -> None:
    """Measure the rows that are asked for and write both files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", help="groups")
    parser.add_argument("--missing", action="store_true", help="only rows that are not measured yet")
    parser.add_argument("--draws", type=int, help="draws of each row")
    parser.add_argument("--page", action="store_true", help="only the page anew")
    asked = parser.parse_args()
    path = DOCS / "error_rates.csv"
    table = pd.read_csv(path) if path.exists() else pd.DataFrame()
    chosen = [] if asked.page else [row for row in rows() if not asked.only or row.group in asked.only]
    if asked.missing and len(table):
        measured = set(zip(table["statement"], table["null"], strict=True))
        chosen = [row for row in chosen if (row.statement, row.null) not in measured]
    for row in chosen:
        begun = time.process_time()
        found = row.measured(asked.draws)
        print(
            f"{row.group}: {row.statement}; {row.null}: stated {row.stated}, {found['said']} of {found['draws']}, "
            f"{'within' if found['within'] else 'OUTSIDE'} ({time.process_time() - begun:.0f} s)",
            flush=True,
        )
        if len(table):
            same = (table["statement"] == row.statement) & (table["null"] == row.null)
            table = table[~same]
        table = pd.concat([table, pd.DataFrame([found])], ignore_index=True)
        _write(table, path)
    _write(table, path)


def _write(table: pd.DataFrame, path: Path) -> None:
    listed = rows()
    order = {(row.statement, row.null): place for place, row in enumerate(listed)}
    places = [order.get((row.statement, row.null), -1) for row in table.itertuples()]
    table = table.assign(place=places)
    table = table[table["place"] >= 0].sort_values("place")
    # A stated rate may have changed since the draws were counted.
    told = [
        listed[one.place].told(int(one.said), int(one.draws)) | {"date": one.date}
        for one in table.itertuples()
    ]
    table = pd.DataFrame(told)
    table.to_csv(path, index=False)
    (DOCS / "error_rates.md").write_text(page(table))


if __name__ == "__main__":
    main()
