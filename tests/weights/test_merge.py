"""A base model with an adapter added, seen like any other model."""

from __future__ import annotations

import pickle

import pytest
import torch
from planning import noise
from safetensors.torch import save_file
from torch import nn

from eigentrail.errors import SourceError
from eigentrail.weights import open_store, open_weights, plan_matrices
from eigentrail.weights.merge import merge_adapter

PREFIX = "base_model.model."


class Adapter:
    """An adapter's tensors with its configuration, as a store."""

    def __new__(cls, tensors, **config):
        store = open_store({PREFIX + name: tensor for name, tensor in tensors.items()})
        store.config = {"r": 4, "lora_alpha": 8, **config}
        return store


def pair(module: str, out: int, into: int, rank: int = 4, seed: int = 7) -> dict[str, torch.Tensor]:
    return {
        f"{module}.lora_A.weight": noise(rank, into, seed=seed),
        f"{module}.lora_B.weight": noise(out, rank, seed=seed + 1),
    }


def product(tensors) -> torch.Tensor:
    first, second = tensors.values()
    return 2 * second.flatten(1) @ first.flatten(1)


def base(**tensors: torch.Tensor):
    return open_store({name.replace("__", "."): tensor for name, tensor in tensors.items()})


def test_the_update_is_added_and_everything_else_stays() -> None:
    store = base(fc1__weight=noise(24, 20), fc1__bias=noise(24), fc2__weight=noise(5, 24))
    change = pair("fc1", 24, 20)
    merged = merge_adapter(store, Adapter(change))
    assert list(merged.entries) == list(store.entries)
    torch.testing.assert_close(merged.read("fc1.weight"), store.read("fc1.weight") + product(change))
    assert torch.equal(merged.read("fc2.weight"), store.read("fc2.weight"))
    assert torch.equal(merged.read_rows("fc2.weight", 1, 3), store.read("fc2.weight")[1:3])
    torch.testing.assert_close(merged.read_rows("fc1.weight", 1, 3), merged.read("fc1.weight")[1:3])
    assert merged.fingerprint != merge_adapter(store, Adapter(pair("fc1", 24, 20, seed=9))).fingerprint
    specs, _ = plan_matrices(merged.entries, merged.config, merged.modules)
    assert torch.equal(specs[0].build(merged.read), merged.read("fc1.weight"))


def test_half_precision_is_added_in_single() -> None:
    store = base(fc__weight=noise(24, 20).bfloat16())
    change = pair("fc", 24, 20)
    merged = merge_adapter(store, Adapter(change))
    assert merged.entries["fc.weight"].dtype == "float32"
    expected = store.read("fc.weight").double() + product(change)
    torch.testing.assert_close(merged.read("fc.weight").double(), expected, rtol=1e-5, atol=1e-5)


def test_the_parts_of_a_fused_projection_have_their_share() -> None:
    store = base(a__qkv__weight=noise(60, 20))
    change = pair("a.qkv", 60, 20)
    merged = merge_adapter(store, Adapter(change))
    specs, _ = plan_matrices(merged.entries, merged.config, merged.modules)
    expected = store.read("a.qkv.weight") + product(change)
    for i, spec in enumerate(specs):
        torch.testing.assert_close(spec.build(merged.read), expected[20 * i : 20 * i + 20])


def test_layouts_with_the_inputs_first_and_kernels_and_embeddings() -> None:
    store = base(
        h__0__attn__c_attn__weight=noise(20, 60), conv__weight=noise(6, 4, 3, 3), embed__weight=noise(30, 12)
    )
    attention = pair("h.0.attn.c_attn", 60, 20)
    merged = merge_adapter(store, Adapter(attention, fan_in_fan_out=True))
    expected = store.read("h.0.attn.c_attn.weight") + product(attention).T
    torch.testing.assert_close(merged.read("h.0.attn.c_attn.weight"), expected)
    kernel = {"conv.lora_A.weight": noise(4, 4, 3, 3), "conv.lora_B.weight": noise(6, 4, 1, 1, seed=1)}
    expected = store.read("conv.weight") + product(kernel).reshape(6, 4, 3, 3)
    torch.testing.assert_close(merge_adapter(store, Adapter(kernel)).read("conv.weight"), expected)
    words = {"embed.lora_embedding_A": noise(4, 30), "embed.lora_embedding_B": noise(12, 4, seed=1)}
    expected = store.read("embed.weight") + product(words).T
    torch.testing.assert_close(merge_adapter(store, Adapter(words)).read("embed.weight"), expected)


def test_weight_decomposed_adapters_get_their_magnitudes() -> None:
    store = base(fc__weight=noise(20, 20))
    change, lengths = pair("fc", 20, 20), noise(20, seed=3).abs()
    merged = merge_adapter(store, Adapter({**change, "fc.lora_magnitude_vector": lengths}, use_dora=True))
    seen = merged.read("fc.weight")
    torch.testing.assert_close(seen.norm(dim=1), lengths)
    direction = store.read("fc.weight") + product(change)
    torch.testing.assert_close(nn.functional.cosine_similarity(seen, direction), torch.ones(20).double())


def test_weights_stored_whole_take_the_place_of_the_base() -> None:
    store = base(fc__weight=noise(24, 20), head__weight=noise(5, 24))
    new = noise(5, 24, seed=9)
    for name in ("head.weight", "head.modules_to_save.weight", "head.modules_to_save.default.weight"):
        merged = merge_adapter(store, Adapter({**pair("fc", 24, 20), name: new}))
        assert torch.equal(merged.read("head.weight"), new)
    odd = merge_adapter(
        store, Adapter({**pair("fc", 24, 20), "head.weight": noise(6, 24), "other.weight": new})
    )
    assert torch.equal(odd.read("head.weight"), store.read("head.weight"))
    assert {s.reason.split()[0] for s in odd.skipped} == {"of", "stored"}


def test_a_tied_tensor_is_untied_where_one_name_is_adapted() -> None:
    net = nn.ModuleDict({"embed": nn.Embedding(30, 12), "head": nn.Linear(12, 30, bias=False)})
    net["head"].weight = net["embed"].weight
    store = open_store(net)
    assert len(store.entries) == 1
    merged = merge_adapter(store, Adapter({n: t.float() for n, t in pair("head", 30, 12).items()}))
    assert set(merged.entries) == {"embed.weight", "head.weight"}
    assert torch.equal(merged.read("embed.weight"), net["embed"].weight)
    assert not torch.equal(merged.read("head.weight"), net["embed"].weight)


def test_a_base_saved_with_another_wrapper_is_found() -> None:
    change = pair("model.layers.0.fc", 24, 20)
    for name in ("layers__0__fc__weight", "wrapped__model__layers__0__fc__weight"):
        store = base(**{name: noise(24, 20)})
        stored = name.replace("__", ".")
        torch.testing.assert_close(
            merge_adapter(store, Adapter(change)).read(stored), store.read(stored) + product(change)
        )


def test_base_and_adapter_in_one_file() -> None:
    both = open_store({
        "base_model.model.fc.base_layer.weight": noise(24, 20),
        **{f"base_model.model.{n.replace('lora_A', 'lora_A.default').replace('lora_B', 'lora_B.default')}": t
           for n, t in pair("fc", 24, 20).items()},
    })  # fmt: skip
    both.config = {"r": 4, "lora_alpha": 8}
    merged = merge_adapter(both, both)
    expected = both.read("base_model.model.fc.base_layer.weight") + product(pair("fc", 24, 20))
    torch.testing.assert_close(merged.read("base_model.model.fc.base_layer.weight"), expected)
    specs, _ = plan_matrices(merged.entries, merged.config, merged.modules)
    assert [s.kind for s in specs] == ["linear"]


def test_the_sum_is_an_option_of_opening(tmp_path) -> None:
    stored, change = {"fc.weight": noise(24, 20)}, pair("fc", 24, 20)
    torch.save(stored, tmp_path / "base.pt")
    (tmp_path / "adapter").mkdir()
    save_file({PREFIX + n: t for n, t in change.items()}, tmp_path / "adapter" / "adapter_model.safetensors")
    (tmp_path / "adapter" / "adapter_config.json").write_text(
        '{"peft_type": "LORA", "r": 4, "lora_alpha": 8}'
    )
    alone = open_weights(tmp_path / "adapter")
    torch.testing.assert_close(alone[f"{PREFIX}fc:lora"].dense(), product(change))
    summed = pickle.loads(pickle.dumps(open_weights(tmp_path / "adapter", base=tmp_path / "base.pt")))
    assert list(summed) == ["fc.weight"]
    torch.testing.assert_close(summed["fc.weight"], stored["fc.weight"] + product(change))
    with pytest.raises(SourceError, match="no low-rank adapter"):
        open_weights(tmp_path / "base.pt", base=tmp_path / "base.pt")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (pair("fc9", 24, 20), "the adapter changes base_model.model.fc9.*near it are fc.weight"),
        ({"fc.weight": noise(24, 20)}, "no low-rank adapter"),
    ],
)
def test_an_adapter_of_another_model_is_refused(change, words) -> None:
    with pytest.raises(SourceError, match=words):
        merge_adapter(base(fc__weight=noise(24, 20)), Adapter(change))


def test_an_update_of_another_shape_is_refused() -> None:
    merged = merge_adapter(base(fc__weight=noise(24, 21)), Adapter(pair("fc", 24, 20)))
    with pytest.raises(SourceError, match=r"fc.weight makes \[24, 20\].*\[24, 21\]"):
        merged.read("fc.weight")
