from __future__ import annotations

import pytest

from eigentrail.errors import OptionError
from eigentrail.metrics import Column, Metric, columns, metric, metric_group, metrics
from eigentrail.metrics.framework.registry import versions
from eigentrail.spectra import Spectrum
from eigentrail.testing import check_metric

#: The columns of an inspection that other programs read, in their order.
CONTRACT = (
    "rows", "cols", "q", "lambda_min", "lambda_max", "mp_sigma", "mp_sigma_error", "mp_edge_low", "mp_edge_high",
    "mp_ks_distance", "spike_threshold", "spikes", "spike_strength", "null_spikes", "null_lambda_max",
    "null_distance", "alpha", "alpha_error", "alpha_low", "alpha_high", "xmin", "ks_distance", "tail_size",
    "tail_p_value", "tail_model", "weighted_alpha", "log_alpha_norm", "frobenius_norm", "spectral_norm",
    "stable_rank", "effective_rank", "participation_rank", "numerical_rank", "mp_soft_rank", "erg_count",
    "spacing_ratio", "spacing_ratio_error", "spacing_p_wigner", "spacing_p_poisson", "porter_thomas_p",
    "vector_participation", "phase", "phase_confidence",
)  # fmt: skip


@pytest.mark.parametrize("one", metrics(), ids=lambda one: one.name)
def test_every_metric_conforms(one: Metric) -> None:
    check_metric(one)


def test_columns_keep_their_names_and_order() -> None:
    assert tuple(name for name in columns() if name in CONTRACT) == CONTRACT


@metric(label="Trace", meaning="Sum of the eigenvalues.", group="Ranks and norms", version=2)
def trace(spectrum: Spectrum) -> float:
    return float(spectrum.eigenvalues.sum())


@metric(label="Infinite", meaning="A number that never is one.", group="Ranks and norms")
def infinite(spectrum: Spectrum) -> str:
    return "much"


def test_a_metric_is_still_the_function_it_was() -> None:
    assert trace(Spectrum([1.0, 2.0], 3, 2)) == 3.0
    check_metric(trace)


def test_the_suite_finds_a_value_that_is_none_of_its_sort() -> None:
    with pytest.raises((AssertionError, ValueError)):
        check_metric(infinite)


def test_versions_and_columns_make_the_key_of_stored_results() -> None:
    assert versions([trace]) == {"trace": 2}
    assert versions([trace, infinite]) != versions([trace])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "No Name"}, "small letters"),
        ({"group": "Elsewhere"}, "the group is one of"),
        ({"label": "some_thing"}, "heading"),
        ({"meaning": "no sentence"}, "full stop"),
    ],
)
def test_a_column_that_does_not_explain_itself_is_refused(wrong: dict[str, str], said: str) -> None:
    right = {"name": "trace", "label": "Trace", "meaning": "A sum.", "group": "Tail"}
    with pytest.raises(OptionError, match=said):
        Column(**(right | wrong))


def test_a_metric_asks_for_what_there_is() -> None:
    with pytest.raises(OptionError, match="gradient"):

        @metric_group(Column("slope", label="Slope", meaning="A slope.", group="Tail"))
        def slope(gradient: object) -> float:
            return 0.0
