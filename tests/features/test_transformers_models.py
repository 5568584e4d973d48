"""A vision transformer of the transformers library, in a tiny configuration."""

from __future__ import annotations

import pytest
import torch

import eigentrail as et

transformers = pytest.importorskip("transformers", reason="transformers is an optional extra")


def test_a_vision_transformer_by_its_class_token() -> None:
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, image_size=8, patch_size=4,
        num_labels=3,
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config)
    batch = {"pixel_values": torch.randn(30, 3, 8, 8), "labels": torch.arange(30) % 3}
    found = et.Features(model, batch, token=0)
    table = found.collapse()
    assert found.head is not None
    assert found.head.name == "classifier"
    assert table.loc["classifier:input"].nc1 > 0
    assert table.loc["classifier:input"].nc4 >= 0
    assert "position 0" in set(table.reading)
    assert len(et.Features(model, batch, "*layernorm*", token=0).collapse()) >= 5
