"""The power-law fit: known exponents, the peers' numbers, invariances, bad input."""

from __future__ import annotations

import numpy as np
import pytest

from eigentrail.errors import OptionError, SpectrumError
from eigentrail.spectra.power_law import fit_power_law, ks_curve


def pareto(alpha: float, n: int, seed: int) -> np.ndarray:
    """A sample with density ~ x^-alpha on x >= 1."""
    return (1.0 - np.random.default_rng(seed).random(n)) ** (-1.0 / (alpha - 1.0))


def wishart(entries: np.ndarray) -> np.ndarray:
    return np.linalg.eigvalsh(entries.T @ entries / len(entries))


def student(rows: int, cols: int, seed: int) -> np.ndarray:
    return wishart(np.random.default_rng(seed).standard_t(3, (rows, cols)))


@pytest.mark.parametrize("alpha", [1.5, 2.0, 3.0, 4.0])
def test_pareto_exponent(alpha):
    """The fitted exponent lies within 3.5 of its own errors in at least 23 of 24 samples, and without bias."""
    fits = [fit_power_law(pareto(alpha, 1000, seed), alternatives=False) for seed in range(24)]
    off = np.array([(f.alpha - alpha) / f.alpha_error for f in fits])
    assert np.sum(np.abs(off) < 3.5) >= 23
    assert abs(off.mean()) < 0.75
    for f in fits:
        assert f.alpha_error == pytest.approx((f.alpha - 1.0) / np.sqrt(f.tail_size), rel=1e-14)


def test_tail_above_a_bulk_is_found():
    """A power law glued to a uniform bulk at 5: xmin is where it starts, or inside it, never in the bulk."""
    found = []
    for seed in range(12):
        random = np.random.default_rng(seed)
        values = np.concatenate((random.uniform(0.0, 5.0, 1500), 5.0 * pareto(2.5, 500, seed + 100)))
        fit = fit_power_law(values, alternatives=False)
        assert 4.5 < fit.xmin < 12.0
        assert abs(fit.alpha - 2.5) < 4.0 * fit.alpha_error
        found.append(fit.xmin)
    assert np.median(found) == pytest.approx(5.0, abs=0.7)


def test_heavy_tailed_entries_give_one_plus_half_mu():
    """Entries with tail exponent mu < 2 give eigenvalues with alpha = 1 + mu / 2."""
    alphas = []
    for seed in range(10):
        random = np.random.default_rng(seed)
        entries = random.pareto(1.0, (600, 300)) * random.choice([-1.0, 1.0], (600, 300))
        alphas.append(fit_power_law(wishart(entries), alternatives=False).alpha)
    assert np.mean(alphas) == pytest.approx(1.5, abs=0.05)


SAMPLES = {
    "pareto 1.8": lambda seed: pareto(1.8, 250, seed),
    "pareto 2.5": lambda seed: pareto(2.5, 250, seed),
    "pareto 4": lambda seed: pareto(4.0, 250, seed),
    "exponential": lambda seed: np.random.default_rng(seed).exponential(size=250),
    "lognormal": lambda seed: np.random.default_rng(seed).lognormal(size=250),
    "student": lambda seed: student(400, 200, seed),
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("seed", range(2))
def test_powerlaw_package_gives_the_same(name, seed, monkeypatch):
    powerlaw = pytest.importorskip("powerlaw")
    values = SAMPLES[name](seed)
    monkeypatch.setattr("warnings.warn", lambda *_, **__: None)
    theirs = powerlaw.Fit(values, parameter_ranges={"alpha": [1, None]}, verbose=0)
    ours = fit_power_law(values)
    assert ours.xmin == theirs.xmin
    assert ours.alpha == pytest.approx(theirs.alpha, abs=1e-12, rel=1e-12)
    assert ours.ks_distance == pytest.approx(theirs.D, abs=1e-12)
    assert ours.tail_size == theirs.n_tail


@pytest.mark.parametrize("shape", [(40, 25), (128, 64), (600, 400), (300, 300)])
@pytest.mark.parametrize("seed", range(3))
def test_weightwatcher_gives_the_same(shape, seed):
    pytest.importorskip("weightwatcher")
    from weightwatcher.WW_powerlaw import pl_fit

    values = student(*shape, seed)
    values = values[values > 1e-5]  # its own filter; ours is relative to the largest value
    theirs, ours = pl_fit(values), fit_power_law(values)
    assert ours.xmin == pytest.approx(theirs.xmin, rel=1e-14)
    assert ours.alpha == pytest.approx(theirs.alpha, rel=1e-12)
    assert ours.ks_distance == pytest.approx(theirs.D, abs=1e-12)
    assert ours.alpha_error == pytest.approx(theirs.sigma, rel=1e-12)


def test_weightwatcher_gives_the_same_on_a_trained_network(checkpoints):
    pytest.importorskip("weightwatcher")
    torch = pytest.importorskip("torch")
    from weightwatcher.WW_powerlaw import pl_fit

    found = next(checkpoints.rglob("resnet20-12fca82f.th"))
    state = torch.load(found, map_location="cpu", weights_only=True)["state_dict"]
    compared = 0
    for tensor in state.values():
        if tensor.ndim != 4:
            continue
        stack = tensor.double().numpy().transpose(2, 3, 0, 1)  # a convolution's slices, pooled
        values = np.sort(np.linalg.svd(stack, compute_uv=False).ravel() ** 2)
        values = values[values > 1e-5]
        theirs, ours = pl_fit(values), fit_power_law(values)
        assert (ours.xmin, ours.alpha) == (
            pytest.approx(theirs.xmin, rel=1e-12),
            pytest.approx(theirs.alpha, rel=1e-10),
        )
        assert ours.ks_distance == pytest.approx(theirs.D, abs=1e-12)
        compared += 1
    assert compared == 19


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e-6, 3.0, 1e6, 1e30, 1e290])
@pytest.mark.parametrize("n", [64, 500])
def test_units_do_not_matter(scale, n):
    """Peers cut eigenvalues at an absolute 1e-5; here nothing depends on the units, bootstraps included."""
    values = student(2 * n, n, n)
    a, b = fit_power_law(values, bootstrap=20), fit_power_law(values * scale, bootstrap=20)
    assert b.alpha == pytest.approx(a.alpha, rel=1e-11)
    assert b.xmin == pytest.approx(a.xmin * scale, rel=1e-12)
    assert b.ks_distance == pytest.approx(a.ks_distance, rel=1e-11)
    assert (b.tail_size, b.size, b.model, b.p_value) == (a.tail_size, a.size, a.model, a.p_value)
    assert b.alpha_interval == pytest.approx(a.alpha_interval, rel=1e-10)
    for name, comparison in a.comparisons.items():
        assert b.comparisons[name].ratio == pytest.approx(comparison.ratio, rel=1e-6, abs=1e-8)


def test_order_and_kind_of_array_do_not_matter():
    torch = pytest.importorskip("torch")
    values = student(400, 200, 0)
    expected = fit_power_law(values)
    assert fit_power_law(values[::-1]) == expected
    assert fit_power_law(np.random.default_rng(0).permutation(values)) == expected
    assert fit_power_law(torch.from_numpy(values)) == expected
    assert fit_power_law(list(values)) == expected


def test_zeros_are_left_out_relative_to_the_largest():
    values = pareto(2.5, 300, 1)
    rounding = np.array([0.0, -1e-17, 1e-14, -3.0]) * values.max()
    fit = fit_power_law(np.concatenate((values, rounding)))
    assert (fit.alpha, fit.size) == (fit_power_law(values).alpha, 300)
    assert fit.note is not None and fit.note.startswith("4 of 304 values are zero")
    assert fit_power_law(values).note is None


@pytest.mark.parametrize("width", [1e-3, 1e-6, 1e-9, 1e-12])
def test_narrow_spectra_are_finite(width):
    """Nearly orthogonal matrices: exponents are huge, nothing overflows, no digit is lost before its time."""
    offsets = np.random.default_rng(0).random(200)
    fit = fit_power_law(1.0 + width * offsets, bootstrap=10)
    assert np.isfinite([fit.alpha, fit.alpha_error, fit.ks_distance, *fit.alpha_interval]).all()
    assert fit.alpha > 1.0 / width
    assert all(np.isfinite(c.ratio) and 0.0 <= c.p_value <= 1.0 for c in fit.comparisons.values())


def test_wide_spectra_are_finite():
    for values in (10.0 ** np.linspace(-13, 0, 400), np.append(np.linspace(1.0, 2.0, 200), 1e9)):
        fit = fit_power_law(values, bootstrap=10)
        assert np.isfinite([fit.alpha, fit.ks_distance]).all()


def test_without_alternatives():
    fit = fit_power_law(pareto(2.5, 300, 0), alternatives=False)
    assert (fit.model, fit.comparisons, fit.p_value, fit.alpha_interval) == ("undecided", {}, None, None)


def test_short_tail_is_said():
    values = np.concatenate((1e-10 * np.random.default_rng(0).uniform(1.0, 2.0, 50), [1.0]))
    fit = fit_power_law(values)
    assert fit.tail_size < 10 and fit.note == f"the tail holds only {fit.tail_size} values"
    assert fit.model == "undecided"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([], "^0 positive eigenvalues.* need 16"),
        (np.arange(15.0) + 1.0, "^15 positive eigenvalues.* need 16"),
        (np.append(np.zeros(100), np.arange(9.0) + 1.0), "^9 positive"),
        (np.zeros(50), "^0 positive"),
        (-np.arange(50.0), "^0 positive"),
        (np.ones(50), "fewer than three distinct values"),
        (np.repeat([1.0, 2.0], 25), "fewer than three distinct values"),
        (1.0 + 1e-15 * np.random.default_rng(0).random(50), "fewer than three distinct values"),
        (np.append(np.arange(20.0), np.nan), "1 of the 21 eigenvalues are NaN or infinite"),
        (np.append(np.arange(20.0), np.inf), "NaN or infinite"),
        (np.ones((20, 20)), r"not to an array of shape \(20, 20\)"),
    ],
)
@pytest.mark.parametrize("function", [fit_power_law, ks_curve])
def test_bad_values(function, values, says):
    with pytest.raises(SpectrumError, match=says):
        function(values)


@pytest.mark.parametrize("options", [{"bootstrap": -1}, {"seed": -1}])
def test_bad_options(options):
    with pytest.raises(OptionError, match="must be 0 or more"):
        fit_power_law(pareto(2.5, 50, 0), **options)
