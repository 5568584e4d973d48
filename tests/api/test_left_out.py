"""Checkpoints in which a layer is lacking or has another shape are told, as text and on the page."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
import torch

import eigentrail as et
from eigentrail.cli.app import run as main


def save(folder: Path, count: int, wide_from: int, late_from: int = 0) -> Path:
    generator = torch.Generator().manual_seed(0)
    folder.mkdir()
    for step in range(count):
        state = {
            "a.weight": torch.randn(8, 6 if step < wide_from else 7, generator=generator),
            "b.weight": torch.randn(7, 8, generator=generator),
        }
        if step >= late_from:
            state["c.weight"] = torch.randn(9, 7, generator=generator)
        torch.save(state, folder / f"step_{10 * step}.pt")
    return folder


def said(page: Path) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.read_text().replace("<wbr>", ""))).split())


def test_dropped_steps_are_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save(tmp_path / "run", 9, 6)
    assert main(["analyze", str(folder), "--only", "pca,drift,crossings", "-q"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    reason = (
        "it is float32 of shape (8, 7), in most others float32 of shape (8, 6) "
        "(step_60.pt, step_70.pt, step_80.pt)"
    )
    assert text.count(f"a.weight: at 3 of 9 checkpoints {reason}") == 1
    assert text.count("one of its layers is left out") == 1
    found = et.analyze(folder, "pca,drift,crossings", progress=False)
    assert found.tables["pca"].set_index("name")["steps"].to_dict() == {
        "a.weight": 6, "b.weight": 9, "c.weight": 9, "(whole network)": 6
    }  # fmt: skip
    page = said(found.report(tmp_path / "page.html"))
    assert f"at 3 of 9 checkpoints {reason}" in page
    assert "at 3 of 9 checkpoints one of its layers is left out" in page


def test_a_late_layer_and_many_files(tmp_path: Path) -> None:
    folder = save(tmp_path / "run", 12, 12, late_from=5)
    found = et.analyze(folder, "crossings", progress=False)
    assert [(one.name, one.reason) for one in found.skipped["crossings"]] == [
        ("c.weight", "at 5 of 12 checkpoints it is not in this checkpoint (step_0.pt to step_40.pt)")
    ]
    # Only what is asked for, and nothing where nothing is left out.
    assert et.analyze(folder, "crossings", layers="b", progress=False).skipped["crossings"] == []


def test_complete_folders_have_nothing_to_tell(tmp_path: Path) -> None:
    found = et.analyze(save(tmp_path / "run", 5, 5), "pca", progress=False)
    assert found.skipped["pca"] == []
