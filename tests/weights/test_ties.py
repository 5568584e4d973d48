"""Tied tensors are listed once, with their other names."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from eigentrail.weights import open_store


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.body = nn.Linear(4, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embed.weight


def stores(tmp_path):
    model = Tied()
    yield model, open_store(model)
    yield model, open_store(model.state_dict())
    for legacy in (False, True):
        path = tmp_path / f"{legacy}.pt"
        torch.save(model.state_dict(), path, _use_new_zipfile_serialization=not legacy)
        yield model, open_store(path)
    save_model(model, str(tmp_path / "model.safetensors"))
    yield model, open_store(tmp_path / "model.safetensors")


def test_every_source_lists_tied_weights_once(tmp_path):
    for model, store in stores(tmp_path):
        matrices = {name: entry for name, entry in store.entries.items() if len(entry.shape) == 2}
        names = {name: entry.aliases for name, entry in matrices.items()}
        assert names in (
            {"embed.weight": ("head.weight",), "body.weight": ()},
            {"head.weight": ("embed.weight",), "body.weight": ()},
        )
        assert store.read("head.weight").equal(model.embed.weight)
        assert store.read("embed.weight").equal(model.embed.weight)


def test_equal_numbers_are_not_tied(tmp_path):
    twins = {"a.weight": torch.ones(3, 3), "b.weight": torch.ones(3, 3)}
    torch.save(twins, tmp_path / "a.pt")
    assert len(open_store(tmp_path / "a.pt").entries) == len(open_store(twins).entries) == 2


def test_empty_tensors_are_not_tied(tmp_path):
    named = {"a": torch.ones(0, 3), "b": torch.ones(0, 3)}
    torch.save(named, tmp_path / "a.pt")
    assert len(open_store(tmp_path / "a.pt").entries) == len(open_store(named).entries) == 2


@pytest.mark.parametrize("tied", [True, False])
def test_output_layer_that_the_settings_tie(tied, tmp_path):
    save_file(
        {"model.embed_tokens.weight": torch.ones(9, 4), "model.norm.weight": torch.ones(4)},
        tmp_path / "model.safetensors",
    )
    (tmp_path / "config.json").write_text(json.dumps({"tie_word_embeddings": tied}))
    aliases = open_store(tmp_path).entries["model.embed_tokens.weight"].aliases
    assert aliases == (("lm_head.weight",) if tied else ())


def test_lying_metadata_ties_nothing(tmp_path):
    save_file(
        {"a": torch.ones(2, 2), "b": torch.ones(2, 2)},
        tmp_path / "m.safetensors",
        metadata={"a": "b", "x": "nowhere", "format": "pt"},
    )
    entries = open_store(tmp_path / "m.safetensors").entries
    assert {name: entry.aliases for name, entry in entries.items()} == {"a": (), "b": ()}
