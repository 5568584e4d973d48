"""The page as text: structure, escaping, what it allows, and its size."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from diagnosed_network import IMG, SCRIPT, network, planted
from eigentrail.errors import OptionError
from eigentrail.report import comparison_page, inspection_page, render, table_html, write_page
from eigentrail.report.sections import Page, Plot, Prose, Section, whole_rows
from eigentrail.spectra.spectrum import Spectrum
from reading_pages import pieces


class Elements(HTMLParser):
    """Collects tags with their attributes, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def html(small: Any, summary: Any, skipped: Any, findings: Any) -> str:
    return inspection_page(*small, skipped, summary, "model <b>.safetensors", findings)


def test_names_of_strangers_are_text_everywhere(html: str) -> None:
    page = Elements(html)
    assert not any(tag == "img" for tag, _ in page.found)
    assert sum(tag == "script" for tag, _ in page.found) == html.count("<script")
    executable = [a for tag, a in page.found if tag == "script" and "type" not in a]
    assert len(executable) == 1
    assert IMG not in html
    assert "window.pwned" not in re.sub(r"&lt;/script&gt;&lt;script&gt;window.pwned", "", html)
    for piece in pieces(html).values():
        if "html" in piece:
            inner = Elements(piece["html"])
            assert not {"img", "script", "b", "iframe"} & {tag for tag, _ in inner.found}
            assert not any(name.startswith("on") for _, attrs in inner.found for name in attrs)


def test_the_policy_lets_in_two_scripts_and_no_network(html: str) -> None:
    policy = next(a["content"] for t, a in Elements(html).found if t == "meta" and a.get("http-equiv"))
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[^']+' 'sha256-[^']+'", rules["script-src"])
    assert "http" not in policy
    assert not re.findall(r'(?:src|href)="(?!#|data:,)[^"]*"', html)


def test_every_number_of_the_table_is_explained(html: str, small: Any) -> None:
    facts = json.loads(re.search(r'id="facts">([^<]*)<', html)[1])  # type: ignore[index]
    assert set(facts["glossary"]) == set(small[0].columns)
    assert all(e["definition"] for e in facts["glossary"].values())
    assert facts["entries"] == len(small[0])


def test_each_matrix_has_its_numbers_and_eight_figures(html: str, small: Any) -> None:
    found = pieces(html)
    for i in range(len(small[0])):
        entry = found[f"entry-{i}"]["html"]
        plots = re.findall(r'data-plot="([^"]+)"', entry)
        assert len(plots) == 8
        for key in plots:
            assert found[key]["figure"]["data"]
            columns = found[f"{key}-data"]
            assert len(columns["columns"]) == len(columns["values"])
        for column in set(small[0].columns) - {"name", "warnings"}:
            assert f'data-term="{column}"' in entry


def test_the_data_of_a_figure_is_complete(html: str, small: Any) -> None:
    table, spectra = small
    found = pieces(html)
    key = re.findall(r'data-plot="([^"]+)"', found["entry-2"]["html"])[1]
    columns = found[f"{key}-data"]
    values = spectra[table["name"][2]].eigenvalues
    assert columns["columns"][0] == "eigenvalue"
    assert np.allclose(columns["values"][0], values[values > values[-1] * 1e-14], rtol=1e-6)


def test_the_worst_come_first_and_say_why(html: str, small: Any) -> None:
    listed = re.findall(r'<tr data-row="(\d+)">', html)
    assert listed[0] == "6"  # named by a finding
    assert sorted(map(int, listed)) == list(range(len(small[0])))
    assert "Look first" in html and "1 of 9 matrices needs a look" in html
    assert "Look at &lt;b&gt;it&lt;/b&gt;." in html and "9 of 9 layers carry structure." in html


def test_what_was_skipped_is_listed_with_its_reason(html: str) -> None:
    assert "norm.<wbr>weight" in html
    assert "a vector is no matrix" in html
    assert "&lt;b&gt;packed&lt;/b&gt;" in html.replace("<wbr>", "")


def test_many_tensors_with_one_reason_are_one_row() -> None:
    table, spectra = network(1, 40, 20, hostile=False)
    many = [SimpleNamespace(name=f"b{i}", reason="a vector") for i in range(50)]
    html = inspection_page(table, spectra, many, {}, "x")
    assert "50 tensors" in html and ": b0, b1" in html
    assert html.count("<td>a vector: ") == 1


def test_missing_numbers_say_why(small: Any) -> None:
    html = inspection_page(small[0].assign(alpha=None), small[1], [], {}, "x")
    assert re.search(r'<td class="c-alpha" data-why="[^"]+">—</td>', html)
    assert 'data-why="needs --bootstrap"' in pieces(html)["entry-0"]["html"]


def test_a_row_without_a_spectrum_keeps_its_numbers(small: Any) -> None:
    html = inspection_page(small[0], {}, [], {}, "x")
    assert "no spectrum to draw" in pieces(html)["entry-0"]["html"]


def test_the_csv_of_the_whole_table_disarms_formulas(html: str) -> None:
    text = pieces(html)["table-csv"]["text"]
    assert text.count("\n") == 10
    assert "\u2028" not in text
    table = pd.DataFrame({"name": ["=2+3"], "kind": ["k"]})
    assert "\n'=2+3,k\n" in pieces(inspection_page(table, {}, [], {}, "x"))["table-csv"]["text"]


def test_progress_is_reported(small: Any) -> None:
    seen: list[tuple[str, int, int]] = []
    inspection_page(small[0].head(2), small[1], [], {}, "x", progress=lambda *a: seen.append(a))
    assert [s[1:] for s in seen] == [(0, 2), (1, 2)]
    assert seen[0][0] == IMG
    assert seen[1][0] == SCRIPT


def test_the_page_is_the_same_each_time(
    small: Any, skipped: Any, summary: Any, findings: Any, html: str
) -> None:
    assert inspection_page(*small, skipped, summary, "model <b>.safetensors", findings) == html


def test_a_page_is_any_list_of_sections() -> None:
    frames = [{"name": str(t), "data": [{"type": "scatter", "y": [t, t + 1]}]} for t in range(3)]
    slider = go.Figure(
        data=[{"type": "scatter", "y": [0, 1]}], layout={"title": {"text": "Over time"}}, frames=frames
    )
    plot = Plot(slider, pd.DataFrame({"step": [0, 1, 2]}), "", "time", wide=True)
    html = render(Page("A study", "run", (Section("time", "Time", (Prose(("told <i>",)), plot)),), ()))
    assert "told &lt;i&gt;" in html
    assert len(pieces(html)["main-time-1"]["figure"]["frames"]) == 3
    assert 'id="deck"' not in html


@pytest.fixture(scope="module")
def compared() -> tuple[pd.DataFrame, dict[str, Any]]:
    rows, spectra = [], {}
    for i, name in enumerate((IMG, "fc1.weight", "fc2.weight")):
        a, b = planted(120, 60, (), i), planted(120, 60, (3.0,), i)
        moved = None if i == 2 else Spectrum.from_matrix(b - a + 1e-3 * planted(120, 60, (), 9))
        spectra[name] = SimpleNamespace(
            a=Spectrum.from_matrix(a), b=Spectrum.from_matrix(b), difference=moved
        )
        rows.append(
            {
                "name": name, "kind": "linear", "shape": [120, 60], "relative_change": [0.3, 0.5, 0.0][i],
                "update_spikes": 1, "angles_long": [10.0, 80.0], "angles_short": [12.0, 85.0],
                "alpha_a": 4.0, "alpha_b": 3.0, "alpha_change": -1.0, "spikes_a": 0, "spikes_b": 1,
                "stable_rank_a": 20.0, "stable_rank_b": 9.0, "effective_rank_a": 50.0, "effective_rank_b": 48.0,
                "phase_a": "random-like", "phase_b": "bulk+spikes",
                "warnings": [] if i < 2 else ["the layer did not move"],
            }
        )  # fmt: skip
    return pd.DataFrame(rows), spectra


def test_the_page_of_a_comparison(compared: Any) -> None:
    html = comparison_page(*compared, [], {"moved": 2}, "a.pt", "b<c>.pt")
    found = pieces(html)
    assert re.findall(r'<tr data-row="(\d+)">', html) == ["1", "0", "2"]
    assert [len(re.findall("data-plot", found[f"entry-{i}"]["html"])) for i in range(3)] == [3, 3, 2]
    assert "b&lt;c&gt;.pt" in html
    assert IMG not in html
    assert "the layer did not move" in found["entry-2"]["html"]


def test_five_and_hundreds_of_matrices_are_a_few_megabytes(small: Any) -> None:
    table, spectra = small
    five = inspection_page(table.head(5), spectra, [], {}, "x")
    assert len(five) < 3_000_000
    found = pieces(five)
    per_entry = (len(five) - 2_050_000) / 5
    assert per_entry < 60_000
    assert len(found) > 5 * 17


def test_write_page_is_atomic_and_names_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    assert write_page("<p>é</p>", path) == path
    assert path.read_text(encoding="utf-8") == "<p>é</p>"
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    with pytest.raises(OptionError, match="is a folder; name a file"):
        write_page("x", tmp_path)


def test_the_table_for_a_notebook_is_compact_and_escaped(small: Any) -> None:
    html = table_html(small[0], limit=4)
    page = Elements(html)
    assert {tag for tag, _ in page.found} <= {"table", "thead", "tbody", "tr", "th", "td", "p"}
    assert html.count("<tr>") == 5
    assert "and 5 more" in html


def test_a_figure_that_would_stand_alone_spans_the_page() -> None:
    half = Plot(go.Figure(), pd.DataFrame({"a": [1]}), "", "half")
    wide = replace(half, wide=True)
    prose = Prose(("between",))

    def widths(*items: Plot | Prose) -> list[bool]:
        return [one.wide for one in whole_rows(items) if isinstance(one, Plot)]

    assert widths(half, half) == [False, False]
    assert widths(half, half, half) == [False, False, True]
    assert widths(half, prose, half, half) == [True, False, False]
    assert widths(half, wide, half, half, half, prose) == [True, True, False, False, True]
    assert whole_rows([]) == []
