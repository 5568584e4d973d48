"""Products of attention heads beside the dense ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import eigentrail as et
from eigentrail.errors import SourceError
from eigentrail.weights import FactoredMatrix, open_weights

HEADS, GROUPS, SIZE, WIDTH = 6, 2, 8, 40


@pytest.fixture
def llama(tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    at = "model.layers.0.self_attn."
    tensors = {
        f"{at}q_proj.weight": torch.randn(HEADS * SIZE, WIDTH, generator=generator),
        f"{at}k_proj.weight": torch.randn(GROUPS * SIZE, WIDTH, generator=generator),
        f"{at}v_proj.weight": torch.randn(GROUPS * SIZE, WIDTH, generator=generator),
        f"{at}o_proj.weight": torch.randn(WIDTH, HEADS * SIZE, generator=generator),
    }
    save_file(tensors, tmp_path / "model.safetensors")
    config = {
        "model_type": "llama",
        "num_attention_heads": HEADS,
        "num_key_value_heads": GROUPS,
        "hidden_size": WIDTH,
        "head_dim": SIZE,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path, {name.removeprefix(at).removesuffix("_proj.weight"): w for name, w in tensors.items()}


def test_grouped_heads_give_the_dense_products(llama: tuple[Path, dict[str, torch.Tensor]]) -> None:
    path, w = llama
    found = open_weights(path, products=True)
    for head in range(HEADS):
        own = slice(head * SIZE, (head + 1) * SIZE)
        shared = slice(head // 3 * SIZE, (head // 3 + 1) * SIZE)
        for label, dense in (
            ("qk", w["q"][own].T @ w["k"][shared]),
            ("ov", w["o"][:, own] @ w["v"][shared]),
        ):
            product = found[f"model.layers.0.self_attn:{label}.h{head}"]
            assert isinstance(product, FactoredMatrix) and product.rank_bound == SIZE
            torch.testing.assert_close(product.dense().float(), dense)
            torch.testing.assert_close(
                product.singular_values(), torch.linalg.svdvals(dense.double()), atol=1e-4, rtol=1e-5
            )
    assert "model.layers.0.self_attn.q_proj.weight" in found
    assert len(found) == 4 + 2 * HEADS


def test_a_fused_module_gives_them_too() -> None:
    torch.manual_seed(1)
    attention = nn.MultiheadAttention(24, 3)
    found = open_weights(attention, products=True)
    q, k, v = attention.in_proj_weight.detach().chunk(3)
    torch.testing.assert_close(found["attention:qk.h1"].dense().float(), q[8:16].T @ k[8:16])
    out = attention.out_proj.weight.detach()
    torch.testing.assert_close(found["attention:ov.h2"].dense().float(), out[:, 16:] @ v[16:])


def test_they_are_layers_of_an_inspection(llama: tuple[Path, dict[str, torch.Tensor]]) -> None:
    found = et.inspect(llama[0], products=True, layers="*:qk.*", progress=False)
    assert len(found) == HEADS and set(found.table["kind"]) == {"attention.qk"}
    row = found["model.layers.0.self_attn:qk.h0"]
    assert row["numerical_rank"] == SIZE and row["phase"] is None
    assert "rotations" in row["note"]


def test_without_known_heads_it_says_so() -> None:
    with pytest.raises(SourceError, match="config"):
        open_weights({"a.q_proj.weight": torch.randn(16, 16)}, products=True)


def test_compare_tells_a_turn_of_both_factors_from_a_change_of_their_product(llama):
    """Rotating the queries and keys of every head together moves both layers and no query-key product."""
    _, tensors = llama
    at = "model.layers.0.self_attn."
    turn = torch.linalg.qr(torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(1))).Q
    turned = dict(tensors)
    for name in "qk":
        turned[name] = torch.cat([turn @ head for head in tensors[name].split(SIZE)])
    turned["o"] = tensors["o"].clone()
    turned["o"][:, :SIZE] *= 2.0  # what the first head writes
    config = {
        "num_attention_heads": HEADS,
        "num_key_value_heads": GROUPS,
        "model_type": "llama",
        "head_dim": SIZE,
    }
    folders = []
    for number, weights in enumerate((tensors, turned)):
        folders.append(llama[0] / f"m{number}")
        folders[-1].mkdir()
        save_file(
            {f"{at}{name}_proj.weight": w.clone() for name, w in weights.items()},
            folders[-1] / "model.safetensors",
        )
        (folders[-1] / "config.json").write_text(json.dumps(config))
    found = et.compare(*map(str, folders), products=True, progress=False).table.set_index("name")
    moved = found["relative_change"].astype(float)
    assert (moved[[f"{at}q_proj.weight", f"{at}k_proj.weight"]] > 0.5).all()
    pairs = [name for name in found.index if ":qk.h" in name]
    assert len(pairs) == HEADS
    assert (moved[pairs] < 1e-5).all()
    written = {name.rpartition(".")[2]: moved[name] for name in found.index if ":ov.h" in name}
    assert written.pop("h0") == pytest.approx(1.0, rel=1e-5)
    assert max(written.values()) < 1e-5
