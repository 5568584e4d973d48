"""What `compare` says of planted changes, and that it says nothing of none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import eigentrail as et
from eigentrail.findings import Finding, Verdict

SIZES = {"attn.q": (48, 32), "attn.k": (48, 32), "attn.o": (48, 32), "mlp.up": (64, 32)}


def network(seed: int, blocks: int = 3) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        f"h.{block}.{role}.weight": torch.randn(*shape, generator=generator)
        for block in range(blocks)
        for role, shape in SIZES.items()
    }


def moved(
    before: dict[str, torch.Tensor], shares: dict[str, float], rank: int, seed: int = 1
) -> dict[str, torch.Tensor]:
    """Add to each layer an update of a rank (0: full) and of a share of its norm."""
    generator = torch.Generator().manual_seed(seed)
    after = {}
    for name, w in before.items():
        update = torch.randn(w.shape, generator=generator)
        if rank:
            update = torch.randn(len(w), rank, generator=generator) @ torch.randn(
                rank, w.shape[1], generator=generator
            )
        share = next(value for role, value in shares.items() if role in name)
        after[name] = w + share * w.norm() * update / update.norm()
    return after


def about(findings: list[Finding], word: str) -> Finding:
    return next(one for one in findings if word in one.question)


def test_a_fine_tuning_of_rank_2_is_told_by_role_and_rank() -> None:
    before = network(0)
    shares = {"attn.q": 0.05, "attn.k": 0.05, "attn.o": 0.27, "mlp": 0.15}
    found = et.compare(before, moved(before, shares, rank=2), progress=False)
    assert found.findings[0].sentence.startswith("12 of 12 layers moved beyond rounding")
    roles = about(found.findings, "roles")
    assert roles.verdict is Verdict.YES and roles.effect is not None
    assert roles.effect.value == pytest.approx(0.27 / 0.05, rel=1e-3)
    assert roles.sentence.startswith("attn.o moved most (27% of the norm), attn.")
    assert "attn.q" in roles.sentence and "attn.k" in roles.sentence
    low = about(found.findings, "low rank")
    assert low.verdict is Verdict.YES and "rank 2 in 12 of 12" in low.sentence
    assert (found.table["update_energy_90"] <= 2).all() and not found.alerts


def test_updates_of_noise_have_no_rank_and_no_role() -> None:
    verdicts = []
    for seed in range(1):
        before = network(seed)
        found = et.compare(before, moved(before, {"": 0.1}, rank=0, seed=50 + seed), progress=False)
        low = about(found.findings, "low rank")
        assert low.verdict is Verdict.NO
        assert found.table["update_energy_90"].tolist() == pytest.approx(
            found.table["update_energy_90_noise"].tolist(), abs=2
        )
        verdicts.append(about(found.findings, "roles").verdict)
    assert verdicts.count(Verdict.YES) == 0  # equal shares


@pytest.mark.parametrize("narrow", [torch.bfloat16, pytest.param(torch.float16, marks=pytest.mark.slow)])
def test_rounding_has_not_moved_whatever_the_file_calls_itself(narrow: torch.dtype) -> None:
    before = network(0)
    for after in (
        {name: w.to(narrow) for name, w in before.items()},
        {name: w.to(narrow).float() for name, w in before.items()},
    ):
        found = et.compare(before, after, progress=False)
        assert found.summary["moved"] == 0
        assert found.findings[0].verdict is Verdict.NO and "beyond rounding" in found.findings[0].sentence
        assert found.table["relative_change"].tolist() == pytest.approx(
            found.table["rounding"].tolist(), rel=0.1
        )
        further = {name: w.float() * 1.05 for name, w in after.items()}
        assert et.compare(before, further, progress=False).summary["moved"] == len(before)


def test_equal_checkpoints_and_unrelated_ones() -> None:
    same = et.compare(network(0), network(0), progress=False).findings
    assert [one.sentence for one in same] == ["Nothing moved: 12 layers hold the same numbers in both."]
    other = et.compare(network(0), network(1), progress=False)
    assert "unrelated" in other.alerts[0].sentence and other.alerts[0].verdict is Verdict.NO
    assert other.to_dict()["findings"][0]["needs_look"]


def test_a_layer_that_was_zero_moved_most_and_nan_stands_first() -> None:
    before, after = network(0), network(0)
    after = {name: 1.01 * w for name, w in after.items()}
    before["h.1.attn.o.weight"] = torch.zeros(48, 32)
    after["h.0.mlp.up.weight"][0, 0] = float("nan")
    found = et.compare(before, after, progress=False)
    assert found.table["name"].iloc[0] == "h.1.attn.o.weight"
    assert np.isinf(found.table["relative_change"].iloc[0])
    assert found.to_dict()["layers"][0]["relative_change"] is None
    assert [one.subject for one in found.alerts] == ["h.0.mlp.up.weight"]
    assert "NaN" in found.alerts[0].sentence
    assert found.report  # the page is made elsewhere


def test_a_layer_that_was_replaced_among_moved_ones_is_named() -> None:
    before = network(0)
    after = moved(before, {"": 0.1}, rank=2)
    after["h.1.attn.k.weight"] = network(7)["h.1.attn.k.weight"]
    found = et.compare(before, after, progress=False)
    assert [one.subject for one in found.alerts] == ["h.1.attn.k.weight"]
    assert found.findings[0].sentence.startswith("h.1.attn.k.weight was replaced")
