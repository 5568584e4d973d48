"""Checkpoints that are not one readable file: read in parts, or one sentence that is true and says what to do."""

from __future__ import annotations

import zipfile

import pytest
import torch
from safetensors.torch import save_file

from eigentrail.errors import SourceError
from eigentrail.weights import open_store

A = {"fc.weight": torch.ones(4, 3)}


def test_a_distributed_checkpoint_says_how_it_becomes_one_file(tmp_path):
    torch.save(A, tmp_path / "__0_0.distcp")
    (tmp_path / ".metadata").write_bytes(b"\x80\x04N.")
    for source in (tmp_path, tmp_path / "__0_0.distcp"):
        with pytest.raises(SourceError, match=r"distributed checkpoint.*dcp_to_torch_save"):
            open_store(source)


def test_a_checkpoint_of_deepspeed_says_how_it_becomes_whole(tmp_path):
    (tmp_path / "zero_to_fp32.py").write_text("")
    torch.save(A, tmp_path / "zero_pp_rank_0_mp_rank_00_model_states.pt")
    with pytest.raises(SourceError, match=r"DeepSpeed.*zero_to_fp32\.py"):
        open_store(tmp_path)


def test_one_rank_is_not_the_whole(tmp_path):
    torch.save(A, tmp_path / "consolidated.00.pth")
    assert list(open_store(tmp_path / "consolidated.00.pth").entries) == ["fc.weight"]
    torch.save(A, tmp_path / "consolidated.01.pth")
    with pytest.raises(SourceError, match="one of 2 ranks"):
        open_store(tmp_path / "consolidated.00.pth")


def test_a_pipeline_of_diffusers_is_all_its_parts(tmp_path):
    (tmp_path / "model_index.json").write_text("{}")
    for part, name in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        (tmp_path / part).mkdir()
        save_file(A, tmp_path / part / f"{name}.safetensors")
    (tmp_path / "scheduler").mkdir()
    assert list(open_store(tmp_path).entries) == ["text_encoder.fc.weight", "unet.fc.weight"]


def test_an_archive_of_stable_baselines_says_which_part_to_give(tmp_path):
    with zipfile.ZipFile(tmp_path / "ppo.zip", "w") as archive:
        for name in ("data", "policy.pth", "pytorch_variables.pth"):
            archive.writestr(name, b"x")
    with pytest.raises(SourceError, match=r"policy\.pth"):
        open_store(tmp_path / "ppo.zip")


def test_an_orbax_folder_is_told_and_what_to_write_instead(tmp_path):
    (tmp_path / "manifest.ocdbt").write_bytes(b"x")
    (tmp_path / "_METADATA").write_text("{}")
    with pytest.raises(SourceError, match=r"Orbax.*safetensors"):
        open_store(tmp_path)
