"""The studies of collapse, separation and transfer: what they compute from tables, and that they run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from eigentrail import networks
from eigentrail.errors import OptionError
from eigentrail.figures.of_table import draw
from eigentrail.findings import ClaimResult, Verdict
from eigentrail.recipes import ClaimStudy, recipes
from eigentrail.recipes.experiments.feature_geometry import (
    collapse,
    separation,
    source_table,
    table_claims,
    transfer,
)
from eigentrail.recipes.experiments.feature_geometry.rank_correlation import rank_correlation
from eigentrail.training.transfer import TransferSettings


def test_rank_correlation_is_spearmans() -> None:
    chance = np.random.default_rng(0)
    x, y = chance.standard_normal((2, 15))
    found = rank_correlation(x.tolist(), (x + y).tolist(), draws=999)
    truth = scipy.stats.spearmanr(x, x + y)
    assert found.observed == pytest.approx(truth.statistic)
    assert found.p == pytest.approx(truth.pvalue, abs=0.03)
    assert rank_correlation([1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1], side="less").p == pytest.approx(
        1 / 720, abs=5e-3
    )


def test_what_a_third_number_explains_is_taken_off() -> None:
    chance = np.random.default_rng(1)
    cause = chance.standard_normal(400)
    x, y = cause + 0.1 * chance.standard_normal((2, 400))
    assert rank_correlation(x.tolist(), y.tolist()).observed > 0.95
    partial = rank_correlation(x.tolist(), y.tolist(), cause.tolist())
    assert abs(partial.observed) < 0.15
    ranks = [scipy.stats.rankdata(one) for one in (x, y, cause)]
    r = np.corrcoef(ranks)
    by_formula = (r[0, 1] - r[0, 2] * r[1, 2]) / math.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert partial.observed == pytest.approx(by_formula)
    with pytest.raises(OptionError, match="needs 4 pairs"):
        rank_correlation([1, 2, 3], [1, 2, 3])
    with pytest.raises(OptionError, match="the same in all pairs"):
        rank_correlation([1, 2, 3, 4], [1, 1, 1, 1])


def test_the_sources_table_contradicts_its_message_across_methods() -> None:
    table = source_table()
    assert len(table) == 44
    wide = {one: table.pivot(index="column", columns="method", values=one) for one in ("accuracy", "nc1")}
    assert int((wide["accuracy"].idxmax(axis=1) == wide["nc1"].idxmin(axis=1)).sum()) == 3
    assert int((wide["accuracy"]["layer with skip"] > wide["accuracy"]["layer"]).sum()) == 7
    assert int((wide["nc1"]["layer with skip"] < wide["nc1"]["layer"]).sum()) == 7
    decided = {one.claim.id: one for one in table_claims()}
    assert decided["s3-table-collapse-best-method"].mean == pytest.approx(3 / 11)
    assert decided["s3-table-layer-above-probe"].verdict is Verdict.YES
    assert decided["s3-table-skip-above-layer"].verdict is Verdict.UNDECIDED
    assert decided["s3-table-skip-near-full"].verdict is not Verdict.NO


def test_where_full_tuning_gets_ahead() -> None:
    def table(lead: list[float]) -> pd.DataFrame:
        sizes = [10, 100, 1000]
        rows = [{"size": s, "method": "layer with skip", "accuracy": 0.5} for s in sizes]
        return pd.DataFrame(
            rows
            + [
                {"size": s, "method": "full", "accuracy": 0.5 + one}
                for s, one in zip(sizes, lead, strict=True)
            ]
        )

    assert transfer.crossing(table([-0.1, 0.1, 0.2])) == pytest.approx(math.sqrt(10 * 100))
    assert transfer.crossing(table([0.1, 0.1, 0.2])) == 10
    assert math.isnan(transfer.crossing(table([0.1, 0.1, -0.2])))


def test_collapse_runs_and_judges_the_last_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    small = collapse.Size("digits", "mlp-2-16", 100, 60, (0, 60))
    monkeypatch.setitem(collapse.SIZES, "small", small)
    tables, claims = collapse.run([0])
    table = tables["collapse"]
    assert set(table["step"]) == {0, 60}
    assert [one.claim.id for one in claims] == ["s3-collapse-nc1", "s3-collapse-nc2", "s3-collapse-terminal"]
    last = table[(table["layer"] == "fc3:input") & (table["part"] == "train")].set_index("step")["nc1"]
    assert claims[0].mean == pytest.approx(last[60] / last[0])
    assert claims[0].mean < 1.0


def test_separation_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        separation.SIZES, "small", separation.Size(("separable",), ("mlp-3-16", "linear-3-16"), 200, 40, 2)
    )
    tables, claims = separation.run([0])
    assert len(tables["laws"]) == 4
    assert set(tables["laws"]["of"]) == {"d", "nc1"}
    assert len(claims) == 8
    assert all(one.verdict is Verdict.UNDECIDED for one in claims)  # one seed decides nothing
    lines = tables["d_by_depth"]
    nulls = {"permuted labels", "untrained networks", "random weights of the same spectra"}
    assert set(lines["line"]) == {"trained", "law"} | nulls
    layers = tables["layers"].query("of == 'd' and network == 'mlp-3-16'")
    trained = lines.query("line == 'trained' and network == 'mlp-3-16'").sort_values("depth")
    assert trained["value"].tolist() == pytest.approx(layers.sort_values("depth")["value"].tolist())


def test_separation_is_averaged_over_seeds_on_a_log_scale() -> None:
    points = pd.DataFrame(
        {
            "data": "d", "network": "n", "depth": [0, 1, 0, 1], "seed": [0, 0, 1, 1], "value": [4.0, 1.0, 1.0, 4.0],
            "law": [4.0, 1.0, 1.0, 1.0], "null: permuted labels": [9.0, 9.0, 1.0, 1.0],
        }
    )  # fmt: skip
    found = separation.by_depth(points).set_index(["line", "depth"])["value"]
    assert found["trained", 0] == pytest.approx(2.0)
    assert found["law", 1] == pytest.approx(1.0)
    assert found["permuted labels", 0] == pytest.approx(3.0)


@pytest.mark.parametrize("name", ["collapse", "separation"])
def test_figures_of_the_studies_are_drawn_from_their_tables(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(separation.SIZES, "small", separation.Size(("separable",), ("mlp-3-16",), 200, 40, 2))
    monkeypatch.setitem(collapse.SIZES, "small", collapse.Size("digits", "mlp-2-16", 100, 20, (0, 20)))
    study = recipes()[name].plan
    assert isinstance(study, ClaimStudy) and study.figures
    tables, _ = study.measure([0], "small")
    for figure in study.figures:
        drawn = draw(figure, tables[figure.table])
        assert any(len(trace["x"]) > 1 for trace in drawn.data)


def test_transfer_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = replace(
        transfer.SIZES["small"],
        network="mlp-2-16",
        layers=("fc2",),
        small_layer="fc1",
        train=200,
        kept=(2, 10, 40),
        decays=(0.0, 1e-2),
        sizes=(20, 60),
        settings=TransferSettings(steps=10, rates=(1e-2,)),
    )
    monkeypatch.setitem(transfer.SIZES, "small", quick)
    tables, claims = transfer.run([0])
    assert len(tables["sources"]) == 6
    # Behind two steps weight decay changes nothing: sources that share a training would be the same.
    early = tables["sources"].set_index("step").loc[2, "nc1_source"].to_numpy()
    assert abs(early[0] / early[1] - 1.0) > 0.01
    assert len(tables["methods"]) == 8
    assert len(tables["correlations"]) == 4
    assert set(tables["layers"]["method"]) == {"linear probe", "layer", "layer with skip", "full"}
    assert len(claims) == 10 + 5
    assert tables["small"]["layer"].tolist() == ["fc1"]
    for figure in recipes()["transfer"].plan.figures:
        assert len(draw(figure, tables[figure.table]).data)


@pytest.mark.parametrize("name", ["small", "full"])
def test_the_small_layer_and_the_head_are_at_most_8_percent(name: str) -> None:
    plan = transfer.SIZES[name]
    shape = {"digits": (1, 8, 8), "fashion-mnist": (1, 28, 28)}[plan.data]
    sizes = {key: p.numel() for key, p in networks.build(plan.network, shape, 5).named_parameters()}
    own = sum(n for key, n in sizes.items() if key.startswith((f"{plan.small_layer}.", "fc3.")))
    assert own / sum(sizes.values()) < 0.08


def test_the_sizes_hold_what_they_promise() -> None:
    assert all(len(one.kept) * len(one.decays) >= 12 for one in transfer.SIZES.values())
    assert all(
        {"mlp", "linear"} == {kind.split("-")[0] for kind in one.kinds} for one in separation.SIZES.values()
    )


@pytest.mark.parametrize("given", [False, True])
def test_the_permutation_p_is_below_a_level_as_often_as_the_level_says(given: bool) -> None:
    """400 draws of 18 pairs that a third number moves alike, and nothing else: within 3 binomial errors of 5%."""
    chance = np.random.default_rng(5)
    p = []
    for _ in range(400):
        cause = chance.standard_normal(18) * given
        x, y = cause + chance.standard_normal((2, 18))
        held = cause.tolist() if given else None
        p.append(rank_correlation(x.tolist(), y.tolist(), held, side="less", draws=199).p)
    error = math.sqrt(0.05 * 0.95 / 400)
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=3 * error)


def test_each_seed_is_told_once_as_it_begins() -> None:
    told: list[tuple[str, int, int]] = []

    def measure(seeds: Sequence[int], size: str) -> tuple[dict[str, pd.DataFrame], list[ClaimResult]]:
        first = [(seed, len(told)) for seed in seeds]
        assert [*seeds] == [4, 5] and seeds[0] == 4 and len(seeds) == 2 and size == "small"
        return {"seen": pd.DataFrame(first)}, []

    tables, _ = ClaimStudy(measure).measured(range(4, 6), "small", lambda *one: told.append(one))
    assert tables["seen"].to_numpy().tolist() == [[4, 1], [5, 2]]
    assert told == [("seed 4", 0, 2), ("seed 5", 1, 2), ("done", 2, 2)]
