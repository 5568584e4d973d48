from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import eigentrail as et
from eigentrail.api.compared_layer import comparison_columns
from eigentrail.errors import SourceError


def pair(
    seed: int = 0, rank: int = 2, strength: float = 4.0
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Noise, and the same with a planted update of `rank` directions in one layer and small noise in another."""
    rng = np.random.default_rng(seed)
    a = {f"l{i}.weight": rng.standard_normal((300, 200)) for i in range(3)}
    b = {k: v.copy() for k, v in a.items()}
    u = np.linalg.qr(rng.standard_normal((300, rank)))[0]
    v = np.linalg.qr(rng.standard_normal((200, rank)))[0]
    b["l1.weight"] += strength * np.sqrt(300) * u @ v.T
    b["l2.weight"] += 0.01 * rng.standard_normal((300, 200))
    return ({k: torch.from_numpy(w) for k, w in x.items()} for x in (a, b))  # type: ignore[return-value]


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_the_planted_update_is_described(rank: int) -> None:
    a, b = pair(rank=rank)
    found = et.compare(a, b)
    assert tuple(found.table.columns) == comparison_columns()
    assert list(found.table["name"]) == ["l1.weight", "l2.weight", "l0.weight"]
    moved, noisy, still = (row for _, row in found.table.iterrows())
    assert moved["distance"] == pytest.approx(4.0 * np.sqrt(300 * rank))
    assert moved["relative_change"] == pytest.approx(moved["distance"] / np.linalg.norm(a["l1.weight"]))
    assert moved["update_numerical_rank"] == rank
    assert moved["update_stable_rank"] == pytest.approx(rank)
    assert moved["spikes_b"] == rank and moved["spikes_a"] == 0
    assert noisy["relative_change"] == pytest.approx(0.01, rel=0.02)
    assert noisy["update_spikes"] == 0
    assert still["distance"] == 0 and still["update_spikes"] is None
    assert "did not move" in still["warnings"][0]
    assert max(still["angles_short"]) < 1e-6
    assert found.summary["moved"] == 2


def test_angles_find_a_turned_direction() -> None:
    rng = np.random.default_rng(1)
    u, v = np.linalg.qr(rng.standard_normal((300, 1)))[0], np.linalg.qr(rng.standard_normal((200, 2)))[0]
    turned = np.cos(0.5) * v[:, :1] + np.sin(0.5) * v[:, 1:]
    noise = 1e-6 * rng.standard_normal((300, 200))
    found = et.compare({"w": noise + u @ v[:, :1].T}, {"w": noise + u @ turned.T})
    row = found.table.iloc[0]
    assert row["subspace_size"] == 1
    assert row["angles_short"][0] == pytest.approx(np.degrees(0.5), rel=1e-3)
    assert row["angles_long"][0] == pytest.approx(0, abs=0.1)


def test_what_cannot_be_compared_is_said() -> None:
    a, b = pair()
    a["only_a.weight"] = torch.randn(30, 20)
    b["only_b.weight"] = torch.randn(30, 20)
    a["grown.weight"], b["grown.weight"] = torch.randn(30, 20), torch.randn(40, 20)
    reasons = {s.name: s.reason for s in et.compare(a, b).skipped}
    assert "only in" in reasons["only_a.weight"] and "only in" in reasons["only_b.weight"]
    assert "[30, 20] against [40, 20]" in reasons["grown.weight"]
    with pytest.raises(SourceError, match="no weight matrix that can be compared"):
        et.compare({"x": torch.randn(20, 20)}, {"y": torch.randn(20, 20)})


def test_json_and_files(tmp_path: Path) -> None:
    found = et.compare(*pair())
    assert json.loads(found.to_json())["layers"][0]["name"] == "l1.weight"
    found.save(tmp_path / "out")
    assert list(pd.read_parquet(tmp_path / "out" / "layers.parquet")["name"]) == list(found.table["name"])
    with np.load(tmp_path / "out" / "spectra.npz", allow_pickle=False) as arrays:
        assert {"a:l1.weight", "b:l1.weight", "difference:l1.weight"} <= set(arrays)
    assert (tmp_path / "out" / "report.html").exists()


def test_an_epoch_of_a_real_training(checkpoints: Path) -> None:
    folder = checkpoints / "mlp-trajectory"
    found = et.compare(folder / "epoch_1.pt", folder / "epoch_250.pt")
    assert len(found.table) == 3
    assert (found.table["relative_change"] > 0).all()


def lora(seed: int, rank: int = 4) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    stem = "base_model.model.q_proj"
    return {
        f"{stem}.lora_A.weight": torch.randn(rank, 60, generator=g),
        f"{stem}.lora_B.weight": torch.randn(80, rank, generator=g),
    }


def test_adapters_are_compared_by_their_factors_as_by_their_products() -> None:
    a, b = lora(0), lora(1)
    product = [
        x["base_model.model.q_proj.lora_B.weight"] @ x["base_model.model.q_proj.lora_A.weight"]
        for x in (a, b)
    ]
    thin = et.compare(a, b).table.iloc[0]
    dense = et.compare({"w": product[0]}, {"w": product[1]}).table.iloc[0]
    for column in (
        "relative_change",
        "cosine",
        "update_stable_rank",
        "update_effective_rank",
        "alpha_a",
        "alpha_b",
    ):
        if column.startswith("alpha"):
            continue  # 4 non-zero eigenvalues have no tail; rounding gives the dense product 60
        assert thin[column] == pytest.approx(dense[column], rel=1e-4), column
    assert thin["update_numerical_rank"] == 8
    assert thin["phase_a"] is None and thin["update_spikes"] is None
    assert et.compare(a, a).table.iloc[0]["distance"] == 0


def test_an_adapter_with_its_base_is_the_sum() -> None:
    adapter, base = lora(2), {"q_proj.weight": torch.randn(80, 60)}
    found = et.inspect(adapter, base=base).table.iloc[0]
    adapted = et.open_weights(adapter, base=base)["q_proj.weight"]
    assert found["name"] == "q_proj.weight" and found["phase"] is not None
    assert found["frobenius_norm"] == pytest.approx(float(adapted.norm()), rel=1e-6)
    bare = et.inspect(adapter).table.iloc[0]
    assert bare["phase"] is None and bare["spikes"] is None and bare["numerical_rank"] == 4
    assert any("no noise bulk" in w for w in bare["warnings"])


def test_a_constant_shift_is_one_direction() -> None:
    w = torch.randn(40, 30, generator=torch.Generator().manual_seed(0)).double()
    row = et.compare({"w": w}, {"w": w + 2.0}).table.iloc[0]
    assert row["update_numerical_rank"] == 1 or row["distance"] == pytest.approx(2.0 * np.sqrt(1200))
    exact = torch.arange(1200.0).reshape(40, 30).double()
    row = et.compare({"w": exact}, {"w": exact + 2.0}).table.iloc[0]
    assert row["update_numerical_rank"] == 1 and row["distance"] == pytest.approx(2.0 * np.sqrt(1200))


def test_the_source_of_a_bad_layer_is_named_and_missing_numbers_are_explained() -> None:
    torch.manual_seed(0)
    w = torch.randn(64, 32, dtype=torch.float64)
    update = torch.outer(torch.randn(64).double(), torch.randn(32).double())
    found = et.compare({"a": w, "b": torch.ones(64, 32)}, {"a": w + update, "b": w})
    assert [s.name for s in found.skipped] == ["b"] and found.skipped[0].reason.startswith(
        "in A (state dict): all "
    )
    row = found.table.iloc[0]
    assert row["update_spikes"] is None and row["update_numerical_rank"] == 1
    assert any(text.startswith("in B - A: ") and "Marchenko-Pastur" in text for text in row["warnings"])


def test_layers_of_few_values_are_told_once() -> None:
    rng = np.random.default_rng(0)
    a = {"last.weight": torch.from_numpy(rng.standard_normal((10, 64)))}
    b = {"last.weight": a["last.weight"] + 0.1 * torch.from_numpy(rng.standard_normal((10, 64)))}
    (told,) = et.inspect(a, progress=False)["last.weight"]["warnings"]
    assert told.startswith("10 positive eigenvalues: an exponent, a phase and spacings need 16")
    both = et.compare(a, b, progress=False)["last.weight"]["warnings"]
    assert both == [f"in A and B: {told}"]


@pytest.mark.slow
def test_a_real_language_model_beside_its_rounding_another_training_and_a_changed_layer(
    checkpoints: Path,
) -> None:
    path = str(checkpoints / "char-gpt" / "slm-4096.pt")
    store = et.open_weights(path).store
    state = {name: store.read(name) for name in store.entries}
    rounded = {name: t.bfloat16() if t.is_floating_point() else t for name, t in state.items()}
    assert "Nothing moved beyond rounding" in et.compare(path, rounded, progress=False).findings[0].sentence
    generator = torch.Generator().manual_seed(0)
    other = {
        name: t.std() * torch.randn(t.shape, generator=generator)
        if t.is_floating_point() and t.ndim == 2
        else t
        for name, t in state.items()
    }
    assert "unrelated" in et.compare(path, other, progress=False).findings[0].sentence
    name = "blocks.0.attn.c_proj.weight"
    left, right = (torch.randn(size, generator=generator) for size in state[name].shape)
    changed = state | {name: state[name] + 0.3 * state[name].std() * torch.outer(left, right)}
    found = et.compare(path, changed, progress=False)
    assert found.summary["moved"] == 1 and found.summary["most_moved"] == [name]
