"""A file and the module it came from give the same matrices: biases tell which axis holds the outputs."""

from __future__ import annotations

import pytest
import torch
from planning import noise, plan, spike
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm, weight_norm

from eigentrail.weights import open_weights

KINDS = {
    "linear": lambda: nn.Linear(12, 7),
    "embedding": lambda: nn.Embedding(11, 6),
    "conv1d": lambda: nn.Conv1d(6, 10, 3),
    "conv2d": lambda: nn.Conv2d(6, 10, 3),
    "conv3d": lambda: nn.Conv3d(3, 5, 2),
    "up1d": lambda: nn.ConvTranspose1d(6, 10, 3),
    "up2d": lambda: nn.ConvTranspose2d(10, 6, 2),
    "up2d.groups": lambda: nn.ConvTranspose2d(12, 8, 3, groups=4),
    "up3d": lambda: nn.ConvTranspose3d(4, 6, 2),
    "depthwise": lambda: nn.Conv2d(8, 8, 3, groups=8),
    "weight_norm": lambda: weight_norm(nn.ConvTranspose2d(10, 6, 2)),
    "parametrised": lambda: parametrizations.weight_norm(nn.ConvTranspose2d(10, 6, 2)),
    "spectral_norm": lambda: spectral_norm(nn.Conv2d(6, 10, 3)),
    "lstm": lambda: nn.LSTM(6, 8),
    "gru": lambda: nn.GRU(6, 8, bidirectional=True),
    "attention": lambda: nn.MultiheadAttention(8, 2),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", ["body", "up_conv"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("conv", ["flatten", "slices"])
def test_a_file_and_its_module_give_the_same_matrices(kind, name, conv):
    torch.manual_seed(0)
    net = nn.ModuleDict({"stem": nn.Linear(3, 5), name: KINDS[kind]()})
    of_module, of_file = open_weights(net, conv=conv), open_weights(net.state_dict(), conv=conv)
    assert set(of_module) == set(of_file)
    for matrix in of_module:
        assert torch.equal(of_module[matrix], of_file[matrix]), matrix


def test_a_planted_rank_survives_whatever_the_layer_is_called():
    """Rank 4 of a transposed kernel [in, out, 2, 2], and rank 3 of a plain one that is called up_conv."""
    outputs_first = torch.stack([spike(24, 48 * 4, 1.0, seed=s) for s in range(4)]).sum(0)
    up = outputs_first.reshape(24, 48, 2, 2).transpose(0, 1)
    plain = torch.stack([spike(32, 64 * 9, 1.0, seed=s) for s in range(3)]).sum(0).reshape(32, 64, 3, 3)
    weights = open_weights(
        {
            "up.weight": up,
            "up.bias": torch.zeros(24),
            "up_conv.weight": plain,
            "up_conv.bias": torch.zeros(32),
        }
    )
    assert torch.linalg.matrix_rank(weights["up.weight"]) == 4
    assert torch.linalg.matrix_rank(weights["up_conv.weight"]) == 3
    assert weights.specs["up.weight"].kind == "conv2d-transposed"
    assert weights.specs["up_conv.weight"].kind == "conv2d"


def test_a_linear_layer_that_is_stored_inputs_first_is_turned():
    tensors = {"fc.weight": noise(5, 9), "fc.bias": noise(9)}
    specs, _ = plan(tensors)
    assert torch.equal(specs["fc.weight"].build(tensors.__getitem__), tensors["fc.weight"].T)
    assert "bias" in (specs["fc.weight"].note or "")
