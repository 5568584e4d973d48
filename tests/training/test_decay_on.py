"""Weight decay on dense layers only, as in S1's miniAlexNet."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from eigentrail import networks
from eigentrail.data import Data
from eigentrail.errors import OptionError
from eigentrail.training import TrainingSettings, train
from eigentrail.training.optimizers import make_optimizer


def test_without_gradients_only_dense_layers_shrink() -> None:
    model = networks.build("lenet", (1, 28, 28), 10)
    before = {name: value.detach().clone() + 1 for name, value in model.named_parameters()}
    with torch.no_grad():
        for value in model.parameters():
            value.add_(1)
            value.grad = torch.zeros_like(value)
    settings = TrainingSettings(lr=0.5, weight_decay=0.02, decay_on="dense")
    make_optimizer(model, settings).step()
    for name, value in model.named_parameters():
        factor = 0.99 if name.startswith("fc") else 1.0
        torch.testing.assert_close(value.detach(), factor * before[name])


def test_a_training_records_and_resumes_it(few: Data, tmp_path: Path) -> None:
    settings = TrainingSettings(lr=0.05, momentum=0.9, weight_decay=0.01, decay_on="dense")
    train("lenet", few, tmp_path / "parts", settings, epochs=1)
    parts = train("lenet", few, tmp_path / "parts", settings, epochs=2, resume=True)
    whole = train("lenet", few, tmp_path / "whole", settings, epochs=2)
    everywhere = train("lenet", few, tmp_path / "all", settings, epochs=2, decay_on="all")
    assert (parts["conv1.weight"].values == whole["conv1.weight"].values).all()
    assert not (everywhere["conv1.weight"].values == whole["conv1.weight"].values).all()


def test_a_network_without_dense_layers_is_refused() -> None:
    with pytest.raises(OptionError, match='decay_on="dense": the network has no dense layer'):
        make_optimizer(nn.Conv2d(1, 2, 3), TrainingSettings(decay_on="dense"))
