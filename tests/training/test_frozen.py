"""Layers that keep their values while the others are trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import eigentrail as et
from eigentrail.errors import OptionError


def test_frozen_layers_keep_their_values_and_the_others_learn(tmp_path: Path) -> None:
    run = et.train(
        "mlp50",
        "digits",
        tmp_path / "run",
        epochs=1,
        lr=0.1,
        weight_decay=0.01,
        frozen=["fc3.*"],
        progress=False,
    )
    for name in ("fc3.weight", "fc3.bias"):
        assert (run[name].values == run[name].values[0]).all()
    for name in ("fc1.weight", "fc2.weight"):
        assert np.abs(run[name].values[-1] - run[name].values[0]).max() > 1e-3


@pytest.mark.parametrize("how", ["stack", pytest.param("processes", marks=pytest.mark.slow)])
def test_an_ensemble_freezes_what_each_training_alone_freezes(tmp_path: Path, how: str) -> None:
    settings = {"epochs": 1, "lr": 0.1, "momentum": 0.5, "frozen": ("fc2",), "progress": False}
    both = et.train("mlp50", "digits", tmp_path / how, seeds=[0, 1], how=how, **settings)
    alone = et.train("mlp50", "digits", tmp_path / "alone", seed=1, **settings)
    for name in alone:
        np.testing.assert_allclose(both[1][name].values, alone[name].values, atol=2e-5)
    assert (both[1]["fc2"].values == both[1]["fc2"].values[0]).all()
    # "fc2" stands for its weight; the bias learns.
    assert np.abs(both[1]["fc2.bias"].values[-1]).max() > 0


def test_the_callers_network_is_trainable_again(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    before = model[2].weight.detach().clone()
    data = (torch.randn(20, 4), torch.arange(20) % 2)
    et.train(model, data, tmp_path / "run", epochs=1, frozen=["2.*"], progress=False)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert torch.equal(model[2].weight, before)


def test_going_on_needs_the_same_frozen_layers(tmp_path: Path) -> None:
    et.train("mlp50", "digits", tmp_path / "run", epochs=1, frozen=["fc3.*"], progress=False)
    longer = et.train(
        "mlp50", "digits", tmp_path / "run", epochs=2, frozen=["fc3.*"], resume=True, progress=False
    )
    whole = et.train("mlp50", "digits", tmp_path / "whole", epochs=2, frozen=["fc3.*"], progress=False)
    assert (longer["fc1"].values == whole["fc1"].values).all()
    with pytest.raises(et.errors.RunError, match="frozen"):
        et.train("mlp50", "digits", tmp_path / "run", epochs=3, resume=True, progress=False)


@pytest.mark.parametrize("globs, said", [(["fc9"], "fc9"), (["*"], "no parameter to train")])
def test_bad_globs_are_one_sentence(tmp_path: Path, globs: list[str], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        et.train("mlp50", "digits", tmp_path / "run", frozen=globs, progress=False)
    with pytest.raises(OptionError, match=said):
        et.train("mlp50", "digits", tmp_path / "many", seeds=[0, 1], frozen=globs, progress=False)
    assert not list(tmp_path.iterdir())
