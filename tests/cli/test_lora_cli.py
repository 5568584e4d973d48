"""`eigentrail lora`: the four commands from files to files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from eigentrail.cli.app import run


@pytest.fixture
def models(tmp_path: Path) -> tuple[str, str]:
    torch.manual_seed(0)
    base = {"q.weight": torch.randn(48, 32), "v.weight": torch.randn(32, 32)}
    tuned = {
        "q.weight": base["q.weight"]
        + 0.3 * torch.randn(48, 2) @ torch.randn(2, 32)
        + 0.01 * torch.randn(48, 32),
        "v.weight": base["v.weight"] + 0.01 * torch.randn(32, 32),
    }
    for name, tensors in (("base", base), ("tuned", tuned)):
        save_file(tensors, tmp_path / f"{name}.safetensors")
    return str(tmp_path / "base.safetensors"), str(tmp_path / "tuned.safetensors")


def document(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


def test_extract_audit_shrink_and_merge_check(models, tmp_path, capsys) -> None:
    one, two, three = (str(tmp_path / name) for name in ("one", "two", "three"))
    assert run(["lora", "extract", *models, "-o", one, "--format", "json"]) == 0
    extracted = document(capsys)
    assert [(layer["module"], layer["rank"]) for layer in extracted["layers"]] == [("q", 2)]
    assert extracted["layers"][0]["measured_error"] == pytest.approx(
        extracted["layers"][0]["relative_error"], rel=1e-4
    )
    assert extracted["skipped"][0]["name"] == "v"
    assert run(["lora", "extract", *models, "-o", two, "--rank", "5"]) == 0
    assert "q" in capsys.readouterr().out
    assert run(["lora", "shrink", two, "-o", three, "--format", "json"]) == 0
    assert {layer["module"]: layer["rank"] for layer in document(capsys)["layers"]}["q"] == 2
    assert run(["lora", "audit", two, "--base", models[0], "--format", "json"]) == 0
    audited = document(capsys)
    assert {"intruders", "structured_rank"} <= set(audited["layers"][0])
    assert audited["findings"][0]["question"]
    assert run(["lora", "audit", two]) == 0
    assert "fewer directions" in capsys.readouterr().out
    assert run(["lora", "merge-check", one, two, "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("module,cosine")


def test_what_cannot_be_is_one_sentence(models, tmp_path, capsys) -> None:
    for call, said in (
        (["extract", *models, "-o", str(tmp_path), "--rank", "1"], "not empty"),
        (["extract", *models, "-o", str(tmp_path / "a"), "--energy", "2"], "share"),
        (["audit", models[0]], "no low-rank adapter"),
        (["audit", str(tmp_path / "nothing")], "no such file or folder"),
    ):
        assert run(["lora", *call]) == 2
        printed = capsys.readouterr().err
        assert said in printed
        assert len(printed.splitlines()) == 1
