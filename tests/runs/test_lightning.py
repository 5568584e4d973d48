"""The callback inside a real Lightning training."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from eigentrail.errors import RunError
from eigentrail.runs import open_run

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)


@pytest.fixture(scope="module")
def pl() -> Any:
    """Lightning with what is trained here: seconds to import, which only the process that runs these tests takes."""
    pytest.importorskip("lightning.pytorch", reason="needs the extra loops")
    return importlib.import_module("lightning_training")


def test_weights_after_optimizer_steps(pl: Any, tmp_path: Path) -> None:
    module = pl.Module()
    pl.fit(
        module,
        pl.RecorderCallback(tmp_path / "run", layers={"net.0": 1, "net.2": "epoch"}, report=None),
        3,
        tmp_path,
    )
    run = open_run(tmp_path / "run")
    assert run.status == "finished"
    assert run["net.0"].step.values.tolist() == list(range(19))
    for step, weight in module.kept.items():
        assert np.array_equal(run["net.0"].sel(step=step).values, weight.numpy())
    assert np.array_equal(run["net.0"].values[18], module.net[0].weight.detach().numpy())
    assert run["net.2"].step.values.tolist() == [0, 6, 12, 18]
    assert run["net.2"].epoch.values.tolist() == [0, 1, 2, 3]
    assert np.allclose(run.metrics["loss"].values[1:], module.losses, rtol=1e-6)
    accuracy = run.metrics["val_accuracy"].dropna("step")
    assert accuracy.step.values.tolist() == [6, 12, 18]
    assert run.manifest.optimizer["class"] == "torch.optim.sgd:SGD"


def test_gradient_accumulation(pl: Any, tmp_path: Path) -> None:
    module = pl.Module()
    pl.fit(module, pl.RecorderCallback(tmp_path / "run", report=None), 2, tmp_path, accumulate_grad_batches=3)
    run = open_run(tmp_path / "run")
    # Six batches make two optimizer steps.
    assert run.steps.tolist() == [0, 1, 2, 3, 4]
    for step, weight in module.kept.items():
        assert np.array_equal(run["net.0"].sel(step=step).values, weight.numpy())
    assert np.allclose(run.metrics["loss"].values[1:], np.reshape(module.losses, (4, 3)).mean(1), rtol=1e-6)


def test_an_exception_and_going_on(pl: Any, tmp_path: Path) -> None:
    whole, broken = pl.Module(), pl.Module(fails_at=9)
    torch.manual_seed(1)
    start = {name: torch.randn_like(value) for name, value in whole.state_dict().items()}
    for module in (whole, broken):
        module.load_state_dict(start)
    pl.fit(whole, pl.RecorderCallback(tmp_path / "whole", report=None), 3, tmp_path)
    callback = pl.RecorderCallback(tmp_path / "run", report=None, resume=True)
    saved = tmp_path / "saved.ckpt"

    class Save(pl.lightning.Callback):
        def on_train_epoch_end(self, trainer: object, pl_module: object) -> None:
            if not saved.exists():
                trainer.save_checkpoint(saved)  # type: ignore[attr-defined]

    with pytest.raises(ValueError, match="the data is gone"):
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        torch.manual_seed(0)
        data = DataLoader(TensorDataset(torch.randn(48, 4), torch.randint(0, 2, (48,))), batch_size=8)
        pl.lightning.Trainer(
            max_epochs=3,
            callbacks=[callback, Save()],
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        ).fit(broken, data)
    run = open_run(tmp_path / "run")
    assert run.status == "interrupted"
    assert run.manifest.error == "ValueError: the data is gone"
    assert run.steps[-1] == 9
    # The trainer goes on from its checkpoint at step 6; the steps after it are taken back.
    again = pl.Module()
    pl.fit(
        again, pl.RecorderCallback(tmp_path / "run", report=None, resume=True), 3, tmp_path, ckpt_path=saved
    )
    run.refresh()
    assert run.status == "finished"
    assert np.array_equal(run["net.0"].values, open_run(tmp_path / "whole")["net.0"].values)
    # A training from the beginning is not taken for its continuation.
    with pytest.raises(RunError, match="is not the one recorded at step 18"):
        pl.fit(pl.Module(), pl.RecorderCallback(tmp_path / "run", report=None, resume=True), 1, tmp_path)


def test_a_monitor_looks_after_optimizer_steps_and_tells_the_loggers(pl: Any, tmp_path: Path) -> None:
    module, callback, told = pl.Module(), pl.MonitorCallback(every=3, alarms=False), pl.Told()
    pl.fit(module, callback, 2, tmp_path, logger=told)
    looked = {step for step, numbers in told.numbers.items() if "net.0.weight/frobenius_norm" in numbers}
    assert looked == {0, 3, 6, 9, 12}
    for step in (3, 6, 9):
        # The weights of step 3 are those with which batch 3 begins.
        norm = told.numbers[step]["net.0.weight/frobenius_norm"]
        assert norm == pytest.approx(float(module.kept[step].norm()), rel=1e-5)
    assert callback.monitor is not None
    last = callback.monitor.latest["net.0.weight"]["frobenius_norm"]
    assert last == pytest.approx(float(module.net[0].weight.detach().norm()), rel=1e-5)


def test_a_monitor_tells_its_own_logger_instead(pl: Any, tmp_path: Path) -> None:
    told, own = pl.Told(), {}
    pl.fit(
        pl.Module(),
        pl.MonitorCallback(every=6, log_to=lambda numbers, step: own.update({step: numbers})),
        1,
        tmp_path,
        logger=told,
    )
    assert set(own) == {0, 6}
    assert not any("net.0.weight/frobenius_norm" in numbers for numbers in told.numbers.values())
