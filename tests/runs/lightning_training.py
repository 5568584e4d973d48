"""A module, a logger and a training of Lightning's."""

from __future__ import annotations

import logging
from pathlib import Path

import lightning.pytorch as lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from eigentrail.runs.lightning import MonitorCallback as MonitorCallback
from eigentrail.runs.lightning import RecorderCallback as RecorderCallback


class Module(lightning.LightningModule):
    """A module that keeps its own copies of the weights at every optimizer step."""

    def __init__(self, fails_at: int | None = None) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
        self.kept: dict[int, torch.Tensor] = {}
        self.losses: list[float] = []
        self.fails_at = fails_at

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        self.kept[self.trainer.global_step] = self.net[0].weight.detach().clone()
        if self.fails_at == self.trainer.global_step:
            raise ValueError("the data is gone")
        loss = nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.losses.append(float(loss.detach()))
        return loss

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        self.log("val_accuracy", (self.net(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(module: Module, callback: lightning.Callback, epochs: int, tmp_path: Path, **how: object) -> object:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.manual_seed(0)
    data = DataLoader(TensorDataset(torch.randn(48, 4), torch.randint(0, 2, (48,))), batch_size=8)
    checkpoint = how.pop("ckpt_path", None)
    trainer = lightning.Trainer(
        max_epochs=epochs,
        callbacks=[callback],
        accelerator="cpu",
        logger=how.pop("logger", False),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        **how,
    )
    trainer.fit(module, data, data, ckpt_path=checkpoint)
    return trainer


class Told(lightning.loggers.Logger):
    """A logger that keeps what it is told."""

    name, version = "told", 0

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[int, dict[str, float]] = {}

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.numbers.setdefault(int(step or 0), {}).update(metrics)

    def log_hyperparams(self, *args: object, **kwargs: object) -> None:
        pass
