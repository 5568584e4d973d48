from __future__ import annotations

import csv
import io
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import save_file

from eigentrail.cli.app import run


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "w.safetensors"
    save_file(
        {"a.weight": torch.randn(60, 40), "[red]b.weight": torch.randn(50, 30), "a.bias": torch.zeros(60)},
        path,
    )
    return path


def test_table(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(checkpoint)]) == 0
    out, err = capsys.readouterr()
    assert "a.weight" in out and "[red]b.weight" in out  # names are text, not markup
    assert "60x40" in out and "a vector" in out
    assert "inspect [1/2]" in err and "inspect" not in out.split("\n")[0]


def test_json_is_one_document_and_nothing_else(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(checkpoint), "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"source", "layers", "summary", "skipped"} <= set(document)
    assert document["skipped"][0]["name"] == "a.bias"


def test_csv(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(checkpoint), "--format", "csv", "-q"]) == 0
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {r["name"] for r in rows} == {"a.weight", "[red]b.weight"} and not err
    assert next(r for r in rows if r["name"] == "a.weight")["shape"] == "60x40"


def test_without_the_null_it_says_so(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", str(checkpoint), "--no-null", "--out", str(tmp_path / "o")]) == 0
    assert "null was not drawn" in " ".join(capsys.readouterr().out.split())
    assert "null was not drawn" in (tmp_path / "o" / "report.html").read_text()
    assert run(["inspect", str(checkpoint), "--no-null", "--format", "json"]) == 0
    layers = json.loads(capsys.readouterr().out)["layers"]
    assert [one["null_spikes"] for one in layers] == [None, None]


def test_out_says_where(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(checkpoint), "--out", str(tmp_path / "r")]) == 0
    assert "report.html" in capsys.readouterr().err
    assert {p.name for p in (tmp_path / "r").iterdir()} == {
        "layers.parquet",
        "spectra.npz",
        "summary.json",
        "report.html",
    }


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("alpha > 0", 1),
        ("alpha < 0", 0),
        ("spikes == 0 and cols in (40, 30)", 1),
        ("phase == 'rank-collapse'", 0),
        ("tail_p_value < 0.1", 0),  # null without --bootstrap: never holds
        ("not (rows == 60 or rows == 50)", 0),
        ("lambda_max / mp_edge_high > 0.5", 1),
        ("'under-trained' in warnings and alpha < 6", 0),
        ("phase in ('random-like', 'rank-collapse')", 1),
    ],
)
def test_fail_on(checkpoint: Path, expression: str, code: int) -> None:
    assert run(["inspect", str(checkpoint), "-q", "--fail-on", expression]) == code


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("__import__('os')", "only column names"),
        ("alpha.real > 1", "only column names"),
        ("alhpa > 2", "did you mean alpha"),
        ("alpha >", "not an expression"),
        ("(" * 500, "not an expression"),
    ],
)
def test_fail_on_is_no_python(
    checkpoint: Path, expression: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", str(checkpoint), "--fail-on", expression]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("expression", ["alpha > 'x'", "phase > 3", "phase == 3", "alpha + phase > 2"])
def test_fail_on_refuses_what_cannot_be_compared(
    checkpoint: Path, expression: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", str(checkpoint), "-q", "--fail-on", expression]) == 2
    assert "--fail-on cannot com" in capsys.readouterr().err


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("executed!",))


def bad_inputs(folder: Path) -> dict[str, Path]:
    made = {
        n: folder / f"{n}"
        for n in ("empty.safetensors", "text.pt", "code.pt", "cut.safetensors", "huge.safetensors")
    }
    made["empty.safetensors"].write_bytes(b"")
    made["text.pt"].write_text("hello")
    with made["code.pt"].open("wb") as file:
        pickle.dump({"w": Bomb()}, file)
    whole = folder / "whole.safetensors"
    save_file({"w": torch.randn(30, 20)}, whole)
    made["cut.safetensors"].write_bytes(whole.read_bytes()[:-100])
    made["huge.safetensors"].write_bytes((2**62).to_bytes(8, "little") + b"{}")
    made["missing.pt"] = folder / "missing.pt"
    return made


@pytest.mark.parametrize(
    "name", ["empty.safetensors", "text.pt", "code.pt", "cut.safetensors", "huge.safetensors", "missing.pt"]
)
def test_a_bad_file_is_one_line_and_exit_code_2(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bad_inputs(tmp_path)[name]
    assert run(["inspect", str(path)]) == 2
    out, err = capsys.readouterr()
    assert not out and "executed" not in err
    assert len(err.strip().splitlines()) == 1 and name in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect"],
        ["inspect", "x", "--conv", "cubes"],
        ["inspect", "x", "--jobs", "many"],
        ["dance"],
        ["inspect", "x", "--nope"],
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    err = capsys.readouterr().err
    assert len(err.strip().splitlines()) == 1 and err.startswith("eigentrail: ")


def test_without_a_command_it_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    err = capsys.readouterr().err
    assert "\n  inspect " in err and "\n  compare " in err


def test_an_interruption_is_one_line_and_exit_code_1(
    checkpoint: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("eigentrail.api.inspection.inspect", interrupted)
    assert run(["inspect", str(checkpoint)]) == 1
    out, err = capsys.readouterr()
    assert not out and err.startswith("eigentrail: interrupted; ") and len(err.strip().splitlines()) == 1


def test_a_narrow_terminal_still_shows_the_phase_in_one_line(
    checkpoint: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eigentrail.cli.tables.console", lambda: Console(width=80, markup=False))
    assert run(["inspect", str(checkpoint), "-q"]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if "[red]b.weight" in line)
    assert "random-like" in row and all(len(line) <= 80 for line in lines)
    assert run(["compare", str(checkpoint), str(checkpoint), "-q"]) == 0
    assert "random-like" in next(x for x in capsys.readouterr().out.splitlines() if "[red]b.weight" in x)


def test_compare(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.safetensors"
    save_file({"a.weight": torch.randn(60, 40)}, other)
    assert run(["compare", str(checkpoint), str(other)]) == 0
    assert "1 of 1 matrix moved" in capsys.readouterr().out
    assert run(["compare", str(checkpoint), str(other), "--format", "json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["layers"][0]["name"] == "a.weight"


def test_the_version_and_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("eigentrail ")
    assert run(["inspect", "/nowhere.pt"]) == 2


def test_the_installed_command(checkpoint: Path) -> None:
    command = Path(sys.executable).parent / "eigentrail"
    done = subprocess.run(
        [command, "inspect", checkpoint, "--format", "json"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["layers"]
