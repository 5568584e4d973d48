"""Checkpoints that are not one readable file: read in parts, or one sentence that is true and says what to do."""

from __future__ import annotations

import zipfile

import pytest
import torch
from safetensors.torch import save_file

from eigentrail.errors import SourceError
from eigentrail.weights import open_store, open_weights

A = {"fc.weight": torch.ones(4, 3)}


def test_a_distributed_checkpoint_says_how_it_becomes_one_file(tmp_path):
    torch.save(A, tmp_path / "__0_0.distcp")
    (tmp_path / ".metadata").write_bytes(b"\x80\x04N.")
    for source in (tmp_path, tmp_path / "__0_0.distcp"):
        with pytest.raises(SourceError, match=r"distributed checkpoint.*dcp_to_torch_save"):
            open_store(source)


def deepspeed(folder, *files):
    """The layout of DeepSpeed: `latest` names the folder of a step."""
    step = folder / "global_step7"
    step.mkdir()
    (folder / "zero_to_fp32.py").write_text("")
    (folder / "latest").write_text("global_step7")
    for name in files:
        torch.save({"module": A, "ds_version": "0.14"}, step / name)
    return step


def test_parts_of_zero_3_say_how_they_become_whole(tmp_path):
    """The weights in them are empty: stage 3 keeps a share in the optimizer's file of each rank."""
    ranks = [
        f"zero_pp_rank_{rank}_mp_rank_00_{what}_states.pt" for rank in (0, 1) for what in ("model", "optim")
    ]
    step = deepspeed(tmp_path, *ranks)
    for source in (tmp_path, step, step / ranks[0]):
        with pytest.raises(SourceError, match=r"2 ranks.*zero_to_fp32\.py"):
            open_store(source)


def test_deepspeed_s_weights_of_one_rank_are_read(tmp_path):
    """Up to stage 2 each rank has all weights, and the first one writes them."""
    optimizer = [f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt" for rank in (0, 1)]
    step = deepspeed(tmp_path, "mp_rank_00_model_states.pt", *optimizer)
    for source in (tmp_path, step, step / "mp_rank_00_model_states.pt"):
        assert list(open_store(source).entries) == ["fc.weight"]


@pytest.mark.parametrize("latest", ["../elsewhere", "global_step8", ""])
def test_deepspeed_s_latest_names_a_folder_inside(latest, tmp_path):
    deepspeed(tmp_path)
    (tmp_path / "latest").write_text(latest)
    with pytest.raises(SourceError, match=r"DeepSpeed.*`latest`"):
        open_store(tmp_path)


@pytest.mark.parametrize(
    "parts",
    [
        ("consolidated.00.pth", "consolidated.01.pth"),
        ("mp_rank_00/model_optim_rng.pt", "mp_rank_01/model_optim_rng.pt"),
        ("mp_rank_00_000/model_rng.pt", "mp_rank_00_001/model_rng.pt"),
        ("mp_rank_00_model_states.pt", "mp_rank_01_model_states.pt"),
    ],
)
def test_one_rank_is_not_the_whole(parts, tmp_path):
    first, second = (tmp_path / part for part in parts)
    first.parent.mkdir(exist_ok=True)
    torch.save(A, first)
    assert list(open_store(first).entries) == ["fc.weight"]
    second.parent.mkdir(exist_ok=True)
    torch.save(A, second)
    for source in (tmp_path, first, second):
        with pytest.raises(SourceError, match="2 ranks"):
            open_store(source)


def test_a_flattened_parameter_says_how_it_is_saved_whole():
    left = open_weights(
        {"fc.weight": torch.randn(4, 3), "_fsdp_wrapped_module.fc._flat_param": torch.ones(40)}
    )
    assert "full state dict" in {one.name: one.reason for one in left.skipped}["fc._flat_param"]


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
