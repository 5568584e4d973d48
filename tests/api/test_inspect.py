from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import eigentrail as et
from eigentrail.api import inspection
from eigentrail.api.inspection import table_columns
from eigentrail.errors import OptionError, SourceError

CONTRACT = {
    "name", "shape", "matrices", "rows", "cols", "q", "lambda_min", "lambda_max", "mp_sigma", "mp_edge_low",
    "mp_edge_high", "spike_threshold", "spikes", "alpha", "alpha_error", "xmin", "ks_distance", "tail_size",
    "tail_p_value", "tail_model", "weighted_alpha", "log_alpha_norm", "frobenius_norm", "spectral_norm",
    "stable_rank", "effective_rank", "numerical_rank", "mp_soft_rank", "spacing_ratio", "spacing_p_wigner",
    "phase", "warnings"
}  # fmt: skip


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 24, 3), nn.Flatten(), nn.Linear(50, 40)
    )


def planted(path: Path, layers: int = 4, size: tuple[int, int] = (60, 40)) -> Path:
    """A checkpoint of noise whose last layer has one strong planted direction."""
    rng = np.random.default_rng(0)
    tensors = {
        f"block.{i}.weight": torch.from_numpy(rng.standard_normal(size)).float() for i in range(layers)
    }
    u, v = rng.standard_normal(size[0]), rng.standard_normal(size[1])
    tensors[f"block.{layers - 1}.weight"] += torch.from_numpy(np.outer(u, v)).float()
    save_file(tensors, path)
    return path


def test_the_table_holds_the_contract(model: nn.Module) -> None:
    found = et.inspect(model)
    assert tuple(found.table.columns) == table_columns()
    assert set(table_columns()) >= CONTRACT
    assert list(found.table["name"]) == ["0.weight", "2.weight", "4.weight"]
    document = json.loads(found.to_json())
    assert set(document) >= {"source", "layers", "summary", "skipped"}
    assert document["layers"][0]["shape"] == [32, 3, 3, 3]
    assert all(isinstance(v["warnings"], list) for v in document["layers"])
    assert found.summary["matrices"] == 3 and sum(found.summary["phases"].values()) == 3
    assert set(found.spectra) == set(found.table["name"])
    assert "conv2d" in repr(found.table["kind"].tolist()).lower()


def test_the_planted_layer_is_found(tmp_path: Path) -> None:
    found = et.inspect(planted(tmp_path / "w.safetensors", size=(300, 200)))
    assert found.table.set_index("name")["spikes"].to_dict() == {
        f"block.{i}.weight": int(i == 3) for i in range(4)
    }


@pytest.mark.parametrize("conv", ["flatten", "spatial", "slices"])
def test_the_choice_of_matrices_is_recorded(model: nn.Module, conv: str) -> None:
    found = et.inspect(model, layers="2.weight", conv=conv)
    row = found.table.iloc[0]
    expected = {"flatten": (1, 288, 24), "spatial": (1, 96, 72), "slices": (9, 32, 24)}[conv]
    assert found.conv == conv
    assert row["matrices"] * row["rows"] * row["cols"] == 24 * 32 * 9
    if conv != "spatial":
        assert (row["matrices"], row["rows"], row["cols"]) == expected


def test_a_bad_layer_costs_no_other_layer_its_row(model: nn.Module) -> None:
    with torch.no_grad():
        model[0].weight[0, 0, 0, 0] = float("nan")
        model[4].weight.zero_()
    found = et.inspect(model)
    assert list(found.table["name"]) == ["2.weight"]
    reasons = {s.name: s.reason for s in found.skipped}
    assert "1 of 864 entries are NaN" in reasons["0.weight"]
    assert "zero" in reasons["4.weight"]
    with torch.no_grad():
        model[2].weight.fill_(1.0)
    with pytest.raises(SourceError, match="no weight matrix could be analysed"):
        et.inspect(model)


def test_a_glob_that_matches_nothing(model: nn.Module) -> None:
    with pytest.raises(SourceError, match="nope"):
        et.inspect(model, layers="nope.*")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"bootstrap": -1}, "bootstrap"),
        ({"level": 0.0}, "level"),
        ({"jobs": 0}, "jobs"),
        ({"seed": -3}, "seed"),
        ({"device": "tpu"}, "device"),
    ],
)
def test_bad_options(model: nn.Module, arguments: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        et.inspect(model, **arguments)  # type: ignore[arg-type]


@pytest.mark.slow
def test_processes_give_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eigentrail.linalg.workers.WORTH_PROCESSES", 0.0)
    path = planted(tmp_path / "w.safetensors")
    alone, together = et.inspect(path), et.inspect(path, jobs=2)
    pd.testing.assert_frame_equal(alone.table, together.table)


def test_saved_results_open_with_plain_tools(model: nn.Module, tmp_path: Path) -> None:
    found = et.inspect(model, out=tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "layers.parquet")
    assert list(table["name"]) == list(found.table["name"])
    assert table["alpha"].dtype.kind == "f" or str(table["alpha"].dtype) == "Float64"
    with np.load(tmp_path / "out" / "spectra.npz", allow_pickle=False) as arrays:
        for name, spectrum in found.spectra.items():
            np.testing.assert_array_equal(arrays[name], spectrum.eigenvalues)
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
    assert not (tmp_path / "out" / ".partial").exists()


def test_an_interrupted_inspection_goes_on_with_the_missing_layers(tmp_path: Path) -> None:
    path, out = planted(tmp_path / "w.safetensors", layers=6), tmp_path / "out"
    whole = et.inspect(path)

    def interrupt(item: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        et.inspect(path, out=out, progress=interrupt)
    assert len(list((out / ".partial").glob("*.npz"))) == 3
    begun: list[str] = []
    resumed = et.inspect(path, out=out, progress=lambda item, done, total: begun.append(item))
    assert begun == [f"block.{i}.weight" for i in (3, 4, 5)] + ["done"]
    pd.testing.assert_frame_equal(resumed.table, whole.table)
    for name, spectrum in whole.spectra.items():
        again = resumed.spectra[name]
        np.testing.assert_array_equal(again.eigenvalues, spectrum.eigenvalues)
        assert again.phase() == spectrum.phase()
        assert again.null is not None and spectrum.null is not None
        np.testing.assert_array_equal(again.null.eigenvalues, spectrum.null.eigenvalues)


def test_other_arguments_are_never_answered_from_an_old_result(tmp_path: Path) -> None:
    path, out = planted(tmp_path / "w.safetensors"), tmp_path / "out"

    def interrupt(item: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        et.inspect(path, out=out, progress=interrupt)
    begun: list[str] = []
    et.inspect(path, out=out, level=0.05, progress=lambda item, done, total: begun.append(item))
    assert len(begun) == 5


def test_tied_tensors_are_reported_once_with_their_aliases() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(50, 20)
            self.head = nn.Linear(20, 50, bias=False)
            self.head.weight = self.embed.weight

    found = et.inspect(Tied())
    assert len(found.table) == 1
    row = found.table.iloc[0]
    assert {row["name"], *row["aliases"]} == {"embed.weight", "head.weight"}


MEMORY = """
import sys, eigentrail as et
def peak():
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")) * 1024
et.inspect(sys.argv[1]); base = peak()
et.inspect(sys.argv[2]); print(peak() - base)
"""


def sharded(folder: Path, shards: int, per_shard: int, size: tuple[int, int]) -> Path:
    folder.mkdir()
    rng = torch.Generator().manual_seed(0)
    index: dict[str, str] = {}
    for s in range(shards):
        tensors = {
            f"layer.{s * per_shard + i}.weight": torch.randn(size, generator=rng) for i in range(per_shard)
        }
        file = f"model-{s + 1:05d}-of-{shards:05d}.safetensors"
        save_file(tensors, folder / file)
        index |= dict.fromkeys(tensors, file)
    total = shards * per_shard * size[0] * size[1] * 4
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": index})
    )
    return folder


def memory_above_baseline(tmp_path: Path, folder: Path) -> int:
    if sys.platform != "linux":
        pytest.skip("VmHWM is read from /proc")
    tiny = planted(tmp_path / "tiny.safetensors")
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tiny), str(folder)],
        capture_output=True,
        text=True,
        check=True,
        timeout=1500,
    )
    return int(done.stdout)


def test_one_matrix_in_memory_at_a_time(tmp_path: Path) -> None:
    folder = sharded(tmp_path / "model", shards=2, per_shard=2, size=(4096, 1024))  # 67 MB
    assert memory_above_baseline(tmp_path, folder) <= 4 * 4096 * 1024 * 8


@pytest.mark.slow
@pytest.mark.parametrize(("shards", "per_shard", "size"), [(8, 16, (4096, 1024)), (4, 8, (4096, 4096))])
def test_two_gigabytes(tmp_path: Path, shards: int, per_shard: int, size: tuple[int, int]) -> None:
    folder = sharded(tmp_path / "model", shards, per_shard, size)
    assert memory_above_baseline(tmp_path, folder) <= 4 * size[0] * size[1] * 8


@pytest.mark.parametrize("conv", ["flatten", "slices"])
def test_real_checkpoints_end_to_end(checkpoints: Path, conv: str) -> None:
    found = et.inspect(checkpoints / "resnet-cifar10" / "resnet20-12fca82f.th", conv=conv)
    assert len(found.table) == 20
    # The last layer's ten values are too few for a tail or a phase.
    assert (
        found.table["alpha"].notna().tolist()
        == found.table["phase"].notna().tolist()
        == [True] * 19 + [False]
    )
    assert all(s.reason for s in found.skipped)


@pytest.mark.parametrize("file", ["low_precision_mod_addition.pth", "wd_10-1_mod_addition_loss_curve.pth"])
def test_the_grokking_transformers_end_to_end(checkpoints: Path, file: str) -> None:
    found = et.inspect(checkpoints / "grokking-mod-addition" / file)
    names = " ".join(found.table["name"])
    for tensor in ("W_E", "W_in", "W_out", "W_U"):
        assert tensor in names
    # Addition modulo 113 is learned with a few frequencies: the embedding has far fewer directions than columns.
    embed = found.table[found.table["name"].str.contains("W_E")].iloc[0]
    assert embed["effective_rank"] < embed["cols"] / 2


def test_results_of_another_source_are_replaced_only_when_asked(tmp_path: Path) -> None:
    torch.manual_seed(0)
    a, b = ({"w.weight": torch.randn(24, 16)} for _ in range(2))
    out = tmp_path / "out"
    et.inspect(a, out=out, progress=False)
    et.inspect(a, out=out, level=0.05, progress=False)  # the same source again
    started: list[str] = []
    for refused in (
        lambda: et.inspect(b, out=out, progress=lambda item, done, total: started.append(item)),
        lambda: et.inspect(b, progress=False).save(out),
        lambda: et.compare(a, b, out=out, progress=lambda item, done, total: started.append(item)),
        lambda: et.compare(a, b, progress=False).save(out),
    ):
        with pytest.raises(OptionError, match=r"report\.html is the page of .* already; give another folder"):
            refused()
    assert not started  # told before the work
    assert not (out / ".partial").exists()
    et.inspect(b, out=out, overwrite=True, progress=False)
    with pytest.raises(OptionError, match="already"):
        et.inspect(a, out=out, progress=False)
    et.compare(a, b, out=out, overwrite=True, progress=False)
    et.compare(a, b, out=out, progress=False)


def test_a_file_is_the_same_source_from_wherever_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"w.weight": torch.randn(24, 16)}, tmp_path / "a.pt")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").write_text("<title>My &lt;own&gt; notes</title>")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match="My <own> notes"):
        et.inspect("a.pt", out="out", progress=False)
    et.inspect("a.pt", out="out", overwrite=True, progress=False)
    et.inspect(tmp_path / "a.pt", out=tmp_path / "out", progress=False)


def test_a_fast_inspection_has_errors_in_every_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eigentrail.metrics.framework.sketched.PAYS", 200)
    generator = torch.Generator().manual_seed(0)
    weights = {
        "large.weight": torch.randn(320, 256, generator=generator),
        "small.weight": torch.randn(64, 48, generator=generator),
    }
    found = et.inspect(weights, fast=True, out=tmp_path, progress=False, jobs=1)
    errors = json.loads(found.to_json())["layers"][0]["errors"]
    assert errors["mp_sigma"] > 0 and found["small.weight"]["errors"] is None
    assert json.loads(pd.read_parquet(tmp_path / "layers.parquet")["errors"][0]) == errors
    assert found["large.weight"]["null_spikes"] is None
    with pytest.raises(OptionError, match="bootstrap"):
        et.inspect(weights, fast=True, bootstrap=10)


@pytest.mark.parametrize("bootstrap", [0, 3])
def test_large_matrices_are_inspected_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, bootstrap: int
) -> None:
    asked: list[int] = []
    usual = inspection.in_parallel

    def counted(work: Any, tasks: Any, jobs: int, *more: Any) -> Any:
        asked.append(jobs)
        return usual(work, tasks, 1, *more)

    monkeypatch.setattr(inspection, "in_parallel", counted)
    w = {f"{name}.weight": torch.randn(32, 24) for name in "abc"}
    et.inspect(w, jobs=2, bootstrap=bootstrap, progress=False)
    # As if these were large: one process has all cores, whatever is drawn for the p-values of tails.
    monkeypatch.setattr("eigentrail.api.inspected_layer._LARGE", 16)
    et.inspect(w, jobs=2, bootstrap=bootstrap, progress=False)
    assert asked == [2, 1]
