"""Accuracy against rank, on a network whose layer needs just two directions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from making_analyses import made, node_of
from scipy.stats import binom
from torch import nn

import eigentrail as et
from eigentrail.analyses.acc_k import smallest_rank
from eigentrail.analyses.framework.registry import find_analysis
from eigentrail.figures.acc_k import layer_curves, layer_data
from eigentrail.findings import Verdict
from eigentrail.recipes.shared.rank_claims import rank_claims
from eigentrail.testing import check_analysis

N, M = 40, 30


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> et.Run:
    """A layer of two strong directions in noise, which grow over the steps; the head reads these two only."""
    rng = np.random.default_rng(0)
    left, right = np.linalg.qr(rng.standard_normal((N, 2)))[0], np.linalg.qr(rng.standard_normal((M, 2)))[0]
    noise = 0.05 * rng.standard_normal((N, M))
    model = nn.Sequential(nn.Linear(M, N, bias=False), nn.Linear(N, 3, bias=False)).double()
    head = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.5]]) @ left.T
    with torch.no_grad():
        model[0].weight.copy_(torch.from_numpy(noise))
        model[1].weight.copy_(torch.from_numpy(head))
    path = tmp_path_factory.mktemp("planted") / "run"
    with et.Recorder(model, path, report=None) as recorder:
        for step in range(1, 7):
            with torch.no_grad():
                planted = left @ np.diag([1.2 * step, 1.0 * step]) @ right.T
                model[0].weight.copy_(torch.from_numpy(noise + planted))
            recorder.step(step)
    inputs = torch.from_numpy(rng.standard_normal((400, M)))
    targets = model(inputs).argmax(1)
    return et.open_run(path).with_given(
        model=model, data={"train": (inputs, targets), "test": (inputs, targets)}
    )


def test_two_planted_directions_are_needed_and_suffice(planted: et.Run) -> None:
    found = made(planted, "acc-k")
    row = found.table.set_index("name").loc["0.weight"]
    assert (row["spikes"], row["k_last"], row["rank"]) == (2, 2, M)
    assert row["accuracy_full"] == 1.0 and row["accuracy_spikes"] > 0.99
    # Two at all steps beyond guessing: no trend, and a value for the claim that it falls.
    assert row["k_trend"] == 0.0
    cut = node_of(found, "0.weight")["cut"].to_dataset()
    with torch.no_grad():
        model, (inputs, targets) = planted.given.model, planted.given.samples("test")
        u, s, vt = torch.linalg.svd(model[0].weight.detach(), full_matrices=False)
        for k in (0, 1, 2, M):
            outputs = inputs @ (u[:, :k] * s[:k] @ vt[:k]).T @ model[1].weight.T
            accuracy = float((outputs.argmax(1) == targets).double().mean())
            assert float(cut["accuracy"].sel(step=6, k=k)) == pytest.approx(accuracy)
    [spikes] = [one for one in found.of("0.weight") if "spikes" in one.question]
    assert spikes.verdict is Verdict.UNDECIDED and "not shown to be worse" in spikes.sentence
    # The head has rank two exactly, of which no noise law is told; its accuracies are.
    head = found.table.set_index("name").loc["1.weight"]
    assert head["spikes"] is None and head["spikes_p"] is None and head["k_last"] == 2


def test_shrinking_is_compared_on_the_same_samples(planted: et.Run) -> None:
    shrunk = node_of(made(planted, "acc-k"), "0.weight")["shrunk"].to_dataset()
    assert set(shrunk["way"].values) == {"mean", "geodesic", "initial", "random", "later", "denoised"}
    # Nothing is left to tell the noise from at the whole rank, and only spikes are denoised.
    assert np.isfinite(shrunk["gain"].sel(way="mean").values).sum() == shrunk.sizes["k"] - 2
    assert shrunk["k"].values[np.isfinite(shrunk["gain"].sel(way="denoised").values)].tolist() == [1, 2]
    p = shrunk["p"].values[np.isfinite(shrunk["p"].values)]
    assert ((p >= 0) & (p <= 1)).all()


def test_layers_of_several_runs_stand_side_by_side(planted: et.Run) -> None:
    found = made(planted, "acc-k")
    other = node_of(found, "0.weight").copy(deep=True)
    half = other["cut"].to_dataset()
    other["cut"] = xr.DataTree(half.assign(accuracy=0.5 * half["accuracy"]))
    nodes = [("a", node_of(found, "0.weight")), ("b", other), ("a, head", node_of(found, "1.weight"))]
    table = layer_data(nodes).set_index(["layer", "step", "k"])
    row = table.loc[("0.weight", 6, M)]
    assert (row["accuracy"], row["low"], row["high"], row["runs"]) == (0.75, 0.5, 1.0, 2)
    assert table.loc[("1.weight", 6)]["runs"].max() == 1
    figure = layer_curves(nodes, "layers")
    assert {trace.xaxis for trace in figure.data} == {"x", "x2"}
    assert {"step 6", "number of spikes", "k*"} <= {trace.name for trace in figure.data}
    assert "0.weight" in figure.layout.xaxis.title.text and "1.weight" in figure.layout.xaxis2.title.text


def test_it_keeps_the_contract_and_decides_claims(planted: et.Run, tmp_path: Path) -> None:
    check_analysis(find_analysis("acc-k"), planted, layers="0")
    table = made(planted, "acc-k").table
    observed = {one.claim.id: one.observe({"acc-k": table}) for one in rank_claims("0.weight")}
    assert observed["acc-k-spikes-0.weight"].values[0] < 0.01
    results = {key: one.claim.decide(one.values * 5) for key, one in observed.items()}
    assert results["acc-k-spikes-0.weight"].verdict is Verdict.YES


def test_the_smallest_rank_from_which_no_larger_one_is_worse() -> None:
    full = np.ones(200, dtype=bool)
    half = np.arange(200) < 100
    right = np.stack([half, full, half, full, full])
    # The second is as good, and a larger one is worse again.
    assert smallest_rank(np.array([0, 1, 2, 4, 8]), right, full) == 4
    assert smallest_rank(np.array([0, 1, 2, 4, 8]), np.stack([full] * 5), full) == 0


def test_ranks_that_differ_by_chance_alone_are_rarely_called_worse() -> None:
    """200 draws of eight ranks that are right as often as the full matrix, each for its own samples: 5% at most."""
    rng = np.random.default_rng(8)
    counts = np.array([0, 1, 2, 4, 8, 16, 32, 64])
    beyond = sum(
        smallest_rank(counts, rng.random((8, 300)) < 0.9, rng.random(300) < 0.9) > 0 for _ in range(200)
    )
    assert binom.sf(beyond - 1, 200, 0.05) > 1e-3
    # A loss of a fifth of the samples is found.
    full = rng.random(300) < 0.95
    worse = full & (rng.random((8, 300)) < 0.8)
    worse[4:] = full
    assert smallest_rank(counts, worse, full) == 8
