from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import save_file

from eigentrail.cli.app import run
from eigentrail.cli.fitting import TableColumn, print_fitting

COLUMNS = (
    TableColumn("layer"), TableColumn("alpha", 1, right=True), TableColumn("phase", 2), TableColumn("spare", 9),
)  # fmt: skip
NAME = "model.layers.11.self_attention.query_key_value.lora_A.default.weight"


def printed(width: int, name: str = NAME) -> list[str]:
    out = Console(file=io.StringIO(), width=width)
    print_fitting(out, COLUMNS, [(name, "3.14 ±0.25", "bulk+spikes", "x" * 30)])
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


def test_all_columns_where_there_is_room() -> None:
    lines = printed(120, "fc.weight")
    assert "spare" in lines[0] and not any("Left out" in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_whole_columns_are_left_out_and_said(width: int) -> None:
    lines = printed(width)
    assert all(len(line) <= width for line in lines)
    told = " ".join(lines)
    for column, cell in (("alpha", "3.14 ±0.25"), ("phase", "bulk+spikes"), ("spare", "x" * 30)):
        # A column is there as a whole, or it is named among those left out.
        assert (column in lines[0]) == (cell in told)
        assert (column in lines[0]) != (f"{column}" in told.split("Left out")[-1] and "Left out" in told)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_names_break_after_dots_and_never_within_a_word(width: int) -> None:
    lines = printed(width)[1:]
    pieces = [line.split("  ")[0].strip() for line in lines if "Left out" not in line]
    name = "".join(piece for piece in pieces if piece)
    assert name.startswith(NAME)
    assert all(piece.endswith((".", "_", "weight")) for piece in pieces if piece and piece in NAME)


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_findings_come_first_and_a_pipe_honours_columns(
    tmp_path: Path, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    tensors = {
        f"model.decoder.layers.{i}.attention.projection.weight": torch.randn(60, 40, generator=generator)
        + (torch.randn(60, 3, generator=generator) @ torch.randn(3, 40, generator=generator) if i != 2 else 0)
        for i in range(5)
    }
    save_file(tensors, tmp_path / "w.safetensors")
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run(["inspect", str(tmp_path / "w.safetensors"), "-q"]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = " ".join(lines[:2])
    assert told.startswith("1 of 5 layers needs a look: model.decoder.layers.2.attention.projection.weight")
    assert all(len(line) <= columns for line in lines)
    assert any("looks untrained" in line for line in lines) and any("Try:" in line for line in lines)
    table = next(
        place for place, line in enumerate(lines) if "layer" in line and "spikes" in line and "alpha" in line
    )
    assert table > 2
    assert "Left out at" in " ".join(lines) or columns > 100
