"""Folders of numbered checkpoints as runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from eigentrail.errors import RunError, RunWarning
from eigentrail.runs import open_run


def state(step: int, width: int = 4) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    return {
        "fc.weight": torch.randn(3, width, generator=generator),
        "fc.bias": torch.full((3,), float(step)),
        "count": torch.tensor(step),
    }


def save(folder: Path, names: dict[str, int]) -> None:
    for name, step in names.items():
        torch.save(state(step), folder / name)


def test_the_real_folder(checkpoints: Path) -> None:
    folder = checkpoints / "mlp-trajectory"
    run = open_run(folder)
    assert run.status == "checkpoints"
    assert np.array_equal(run.steps, np.arange(1, 251))
    assert list(run.layers) == [
        f"{layer}.{kind}" for layer in ("linear1", "linear2", "out_layer") for kind in ("weight", "bias")
    ]
    assert run["linear1"].shape == (250, 30, 60)
    assert run["linear1"].dims == ("step", "out", "in")
    assert np.array_equal(run["linear1"].epoch, np.arange(1, 251))
    expected = [torch.load(folder / f"epoch_{e}.pt", "cpu", weights_only=True) for e in (1, 12, 250)]
    got = run["linear1"].sel(step=[1, 12, 250]).values
    assert np.array_equal(got, np.stack([s["linear1.weight"].numpy() for s in expected]))
    assert torch.equal(run.weights(12)["linear2.weight"], expected[1]["linear2.weight"])
    assert run.skipped == []
    assert not run.refresh()
    network = nn.Sequential()
    for name, sizes in (("linear1", (60, 30)), ("linear2", (30, 10)), ("out_layer", (10, 5))):
        network.add_module(name, nn.Linear(*sizes))
    assert torch.equal(run.model(250, into=network).linear1.weight, expected[2]["linear1.weight"])
    with pytest.raises(RunError, match="does not say how to build"):
        run.model(250)
    with pytest.raises(RunError, match="only the weights are read"):
        run.training_state(250)
    run.analyses.put("norms", run.metrics)
    assert run.metrics.identical(run.analyses.get("norms"))
    assert not list(folder.glob("analyses*"))


def test_gaps_and_numbers_of_any_length(tmp_path: Path) -> None:
    save(tmp_path, {"model_7.pt": 7, "model_010.pt": 10, "model_2.pt": 2, "model_1000.pt": 1000})
    (tmp_path / "notes_12.txt").write_text("not a checkpoint")
    run = open_run(tmp_path)
    assert run.steps.tolist() == [2, 7, 10, 1000]
    assert run["fc.bias"].values[:, 0].tolist() == [2, 7, 10, 1000]
    assert np.isnan(run["fc"].epoch).all()
    assert "count" not in run.layers
    assert run.checkpoints == (2, 7, 10, 1000)
    with pytest.raises(RunError, match="has no step 9: the nearest are 7 and 10"):
        run.weights(9)


@pytest.mark.parametrize(
    "names",
    [
        ["epoch_1.pt", "epoch_3.pt"],
        ["resnet20_epoch1.pth", "resnet20_epoch3.pth"],
        ["epoch=0-step=1.ckpt", "epoch=7-step=3.ckpt"],
        ["ckpt.0001.bin", "ckpt.0003.bin"],
        ["1.th", "3.th"],
    ],
)
def test_kinds_of_names(tmp_path: Path, names: list[str]) -> None:
    save(tmp_path, dict(zip(names, (1, 3), strict=True)))
    run = open_run(tmp_path)
    assert run.steps.tolist() == [1, 3]
    assert run["fc.bias"].values[:, 0].tolist() == [1, 3]


def test_folders_of_transformers(tmp_path: Path) -> None:
    for step in (500, 1000, 1500):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        save_file(state(step), folder / "model.safetensors")
        torch.save({"state": {0: torch.ones(3)}}, folder / "optimizer.pt")
        (folder / "config.json").write_text('{"model_type": "other"}')
    (tmp_path / "runs-2").mkdir()
    run = open_run(tmp_path)
    assert run.steps.tolist() == [500, 1000, 1500]
    assert run["fc.bias"].values[:, 0].tolist() == [500, 1000, 1500]


def test_numpy_files(tmp_path: Path) -> None:
    for step in (1, 2):
        np.savez(tmp_path / f"step-{step}.npz", **{k: v.numpy() for k, v in state(step).items()})
    assert open_run(tmp_path)["fc.bias"].values[:, 0].tolist() == [1, 2]


def test_half_precision(tmp_path: Path) -> None:
    for step in (1, 2):
        torch.save({"fc.weight": state(step)["fc.weight"].bfloat16()}, tmp_path / f"{step}.pt")
    run = open_run(tmp_path)
    assert run["fc"].dtype == "float32"
    assert np.array_equal(run["fc"].values[1], state(2)["fc.weight"].bfloat16().float().numpy())
    assert run.layers["fc.weight"].dtype == "bfloat16"


def test_an_unreadable_file_in_the_middle(tmp_path: Path) -> None:
    save(tmp_path, {f"epoch_{e}.pt": e for e in range(1, 8)})
    (tmp_path / "epoch_4.pt").write_bytes(b"torn")
    (tmp_path / "epoch_6.pt").write_bytes((tmp_path / "epoch_6.pt").read_bytes()[:700])
    with pytest.warns(RunWarning, match=r"epoch_4\.pt cannot be read.*the others are kept \(1 more") as told:
        run = open_run(tmp_path)
    assert len(told) == 1
    assert run.steps.tolist() == [1, 2, 3, 5, 7]
    assert [skip.name for skip in run.skipped] == ["epoch_4.pt", "epoch_6.pt"]
    assert run["fc.bias"].values[:, 0].tolist() == [1, 2, 3, 5, 7]


def test_other_shapes_and_layers_among_them(tmp_path: Path) -> None:
    save(tmp_path, {f"epoch_{e}.pt": e for e in range(1, 7)})
    torch.save(state(3, width=5), tmp_path / "epoch_3.pt")
    torch.save({k: v for k, v in state(5).items() if k != "fc.bias"}, tmp_path / "epoch_5.pt")
    torch.save(state(6) | {"late": torch.ones(2)}, tmp_path / "epoch_6.pt")
    run = open_run(tmp_path)
    assert run.steps.tolist() == [1, 2, 3, 4, 5, 6]
    assert run["fc"].step.values.tolist() == [1, 2, 4, 5, 6]
    assert run["fc.bias"].values[:, 0].tolist() == [1, 2, 3, 4, 6]
    assert run["late"].step.values.tolist() == [6]
    reasons = {skip.name: skip.reason for skip in run.skipped}
    assert (
        reasons["epoch_3.pt: fc.weight"]
        == "is float32 of shape (3, 5), in most others float32 of shape (3, 4)"
    )
    assert reasons["epoch_5.pt: fc.bias"] == "is not in this checkpoint"


def test_other_series_beside_it(tmp_path: Path) -> None:
    save(tmp_path, {f"epoch_{e}.pt": e for e in (1, 2, 3)})
    save(tmp_path, {"best_2.pt": 2, "epoch_02.pt": 2, "final.pt": 9})
    with pytest.warns(RunWarning, match=r"is not of|has .*; the others are kept \(2 more are left out"):
        run = open_run(tmp_path)
    assert run.steps.tolist() == [1, 2, 3]
    reasons = {skip.name: skip.reason for skip in run.skipped}
    assert reasons == {
        "best_2.pt": "is not of the series epoch_N",
        "epoch_2.pt": "has the same number as epoch_02.pt",
        "final.pt": "has no number of a step or an epoch in its name",
    }


@pytest.mark.parametrize(
    ("names", "metrics"),
    [
        (["epoch=01-val_loss=0.52.ckpt", "epoch=03-val_loss=0.32.ckpt"], {"val_loss": [0.52, 0.32]}),
        (
            ["epoch=9-step=1-val_acc=0.5-loss=2e-1.ckpt", "epoch=9-step=3-val_acc=0.75-loss=1e-1.ckpt"],
            {"val_acc": [0.5, 0.75], "loss": [0.2, 0.1]},
        ),
        (["model_epoch_1_acc_91.5.pth", "model_epoch_3_acc_93.25.pth"], {"acc": [91.5, 93.25]}),
        (["resnet20_1_val_loss0.5.pt", "resnet20_3_val_loss0.25.pt"], {"val_loss": [0.5, 0.25]}),
        (["lr=0.1-epoch=1.ckpt", "lr=0.1-epoch=3.ckpt"], {}),
    ],
)
def test_metrics_in_names(tmp_path: Path, names: list[str], metrics: dict[str, list[float]]) -> None:
    save(tmp_path, dict(zip(names, (1, 3), strict=True)))
    run = open_run(tmp_path)
    assert run.steps.tolist() == [1, 3]
    assert {name: run.metrics[name].values.tolist() for name in run.metrics} == metrics
    assert run["fc.bias"].values[:, 0].tolist() == [1, 3]
    assert run.skipped == []


def test_a_second_file_of_one_epoch_and_other_settings_are_told(tmp_path: Path) -> None:
    names = ["epoch=1-loss=0.5.ckpt", "epoch=2-loss=0.4.ckpt", "epoch=2-loss=0.4-v1.ckpt", "last.ckpt"]
    save(tmp_path, dict.fromkeys(names, 1) | {"lr=0.1-epoch=2.ckpt": 2})
    with pytest.warns(RunWarning, match="2 more are left out"):
        run = open_run(tmp_path)
    assert run.steps.tolist() == [1, 2]
    # The second file of a name was written later.
    assert {skip.name for skip in run.skipped} == {
        "epoch=2-loss=0.4.ckpt",
        "last.ckpt",
        "lr=0.1-epoch=2.ckpt",
    }


def test_formats_may_be_mixed(tmp_path: Path) -> None:
    save(tmp_path, {"epoch_1.pt": 1, "epoch_3.pth": 3})
    save_file(state(2), tmp_path / "epoch_2.safetensors")
    save_file(state(3), tmp_path / "epoch_3.safetensors")
    with pytest.warns(RunWarning, match=r"epoch_3\.safetensors has the same number as epoch_3\.pth"):
        run = open_run(tmp_path)
    assert run["fc.bias"].values[:, 0].tolist() == [1, 2, 3]


def test_what_transformers_logs_beside_its_checkpoints(checkpoints: Path) -> None:
    run = open_run(checkpoints / "roberta-lora-trajectory")
    assert run.steps.tolist() == [500, 1500, 3500, 6000, 8500]
    assert len(run.layers) == 52
    assert set(run.metrics) == {"loss", "eval_loss", "learning_rate", "grad_norm"}
    assert run.metrics.step.values.tolist() == list(range(500, 8501, 500))
    assert float(run.metrics["loss"].sel(step=1500)) == 1.0818
    assert float(run.metrics["eval_loss"].sel(step=1000)) == 0.961510181427002
    layer = run[next(iter(run))]
    assert layer.step.values.tolist() == run.steps.tolist()
    assert float(layer.epoch.sel(step=1500)) == 0.5226480836236934


def test_a_damaged_log_is_told(tmp_path: Path) -> None:
    for step in (1, 2):
        (tmp_path / f"checkpoint-{step}").mkdir()
        save_file(state(step), tmp_path / f"checkpoint-{step}/model.safetensors")
        (tmp_path / f"checkpoint-{step}/trainer_state.json").write_text(
            "{" if step == 1 else '{"log_history": []}'
        )
    with pytest.warns(RunWarning, match=r"checkpoint-1/trainer_state\.json cannot be read"):
        run = open_run(tmp_path)
    assert run.steps.tolist() == [1, 2]
    assert not set(run.metrics)


def test_a_folder_that_grows(tmp_path: Path) -> None:
    save(tmp_path, {"epoch_1.pt": 1})
    run = open_run(tmp_path)
    generation = run.generation
    save(tmp_path, {"epoch_2.pt": 2})
    assert run.steps.tolist() == [1]
    assert run.refresh()
    assert not run.refresh()
    assert run.steps.tolist() == [1, 2]
    assert run.generation == generation


def test_files_that_go_while_they_are_read(tmp_path: Path) -> None:
    save(tmp_path, {f"epoch_{e}.pt": e for e in (1, 2)})
    run = open_run(tmp_path)
    (tmp_path / "epoch_2.pt").unlink()
    with pytest.raises(
        RunError, match=r"epoch_2\.pt: fc\.weight cannot be read any more .* open the folder again"
    ):
        run["fc"].load()


def test_folders_without_a_readable_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "epoch_1.pt").write_bytes(b"torn")
    with pytest.raises(RunError, match="none of its 1 numbered checkpoints can be read"):
        open_run(tmp_path)


def test_results_beside_a_folder(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    save(tmp_path / "series", {"1.pt": 1})
    run = open_run(tmp_path / "series", analyses=tmp_path / "results")
    run.analyses.put("x", run.metrics)
    assert open_run(tmp_path / "series", analyses=tmp_path / "results").analyses.get("x") is not None
    assert [p.name for p in (tmp_path / "series").iterdir()] == ["1.pt"]
