from __future__ import annotations

import io
import random
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
    assert "spare" in lines[0] and not any("Not shown" in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_whole_columns_are_left_out_and_said(width: int) -> None:
    lines = printed(width)
    assert all(len(line) <= width for line in lines)
    told = " ".join(lines)
    for column, cell in (("alpha", "3.14 ±0.25"), ("phase", "bulk+spikes"), ("spare", "x" * 30)):
        # A column is there as a whole, or it is named among those left out.
        assert (column in lines[0]) == (cell in told)
        assert (column in lines[0]) != (f"{column}" in told.split("Not shown")[-1] and "Not shown" in told)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_names_break_after_dots_and_never_within_a_word(width: int) -> None:
    lines = printed(width)[1:]
    pieces = [line.split("  ")[0].strip() for line in lines if "Not shown" not in line]
    name = "".join(piece for piece in pieces if piece)
    assert name.startswith(NAME)
    assert all(piece.endswith((".", "weight")) for piece in pieces if piece and piece in NAME)


SENTENCE = "eigenvalues above what noise reaches, counted at each of the recorded steps"


@pytest.mark.parametrize("width", [30, 60, 80, 100, 120, 140])
@pytest.mark.parametrize("seed", range(4))
def test_each_cell_that_is_printed_is_whole_and_each_column_is_printed_or_named(
    width: int, seed: int
) -> None:
    chosen = random.Random(seed)
    columns = [TableColumn("layer"), TableColumn("meaning of it", 0, prose=20)]
    columns += [TableColumn(f"c{k} of some", chosen.randint(1, 9), right=k % 2 == 0) for k in range(8)]
    rows = [
        (f"blocks.{row}.w", SENTENCE, *("v" * chosen.randint(1, 9) + f"{row}{k}" for k in range(8)))
        for row in range(5)
    ]
    out = Console(file=io.StringIO(), width=width)
    print_fitting(out, columns, rows)
    assert isinstance(out.file, io.StringIO)
    table, _, left_out = out.file.getvalue().partition("Not shown")
    words = table.split()
    for row in rows:
        assert set(row[1].split()) <= set(words)
        assert any(word in (row[0], row[0].removeprefix("blocks.")) for word in words)
    for place, column in enumerate(columns[2:], 2):
        printed_whole = all(row[place] in words for row in rows)
        named = column.title in " ".join(left_out.split())
        assert printed_whole != named
        assert printed_whole or not any(row[place] in words for row in rows)
    if width >= 60:
        assert all(len(line) <= width for line in table.splitlines())


def test_what_all_names_begin_with_is_said_once() -> None:
    out = Console(file=io.StringIO(), width=60)
    names = [f"model.decoder.layers.{k}.self_attention.projection.weight" for k in range(3)]
    print_fitting(out, COLUMNS, [(name, "3.14 ±0.25", "bulk+spikes", "x" * 30) for name in names])
    assert isinstance(out.file, io.StringIO)
    lines = out.file.getvalue().splitlines()
    assert lines[0] == "All names begin with model.decoder.layers."
    assert any(line.startswith("0.self_attention.") for line in lines)


def test_a_name_cannot_reach_the_terminal_raw() -> None:
    out = Console(file=io.StringIO(), width=80)
    print_fitting(out, COLUMNS, [("a\x1b[2J.weight", "1", "2", "3")])
    assert isinstance(out.file, io.StringIO)
    assert "\x1b" not in out.file.getvalue() and "\\u001b[2J.weight" in out.file.getvalue()


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
    assert "Not shown at" in " ".join(lines) or columns > 100
