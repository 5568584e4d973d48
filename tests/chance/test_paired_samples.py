"""The paired test of two classifiers: exact, and right about how often it errs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from eigentrail.chance.paired_samples import paired_p
from eigentrail.errors import OptionError


@pytest.mark.parametrize("side", ["greater", "less", "two"])
@pytest.mark.parametrize("wins, losses", [(7, 2), (2, 7), (5, 5), (1, 0)])
def test_it_is_the_binomial_test_of_the_discordant_samples(side: str, wins: int, losses: int) -> None:
    first = np.r_[np.ones(wins), np.zeros(losses), np.ones(20), np.zeros(3)] > 0
    second = np.r_[np.zeros(wins), np.ones(losses), np.ones(20), np.zeros(3)] > 0
    name = {"two": "two-sided"}.get(side, side)
    assert paired_p(first, second, side) == pytest.approx(
        binomtest(wins, wins + losses, 0.5, alternative=name).pvalue
    )


@pytest.mark.parametrize("count", [1, 6, 25, 80])
def test_it_errs_no_more_often_than_it_says(count: int) -> None:
    # Exactly, over all counts of wins among the discordant samples.
    p = np.array([
        paired_p(np.arange(count) < wins, np.arange(count) >= wins, "greater") for wins in range(count + 1)
    ])  # fmt: skip
    weights = binom.pmf(np.arange(count + 1), count, 0.5)
    for level in (0.01, 0.05, 0.2):
        assert weights[p <= level].sum() <= level


def test_the_same_samples_are_needed() -> None:
    assert paired_p([True, False], [True, False]) == 1.0
    with pytest.raises(OptionError, match="same samples"):
        paired_p([True], [True, False])
    with pytest.raises(OptionError, match="side"):
        paired_p([True], [True], "above")  # type: ignore[arg-type]
