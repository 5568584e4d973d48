from __future__ import annotations

import csv
import io
import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigentrail._untrusted import csv_cell, csv_text, file_stem, json_for_script, plotly_text, printable


@given(st.text())
def test_json_for_script_round_trips_and_cannot_end_a_script_element(text: str) -> None:
    written = json_for_script({"name": text})
    assert json.loads(written) == {"name": text}
    assert written.isascii()
    assert not set("<>&") & set(written)


@given(st.text())
def test_plotly_text_holds_no_markup(text: str) -> None:
    written = plotly_text(text)
    assert not set("<>") & set(written)
    assert "%{" not in written


def test_plotly_text_keeps_both_ends_of_a_long_name() -> None:
    written = plotly_text("a" * 500 + "b" * 500, limit=21)
    assert written == "a" * 10 + "…" + "b" * 10


def test_printable_shows_what_could_disguise_a_name() -> None:
    assert printable("safe\u202egpj.exe\u2028\n\x00") == "safe\\u202egpj.exe\\u2028\\u000a\\u0000"
    assert printable("blöck.π") == "blöck.π"


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@sum", "|cmd", "%x"])
def test_csv_cell_disarms_formulas(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (-0.5, "-0.5"),
        (3, "3"),
        (None, ""),
        (float("nan"), ""),
        (True, "true"),
        ([1, 2.5], "1; 2.5"),
        ([], ""),
    ],
)
def test_csv_cell_writes_values(value: object, written: str) -> None:
    assert csv_cell(value) == written


def test_csv_text_round_trips_through_the_csv_module() -> None:
    table = pd.DataFrame({"name": ['a "b", c', "=x"], "v": [0.1, -2.0]})
    rows = list(csv.reader(io.StringIO(csv_text(table))))
    assert rows == [["name", "v"], ['a "b", c', "0.1"], ["'=x", "-2.0"]]


@given(st.text())
def test_file_stem_is_safe(text: str) -> None:
    stem = file_stem(text)
    assert stem
    assert not stem.startswith(".")
    assert all(c.isascii() and (c.isalnum() or c in "._-") for c in stem)
