"""Figures of one matrix: what is drawn is what is known about the matrix."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from diagnosed_network import planted
from eigentrail.figures import alternatives, density, ks, levels, style, tail, vectors
from eigentrail.report.inspection import FIGURES
from eigentrail.spectra.spectrum import Spectrum


def named(figure: go.Figure, start: str) -> go.BaseTraceType:
    return next(t for t in figure.data if (t.name or "").startswith(start))


@pytest.fixture(scope="module")
def spiked() -> Spectrum:
    return Spectrum.from_matrix(planted(1024, 256, (4.0, 2.5, 2.0), 3), null=True)


@pytest.fixture(scope="module")
def pareto() -> Spectrum:
    rng = np.random.default_rng(0)
    return Spectrum((1 - rng.random(4000)) ** (-1 / 1.5), 8000, 4000)  # density exponent 2.5


def test_density_marks_the_law_its_edge_and_the_planted_spikes(spiked: Spectrum) -> None:
    figure = density.spectral_density(spiked)
    edge = named(figure, "edge").x[0]
    assert edge == pytest.approx((1 + 0.5) ** 2, rel=0.02)
    assert len(named(figure, "spikes").x) == 3
    assert min(named(figure, "spikes").x) > named(figure, "threshold").x[0] > edge
    band = figure.layout.shapes[0]
    assert band.x0 < band.x1 == pytest.approx(named(figure, "threshold").x[0])
    largest = named(figure, "largest shuffled").x[0]
    assert largest == pytest.approx(edge, rel=0.25)


def test_density_and_law_have_the_same_area_in_the_bulk(spiked: Spectrum) -> None:
    figure = density.spectral_density(spiked)
    bars, law = named(figure, "eigenvalues"), named(figure, "Marchenko")
    assert np.sum(np.asarray(bars.y) * bars.width) == pytest.approx(1, abs=0.02)
    assert np.trapezoid(law.y, law.x) == pytest.approx(253 / 256, rel=0.01)


def test_density_data_counts_every_eigenvalue(spiked: Spectrum) -> None:
    data = density.density_data(spiked)
    assert data["count"].sum() == 256
    assert data["spikes"].sum() == 3


def test_a_far_spike_does_not_squeeze_the_bulk() -> None:
    spectrum = Spectrum.from_matrix(planted(512, 256, (60.0,), 1))
    figure = density.spectral_density(spectrum)
    edge = named(figure, "edge").x[0]
    assert figure.layout.xaxis.range[1] < 4 * edge
    assert named(figure, "spikes").x[0] > 1000
    assert any("more, up to" in a.text for a in figure.layout.annotations)


def test_without_a_shape_the_density_says_why_there_is_no_law() -> None:
    figure = density.spectral_density(Spectrum.from_symmetric(np.diag(np.linspace(-1, 1, 50))))
    assert "needs the shape" in figure.layout.annotations[0].text
    assert [t.name for t in figure.data] == ["eigenvalues"]


def test_tail_draws_the_planted_power_law(pareto: Spectrum) -> None:
    figure = tail.tail_ccdf(pareto)
    line = named(figure, "power law")
    slope = np.diff(np.log(line.y)) / np.diff(np.log(line.x))
    assert np.allclose(slope, slope[0])
    assert 1 - slope[0] == pytest.approx(2.5, abs=0.15)
    assert named(figure, "xmin").x[0] == pareto.power_law().xmin
    data = tail.tail_data(pareto)
    assert data["share_at_or_above"].iloc[0] == 1
    assert data["share_at_or_above"].iloc[-1] == pytest.approx(1 / 4000)
    gap = np.abs(data["power_law"] - data["share_at_or_above"]).max()
    assert gap < 0.03


def test_alternatives_start_at_one_and_match_a_numerical_integral() -> None:
    x = np.geomspace(2.0, 40.0, 50)
    cases = {
        "exponential": ({"rate": 0.3}, lambda u: np.exp(-0.3 * u)),
        "lognormal": ({"mu": 0.5, "sigma": 0.8}, lambda u: np.exp(-((np.log(u) - 0.5) ** 2) / 1.28) / u),
        "truncated-power-law": ({"alpha": 1.7, "rate": 0.1}, lambda u: u**-1.7 * np.exp(-0.1 * u)),
    }
    for model, (parameters, unnormalised) in cases.items():
        found = alternatives.alternative_ccdf(model, parameters, x, 2.0)
        grid = np.geomspace(2.0, 4000.0, 200_001)
        mass = np.append(
            np.cumsum((np.diff(grid) * (unnormalised(grid)[1:] + unnormalised(grid)[:-1]) / 2)[::-1])[::-1], 0
        )
        assert found[0] == pytest.approx(1)
        assert np.allclose(found, np.interp(x, grid, mass / mass[0]), atol=1e-5)


def test_the_density_on_logarithmic_axes_integrates_to_one(pareto: Spectrum) -> None:
    data = tail.tail_density_data(pareto)
    assert data["count"].sum() == 4000
    assert (data["density"] * (data["bin_high"] - data["bin_low"])).sum() == pytest.approx(1)


def test_ks_curve_has_its_minimum_at_the_chosen_xmin(pareto: Spectrum) -> None:
    data, fit = ks.ks_data(pareto), pareto.power_law()
    best = data.loc[data["ks_distance"].idxmin()]
    assert best["xmin"] == pytest.approx(fit.xmin)
    assert best["ks_distance"] == pytest.approx(fit.ks_distance)
    assert best["tail_size"] == fit.tail_size
    assert named(ks.ks_against_xmin(pareto), "chosen").x[0] == fit.xmin


def test_the_chance_line_is_exceeded_by_one_power_law_in_twenty() -> None:
    rng, n, draws = np.random.default_rng(1), 200, 4000
    x = np.sort(rng.standard_exponential((draws, n)), axis=1)
    model = -np.expm1(-x / x.mean(axis=1, keepdims=True))
    steps = np.arange(n) / n
    distance = np.maximum(np.abs(model - steps), np.abs(model - steps - 1 / n)).max(axis=1)
    rate = np.mean(distance > ks.chance_distance(np.array([float(n)]))[0])
    assert abs(rate - 0.05) < 4 * np.sqrt(0.05 * 0.95 / draws)


def test_levels_of_noise_are_nearer_to_wigner_than_to_poisson() -> None:
    noise = Spectrum.from_matrix(planted(1000, 700, (), 2))
    data = levels.spacing_data(noise)
    wigner = np.abs(data["density"] - data["wigner"]).mean()
    assert wigner < 0.5 * np.abs(data["density"] - data["poisson"]).mean()
    assert levels.ratio_data(noise)["count"].sum() == noise.spacings().ratios.size


def test_vectors_of_noise_lie_on_the_diagonal_and_at_one_third() -> None:
    spectrum = Spectrum.from_matrix(np.random.default_rng(5).standard_normal((800, 600)))
    data = vectors.quantile_data(spectrum)
    inner = data[data["level"].between(0.05, 0.95)]
    assert np.abs(inner["short"] - inner["normal"]).max() < 0.25
    table = vectors.localisation_data(spectrum)
    off = (table["participation"] - table["chance"]) / table["chance_error"]
    assert np.abs(off).max() < 5


def test_a_localised_vector_is_seen() -> None:
    w = np.random.default_rng(0).standard_normal((400, 300))
    w[7] += 40 * np.random.default_rng(1).standard_normal(300)
    table = vectors.localisation_data(Spectrum.from_matrix(w))
    first = table[(table["side"] == "long") & (table["index"] == 1)].iloc[0]
    assert first["participation"] < 0.02
    assert first["porter_thomas_p"] < 1e-6


@pytest.mark.parametrize("which", list(FIGURES))
def test_each_figure_is_valid_has_units_and_shows_the_null(which: str, spiked: Spectrum) -> None:
    figure = FIGURES[which][0](spiked)
    go.Figure(figure.to_dict())  # Plotly's own validation of every property
    assert figure.layout.title.text
    assert figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text
    nulls = ("null", "random matrix", "Poisson")
    assert any(word in (t.name or "") for t in figure.data for word in nulls)
    assert len(FIGURES[which][1](spiked))


@pytest.mark.parametrize("which", list(FIGURES))
@pytest.mark.parametrize(
    "spectrum",
    [
        Spectrum(np.linspace(1, 2, 5), 10, 5),
        Spectrum(np.array([0.0, 0.0, 3.0]), 5, 3),
        Spectrum(np.array([2.0]), 4, 1),
        Spectrum(np.full(20, 1.5), 30, 20),
        Spectrum(np.linspace(-3, 2, 60)),
        Spectrum(np.array([-2.0, -1.0])),
        Spectrum(np.random.default_rng(0).random(60), 30, 20, matrices=3),
    ],
    ids=["five", "zeros", "one", "constant", "negative", "all negative", "pool"],
)
def test_poor_spectra_give_a_figure_or_a_reason(which: str, spectrum: Spectrum) -> None:
    draw, tabulate, *_ = FIGURES[which]
    figure = draw(spectrum)
    go.Figure(figure.to_dict())
    tabulate(spectrum)
    assert figure.data or figure.layout.annotations[0].text


def test_colours_have_contrast_on_light_and_on_dark() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    def contrast(a: str, b: str) -> float:
        high, low = sorted((luminance(a), luminance(b)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for colour in (*style.CYCLE, *style.PHASE_COLOURS.values()):
        assert contrast(colour, "#ffffff") >= 3
        assert contrast(colour, "#1a1e25") >= 3
