"""An anchor in `et.train`: it holds, the run keeps it, and a training goes on with the same one only."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import eigentrail as et
from eigentrail.errors import OptionError, RunError
from eigentrail.interventions import SpectralAnchor

DATA = (torch.randn(40, 6, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 3)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def anchored(model: nn.Module) -> SpectralAnchor:
    return SpectralAnchor.singular(model, "0", 2, weighting="equal", form="update")


def test_what_is_held_does_not_move_and_the_run_says_so(tmp_path: Path) -> None:
    model = network()
    anchor = anchored(model)
    [part] = anchor.protected
    run = et.train(
        model, DATA, tmp_path / "run", epochs=3, lr=0.3, momentum=0.9, weight_decay=1e-3, anchor=anchor,
        progress=False,
    )  # fmt: skip
    w = torch.from_numpy(run["0.weight"].values).double()
    change = w - w[0]
    assert float(change[-1].norm()) > 0.05
    held = torch.einsum("oi,toj,ij->ti", part.left.double(), change, part.right.double())
    assert float(held.abs().max()) < 1e-5
    told = run.manifest.notes["anchor"]
    assert told["form"] == "update"
    assert told["protected"] == [{"kind": "SingularPairs", "parameters": ["0.weight"], "directions": 2}]
    # The hooks go when the training ends.
    free = et.train(model, DATA, tmp_path / "free", epochs=1, lr=0.3, progress=False)
    last = torch.from_numpy(free["0.weight"].values).double()
    assert (
        float(
            torch.einsum("oi,oj,ij->i", part.left.double(), last[-1] - last[0], part.right.double())
            .abs()
            .max()
        )
        > 1e-4
    )


def test_a_training_goes_on_with_the_anchor_that_it_began_with(tmp_path: Path) -> None:
    model = network()
    et.train(model, DATA, tmp_path / "run", epochs=2, anchor=anchored(model), progress=False)
    again = network()
    more = et.train(
        again, DATA, tmp_path / "run", epochs=4, anchor=anchored(again), resume=True, progress=False
    )
    whole = network()
    at_once = et.train(whole, DATA, tmp_path / "whole", epochs=4, anchor=anchored(whole), progress=False)
    assert (more["0.weight"].values[-1] == at_once["0.weight"].values[-1]).all()
    for anchor in (None, SpectralAnchor.singular(again, "0", 1)):
        with pytest.raises(RunError, match="was trained with an anchor"):
            et.train(again, DATA, tmp_path / "run", epochs=6, anchor=anchor, resume=True, progress=False)


def test_an_anchor_of_another_network_or_of_several_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="does not train"):
        et.train(network(), DATA, tmp_path / "a", epochs=1, anchor=anchored(network()), progress=False)
    with pytest.raises(OptionError, match="one network"):
        et.train(network(), DATA, tmp_path / "b", epochs=1, seeds=[0, 1], anchor=anchored(network()))
