"""What theorems say of a shuffled matrix is what shuffled matrices show; where they say nothing, one is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from eigentrail.spectra import shuffle_law, tracy_widom
from eigentrail.spectra.entry_statistics import entry_statistics
from eigentrail.spectra.randomized import shuffled_null
from eigentrail.spectra.shuffle_law import law_of_shuffle, null_of

KINDS = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "uniform": lambda rng, shape: rng.uniform(-1.0, 1.0, shape),
    "logistic": lambda rng, shape: rng.logistic(size=shape),
    "mean": lambda rng, shape: rng.standard_normal(shape) + 0.4 / (shape[0] * shape[1]) ** 0.25,
    "correlated": lambda rng, shape: rng.standard_normal(shape) + 5.0 * np.outer(*map(_unit, shape)),
}


def _unit(size: int) -> np.ndarray:
    return np.ones(size) * np.where(np.arange(size) % 2, 1.0, -1.0) / size**0.25


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let matrices of a few hundred columns have the law."""
    monkeypatch.setattr(shuffle_law, "ORDER", 200)


def law(w: np.ndarray):
    return law_of_shuffle(entry_statistics(w), (1, *w.shape), float((w**2).mean()))


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "correlated"])
def test_shuffles_follow_the_law(kind: str) -> None:
    """Of 20 draws the mean largest eigenvalue lies within 1.2 units of Tracy and Widom (3.5 standard errors: .98, and
    what a fourth moment of 4.2 moves: .2); a spike has 1% each: three in 20 have probability 1e-3."""
    shape = (400, 240)
    scale = tracy_widom.location_scale(*shape)[1]
    away, spikes = [], 0
    for seed in range(20):
        w = KINDS[kind](np.random.default_rng([seed, len(kind)]), shape)
        known, drawn = law(w), shuffled_null(w[None], seed)
        assert known is not None and known.spikes() == 0 and not known.complete
        away.append((drawn.lambda_max - known.lambda_max) / (scale * (w**2).mean()))
        spikes += drawn.spikes() > 0
        assert known.distance(drawn.eigenvalues) < 6.0 / shape[1]
    assert abs(np.mean(away)) < 1.2
    assert spikes <= 2


@pytest.mark.usefixtures("_small")
def test_structure_is_no_matter_and_its_distance_is_that_of_a_drawn_shuffle() -> None:
    w = KINDS["correlated"](np.random.default_rng(0), (400, 240))
    known, drawn = law(w), shuffled_null(w[None])
    values = np.linalg.eigvalsh(w.T @ w) / 400
    assert known is not None
    assert known.distance(values) == pytest.approx(drawn.distance(values), abs=0.02)


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("kind", ["huge entry", "mean", "heavy tails", "sparse"])
def test_what_may_stand_out_is_drawn(kind: str) -> None:
    rng = np.random.default_rng(3)
    w = rng.standard_normal((400, 240))
    if kind == "huge entry":
        w[3, 5] = 40.0
    elif kind == "mean":
        w += 0.2
    elif kind == "heavy tails":
        w = rng.standard_t(2.5, w.shape)
    else:
        w *= rng.random(w.shape) < 0.1
    assert law(w) is None
    null = null_of(w[None], entry_statistics(w), float((w**2).mean()), seed=1)
    np.testing.assert_array_equal(null.eigenvalues, shuffled_null(w[None], 1).eigenvalues)


def test_small_matrices_are_drawn() -> None:
    assert law(np.random.default_rng(1).standard_normal((400, 240))) is None
