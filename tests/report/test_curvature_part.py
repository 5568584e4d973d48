"""Which Hessians the page of several trainings shows, and what it calls them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import xarray as xr
from eigentrail.report.parts import curvature

from eigentrail.analyses.hessian.place import WHOLE
from eigentrail.report.run_story import RunStory
from eigentrail.report.sections import Prose, Section

LAYER = "fc.weight"


def story(label: str, whole_exact: bool | None) -> RunStory:
    nodes = {"layer": {"name": LAYER, "n": 50, "exact": True}}
    if whole_exact is not None:
        nodes["whole"] = {"name": WHOLE, "n": 300, "exact": whole_exact}
    tree = xr.DataTree.from_dict({f"/{key}": xr.Dataset() for key in nodes})
    for key, facts in nodes.items():
        tree[key].attrs = {**facts, "of": label}
    run: Any = SimpleNamespace(path=None)
    return RunStory(run, {curvature.NAME: tree}, label)


@pytest.fixture
def sections(monkeypatch: pytest.MonkeyPatch) -> Any:
    def marked(node: xr.DataTree, stem: str) -> list[Prose]:
        return [Prose((f"{node.attrs['name']} of {node.attrs['of']}",))]

    for name in ("_main", "_maps", "_moves", "_vectors"):
        monkeypatch.setattr(curvature, name, marked)
    table = pd.DataFrame({"name": [], "verdict": []})
    told: Any = SimpleNamespace(tabulate=lambda tree: table)
    monkeypatch.setitem(curvature.ANALYSES, curvature.NAME, told)

    def made(*stories: RunStory) -> tuple[Section, Section | None]:
        found = {section.key: section for section in curvature._sections(stories)}
        return found["curvature-motion"], found.get("curvature-whole")

    return made


def shown(section: Section | None) -> set[str]:
    assert section is not None
    return {text for item in section.items if isinstance(item, Prose) for text in item.paragraphs}


def test_beside_a_layer_stands_the_whole_network_of_the_same_training(sections: Any) -> None:
    first, whole = sections(story("plain", False), story("decay", False))
    assert shown(first) == {f"{LAYER} of plain"} and shown(whole) == {f"{WHOLE} of plain"}
    assert whole.lead == f"{WHOLE} · plain. Only its largest eigenpairs are known."
    first, whole = sections(story("plain", None), story("decay", False))
    assert shown(whole) == {f"{WHOLE} of decay"}
    assert whole.lead == f"{WHOLE} · decay. Only its largest eigenpairs are known."


def test_beside_a_whole_network_stands_that_of_the_other_training(sections: Any) -> None:
    first, whole = sections(story("plain", True), story("decay", True))
    assert shown(first) == {f"{WHOLE} of plain"} and shown(whole) == {f"{WHOLE} of decay"}
    assert whole.lead == f"{WHOLE} · decay. All of its eigenpairs are known."


def test_a_whole_network_alone_is_shown_once(sections: Any) -> None:
    first, whole = sections(story("", True))
    assert shown(first) == {f"{WHOLE} of "} and whole is None
    _, whole = sections(story("", False))
    assert whole.lead == f"{WHOLE}. Only its largest eigenpairs are known."
