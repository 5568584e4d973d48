"""Repositories of the hub, from a local cache made by hand: nothing here touches a network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import eigentrail as et
from eigentrail.errors import SourceError
from eigentrail.weights import open_weights

constants = pytest.importorskip("huggingface_hub.constants", reason="needs the extra hub")
FIRST, SECOND = "a" * 40, "b" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two revisions of one repository, as `huggingface_hub` keeps them, and no network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    place = tmp_path / "models--org--tiny"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(FIRST)
    for commit, size in ((FIRST, 12), (SECOND, 20)):
        folder = place / "snapshots" / commit
        folder.mkdir(parents=True)
        save_file({"fc.weight": torch.randn(size, 8)}, folder / "model.safetensors")
        (folder / "config.json").write_text("{}")
    return tmp_path


def test_the_cache_is_read_by_branch_and_by_commit(cache: Path) -> None:
    weights = open_weights("hf://org/tiny")
    assert weights["fc.weight"].shape == (12, 8) and weights.source == "hf://org/tiny"
    assert open_weights(f"hf://org/tiny@{SECOND}")["fc.weight"].shape == (20, 8)
    assert et.inspect("hf://org/tiny", progress=False).source == "hf://org/tiny"


def test_without_network_what_is_not_there_is_said_in_one_sentence(cache: Path) -> None:
    with pytest.raises(SourceError, match="not in the local cache") as raised:
        open_weights("hf://org/other")
    assert "\n" not in str(raised.value)


def test_a_repository_without_weights_says_so(cache: Path) -> None:
    (cache / "models--org--tiny" / "snapshots" / FIRST / "model.safetensors").unlink()
    with pytest.raises(SourceError, match="no file of weights"):
        open_weights("hf://org/tiny")


@pytest.mark.parametrize(
    "address", ["hf://", "hf://name", "hf://org/name@", "hf://../../etc/passwd", "hf://a/b/c"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(SourceError, match="no address"):
        open_weights(address)
