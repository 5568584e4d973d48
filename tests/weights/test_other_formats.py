"""Checkpoints that are not one readable file: read in parts, or one sentence that is true and says what to do."""

from __future__ import annotations

import pickle
import warnings
import zipfile

import pytest
import torch
import torch.distributed.checkpoint as dcp
from safetensors.torch import save_file
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)

from eigentrail.errors import SourceError
from eigentrail.weights import open_store, open_weights

A = {"fc.weight": torch.ones(4, 3)}


@pytest.fixture
def distributed(tmp_path):
    """A checkpoint of one process, by torch's own writer."""
    generator = torch.Generator().manual_seed(0)
    model = {
        "layers.0.weight": torch.randn(64, 32, generator=generator),
        "layers.0.bias": torch.randn(64, generator=generator),
        "layers.1.weight": torch.randn(16, 64, generator=generator).bfloat16(),
    }
    state = {"model": model, "optimizer": {"exp_avg": torch.ones(64, 32)}, "epoch": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.save(state, checkpoint_id=str(tmp_path), no_dist=True)
    return tmp_path, model


def test_a_distributed_checkpoint_is_read_as_torch_reads_it(distributed):
    folder, model = distributed
    weights = open_weights(folder)
    assert list(weights) == ["model.layers.0.weight", "model.layers.1.weight"]
    for name in weights:
        stored = model[name.removeprefix("model.")]
        assert torch.equal(weights[name], stored.float())
        assert weights.specs[name].dtype == str(stored.dtype).removeprefix("torch.")
    assert {left.name for left in weights.skipped} == {"model.layers.0.bias", "optimizer.exp_avg", "epoch"}
    assert pickle.loads(pickle.dumps(weights)).fingerprint == weights.fingerprint
    with pytest.raises(SourceError, match="give its folder"):
        open_store(next(folder.glob("*.distcp")))


def cut_up(folder, whole, rows):
    """Write a tensor in parts of some rows, a file each, with torch's own classes."""
    parts, places = [], {}
    for rank, start in enumerate(range(0, len(whole), rows)):
        part = whole[start : start + rows].clone()
        file = folder / f"__{rank}_0.distcp"
        torch.save(part, file)
        offsets = torch.Size([start, 0])
        parts.append(ChunkStorageMetadata(offsets, part.shape))
        places[MetadataIndex("fc.weight", offsets, rank)] = _StorageInfo(file.name, 0, file.stat().st_size)
    told = TensorStorageMetadata(TensorProperties(dtype=whole.dtype), whole.shape, parts)
    (folder / ".metadata").write_bytes(pickle.dumps(Metadata({"fc.weight": told}, storage_data=places)))


def test_the_parts_of_all_ranks_make_the_tensor(tmp_path):
    whole = torch.randn(50, 20)
    cut_up(tmp_path, whole, 16)
    assert torch.equal(open_weights(tmp_path)["fc.weight"], whole)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("missing", "which is not there"), ("cut", "behind the end"), ("away", "no file in this folder")],
)
def test_a_part_that_is_not_there_costs_its_tensor_and_says_why(fault, reason, tmp_path):
    cut_up(tmp_path, torch.randn(50, 20), 16)
    second = tmp_path / "__1_0.distcp"
    if fault == "missing":
        second.unlink()
    elif fault == "cut":
        second.write_bytes(second.read_bytes()[:-9])
    else:
        index = (tmp_path / ".metadata").read_bytes()
        (tmp_path / ".metadata").write_bytes(index.replace(b"__1_0.distcp", b"../../etc/pa"))
    store = open_store(tmp_path)
    assert not store.entries
    assert reason in store.skipped[0].reason


def test_a_part_of_another_shape_is_refused_when_it_is_read(tmp_path):
    cut_up(tmp_path, torch.randn(50, 20), 16)
    torch.save(torch.zeros(20, 16), tmp_path / "__1_0.distcp")
    with pytest.raises(SourceError, match="not what the index says"):
        open_store(tmp_path).read("fc.weight")


def test_nothing_of_an_index_runs(tmp_path):
    class Trap:
        def __reduce__(self):
            return (print, ("ran",))

    (tmp_path / "__0_0.distcp").write_bytes(b"x")
    (tmp_path / ".metadata").write_bytes(pickle.dumps({"state_dict_metadata": Trap()}))
    with pytest.raises(SourceError, match="no index of a distributed checkpoint"):
        open_store(tmp_path)


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
