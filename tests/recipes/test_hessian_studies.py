"""The studies of Hessians: short runs from the training to the page, and their parts against closed forms."""

from __future__ import annotations

import html
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import eigentrail as et
from eigentrail.analyses.framework.registry import find_analysis
from eigentrail.analyses.hessian.parameter_point import WHOLE
from eigentrail.api.study import TrainingsResult
from eigentrail.curvature import Curvature, hessian_spacings
from eigentrail.curvature.weight_decay_shift import WeightDecayShift
from eigentrail.recipes import recipes
from eigentrail.recipes.experiments import decay_shift
from eigentrail.recipes.experiments import hessian_spacings_study as spacings_study
from eigentrail.recipes.experiments import hessian_study as study
from eigentrail.recipes.experiments.hessian_claims import _shifted
from eigentrail.recipes.experiments.hessian_spacings_study import SpacingsStudy
from eigentrail.recipes.experiments.hessian_study import HessianStudy

STUDIES = recipes()

LAYER = "fc3.weight"  # 500 of 6310 parameters


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    # The whole matrix of the last layer only, over few samples: that of all 6310 parameters takes minutes.
    smaller = find_analysis("curvature").changed(samples=300, largest_exact=600)
    monkeypatch.setattr("eigentrail.analyses.curvature.curvature", smaller)
    changes: dict[str, Any] = {"hessian": ("curvature",), "hessian-spacings": ("evolution",)}
    for name, only in changes.items():
        monkeypatch.setitem(recipes(), name, recipes()[name].changed(studied=LAYER, only=only, seeds=(1, 1)))


def check_claims(done: TrainingsResult, table: pd.DataFrame) -> pd.DataFrame:
    """What is told, stored and on the page is the same."""
    folder = done.page.parent
    claims = pd.read_csv(folder / "claims.csv")
    assert claims["id"].is_unique
    assert claims["claim"].tolist() == [one.claim.statement for one in done.claims]
    assert set(claims["verdict"]) <= {"holds", "does not hold", "not decided"}
    assert not claims["detail"].str.contains("nan", case=False).any()
    assert list(table) == list(done.table) and len(table) == len(done.table)
    page = html.unescape(done.page.read_text(encoding="utf-8"))
    assert "What became of the claims" in page and "What was measured" in page
    assert f"Of {len(claims)} claims" in page
    for claim in claims["claim"]:
        assert claim[1:40] in page, claim
    return claims


def test_the_hessian_study_from_the_trainings_to_the_page(small: None, tmp_path: Path) -> None:
    assert isinstance(recipes()["hessian"].plan, HessianStudy)
    done = et.study("hessian", "digits", epochs=2, out=tmp_path / "runs", progress=False)
    assert isinstance(done, TrainingsResult)
    table = pd.read_csv(tmp_path / "runs" / "comparison.csv")
    claims = check_claims(done, table)
    assert {"name", "n", "exact", "largest", "trace", "training", "train_accuracy", "test_accuracy"} <= set(
        table
    )
    # The decayed training, beside the plain one, at the studied layer only.
    assert table[["training", "name"]].values.tolist() == [
        ["plain", LAYER],
        ["plain", WHOLE],
        ["decay", LAYER],
    ]
    assert table["n"].tolist() == [500, 6310, 500] and table["exact"].tolist() == [True, False, True]
    assert (table["samples"] == 300).all()
    # Interlacing: the largest eigenvalue of a part is no larger than that of the whole, nor is its trace.
    layer, whole = table[table["training"] == "plain"].to_dict(orient="records")
    assert 0 < layer["largest"] <= whole["largest"] * (1 + 1e-6)
    assert layer["largest"] <= layer["trace"] < whole["trace"] + 3 * whole["trace_error"]
    assert table["train_accuracy"].between(0.5, 1.0).all()
    assert [one.trial.name for one in done.trained] == ["plain", "decay"]
    assert [one.settings[0].weight_decay for one in done.trained] == [0.0, 1e-3]
    assert {f"S1 7.{n}" for n in range(1, 7)} <= set(claims["source"])
    assert claims["source"].str.contains("S2").any()
    # Softmax has no curvature where all outputs move together: of 500 eigenvalues at least 50 are zero.
    layers = table[table["exact"].astype(bool)]
    assert (layers["null"] >= 50).all() and (layers["negative"] == 0).all()
    shift = claims[claims["claim"].str.contains("weight decay shifts")].iloc[0]
    assert shift["value"] == pytest.approx(1.0, rel=0.05) and shift["seeds"] == 1


def test_the_spacings_study_from_the_training_to_the_page(small: None, tmp_path: Path) -> None:
    assert isinstance(recipes()["hessian-spacings"].plan, SpacingsStudy)
    done = et.study("hessian-spacings", "digits", epochs=2, out=tmp_path / "runs", progress=False)
    assert isinstance(done, TrainingsResult)
    table = pd.read_csv(tmp_path / "runs" / "comparison.csv")
    claims = check_claims(done, table)
    assert list(table)[:7] == ["hessian", "samples", "n", "null", "levels", "negative", "largest"]
    for sign in ("positive", "both"):
        assert {f"{key}_{sign}" for key in ("ratio", "ratio_error", "p_wigner", "p_poisson")} <= set(table)
    assert table["hessian"].tolist() == [f"network, {LAYER}", "logistic regression on its features"] * 3
    samples = ["all training samples", "one batch of 64", "the test set"]
    assert table["samples"].tolist() == [one for one in samples for _ in range(2)]
    assert table["n"].tolist() == [500, 510] * 3
    assert (table["null"] + table["levels"] == table["n"]).all() and (table["negative"] == 0).all()
    # Softmax has no curvature where all outputs move together: a zero for each input, 1 in 10 of the parameters.
    assert (table["null"] >= table["n"] / 10).all()
    spaced = claims[claims["claim"].str.contains("spaced as those of a random matrix")]
    assert len(spaced) == len(table)
    np.testing.assert_allclose(spaced["value"], table["ratio_positive"], rtol=1e-12)
    dense = claims[claims["claim"].str.contains("neither a semicircle nor a Marchenko-Pastur law")]
    nearer = table[["semicircle_distance", "marchenko_pastur_distance"]].min(axis=1)
    np.testing.assert_allclose(dense["value"], nearer, rtol=1e-12)
    assert len(spaced) + len(dense) == len(claims)
    assert "Are the levels those of a random matrix?" in done.page.read_text(encoding="utf-8")


# Parts against known answers.


def of_logistic_regression(model: nn.Linear, inputs: torch.Tensor) -> np.ndarray[Any, Any]:
    """mean (diag p - p p^T) (x) x x^T, the weight row-major first and the bias behind it."""
    x = inputs.detach().double().numpy()
    p = F.softmax(model.double()(inputs.double()), dim=1).detach().numpy()
    seen = np.hstack([x, np.ones((len(x), 1))])
    bent = np.einsum("nc,cd->ncd", p, np.eye(p.shape[1])) - p[:, :, None] * p[:, None, :]
    found = np.einsum("ncd,ni,nj->cidj", bent, seen, seen) / len(x)
    classes, width = p.shape[1], x.shape[1]
    places = np.arange(classes * (width + 1)).reshape(classes, width + 1)
    order = np.concatenate([places[:, :-1].ravel(), places[:, -1]])
    return found.reshape(places.size, places.size)[np.ix_(order, order)]


def network(bias: bool = True) -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3, bias=bias))


def samples(count: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(count, 6, generator=generator)
    return inputs, (inputs[:, 0] > 0).long() + (inputs[:, 1] > 0.5).long()


def test_a_row_has_the_levels_of_the_closed_form() -> None:
    inputs, targets = samples()
    torch.manual_seed(0)
    model = nn.Linear(6, 3).double()
    case = spacings_study._Case("h", "all", model, (inputs, targets), None)
    row, _ = spacings_study._row(case)
    values = np.linalg.eigvalsh(of_logistic_regression(model, inputs))
    assert (row["hessian"], row["samples"], row["n"]) == ("h", "all", 21)
    # p is unmoved where all classes move alike: one zero for each of 7 inputs.
    assert (row["null"], row["levels"], row["negative"]) == (7, 14, 0)
    assert row["largest"] == pytest.approx(values[-1], rel=1e-12)
    expected = hessian_spacings(values, sign="positive")
    for sign in ("positive", "both"):
        assert row[f"ratio_{sign}"] == pytest.approx(expected.ratio_mean, rel=1e-6)
        assert row[f"ratio_error_{sign}"] == pytest.approx(expected.ratio_error, rel=1e-6)


def test_a_row_of_a_layer_counts_its_parameters_only() -> None:
    case = spacings_study._Case("h", "all", network(), samples(), ["0.weight"])
    row, _ = spacings_study._row(case)
    assert row["n"] == 30 and row["null"] + row["levels"] == 30


def test_a_row_of_too_few_levels_decides_nothing() -> None:
    # With a single class the loss is always zero.
    model = nn.Linear(6, 1).double()
    case = spacings_study._Case("h", "all", model, (samples()[0], torch.zeros(200, dtype=torch.long)), None)
    with pytest.raises(et.EigentrailError, match="null space"):
        spacings_study._row(case)
    # One direction of two classes in one input has curvature: a level without a neighbour has no spacing.
    one = nn.Linear(1, 2, bias=False).double()
    inputs, targets = samples()
    row, _ = spacings_study._row(spacings_study._Case("h", "all", one, (inputs[:, :1], targets % 2), None))
    assert (row["levels"], row["null"]) == (1, 1)
    assert all(row[f"{key}_{sign}"] is None for key in ("ratio", "p_wigner") for sign in ("positive", "both"))
    for claim in spacings_study._claims(pd.DataFrame([row])):
        assert np.isnan(claim.values).all() and "too few levels" in claim.found


@pytest.mark.parametrize("bias", [True, False])
def test_the_regression_ends_where_its_gradient_is_zero(bias: bool) -> None:
    model, data = network(bias), samples()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fitted, features = spacings_study._regression(model, data)
    assert features.dtype == fitted.weight.dtype == torch.float64 and not features.requires_grad
    torch.testing.assert_close(features, torch.tanh(model[0](data[0])).detach().double())
    # Nothing of the network is changed, and nothing stays hooked to it.
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_pre_hooks for module in model.modules())

    def loss(ridge: float) -> torch.Tensor:
        size = sum(p.square().sum() for p in fitted.parameters())
        return F.cross_entropy(fitted(features), data[1]) + ridge * size

    parameters = list(fitted.parameters())
    slope = torch.cat([g.flatten() for g in torch.autograd.grad(loss(1e-4), parameters)])
    assert float(slope.abs().max()) < 1e-5
    # It is the minimum: the Hessian with the ridge is positive definite, and the loss below the network's own.
    values = np.linalg.eigvalsh(of_logistic_regression(fitted, features)) + 2e-4
    assert values.min() > 1e-4
    with torch.no_grad():
        assert float(loss(0.0)) < float(F.cross_entropy(model(data[0]), data[1]))


def test_the_regression_of_separable_classes_stays_finite() -> None:
    inputs = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
    inputs[:, 0] = torch.arange(60) % 2 * 8.0 - 4.0
    fitted, features = spacings_study._regression(
        nn.Sequential(nn.Linear(6, 2)), (inputs, torch.arange(60) % 2)
    )
    assert torch.isfinite(fitted.weight).all() and float(fitted.weight.detach().abs().max()) < 10
    assert (fitted(features).argmax(dim=1) == torch.arange(60) % 2).all()


def test_the_cases_are_network_and_regression_for_all_samples_and_one_batch() -> None:
    model, (inputs, targets) = network(), samples()
    held_out = (inputs[:90] + 0.1, targets[:90])
    point: Any = SimpleNamespace(model=model, train=(inputs, targets), test=held_out)
    cases = list(spacings_study._cases(point, "0.weight"))
    assert [(case.name, case.samples) for case in cases] == [
        ("network, 0.weight", "all training samples"),
        ("logistic regression on its features", "all training samples"),
        ("network, 0.weight", "one batch of 64"),
        ("logistic regression on its features", "one batch of 64"),
        ("network, 0.weight", "the test set"),
        ("logistic regression on its features", "the test set"),
    ]
    assert [case.layers for case in cases] == [["0.weight"], None] * 3
    sizes = [200, 200, 64, 64, 90, 90]
    assert [len(case.data[0]) for case in cases] == [len(case.data[1]) for case in cases] == sizes
    torch.testing.assert_close(cases[5].data[0], torch.tanh(model[0](held_out[0])).detach().double())
    torch.testing.assert_close(cases[2].data, (inputs[:64], targets[:64]))
    torch.testing.assert_close(cases[3].data[0], cases[1].data[0][:64])
    # One fit, to all samples.
    assert cases[0].model is cases[2].model is model and cases[1].model is cases[3].model
    row, _ = spacings_study._row(cases[3])
    closed = of_logistic_regression(cases[3].model, cases[3].data[0])  # type: ignore[arg-type]
    assert row["n"] == len(closed) == 18
    assert row["largest"] == pytest.approx(np.linalg.eigvalsh(closed)[-1], rel=1e-9)


def at_a_place(monkeypatch: pytest.MonkeyPatch, model: nn.Module, **setting: Any) -> Any:
    def point(run: Any, step: int, samples: int) -> Any:
        assert (run, step, samples) == (trained.runs[0], 7, 5_000)
        return SimpleNamespace(model=model, train=data, setting=setting)

    data = samples()
    trained: Any = SimpleNamespace(runs=[SimpleNamespace(steps=np.array([0, 7]))])
    monkeypatch.setattr(study, "ParameterPoint", point)
    return trained


def hessian_of(model: nn.Module) -> np.ndarray[Any, Any]:
    """Autograd's own."""
    inputs, targets = samples()
    names = [name for name, _ in model.named_parameters()]
    shapes = [p.shape for p in model.parameters()]

    def loss(flat: torch.Tensor) -> torch.Tensor:
        parts = torch.split(flat, [shape.numel() for shape in shapes])
        values = {n: part.reshape(shape) for n, part, shape in zip(names, parts, shapes, strict=True)}
        return F.cross_entropy(torch.func.functional_call(model, values, (inputs.double(),)), targets)

    flat = torch.cat([p.detach().flatten() for p in model.parameters()])
    return torch.autograd.functional.hessian(loss, flat).numpy()


def test_the_overlaps_of_a_layer_are_those_of_dense_eigenvectors(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network().double()
    found = study._overlaps_of_layer(at_a_place(monkeypatch, model), "2.weight")
    dense = hessian_of(model)
    part = slice(35, 50)  # behind 30 weights and 5 biases
    assert dict(found.sizes) == {"i": 10, "j": 10} and found.attrs["layer"] == "2.weight"
    assert (found.attrs["n_layer"], found.attrs["n"]) == (15, 53)
    own, layer = np.linalg.eigh(dense[part, part])
    every, whole = np.linalg.eigh(dense)
    np.testing.assert_allclose(found["value_i"], own[::-1][:10], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found["value_j"], every[::-1][:10], rtol=1e-3)
    expected = np.abs(layer[:, ::-1][:, :10].T @ whole[part][:, ::-1][:, :10])
    # The eigenvectors are found to a residual of 1%; those that are well apart are compared.
    apart = 4
    np.testing.assert_allclose(found["overlap"][:apart, :apart], expected[:apart, :apart], atol=0.05)
    share = (whole[part][:, ::-1][:, :apart] ** 2).sum(axis=0)
    np.testing.assert_allclose(found["share"][:apart], share, atol=0.05)


def test_a_layer_of_few_parameters_is_met_with_all_but_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = study._overlaps_of_layer(at_a_place(monkeypatch, network().double()), "2.bias")
    assert dict(found.sizes) == {"i": 2, "j": 10}


def test_the_shift_is_torchs_weight_decay(monkeypatch: pytest.MonkeyPatch) -> None:
    # lambda ||w||^2 with lambda = decay / 2 moves every eigenvalue by 2 lambda.
    trained = at_a_place(monkeypatch, network().double(), weight_decay=0.02)
    found = study._shift(trained, "0.weight")
    assert found.shift == pytest.approx(0.02, rel=1e-4) and found.weight_decay == pytest.approx(
        0.01, rel=1e-4
    )
    assert (found.count, found.method) == (10, "central differences") and found.spread < 1e-5
    assert study_claim(found) == pytest.approx(1.0, abs=0.01)


def study_claim(found: WeightDecayShift) -> float:
    node: Any = SimpleNamespace(attrs={"weight_decay": 0.02})
    return _shifted(node, found).values[0]


def test_a_wrong_factor_in_the_penalty_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = at_a_place(monkeypatch, network().double(), weight_decay=0.02)
    monkeypatch.setattr(
        decay_shift, "_penalty", lambda parameter, decay: decay / 2 * parameter.square().sum()
    )
    found = study._shift(trained, "0.weight")
    assert found.shift == pytest.approx(0.01, rel=1e-4)
    assert abs(study_claim(found) - 1.0) > 0.4


def test_a_wrong_factor_in_the_operator_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = at_a_place(monkeypatch, network().double(), weight_decay=0.02)

    def halved(*args: Any, weight_decay: float = 0.0, **options: Any) -> Curvature:
        return Curvature(*args, weight_decay=weight_decay / 2, **options)

    monkeypatch.setattr(decay_shift, "Curvature", halved)
    found = study._shift(trained, "0.weight")
    assert found.spread == pytest.approx(0.01, rel=1e-3)
    assert abs(study_claim(found) - 1.0) > 0.4


def test_the_shift_of_a_network_with_kinks_and_few_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 40), nn.ReLU(), nn.BatchNorm1d(40), nn.Linear(40, 3)).eval()
    trained = at_a_place(monkeypatch, model, weight_decay=0.02)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for layer, count in (("0.weight", 10), ("3.bias", 2)):
        found = study._shift(trained, layer)
        assert found.count == count and study_claim(found) == pytest.approx(1.0, abs=0.01)
    assert all(
        torch.equal(value, before[name]) and value.dtype == before[name].dtype
        for name, value in model.state_dict().items()
    )
