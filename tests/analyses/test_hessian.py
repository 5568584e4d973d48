import json
import sys

import numpy as np
import pytest
import torch
import xarray as xr
from making_analyses import made, node_of, reasons

import eigentrail as et
from eigentrail import data as datasets
from eigentrail.analyses.hessian.motion import log_ranks, pooled
from eigentrail.analyses.hessian.parameter_point import WHOLE
from eigentrail.api.analysis import analyze
from eigentrail.errors import DataError
from eigentrail.findings import Verdict
from eigentrail.recipes.experiments.hessian_claims import hessian_claims
from eigentrail.recipes.framework.observation import decided
from eigentrail.report.claims import claims_table
from eigentrail.spectra.energy import symmetric_noise_directions

SETTINGS = et.TrainingSettings(epochs=6, lr=0.1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    data = datasets.take(datasets.load_digits(), 200, 60)
    folder = tmp_path_factory.mktemp("hessian") / "run"
    return et.train("mlp50", data, folder, SETTINGS, layers={"fc3.weight": 1, "*": 7}, progress=False)


@pytest.fixture(scope="module")
def tree(run):
    return made(run, "curvature", layers=["fc3.weight"])


def hessian_by_autograd(run, name):
    model = run.model(int(run.steps[-1])).double().eval()
    inputs, targets = (
        et.data.rebuild(run.manifest.data).train_inputs.double(),
        et.data.rebuild(run.manifest.data).train_targets,
    )
    known = dict(model.named_parameters())

    def loss(w):
        out = torch.func.functional_call(model, {**known, name: w}, (inputs,))
        return torch.nn.functional.cross_entropy(out, targets)

    w = known[name].detach()
    return torch.autograd.functional.hessian(loss, w).reshape(w.numel(), w.numel()).numpy(), w.numpy().ravel()


def test_eigenvalues_and_products_are_those_of_autograd(run, tree):
    node = node_of(tree, "fc3.weight")
    hessian, w = hessian_by_autograd(run, "fc3.weight")
    values, vectors = np.linalg.eigh(hessian)
    found = node["spectrum"].to_dataset()["eigenvalue"].values
    np.testing.assert_allclose(found, values[::-1], atol=1e-12)
    # The leading ones stand apart, so that their vectors are unique up to sign.
    products = np.abs(node["vectors"].to_dataset()["product"].values[:5])
    np.testing.assert_allclose(products, np.abs(vectors.T[::-1][:5] @ w) / np.linalg.norm(w), atol=1e-8)
    assert node.attrs["trace"] == pytest.approx(np.trace(hessian), rel=1e-10)
    assert node.attrs["spot_check_error"] < 1e-8
    assert node.attrs["n"] == 500


def test_adding_all_eigenvectors_gives_the_network_back(tree):
    added = node_of(tree, "fc3.weight")["add_back"].to_dataset()
    for order in ("value", "magnitude"):
        last = added.sel(order=order).isel(k=-1)
        assert float(last["accuracy"]) == pytest.approx(added.attrs["accuracy_full"])
        assert float(last["loss"]) == pytest.approx(added.attrs["loss_full"], rel=1e-5)
        assert float(added["norm"].sel(order=order).isel(k=0)) == 0.0
    assert list(added["order"].values) == ["value", "magnitude", "product", "random"]


def test_weights_and_singular_matrices_lie_in_the_leading_eigenvectors_as_by_hand(run, tree):
    told = node_of(tree, "fc3.weight").attrs
    hessian, w = hessian_by_autograd(run, "fc3.weight")
    vectors = np.linalg.eigh(hessian)[1].T[::-1]
    if "weights_in_leading" in told:
        along = vectors[: told["leading"]] @ w
        assert told["weights_in_leading"] == pytest.approx(along @ along / (w @ w), rel=1e-6)
        u, s, vt = np.linalg.svd(w.reshape(10, 50), full_matrices=False)
        shares = [
            np.sum((vectors[: told["leading"]] @ np.outer(u[:, j], vt[j]).ravel()) ** 2) for j in range(10)
        ]
        assert told["signs_in_leading"] == pytest.approx(s**2 @ shares / (s @ s), rel=1e-6)
    # Of all orders that by the weight product brings most of the weights' length back with a few.
    added = node_of(tree, "fc3.weight")["add_back"].to_dataset().sel(k=25)["norm"]
    products = np.sort(np.abs(node_of(tree, "fc3.weight")["vectors"].to_dataset()["product"].values))[::-1]
    assert float(added.sel(order="product")) == pytest.approx(float(np.linalg.norm(products[:25])))
    assert float(added.sel(order="product")) >= float(added.sel(order="value"))
    assert told["few"] == 25


def test_landscapes_meet_the_loss_and_its_curvature_where_the_weights_are(tree):
    curves = node_of(tree, "fc3.weight")["landscape"].to_dataset()
    for number in range(4):
        one = curves.isel(direction=number)
        x = one["coordinate"].values - float(one["at"])
        middle = len(x) // 2
        assert x[middle] == pytest.approx(0.0, abs=1e-9)
        assert float(one["loss"][middle]) == pytest.approx(float(one["quadratic"][middle]), rel=1e-5)
        # Second difference of the parabola is its curvature.
        second = np.diff(one["quadratic"].values, 2)[0] / (x[1] - x[0]) ** 2
        assert second == pytest.approx(float(one["value"]), rel=1e-4)


def test_the_first_step_is_looked_at_too(run, tree):
    node = node_of(tree, "fc3.weight")
    assert set(node.children) >= {
        "initial", "initial_density", "levels", "weights_components", "updates_components", "singular", "flatness",
    }  # fmt: skip
    assert node.attrs["initial_loss"] > node.attrs["loss"]
    assert "product_first" in node["vectors"].to_dataset()
    alone = made(run, "curvature", layers="fc3.bias", initial=False)
    assert "initial" not in node_of(alone, "fc3.bias").children
    assert "zero" in node_of(alone, "fc3.bias").attrs["no_first"]


def test_a_hessian_that_is_too_large_gives_its_largest_pairs(run):
    small = made(run, "curvature", layers=["fc3.weight"], largest_exact=100)
    node = node_of(small, "fc3.weight")
    exact = node_of(made(run, "curvature", layers=["fc3.weight"]), "fc3.weight")
    found = node["spectrum"].to_dataset()["eigenvalue"].values
    assert len(found) == 20 and not node.attrs["exact"]
    np.testing.assert_allclose(found, exact["spectrum"].to_dataset()["eigenvalue"].values[:20], rtol=1e-3)
    assert node.attrs["trace"] == pytest.approx(
        exact.attrs["trace"], abs=5 * node.attrs["trace_error"] + 1e-3
    )
    assert "add_back" not in node.children and "landscape" in node.children


def test_large_networks_take_fewer_samples_where_the_hessian_is_not_written_out(run, monkeypatch):
    from eigentrail.analyses.hessian import parameter_point

    # A forward pass of MLP 50 takes 2 (64 * 50 + 50 * 50 + 50 * 10) operations for a sample.
    monkeypatch.setattr(parameter_point, "_OPERATIONS", 90 * 2 * 6200)
    monkeypatch.setattr(parameter_point, "_FEWEST", 10)
    found = made(run, "curvature", layers=["fc3.weight"], largest_exact=100, seed=5)
    assert node_of(found, "fc3.weight").attrs["samples"] == 90
    whole = made(run, "curvature", layers=["fc3.weight"], seed=5, initial=False)
    assert node_of(whole, "fc3.weight").attrs["samples"] == 200


def test_without_layers_large_ones_are_left_out_and_named(run):
    tree = made(run, "curvature", largest_exact=100, samples=50)
    assert tree.table["name"].tolist() == [WHOLE]
    assert list(reasons(tree)) == ["fc1.weight", "fc2.weight", "fc3.weight"]
    assert "--layers" in tree.skipped[0].reason
    vectors = node_of(tree, WHOLE)["vectors"].to_dataset()
    np.testing.assert_allclose(vectors["concentration"].sum("layer").values, 1.0, rtol=1e-6)


def test_long_work_says_what_it_does(run):
    told = []
    made(
        run,
        "curvature",
        layers=["fc3.weight"],
        samples=50,
        seed=2,
        progress=lambda what, done, total: told.append((what, done, total)),
    )
    assert [what for what, *_ in told] == [
        "fc3.weight",
        "fc3.weight: the Hessian of 500 parameters",
        "fc3.weight: its 500 eigenvectors",
        "fc3.weight: the eigenvectors beside weights, motion and singular matrices; added back",
        "fc3.weight: before training, the Hessian of 500 parameters",
        "fc3.weight: before training, its 500 eigenvectors",
        "done",
    ]
    assert {(done, total) for _, done, total in told[:-1]} == {(0, 1)}


def test_the_analysis_is_stored_summed_up_and_shown(run, tree, tmp_path, monkeypatch):
    monkeypatch.setattr(
        sys.modules["eigentrail.analyses.curvature"],
        "describe_target",
        lambda *a, **k: pytest.fail("computed again"),
    )
    again = analyze(run, "evolution,curvature", layers=["fc3.weight"])
    xr.testing.assert_identical(
        node_of(again.results["curvature"], "fc3.weight")["spectrum"].to_dataset(),
        node_of(tree, "fc3.weight")["spectrum"].to_dataset(),
    )
    row = json.loads(again.to_json())["curvature"][0]
    assert row["name"] == "fc3.weight" and row["n"] == 500
    # The eigenvalues that hold 90% of the squared norm, counted from the stored ones.
    squared = np.sort(node_of(tree, "fc3.weight")["spectrum"].to_dataset()["eigenvalue"].values ** 2)[::-1]
    [few, *_] = again["curvature"].of("fc3.weight")
    assert few.effect.value == 1 + np.sum(np.cumsum(squared) < 0.9 * squared.sum())
    assert few.verdict is Verdict.YES and few.chance.median == symmetric_noise_directions(500, 0.9)
    page = again.report(tmp_path / "page.html").read_text(encoding="utf-8").lower()
    for text in (
        "hessian eigenvalues by rank",
        "weights along hessian eigenvectors",
        "accuracy, eigenvectors added back",
        "ratios of neighbouring spacings",
    ):
        assert text in page


def test_what_was_made_once_is_on_every_later_page(run, tree, tmp_path, monkeypatch):
    made(run, "curvature", layers=["fc3.weight"], seed=1, samples=60)
    monkeypatch.setattr(
        sys.modules["eigentrail.analyses.curvature"],
        "describe_target",
        lambda *a, **k: pytest.fail("computed again"),
    )
    found = analyze(run, layers=["fc3.weight"], budget=0.0, progress=False)
    # The one with the usual arguments; that with others is kept apart.
    assert found.tables["curvature"]["name"].tolist() == ["fc3.weight"]
    assert found.tables["curvature"]["loss"].tolist() == tree.table["loss"].tolist()
    page = found.report(tmp_path / "page.html")
    assert "The Hessian at the last step" in page.read_text(encoding="utf-8")
    assert "curvature" not in analyze(run, layers=["fc2.weight"], budget=0.0, progress=False).results
    assert "curvature" not in analyze(run, "evolution", progress=False).results


def test_claims_are_confronted_with_numbers(run, tree):
    whole = made(run, "curvature", largest_exact=600, samples=100)
    claims = hessian_claims({"plain": whole.tree, "decay": whole.tree}, "fc3.weight")
    # Three seeds that measure the same.
    table = claims_table(decided([*claims] * 3))
    assert len(table) >= 14 and table["id"].is_unique
    assert set(table["verdict"]) <= {"holds", "does not hold", "not decided"}
    measured = table[table["verdict"] != "not decided"]
    assert measured["value"].notna().all() and len(measured) >= 8 and (measured["seeds"] == 3).all()
    assert (table["detail"].str.len() > 10).all()


def test_a_run_of_unknown_data_is_refused(tmp_path):
    inputs = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    own = datasets.from_tensors((inputs, (inputs[:, 0] > 0).long()))
    run = et.train("mlp50", own, tmp_path / "own", SETTINGS.changed(epochs=1))
    tree = made(run, "curvature", layers=["fc3.weight"])
    assert tree.table.empty and "cannot be loaded again" in tree.skipped[0].reason
    assert issubclass(DataError, et.errors.EigentrailError)


def test_pooling_keeps_means_and_ranks():
    values = np.random.default_rng(0).random((500, 130))
    chance = 0.25
    found = pooled(xr.DataArray(values, dims=("i", "j")), chance)
    rows = np.append(found["i"].values, 500)
    columns = np.append(found["j"].values, 130)
    assert rows[0] == 0 and (np.diff(rows) > 0).all() and len(rows) <= 66
    cell = values[rows[-2] :, columns[3] : columns[4]].mean() / chance
    assert float(found["multiple"][-1, 3]) == pytest.approx(cell)
    sizes = np.diff(rows)[:, None] * np.diff(columns)[None, :]
    assert float((found["multiple"].values * sizes).sum()) * chance == pytest.approx(values.sum())
    small = pooled(xr.DataArray(values[:10, :10], dims=("i", "j")), 1.0)
    np.testing.assert_allclose(small["multiple"].values, values[:10, :10])
    assert log_ranks(500)[0] == 0 and log_ranks(500)[-1] == 500
