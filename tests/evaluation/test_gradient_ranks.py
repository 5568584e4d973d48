from __future__ import annotations

import pytest
import torch
from torch import nn

from eigentrail.errors import DataError
from eigentrail.evaluation.gradient_ranks import gradient_ranks


def test_lemma_3_1_for_dense_layers_and_convolutions() -> None:
    torch.manual_seed(0)
    dense = nn.Sequential(
        nn.Linear(20, 30), nn.BatchNorm1d(30), nn.Tanh(), nn.Linear(30, 12), nn.Tanh(), nn.Linear(12, 10)
    )
    found = gradient_ranks(dense, torch.randn(6, 20), torch.arange(6)).set_index("name")
    assert found["sample_rank"].eq(1).all() and found["patches"].eq(1).all()
    # Six samples in general position reach the bound of the batch.
    assert found["batch_rank"].tolist() == found["batch_bound"].tolist() == [6, 6, 6]
    conv = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Tanh(), nn.Flatten(), nn.Linear(16 * 4, 10))
    found = gradient_ranks(conv, torch.randn(3, 3, 4, 4), torch.arange(3)).set_index("name")
    assert found.loc["0.weight", ["patches", "sample_rank", "batch_rank", "batch_bound"]].tolist() == [
        4,
        4,
        12,
        12,
    ]
    assert found.loc["3.weight", ["patches", "sample_rank", "batch_rank"]].tolist() == [1, 1, 3]


def test_a_layer_on_sequences_has_a_place_for_each_token() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Flatten(), nn.Linear(40, 3))
    found = gradient_ranks(net, torch.randn(2, 5, 8), torch.tensor([0, 1]), layers="0")
    assert found[["patches", "sample_rank", "sample_bound"]].values.tolist() == [[5, 5, 5]]


def test_what_cannot_be_counted_is_said() -> None:
    net = nn.Linear(4, 3)
    with pytest.raises(DataError, match="no dense layer"):
        gradient_ranks(net, torch.randn(2, 4), torch.tensor([0, 1]), layers="conv*")
    with pytest.raises(DataError, match="2 samples and 1 targets"):
        gradient_ranks(net, torch.randn(2, 4), torch.tensor([0]))
