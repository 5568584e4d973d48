"""Every kind of weight goes back to where it was read from: unchanged bit for bit, changed as it was meant."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from packing import WRITERS
from planning import noise
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from eigentrail.errors import EigentrailError, LayerError, OptionError, SourceError
from eigentrail.weights import EditedTensors, FactoredMatrix, open_store, open_weights, write_weights

GQA = {"model_type": "llama", "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 8}
NEOX = {"model_type": "gpt_neox", "num_attention_heads": 2, "hidden_size": 8}
LORA = {"peft_type": "LORA", "r": 2, "lora_alpha": 6}

# A checkpoint of each kind of docs/kinds.md: tensors and configuration.
KINDS: dict[str, tuple[dict[str, Tensor], dict[str, object]]] = {
    "linear": ({"fc.weight": noise(6, 4), "fc.bias": noise(6)}, {}),
    "embedding": ({"wte.weight": noise(9, 4), "pos_embed": noise(1, 5, 4)}, {}),
    "conv1d": ({"conv.weight": noise(4, 3, 5)}, {}),
    "conv2d": ({"conv.weight": noise(4, 3, 2, 3)}, {}),
    "conv3d": ({"conv.weight": noise(4, 3, 2, 2, 2)}, {}),
    "depthwise": ({"conv.weight": noise(8, 1, 3, 3)}, {}),
    "transposed convolution": ({"deconv1.weight": noise(4, 3, 2, 2)}, {}),
    "conv1d-hf": (
        {"h.0.attn.c_attn.weight": noise(4, 12), "h.0.attn.c_proj.weight": noise(4, 4)},
        {"model_type": "gpt2", "n_head": 2, "n_embd": 4},
    ),
    "flax": ({"dense/kernel": noise(4, 6), "conv/kernel": noise(3, 3, 2, 4)}, {}),
    "fused": (
        {"l.0.self_attn.qkv_proj.weight": noise(16, 8), "l.0.self_attn.o_proj.weight": noise(8, 8)},
        GQA,
    ),
    "alternating": (
        {"l.0.attention.query_key_value.weight": noise(24, 8), "l.0.attention.dense.weight": noise(8, 8)},
        NEOX,
    ),
    "key-value": ({"attn.kv.weight": noise(12, 6)}, {}),
    "axis of heads": (
        {"attn.W_Q": noise(2, 3, 6), "attn.W_K": noise(2, 6, 3), "attn.W_O": noise(2, 3, 6)},
        {},
    ),
    "gate-up": ({"mlp.gate_up_proj.weight": noise(12, 4), "mlp.down_proj.weight": noise(4, 6)}, {}),
    "experts": (
        {"mlp.experts.gate_up_proj": noise(3, 12, 4), "mlp.experts.down_proj": noise(3, 4, 6)},
        {"model_type": "mixtral"},
    ),
    "experts, inputs first": (
        {"mlp.experts.gate_up_proj": noise(3, 4, 12), "mlp.experts.down_proj": noise(3, 6, 4)},
        {"model_type": "gpt_oss"},
    ),
    "recurrent": (
        {
            "lstm.weight_ih_l0": noise(12, 5),
            "lstm.weight_hh_l0": noise(12, 3),
            "gru.weight_ih_l0": noise(9, 4),
            "gru.weight_hh_l0": noise(9, 3),
        },
        {},
    ),
    "stack": ({"something": noise(3, 4, 5)}, {}),
    "adapter": (
        {
            "base_model.model.q_proj.lora_A.weight": noise(2, 6),
            "base_model.model.q_proj.lora_B.weight": noise(5, 2, seed=1),
            "base_model.model.wte.lora_embedding_A": noise(2, 9, seed=2),
            "base_model.model.wte.lora_embedding_B": noise(4, 2, seed=3),
            "base_model.model.qkv_proj.lora_A.weight": noise(2, 4, seed=4),
            "base_model.model.qkv_proj.lora_B.weight": noise(12, 2, seed=5),
        },
        LORA,
    ),
    "weight normalisation": ({"fc.weight_v": noise(6, 4), "fc.weight_g": noise(6, 1).abs()}, {}),
    "pruning": ({"fc.weight_orig": noise(6, 4), "fc.weight_mask": (noise(6, 4) > 0).double()}, {}),
    "spectral normalisation": (
        {
            "fc.weight_orig": noise(6, 4),
            "fc.weight_u": nn.functional.normalize(noise(6), dim=0),
            "fc.weight_v": nn.functional.normalize(noise(4), dim=0),
        },
        {},
    ),
    "separate q, k, v": (
        {f"l.0.self_attn.{part}_proj.weight": noise(8, 8, seed=i) for i, part in enumerate("qkvo")},
        GQA,
    ),
    "torch's attention": ({"attn.in_proj_weight": noise(12, 4), "attn.out_proj.weight": noise(4, 4)}, {}),
    "bilinear": ({"bilinear.weight": noise(3, 4, 5), "bilinear.bias": noise(3)}, {}),
    "core of a convolution's adapter": (
        {
            "c.lora_up.weight": noise(12, 3, 1, 1),
            "c.lora_mid.weight": noise(3, 3, 3, 3, seed=1),
            "c.lora_down.weight": noise(3, 8, 1, 1, seed=2),
            "c.alpha": torch.tensor(6.0),
        },
        {},
    ),
    "loha": (
        {
            "l.hada_w1_a": noise(10, 2),
            "l.hada_w1_b": noise(2, 7, seed=1),
            "l.hada_w2_a": noise(10, 2, seed=2),
            "l.hada_w2_b": noise(2, 7, seed=3),
            "l.alpha": torch.tensor(1.0),
        },
        {},
    ),
    "lokr": (
        {
            "l.lokr_w1": noise(3, 4),
            "l.lokr_w2_a": noise(5, 2, seed=1),
            "l.lokr_w2_b": noise(2, 6, seed=2),
            "l.alpha": torch.tensor(4.0),
        },
        {},
    ),
    "float8": (
        {"fc.weight": noise(6, 4).to(torch.float8_e4m3fn), "fc.weight_scale": torch.tensor([0.5])},
        {},
    ),
}
STORED_AS_IT_MUST_BE = {"spectral normalisation", "float8"}
# Products of factors, which a changed update has none of.
OF_A_FORMULA = {"loha", "lokr"}


def checkpoint(folder: Path, kind: str, dtype: torch.dtype = torch.float32) -> Path:
    """A folder with one kind of weight, in one precision."""
    tensors, config = KINDS[kind]
    folder.mkdir(exist_ok=True)
    lora = kind == "adapter"
    named = {n: t.to(dtype) if t.dtype == torch.float64 else t for n, t in tensors.items()}
    save_file(named, folder / ("adapter_model.safetensors" if lora else "model.safetensors"))
    (folder / ("adapter_config.json" if lora else "config.json")).write_text(json.dumps(config))
    return folder


def negative(name, matrix):
    """A change that every floating precision holds exactly."""
    if isinstance(matrix, FactoredMatrix):
        return FactoredMatrix(matrix.left, matrix.right, -matrix.scale)
    return -matrix


def bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().flatten().view(torch.uint8)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("conv", ["flatten", "spatial", "slices"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_written_unchanged_is_the_file(kind, conv, dtype, tmp_path) -> None:
    source = checkpoint(tmp_path / "a", kind, dtype)
    weights = open_weights(source, conv=conv, heads=True)
    assert len(weights)
    tensors = EditedTensors(weights, lambda name, matrix: matrix)
    write_weights(weights.store, tmp_path / "b", tensors)
    assert files_of(tmp_path / "b") == files_of(source)
    assert set(tensors.rounding) == set(weights)


@pytest.mark.parametrize("layout", WRITERS)
def test_every_quantised_layout_written_unchanged_is_the_file(layout, tmp_path) -> None:
    stored, config, _ = WRITERS[layout](0.02 * noise(64, 128).float().numpy())
    source = tmp_path / "a"
    source.mkdir()
    save_file({name: tensor.contiguous() for name, tensor in stored.items()}, source / "model.safetensors")
    (source / "config.json").write_text(json.dumps(config))
    weights = open_weights(source)
    assert len(weights)
    write_weights(weights.store, tmp_path / "b", EditedTensors(weights, lambda name, matrix: matrix))
    assert files_of(tmp_path / "b") == files_of(source)


@pytest.mark.parametrize("conv", ["flatten", "spatial", "slices"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in STORED_AS_IT_MUST_BE | OF_A_FORMULA])
def test_every_kind_written_changed_is_seen_so(kind, conv, tmp_path) -> None:
    if (kind, conv) == ("core of a convolution's adapter", "slices"):
        pytest.skip("its slices share a factor, which is refused in one sentence")
    dtype = torch.float32 if kind in {"adapter", "weight normalisation"} else torch.bfloat16
    source = checkpoint(tmp_path / "a", kind, dtype)
    weights = open_weights(source, conv=conv, heads=True)
    tensors = EditedTensors(weights, negative)
    write_weights(weights.store, tmp_path / "b", tensors)
    again = open_weights(tmp_path / "b", conv=conv, heads=True)
    assert list(again) == list(weights)
    for name in weights:
        before, after = weights[name], again[name]
        if isinstance(before, FactoredMatrix):
            torch.testing.assert_close(after.dense(), -before.dense(), rtol=1e-5, atol=1e-6)
        else:
            torch.testing.assert_close(after, -before, rtol=1e-6, atol=1e-6)
        assert tensors.rounding[name] < 1e-6
    touched = set(tensors)
    for name in set(weights.store.entries) - touched:
        assert bits(again.tensor(name)).equal(bits(weights.tensor(name)))


@pytest.mark.parametrize("kind", sorted(STORED_AS_IT_MUST_BE | OF_A_FORMULA))
def test_what_cannot_hold_a_change_says_why(kind, tmp_path) -> None:
    weights = open_weights(checkpoint(tmp_path / "a", kind))
    with pytest.raises(
        EigentrailError, match=r"dequantise=True|remove the normalisation|Merge it into its base"
    ):
        write_weights(weights.store, tmp_path / "b", EditedTensors(weights, negative))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_groups_that_only_a_module_knows(tmp_path) -> None:
    module = nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.ConvTranspose2d(6, 4, 2, groups=2))
    weights = open_weights(module)
    write_weights(weights.store, tmp_path / "b.safetensors", EditedTensors(weights, negative))
    written = load_file(tmp_path / "b.safetensors")
    for name, parameter in module.named_parameters():
        assert written[name].equal(parameter.detach() if name.endswith("bias") else -parameter.detach())


def test_one_part_of_a_fused_weight_leaves_the_others_bit_for_bit(tmp_path) -> None:
    weights = open_weights(checkpoint(tmp_path / "a", "alternating"), heads=True)
    name = "l.0.attention.query_key_value.weight:k.h1"
    write_weights(weights.store, tmp_path / "b", EditedTensors(weights, negative, [name]))
    again = open_weights(tmp_path / "b", heads=True)
    for other in weights:
        assert again[other].equal(-weights[other] if other == name else weights[other])


def test_sharded_folder_keeps_index_configuration_and_other_shards(tmp_path) -> None:
    source = tmp_path / "a"
    source.mkdir()
    shards = {
        "model-00001-of-00002.safetensors": {"a.weight": noise(6, 4).bfloat16(), "a.bias": noise(6).half()},
        "model-00002-of-00002.safetensors": {"b.weight": noise(5, 4).float()},
    }
    for shard, tensors in shards.items():
        save_file(tensors, source / shard, metadata={"format": "pt"})
    places = {name: shard for shard, tensors in shards.items() for name in tensors}
    (source / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    (source / "config.json").write_text("{}")
    (source / "tokenizer.json").write_text('{"x": 1}')
    (source / "optimizer.pt").write_bytes(b"no weights")
    weights = open_weights(source)
    write_weights(
        weights.store, tmp_path / "b", EditedTensors(weights, negative, ["a.weight"]), {"edit": "negative"}
    )
    old, new = files_of(source), files_of(tmp_path / "b")
    changed = "model-00001-of-00002.safetensors"
    assert set(new) == set(old) - {"optimizer.pt"}
    assert all(new[name] == old[name] for name in set(new) - {changed})
    written = load_file(tmp_path / "b" / changed)
    assert written["a.weight"].equal(-shards[changed]["a.weight"])
    assert bits(written["a.bias"]).equal(bits(shards[changed]["a.bias"]))
    with safe_open(tmp_path / "b" / changed, "pt") as file:
        assert file.metadata()["format"] == "pt"
        assert json.loads(file.metadata()["eigentrail"]) == {"edit": "negative"}


def test_torch_file_keeps_everything_else(tmp_path) -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 6, bias=False))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    before = {"state_dict": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    torch.save(before, tmp_path / "a.pt")
    weights = open_weights(tmp_path / "a.pt")
    write_weights(
        weights.store, tmp_path / "b.pt", EditedTensors(weights, negative, ["0.weight"]), {"edit": "negative"}
    )
    after = torch.load(tmp_path / "b.pt", weights_only=True)
    assert after["epoch"] == 3
    assert after["state_dict"]["0.weight"].equal(-before["state_dict"]["0.weight"])
    for name in ("0.bias", "1.weight"):
        assert after["state_dict"][name].equal(before["state_dict"][name])
    momentum = [state["momentum_buffer"] for state in after["optimizer"]["state"].values()]
    for one, other in zip(momentum, before["optimizer"]["state"].values(), strict=True):
        assert one.equal(other["momentum_buffer"])
    with zipfile.ZipFile(tmp_path / "b.pt") as archive:
        assert archive.testzip() is None  # the checksums are right
        note = next(name for name in archive.namelist() if name.endswith("eigentrail.json"))
        assert json.loads(archive.read(note)) == {"edit": "negative"}


def test_views_in_a_torch_file_are_written_where_they_lie(tmp_path) -> None:
    base = noise(8, 10)
    torch.save({"turned": base.T, "other": noise(3, 4)}, tmp_path / "a.pt")
    weights = open_weights(tmp_path / "a.pt")
    write_weights(weights.store, tmp_path / "b.pt", EditedTensors(weights, negative))
    assert torch.load(tmp_path / "b.pt")["turned"].equal(-base.T)


def test_tensors_that_share_numbers_are_not_changed_both(tmp_path) -> None:
    base = noise(8, 10)
    torch.save({"whole": base, "part": base[2:5]}, tmp_path / "a.pt")
    weights = open_weights(tmp_path / "a.pt")
    with pytest.raises(SourceError, match="`whole` and `part` share numbers"):
        write_weights(weights.store, tmp_path / "b.pt", EditedTensors(weights, negative))


def test_real_file_of_torch_s_old_format(checkpoints, tmp_path) -> None:
    path = checkpoints / "resnet-cifar10" / "resnet20-12fca82f.th"
    weights = open_weights(path)
    write_weights(weights.store, tmp_path / "b.th", {})
    assert (tmp_path / "b.th").read_bytes() == path.read_bytes()
    write_weights(weights.store, tmp_path / "c.th", EditedTensors(weights, negative, ["linear.weight"]))
    old = torch.load(path, weights_only=True, map_location="cpu")
    new = torch.load(tmp_path / "c.th", weights_only=True)
    assert new["best_prec1"] == old["best_prec1"]
    for name, tensor in old["state_dict"].items():
        assert new["state_dict"][name].equal(-tensor if name == "module.linear.weight" else tensor)


def test_npz_keeps_byte_order_and_other_arrays(tmp_path) -> None:
    arrays = {
        "w": noise(4, 3).numpy().astype(">f4"),
        "f": np.asfortranarray(noise(5, 6).numpy()),
        "n": np.arange(3),
    }
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    weights = open_weights(tmp_path / "a.npz")
    write_weights(
        weights.store, tmp_path / "b.npz", EditedTensors(weights, negative, ["w"]), {"edit": "negative"}
    )
    written = np.load(tmp_path / "b.npz")
    assert written["w"].dtype == arrays["w"].dtype
    assert np.array_equal(written["w"], -arrays["w"])
    assert np.array_equal(written["f"], arrays["f"])
    assert np.array_equal(written["n"], arrays["n"])


def test_tied_tensors_stay_tied(tmp_path) -> None:
    shared = noise(6, 4)
    torch.save({"wte.weight": shared, "head.weight": shared}, tmp_path / "a.pt")
    weights = open_weights(tmp_path / "a.pt")
    tensors = EditedTensors(weights, negative)
    write_weights(weights.store, tmp_path / "b.pt", tensors)
    write_weights(weights.store, tmp_path / "b.safetensors", tensors)
    for path in (tmp_path / "b.pt", tmp_path / "b.safetensors"):
        store = open_store(path)
        assert [entry.aliases for entry in store.entries.values()] == [("head.weight",)]
        assert store.read("head.weight").equal(-shared)


def test_sum_of_base_and_adapter_as_one_file(tmp_path) -> None:
    adapter = checkpoint(tmp_path / "adapter", "adapter")
    base = {"q_proj.weight": noise(5, 6), "wte.weight": noise(9, 4), "qkv_proj.weight": noise(12, 4)}
    summed = open_weights(adapter, base={name: tensor.float() for name, tensor in base.items()})
    write_weights(summed.store, tmp_path / "merged.safetensors", {})
    written = load_file(tmp_path / "merged.safetensors")
    assert all(written[name].equal(summed[name]) for name in base if name in summed)


def test_rounding_to_bfloat16_is_told(tmp_path) -> None:
    weights = open_weights(checkpoint(tmp_path / "a", "linear", torch.bfloat16))
    tensors = EditedTensors(weights, lambda name, matrix: matrix * 0.3)
    write_weights(weights.store, tmp_path / "b", tensors)
    assert 1e-4 < tensors.rounding["fc.weight"] < 2**-8


def test_range_of_float16_is_not_left_in_silence(tmp_path) -> None:
    weights = open_weights(checkpoint(tmp_path / "a", "linear", torch.float16))
    with pytest.raises(LayerError, match=r"float16, whose range the change leaves"):
        write_weights(
            weights.store, tmp_path / "b", EditedTensors(weights, lambda name, matrix: matrix * 1e6)
        )


def test_shape_and_finiteness_of_a_change_are_held(tmp_path) -> None:
    weights = open_weights({"fc.weight": noise(6, 4)})
    for change, said in ((lambda n, m: m[:3], "cannot become"), (lambda n, m: m / 0.0, "not finite")):
        with pytest.raises(LayerError, match=said):
            write_weights(weights.store, tmp_path / "b.safetensors", EditedTensors(weights, change))
    with pytest.raises(SourceError, match="no tensor `nothing`"):
        write_weights(weights.store, tmp_path / "b.safetensors", {"nothing": noise(2, 2)})


def test_source_is_never_written_onto(tmp_path) -> None:
    source = checkpoint(tmp_path / "a", "linear")
    store = open_store(source)
    for path in (source, source / "model.safetensors", source / "new"):
        with pytest.raises(OptionError, match="never written onto"):
            write_weights(store, path, {})
    with pytest.raises(OptionError, match="safetensors"):
        write_weights(open_store({"a": noise(2, 2)}), tmp_path / "a.onnx", {})


@pytest.mark.parametrize("name", ["b", "b.safetensors"])
def test_full_disk_leaves_the_source_whole_and_nothing_new(name, tmp_path, monkeypatch) -> None:
    source = checkpoint(tmp_path / "a", "linear")
    old = files_of(source)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EigentrailError, match="No space left"):
        write_weights(open_store(source), tmp_path / name, {"fc.bias": torch.zeros(6)})
    assert files_of(source) == old
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
