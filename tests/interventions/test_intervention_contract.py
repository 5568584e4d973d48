"""Interventions: ours keep the contract, and another package adds one by one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import eigentrail as et
from eigentrail.interventions import intervention, known_interventions, truncate
from eigentrail.interventions.contract import find_intervention
from eigentrail.testing import check_intervention

OPTIONS: dict[str, dict[str, Any]] = {"truncate": {"k": 3}, "denoise": {}, "james_stein": {"k": 2}}

HALVE = """
from dataclasses import replace

from eigentrail.interventions import intervention, truncate


@intervention(label="the two leading directions, halved", source="nowhere")
def halve(w, factor=0.5):
    cut = truncate(w, k=2)
    pieces = tuple((factor * left, right) for left, right in cut.pieces)
    error = (1 - (1 - cut.relative_error**2) * factor * (2 - factor)) ** 0.5
    return replace(cut, pieces=pieces, relative_error=float(error))
"""


def test_ours_keep_the_contract() -> None:
    assert set(known_interventions()) == set(OPTIONS)
    for name, options in OPTIONS.items():
        check_intervention(find_intervention(name), **options)


def test_an_edit_that_misjudges_itself_or_changes_its_matrix_fails() -> None:
    @intervention(label="cut", source="nowhere")
    def boasting(w: Any) -> Any:
        return replace(truncate(w, k=2), relative_error=0.0)

    with pytest.raises(AssertionError, match="boasting of a matrix says an error of 0, which is 0"):
        check_intervention(boasting)

    @intervention(label="cut", source="nowhere")
    def in_place(w: Any) -> Any:
        found = truncate(w, k=2)
        w[0] = 0.0
        return found

    with pytest.raises(AssertionError, match="changes what it was given"):
        check_intervention(in_place)


def test_one_file_of_another_package_is_an_intervention(installed: Callable[[str, str, str], None]) -> None:
    installed("eigentrail.interventions", "halve", HALVE)
    known_interventions.cache_clear()
    try:
        found = find_intervention("halve")
        assert (found.label, found.options) == ("the two leading directions, halved", ("factor",))
        check_intervention(found)
        w = np.random.default_rng(0).standard_normal((30, 20))
        edited = et.interventions.edit({"a.weight": w}, "halve", factor=0.25)
        row = edited.table.iloc[0]
        assert (row["rank"], row["name"]) == (2, "a.weight")
    finally:
        known_interventions.cache_clear()
