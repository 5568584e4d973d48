"""Anchors in the loops of others: mixed precision, Lightning, transformers' Trainer."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from eigentrail.interventions.anchors import Anchor, SpectralAnchor

X = torch.randn(64, 12, generator=torch.Generator().manual_seed(0))
Y = torch.arange(64) % 3


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(12, 10), nn.Tanh(), nn.Linear(10, 3))


def still(anchor: Anchor) -> float:
    """The largest motion along what is held."""
    return max(
        float(change.abs().max())
        for part in anchor.protected
        for change in part.along({name: c.detach() for name, c in anchor.change().items()}).values()
    )


def moved(anchor: Anchor) -> float:
    return max(float(change.detach().abs().max()) for change in anchor.change().values())


@pytest.mark.parametrize("fused", [False, True])
def test_a_scaled_loss_changes_nothing(fused: bool) -> None:
    """A `GradScaler` multiplies the loss; a fused optimizer is given the scaled gradients and divides in its step."""
    ends = []
    for scale in (None, 2.0**12):
        model = network()
        anchor = SpectralAnchor.singular(model, count=2, strength=5.0)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, fused=fused)
        scaler = torch.amp.GradScaler("cpu", init_scale=scale or 1.0, enabled=scale is not None)
        anchor.attach(optimizer)
        for _ in range(10):
            optimizer.zero_grad()
            scaler.scale(F.cross_entropy(model(X), Y)).backward()
            scaler.step(optimizer)
            scaler.update()
        ends.append([parameter.detach() for parameter in model.parameters()])
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_autocast_in_bfloat16_keeps_what_is_held() -> None:
    model = network()
    anchor = SpectralAnchor.singular(model, count=2, weighting="equal", form="update")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    anchor.attach(optimizer)
    for _ in range(10):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(model(X), Y)
        loss.backward()
        optimizer.step()
    assert moved(anchor) > 0.05 and still(anchor) < 1e-6


@pytest.mark.slow
def test_lightning_trains_with_it(tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning.pytorch", reason="extra `lightning`")

    class Second(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()
            self.anchor = SpectralAnchor.singular(self, "net.*.weight", 2, weighting="equal", form="update")

        def training_step(self, batch, number):
            return F.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            optimizer = torch.optim.AdamW(self.parameters(), lr=0.02)
            self.anchor.attach(optimizer)
            return optimizer

    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), batch_size=16)
    task = Second()
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
        precision="bf16-mixed", gradient_clip_val=1.0,
    )  # fmt: skip
    trainer.fit(task, loader)
    assert moved(task.anchor) > 0.02 and still(task.anchor) < 1e-6


@pytest.mark.slow
def test_transformers_trainer_trains_with_it(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="extra `transformers`")
    pytest.importorskip("accelerate", reason="extra `transformers`")

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def forward(self, x, labels):
            logits = self.net(x)
            return {"loss": F.cross_entropy(logits, labels), "logits": logits}

    model = Classifier()
    anchor = SpectralAnchor.singular(model, "net.*.weight", 2, weighting="equal", form="update")
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    anchor.attach(optimizer)
    settings = transformers.TrainingArguments(
        output_dir=str(tmp_path), max_steps=8, per_device_train_batch_size=16, use_cpu=True, report_to=[],
        save_strategy="no", disable_tqdm=True, logging_strategy="no",
    )  # fmt: skip
    before = copy.deepcopy(model)
    samples = [{"x": x, "labels": y} for x, y in zip(X, Y, strict=True)]
    transformers.Trainer(model, settings, train_dataset=samples, optimizers=(optimizer, None)).train()
    assert not torch.equal(before.net[0].weight, model.net[0].weight)
    assert moved(anchor) > 0.02 and still(anchor) < 1e-6
