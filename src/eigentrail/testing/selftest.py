"""Plant known structures and see whether they are recovered on this machine, with this BLAS and these versions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from eigentrail.spectra import Spectrum, ensembles
from eigentrail.spectra.eigenvalues import decompose
from eigentrail.spectra.spacing_laws import GOE_RATIO, POISSON_RATIO
from eigentrail.spectra.vectors import porter_thomas


@dataclass(frozen=True)
class Check:
    """One planted structure.

    Attributes:
        structure: what was planted, in words.
        quantity: what was asked for.
        true: the planted or exact value.
        recovered: what came out.
        tolerance: how far the two may differ (absolute), from the quantity's own scatter or from rounding.
    """

    structure: str
    quantity: str
    true: float
    recovered: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the recovered value is near enough; a missing one never is."""
        return bool(abs(self.recovered - self.true) <= self.tolerance)


def selftest(seed: int = 0) -> Iterator[Check]:
    """Run all checks, one after the other.

    Args:
        seed: seed of the planted matrices.

    Yields:
        Each check when it is done. With correct code a check fails by chance in fewer than 1 of 1000 runs.
    """
    for part in _CHECKS:
        yield from part(seed)


def _numerics(seed: int) -> Iterator[Check]:
    rng = np.random.default_rng([seed, 1])
    sigma = np.logspace(0, -9, 200)
    u = np.linalg.qr(rng.standard_normal((400, 200)))[0]
    v = np.linalg.qr(rng.standard_normal((200, 200)))[0]
    found = np.sqrt(decompose((u * sigma) @ v.T).groups[0][::-1] * 400)
    what = "prescribed singular values, condition 1e9"
    yield Check(what, "largest relative error", 0.0, float(np.abs(found / sigma - 1).max()), 1e-5)
    w = rng.standard_normal((512, 200))
    gap = np.abs(decompose(w).groups - decompose(1e-6 * w.T).groups * 1e12).max()
    yield Check("W against 1e-6 W^T", "largest difference of eigenvalues", 0.0, float(gap), 1e-9)


def _bulk(seed: int) -> Iterator[Check]:
    for rows, cols in ((1024, 512), (2048, 512), (1000, 1000)):
        strengths = [100.0, 20.0, 6.0, 3.0, 2.0, 1.5]
        w = ensembles.spiked(rows, cols, strengths, sigma=0.02, seed=np.random.default_rng([seed, 2, rows]))
        mp = Spectrum.from_matrix(w).marchenko_pastur()
        what = f"{rows} x {cols}, 6 spikes at 1.5 to 100 x BBP"
        edge = 0.02**2 * (1 + math.sqrt(cols / rows)) ** 2
        yield Check(what, "sigma", 0.02, mp.sigma, 0.01 * 0.02)
        yield Check(what, "upper edge", edge, mp.edge_high, 0.015 * edge)
        yield Check(what, "spikes", 6, mp.spikes, 0)
        third = (cols / rows) ** 0.25 * strengths[2]
        recovered = float(mp.spike_strengths[2]) if mp.spikes > 2 else math.nan
        yield Check(what, "strength of the third spike", third, recovered, 0.05 * third)
    false = sum(
        Spectrum.from_matrix(ensembles.gaussian(400, 200, seed=np.random.default_rng([seed, 3, i])))
        .marchenko_pastur(level=0.01)
        .spikes
        > 0
        for i in range(100)
    )
    yield Check("100 matrices of pure noise at level 1%", "matrices with a spike", 1, false, 4)


def _tails(seed: int) -> Iterator[Check]:
    for alpha in (1.8, 2.5, 3.5):
        x = np.random.default_rng([seed, 4, int(alpha * 10)]).pareto(alpha - 1, 2000) + 1
        fit = Spectrum(x).power_law()
        yield Check(f"2000 Pareto values, alpha {alpha}", "alpha", alpha, fit.alpha, 6 * fit.alpha_error)
    for mu in (0.8, 1.2):
        w = ensembles.heavy_tailed(1000, 500, mu=mu, seed=np.random.default_rng([seed, 5, int(mu * 10)]))
        fit = Spectrum.from_matrix(w).power_law()
        yield Check(f"1000 x 500 heavy-tailed entries, mu {mu}", "alpha", 1 + mu / 2, fit.alpha, 0.25)


def _levels(seed: int) -> Iterator[Check]:
    goe = Spectrum.from_symmetric(ensembles.wigner(600, seed=np.random.default_rng([seed, 6]))).spacings()
    yield Check("GOE matrix of order 600", "spacing ratio", GOE_RATIO, _value(goe.ratio_mean), 0.05)
    levels = ensembles.poisson_levels(600, seed=np.random.default_rng([seed, 7]))
    yield Check(
        "600 independent levels",
        "spacing ratio",
        POISSON_RATIO,
        _value(Spectrum(levels).spacings().ratio_mean),
        0.05,
    )
    rng = np.random.default_rng([seed, 8])
    p = np.asarray(porter_thomas(rng.standard_normal((200, 300))))
    yield Check(
        "200 random vectors", "share with Porter-Thomas p < 0.05", 0.05, float(np.mean(p < 0.05)), 0.055
    )


def _ranks(seed: int) -> Iterator[Check]:
    w = ensembles.low_rank(600, 300, rank=25, noise=1e-5, seed=np.random.default_rng([seed, 9]))
    yield Check(
        "600 x 300 of rank 25 plus 1e-5 of noise",
        "numerical rank",
        25,
        Spectrum.from_matrix(w).ranks().numerical,
        0,
    )


def _phases(seed: int) -> Iterator[Check]:
    for label in (
        "random-like",
        "bleeding-out",
        "bulk+spikes",
        "bulk-decay",
        "heavy-tailed",
        "rank-collapse",
    ):
        right = sum(
            Spectrum.from_matrix(ensembles.phase(label, 512, 256, seed=np.random.default_rng([seed, 10, i])))
            .phase()
            .label
            == label
            for i in range(10)
        )
        yield Check(f"10 matrices of 512 x 256, {label}", "told right", 10, right, 5)


def _value(x: float | None) -> float:
    return math.nan if x is None else x


_CHECKS: tuple[Callable[[int], Iterator[Check]], ...] = (_numerics, _bulk, _tails, _levels, _ranks, _phases)
