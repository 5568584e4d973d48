"""Audits, cuts, intruders and collisions of adapters: planted structure, chance calibrated, real adapters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from eigentrail.errors import OptionError, SourceError
from eigentrail.interventions.lora import audit, intruders, merge_check, repair, shrink
from eigentrail.interventions.lora.adapters import effective_rank, random_cores
from eigentrail.weights import open_weights


def factors(
    rows: int, cols: int, values: list[float], seed: int, noise: float = 0.0
) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    u = np.linalg.qr(rng.normal(size=(rows, len(values))))[0] * np.array(values)
    v = np.linalg.qr(rng.normal(size=(cols, len(values))))[0]
    mixing = np.linalg.qr(rng.normal(size=(len(values),) * 2))[0]
    b = u @ mixing + noise * rng.normal(size=u.shape)
    return torch.from_numpy(b).float(), torch.from_numpy((v @ mixing).T.copy()).float()


def folder(path: Path, layers: dict[str, tuple[Tensor, Tensor]], alpha: float | None = None) -> Path:
    path.mkdir(parents=True)
    rank = next(iter(layers.values()))[1].shape[0]
    tensors = {}
    for module, (b, a) in layers.items():
        tensors[f"base_model.model.{module}.lora_A.weight"] = a.contiguous()
        tensors[f"base_model.model.{module}.lora_B.weight"] = b.contiguous()
    save_file(tensors, path / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": alpha or rank, "target_modules": list(layers)}
    (path / "adapter_config.json").write_text(json.dumps(config))
    return path


def random_adapter(rows: int, cols: int, rank: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, rank, generator=generator), torch.randn(rank, cols, generator=generator)


def test_drawn_cores_are_those_of_random_adapters() -> None:
    rng = np.random.default_rng(0)
    drawn = effective_rank(random_cores(30, 20, 5, 400, rng))
    made = []
    for seed in range(400):
        b, a = random_adapter(30, 20, 5, seed)
        made.append(effective_rank(torch.linalg.svdvals((b @ a).double())[:5].numpy()))
    assert scipy.stats.ks_2samp(drawn, made).pvalue > 1e-3


def test_audit_tells_structure_from_chance(tmp_path) -> None:
    layers = {
        "planted": factors(60, 40, [9.0, 6.0, 1.0, 1.0, 1.0, 1.0], 0),
        "random": random_adapter(60, 40, 6, 1),
    }
    found = audit(folder(tmp_path / "a", layers))
    table = found.table.set_index("module")
    assert table.loc["planted", "structured_rank"] == 2
    assert table.loc["planted", "structure"] == pytest.approx((81 + 36) / (81 + 36 + 4), rel=1e-3)
    assert table.loc["planted", "p"] < 0.01 < table.loc["random", "p"]
    assert table.loc["random", "structured_rank"] == 0
    verdicts = {one.subject: one.verdict for one in found.findings}
    assert (verdicts["planted"], verdicts["random"]) == ("yes", "no")


def test_audit_of_random_adapters_is_calibrated() -> None:
    p = []
    for seed in range(50):
        b, a = random_adapter(30, 25, 4, seed)
        state = {"m.lora_A.weight": a, "m.lora_B.weight": b}
        p.append(audit(state, draws=99, seed=seed).table["p"][0])
    assert scipy.stats.kstest(p, "uniform").pvalue > 1e-3


def test_audit_of_a_training_tells_when_nothing_new_came(checkpoints) -> None:
    found = audit(checkpoints / "roberta-lora-trajectory", draws=99)
    assert sorted(found.steps["step"].unique()) == [500, 1500, 3500, 6000, 8500]
    assert len(found.table) == 24
    assert (found.table["effective_rank"] < found.table["effective_rank_chance"]).all()
    final = found.steps[found.steps["step"] == 8500].set_index("module")["norm"]
    by_peft = open_weights(checkpoints / "roberta-lora-trajectory" / "checkpoint-8500")
    name = next(name for name in by_peft if name.endswith(":lora"))
    module = name.removeprefix("base_model.model.").removesuffix(":lora")
    assert final[module] == pytest.approx(float(by_peft[name].dense().norm()), rel=1e-6)
    assert found.findings[-1].subject == "adapter"


def test_change_between_checkpoints_is_that_of_the_products(tmp_path) -> None:
    first, second = random_adapter(20, 15, 3, 0), random_adapter(20, 15, 3, 1)
    folder(tmp_path / "checkpoint-10", {"m": first})
    folder(tmp_path / "checkpoint-20", {"m": second})
    found = audit(tmp_path)
    old, new = (b.double() @ a.double() for b, a in (first, second))
    assert found.table["late_change"][0] == pytest.approx(float((new - old).norm() / new.norm()), rel=1e-5)


def test_shrink_is_exact_in_the_factors(tmp_path) -> None:
    layers = {
        "one": factors(60, 40, [9.0, 6.0, 1.0, 1.0, 1.0, 1.0], 0),
        "a.one": random_adapter(50, 30, 6, 1),
    }
    source = folder(tmp_path / "a", layers, alpha=12)
    table = shrink(source, tmp_path / "b").set_index("module")
    assert list(table["rank"]) == [6, 2] or dict(table["rank"]) == {"one": 2, "a.one": 6}
    before, after = open_weights(source), open_weights(tmp_path / "b")
    for name in before:
        module = name.removeprefix("base_model.model.").removesuffix(":lora")
        u, s, vt = torch.linalg.svd(before[name].dense(), full_matrices=False)
        k = int(table.loc[module, "rank"])
        torch.testing.assert_close(after[name].dense(), (u[:, :k] * s[:k]) @ vt[:k], rtol=1e-4, atol=1e-4)
        lost = float((after[name].dense() - before[name].dense()).norm() / before[name].dense().norm())
        assert lost == pytest.approx(table.loc[module, "relative_error"], abs=1e-6)


def test_real_adapter_shrunk_loads_and_keeps_what_it_stores_beside(checkpoints, tmp_path) -> None:
    source = checkpoints / "roberta-lora-trajectory" / "checkpoint-8500"
    table = shrink(source, tmp_path / "b", energy=0.9)
    assert (table["relative_error"] <= 0.1**0.5 + 1e-6).all()
    old, new = (
        load_file(source / "adapter_model.safetensors"),
        load_file(tmp_path / "b/adapter_model.safetensors"),
    )
    assert set(old) == set(new)
    for name in old:
        if "lora" not in name:
            assert torch.equal(old[name], new[name])
    config = json.loads((tmp_path / "b/adapter_config.json").read_text())
    assert config["modules_to_save"] == ["classifier", "score"]


def test_intruders_of_a_strong_update_and_none_of_a_weak_one() -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(80, 60))
    u, v = rng.normal(size=80), rng.normal(size=60)
    direction = np.outer(u, v) / np.linalg.norm(u) / np.linalg.norm(v)
    base = {"fc.weight": torch.from_numpy(w)}
    strong = intruders(base, {"fc.weight": torch.from_numpy(w + 40 * direction)}, draws=19).iloc[0]
    weak = intruders(base, {"fc.weight": torch.from_numpy(w + 0.5 * direction)}, draws=19).iloc[0]
    assert strong["intruders"] == 1
    assert strong["strength"] == pytest.approx(40 / 80**0.5, rel=0.05)
    top = np.linalg.svd(w + 40 * direction)[0][:, 0]
    assert strong["bbp_cosine"] == pytest.approx(abs(top @ u) / np.linalg.norm(u), abs=0.03)
    assert (weak["intruders"], strong["strength"] > strong["strength_edge"] > weak["strength"]) == (0, True)


@pytest.mark.parametrize("shape", [(30, 20), (20, 30)])
def test_intruder_p_values_are_uniform_for_updates_turned_at_random(shape) -> None:
    p = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        w = rng.normal(size=shape)
        b, a = factors(*shape, [12.0, 9.0], seed + 500)
        state = {"fc.lora_A.weight": a, "fc.lora_B.weight": b}
        found = intruders({"fc.weight": torch.from_numpy(w)}, adapter=state, draws=19, top=4, seed=seed)
        p.append(found["p"][0])
    assert scipy.stats.kstest(p, "uniform").pvalue > 1e-3


def test_an_update_along_the_base_makes_fewer_intruders_than_chance() -> None:
    w = np.random.default_rng(0).normal(size=(60, 50))
    u, _, vt = np.linalg.svd(w, full_matrices=False)
    tuned = w + 30 * np.outer(u[:, 20], vt[20])
    found = intruders(
        {"fc.weight": torch.from_numpy(w)}, {"fc.weight": torch.from_numpy(tuned)}, draws=99, rank=1
    )
    assert found["intruders"][0] == 0 < found["intruders_chance"][0]
    assert found["p"][0] <= 0.02


def test_large_layers_agree_with_a_whole_decomposition() -> None:
    w = np.random.default_rng(0).normal(size=(420, 410))
    b, a = factors(420, 410, [80.0, 60.0], 1)
    tuned = w + (b @ a).double().numpy()
    found = intruders(
        {"fc.weight": torch.from_numpy(w)}, {"fc.weight": torch.from_numpy(tuned)}, draws=1, top=3
    )
    before, after = (np.linalg.svd(x)[0] for x in (w, tuned))
    cosines = np.abs(before.T @ after[:, :3]).max(axis=0)
    assert found["cosine"][0] == pytest.approx(cosines.min(), abs=1e-3)


def test_merge_check_sees_collisions_and_chance(tmp_path) -> None:
    shared = factors(60, 40, [5.0, 4.0], 0)
    a = folder(tmp_path / "a", {"same": shared, "other": factors(60, 40, [5.0, 4.0], 1)})
    b = folder(tmp_path / "b", {"same": (-shared[0], shared[1]), "other": factors(60, 40, [5.0, 4.0], 2)})
    table = merge_check(a, b).set_index("module")
    assert table.loc["same", "cosine"] == pytest.approx(-1.0)
    assert table.loc["same", ["overlap_out", "overlap_in"]].tolist() == pytest.approx([1.0, 1.0])
    assert table.loc["same", "p_out"] < 0.01
    assert abs(table.loc["other", "cosine"]) < 0.2
    assert table.loc["other", "chance_in"] == pytest.approx(2 / 40)
    assert table.loc["other", "p_out"] > 0.01


def test_merge_check_is_calibrated() -> None:
    p = []
    for seed in range(80):
        one, two = (
            dict(zip(("m.lora_B.weight", "m.lora_A.weight"), random_adapter(20, 14, 3, s), strict=True))
            for s in (seed, seed + 1000)
        )
        p.append(
            merge_check(one, two, draws=79, seed=seed).iloc[0][["cosine_p", "p_out", "p_in"]].astype(float)
        )
    for values in np.array(p).T:
        assert scipy.stats.kstest(values, "uniform").pvalue > 1e-3


def test_bad_input(tmp_path) -> None:
    with pytest.raises(SourceError, match="no low-rank adapter"):
        audit({"fc.weight": torch.ones(4, 3)})
    one = folder(tmp_path / "a", {"m": random_adapter(20, 15, 3, 0)})
    other = folder(tmp_path / "b", {"n": random_adapter(20, 15, 3, 0)})
    with pytest.raises(SourceError, match="no layer in common"):
        merge_check(one, other)
    with pytest.raises(OptionError, match="not both"):
        shrink(one, energy=0.5, rank=2)
    with pytest.raises(OptionError, match="exists already"):
        shrink(one, other)
    with pytest.raises(OptionError, match="either the tuned"):
        intruders({"fc.weight": torch.ones(4, 3)})
    with pytest.raises(SourceError, match="no weight m"):
        intruders({"fc.weight": torch.ones(4, 3)}, adapter=one)


@pytest.mark.parametrize("keep", [0.0, 0.4])
def test_a_planted_intruder_is_taken_out_as_predicted(keep: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(60, 40))
    u, v = (np.linalg.qr(rng.normal(size=(n, 1)))[0] for n in w.shape)
    base = {"fc.weight": torch.from_numpy(w).float(), "same.weight": torch.from_numpy(w.T.copy()).float()}
    tuned = {**base, "fc.weight": base["fc.weight"] + 40.0 * torch.from_numpy(u @ v.T).float()}
    for name, tensors in (("base", base), ("tuned", tuned)):
        save_file(tensors, tmp_path / f"{name}.safetensors")
    found = repair(tmp_path / "base.safetensors", tmp_path / "tuned.safetensors", keep=keep)
    [row] = found.table.to_dict(orient="records")
    assert (row["module"], row["intruders"]) == ("fc", 1)
    assert row["measured_change"] == pytest.approx(row["relative_change"], rel=1e-5)
    assert row["distance_measured"] == pytest.approx(row["distance_predicted"], rel=1e-5)
    assert row["distance_predicted"] < (0.5 + 0.5 * keep) * row["distance_before"]
    assert row["intruders_left"] == (0 if keep == 0.0 else 1)
    found.save(tmp_path / "mended.safetensors")
    written = load_file(tmp_path / "mended.safetensors")
    assert torch.equal(written["same.weight"], base["same.weight"])
    singular = torch.linalg.svd(tuned["fc.weight"].double(), full_matrices=False)
    wanted = tuned["fc.weight"].double() - (1 - keep) * singular[1][0] * torch.outer(
        singular[0][:, 0], singular[2][0]
    )
    torch.testing.assert_close(written["fc.weight"].double(), wanted, rtol=1e-5, atol=1e-5)
    with pytest.raises(OptionError, match="keep"):
        repair(base, tuned, keep=1.0)
