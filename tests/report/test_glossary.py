from __future__ import annotations

import pytest

from eigentrail.api.compared_layer import comparison_columns
from eigentrail.api.inspection import table_columns
from eigentrail.report.glossary import GLOSSARY, GROUPS, lookup


@pytest.mark.parametrize("column", [*table_columns(), *comparison_columns()])
def test_each_column_is_explained(column: str) -> None:
    entry = lookup(column)
    assert entry.definition.endswith(".")
    assert "_" not in entry.label
    assert entry.group in GROUPS


def test_numbers_about_structure_say_what_chance_gives() -> None:
    claims = (
        "alpha",
        "spikes",
        "null_spikes",
        "stable_rank",
        "effective_rank",
        "spacing_ratio",
        "porter_thomas_p",
        "phase",
    )
    assert all(GLOSSARY[c].chance for c in claims)


def test_columns_of_two_checkpoints_take_the_entry_of_the_quantity() -> None:
    assert lookup("alpha_a").label == "α in A"
    assert lookup("alpha_change").label == "Change of α"
    assert lookup("spikes_b").group == "Change"


def test_an_unknown_column_is_labelled_by_its_name() -> None:
    assert lookup("something_new").label == "something new"
