"""What the page says of tensors that some analyses leave out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import xarray as xr
from eigentrail.studies.motion import WHOLE

from eigentrail.report.left_out import left_out_section
from eigentrail.report.run_story import RunStory

VECTOR = "a vector, not a matrix"


def tree(names: list[str], skipped: list[str]) -> xr.DataTree:
    found = xr.DataTree().assign(
        {f"n{i}": xr.DataTree(xr.Dataset(attrs={"name": name})) for i, name in enumerate(names)}
    )
    found.attrs = {"skipped": skipped}
    return found


def story(results: dict[str, xr.DataTree], label: str = "") -> RunStory:
    run: Any = SimpleNamespace(layers=dict.fromkeys(["a.weight", "a.bias", "b.bias"]))
    return RunStory(run, results, label)


def test_a_tensor_is_counted_once_and_the_whole_network_contains_it() -> None:
    biases = [f"a.bias: {VECTOR}", f"b.bias: {VECTOR}"]
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
                    "evolution": tree(["a.weight"], [f"a.bias: {VECTOR}"]),
                    "pca": tree(
                        [], ["a.weight: it is constant", "a.weight at 3 of 9 checkpoints: x", f"{WHOLE}: x"]
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
        ("a.weight", "pca: it is constant"),
        ("a.weight at 3 of 9 checkpoints", "pca: x"),
        (WHOLE, "pca: x"),
    ]
    both = [story({"evolution": tree([], [f"a.bias: {VECTOR}"])}, label) for label in "xy"]
    assert left_out_section(both).lead == "2 tensors are in no analysis."
    assert left_out_section([story({"evolution": tree(["a.weight"], [])})]).lead == ""
