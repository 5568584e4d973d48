"""What the page says of tensors that some analyses leave out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import xarray as xr

from eigentrail.analyses import AnalysisResult
from eigentrail.analyses.framework.registry import find_analysis
from eigentrail.analyses.framework.subjects import WHOLE
from eigentrail.findings import Skipped
from eigentrail.report.left_out import left_out_section
from eigentrail.report.run_story import RunStory

VECTOR = "a vector, not a matrix"


def tree(names: list[str], skipped: list[tuple[str, str]]) -> AnalysisResult:
    found = xr.DataTree().assign(
        {f"n{i}": xr.DataTree(xr.Dataset(attrs={"name": name})) for i, name in enumerate(names)}
    )
    return AnalysisResult(find_analysis("pca"), found, [Skipped(*one) for one in skipped])


def story(results: dict[str, AnalysisResult], label: str = "") -> RunStory:
    run: Any = SimpleNamespace(layers=dict.fromkeys(["a.weight", "a.bias", "b.bias"]))
    return RunStory(run, results, label)


def test_a_tensor_is_counted_once_and_the_whole_network_contains_it() -> None:
    biases = [("a.bias", VECTOR), ("b.bias", VECTOR)]
    results = {name: tree(["a.weight"], biases) for name in ("evolution", "geodesic", "crossings")}
    section = left_out_section([story({**results, "pca": tree(["a.weight", WHOLE], [])})])
    assert section.lead == (
        "2 tensors have no analysis of their own; those of the whole network contain them."
    )
    [listing] = section.items
    assert listing.rows == tuple(
        (
            name,
            f"evolution, geodesic, crossings: {VECTOR} (contained in the whole network: pca)",
            None,
        )
        for name in ("a.bias", "b.bias")
    )


def test_what_no_analysis_contains_is_told_apart() -> None:
    section = left_out_section(
        [
            story(
                {
                    "evolution": tree(["a.weight"], [("a.bias", VECTOR)]),
                    "pca": tree(
                        [],
                        [
                            ("a.weight", "it is constant"),
                            ("a.weight", "at 3 of 9 checkpoints x"),
                            (WHOLE, "x"),
                        ],
                    ),
                }
            )
        ]
    )
    assert section.lead == (
        "a.bias is in no analysis. a.weight is left out of some analyses or steps. "
        "The whole network is left out of some analyses or steps."
    )
    [listing] = section.items
    assert [row[:2] for row in listing.rows] == [
        ("a.bias", VECTOR),
        ("a.weight", "pca: it is constant; pca: at 3 of 9 checkpoints x"),
        (WHOLE, "pca: x"),
    ]
    both = [story({"evolution": tree([], [("a.bias", VECTOR)])}, label) for label in "xy"]
    assert left_out_section(both).lead == "2 tensors are in no analysis."
    assert left_out_section([story({"evolution": tree(["a.weight"], [])})]).lead == ""
