"""Modules: any device and precision, and what they say about their parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from eigentrail.errors import SourceError
from eigentrail.weights import ModuleHint, open_store


def test_hints():
    class Own(nn.Conv2d):
        pass

    net = nn.ModuleDict(
        {
            "fc": nn.Linear(4, 3),
            "conv": Own(8, 6, 3, groups=2),
            "up": nn.ConvTranspose1d(4, 6, 3, groups=2),
            "lstm": nn.LSTM(5, 7),
            "attn": nn.MultiheadAttention(8, 4),
        }
    )
    store = open_store(net)
    assert store.modules["fc.weight"] == ModuleHint("Linear")
    assert store.modules["conv.weight"] == ModuleHint("Conv2d", groups=2)
    assert store.modules["up.weight"] == ModuleHint("ConvTranspose1d", groups=2, transposed=True)
    assert store.modules["lstm.weight_hh_l0"] == ModuleHint("LSTM", hidden_size=7)
    assert store.modules["attn.in_proj_weight"] == ModuleHint("MultiheadAttention", num_heads=4)
    assert set(store.modules) <= set(store.entries)


def test_wrapped_module_has_plain_names():
    net = nn.DataParallel(nn.Sequential(nn.Linear(3, 2)))
    store = open_store(net)
    assert list(store.entries) == ["0.weight", "0.bias"]
    assert set(store.modules) == set(store.entries)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_any_precision(kind):
    net = nn.Linear(4, 3).to(kind)
    assert open_store(net).read("weight").dtype == kind


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda():
    net = nn.Linear(4, 3).cuda().half()
    assert open_store(net).read("weight").equal(net.weight)


def test_what_holds_no_numbers_is_skipped():
    net = nn.ModuleDict({"a": nn.Linear(3, 2, device="meta"), "b": nn.LazyLinear(4), "c": nn.Linear(2, 2)})
    store = open_store(net)
    assert list(store.entries) == ["c.weight", "c.bias"]
    reasons = {left.name: left.reason for left in store.skipped}
    assert "meta device" in reasons["a.weight"]
    assert "one batch" in reasons["b.weight"]


def test_sparse_and_quantised_are_skipped():
    store = open_store(
        {
            "s": torch.eye(3).to_sparse(),
            "q": torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 0, torch.qint8),
            "w": torch.ones(2, 2),
        }
    )
    assert list(store.entries) == ["w"]
    assert [("to_dense" in left.reason) or ("dequantize" in left.reason) for left in store.skipped] == [
        True,
        True,
    ]


def test_settings_of_a_transformers_network():
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=11, n_positions=6)
    store = open_store(transformers.GPT2LMHeadModel(config))
    assert store.config["n_head"] == 2
    assert store.entries["transformer.wte.weight"].aliases == ("lm_head.weight",)
    assert store.modules["transformer.h.0.attn.c_attn.weight"].class_name == "Conv1D"


@pytest.mark.parametrize("source", [nn.ReLU(), {}, {"epoch": 3}, 5, [], [3, "a"], None])
def test_nothing_to_open(source):
    with pytest.raises(SourceError, match="give"):
        open_store(source)


def test_one_matrix_and_a_list_of_them_have_plain_names():
    assert list(open_store(torch.ones(2, 3)).entries) == ["weight"]
    assert list(open_store([torch.ones(2, 3), np.ones((4, 2))]).entries) == ["0", "1"]


def test_fingerprint_follows_the_numbers():
    net = nn.Linear(4, 3)
    before = open_store(net).fingerprint
    assert open_store(net).fingerprint == before
    with torch.no_grad():
        net.weight[0, 0] += 1
    assert open_store(net).fingerprint != before
