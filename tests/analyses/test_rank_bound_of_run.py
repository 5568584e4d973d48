"""`rank-bound` of a recorded training: Lemma 3.2 holds, and Theorem 3.3 is flagged where it says nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import nn

import eigentrail as et
from eigentrail.training import Step


@pytest.mark.parametrize("network", ["mlp-2-40", "mlp-bn-2-40"])
def test_lemma_3_2_holds_in_a_training_with_batch_norm_too(network: str, tmp_path: Path) -> None:
    data = et.data.take(et.data.load("digits"), 80, 20)
    run = et.train(
        network, data, tmp_path / "run", epochs=6, batch_size=2, lr=0.1, weight_decay=0.05, every=5,
        schedule=Step(at=(3,), gamma=0.5), progress=False,
    )  # fmt: skip
    table = et.analyze(run, "rank-bound", progress=False).tables["rank-bound"].set_index("name")
    assert (table["largest_excess"] <= 1.0).all()
    hidden = table.loc["fc2.weight"]
    assert hidden["cols"] == 40 and hidden["rank"] < 40
    # B ln(2 / 0.3) / (0.05 x 0.05): the rate that is left at the end.
    assert hidden["theorem"] == pytest.approx(2 * np.log(2 / 0.3) / (0.05 * 0.05))
    found = et.analyze(run, "rank-bound", progress=False).findings
    assert any("says nothing here" in one.sentence for one in found)


def test_without_decay_nothing_is_bounded(tmp_path: Path) -> None:
    data = et.data.take(et.data.load("digits"), 40, 20)
    run = et.train("mlp50", data, tmp_path / "run", epochs=1, progress=False)
    found = et.analyze(run, "rank-bound", progress=False).found["rank-bound"]
    assert len(found.table) == 0
    reasons = [one.reason for one in found.skipped if one.name.endswith("weight")]
    assert len(reasons) == 3 and all("no weight decay" in reason for reason in reasons)


def test_a_convolution_counts_its_patches_and_a_layer_of_tokens_its_tokens(tmp_path: Path) -> None:
    data = et.data.take(et.data.load("digits"), 40, 20)
    net = nn.Sequential(
        nn.Flatten(), nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 12, 8, padding=1), nn.ReLU(), nn.Flatten(2),
        nn.Linear(9, 30), nn.Flatten(), nn.Linear(360, 10),
    )  # fmt: skip
    run = et.train(
        net,
        data,
        tmp_path / "run",
        epochs=4,
        batch_size=1,
        lr=0.1,
        weight_decay=0.05,
        every=2,
        progress=False,
    )
    found = et.analyze(run, "rank-bound", progress=False, model=lambda: net).tables["rank-bound"]
    table = found.set_index("name")
    # Of 8 x 8 with a border of one an 8 x 8 kernel sees 3 x 3 patches; the dense layer after it is applied to 12 rows.
    assert table["patches"].to_dict() == {"2.weight": 9, "5.weight": 12, "7.weight": 1}
    assert (table["largest_excess"] <= 1.0).all()
    assert table.loc["2.weight", "theorem"] == pytest.approx(9 * np.log(2 / 0.3) / (0.1 * 0.05))
