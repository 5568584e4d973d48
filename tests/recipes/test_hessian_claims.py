import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import eigentrail as et
from eigentrail import data as datasets
from eigentrail.analyses import run_analysis
from eigentrail.analyses.framework.registry import find_analysis
from eigentrail.analyses.hessian.place import WHOLE
from eigentrail.analyses.hessian.sentences import detail_of as verdict
from eigentrail.bases import Basis
from eigentrail.curvature import hessian_spacings, layer_meeting
from eigentrail.recipes.experiments import hessian_claims as claims
from eigentrail.recipes.experiments import hessian_spacings_study as spacings_study
from eigentrail.spectra.spacing_laws import GOE_RATIO, POISSON_RATIO


def node_of(products, **facts):
    count = len(products)
    vectors = xr.Dataset({"product": ("i", products), "product_first": ("i", products)})
    spectrum = xr.Dataset({"eigenvalue": ("i", np.linspace(1.0, -0.1, count))})
    tree = xr.DataTree.from_dict({"/vectors": vectors, "/spectrum": spectrum})
    tree.attrs = {"n": count, "exact": True, "negative": 1, "null": 0, **facts}
    return tree


def of_leading(products):
    node = node_of(products)
    smaller = [claims._products(node, "", True), claims._at_first(node), claims._near_zero(node)]
    return [one.verdict for one in smaller], claims._products(node, "", False).verdict


def test_what_is_captured_is_a_part_of_what_lies_in_the_layer():
    # One direction of the whole has 36% in the layer, of which the layer's only direction holds three quarters.
    c, s = np.sqrt(0.75), 0.5
    layer = Basis(np.eye(200)[:1], [1.0])
    whole = np.zeros((1, 300))
    whole[0, 0], whole[0, 1], whole[0, 250] = 0.6 * c, 0.6 * s, 0.8
    met = layer_meeting(
        layer, Basis(whole, [1.0]), {"a": slice(0, 200)}, {"a": slice(0, 200), "b": slice(200, 300)}
    )
    found = claims._similar(met)
    assert found.observed == pytest.approx(0.75) and found.verdict == "holds"
    assert found.chance == pytest.approx(1 / 200)


def test_planted_products_decide():
    rng = np.random.default_rng(0)
    products = rng.standard_normal(2500) / 50
    products[:60] *= 0.1
    assert of_leading(products) == (["holds"] * 3, "does not hold")
    products[:60] *= 100
    assert of_leading(products) == (["does not hold"] * 3, "does not hold")


@pytest.mark.parametrize("n", [400, 2500])
def test_random_products_seldom_decide(n):
    """Both tails together have 4.6%: of 200 draws 2 to 20 are decided with probability 99.8% (binomial)."""
    rng = np.random.default_rng(1)
    found = [of_leading(rng.standard_normal(n) / np.sqrt(n)) for _ in range(200)]
    for claim in range(3):
        assert 2 <= sum(smaller[claim] != "not decided" for smaller, _ in found) <= 20
    assert sum(alike == "does not hold" for _, alike in found) <= 2
    if n == 2500:
        assert sum(alike == "holds" for _, alike in found) > 120


@pytest.mark.parametrize(
    ("ratio", "error", "expected"),
    [
        (GOE_RATIO, 0.01, "does not hold"),
        (POISSON_RATIO, 0.01, "holds"),
        (0.45, 0.01, "holds"),
        (0.45, 0.1, "not decided"),
    ],
)
def test_few_levels_are_evidence_for_neither_law(ratio, error, expected):
    node = node_of(np.ones(5), spacing_ratio=ratio, spacing_ratio_error=error, spacing_p_wigner=0.5)
    assert claims._wigner(node).verdict == expected
    row = {"hessian": "h", "samples": "s", "n": 9, "null": 0, "p_wigner_positive": 0.5}
    table = pd.DataFrame([{**row, "ratio_positive": ratio, "ratio_error_positive": error}])
    contrary = {"holds": "does not hold", "does not hold": "holds", "not decided": "not decided"}
    assert [one.verdict for one in spacings_study._claims(table)] == [contrary[expected]]


@pytest.mark.parametrize("count", [3, 5, 8])
def test_a_handful_of_levels_decides_nothing(count):
    found = hessian_spacings(np.random.default_rng(0).random(count))
    told = {"ratio": found.ratio_mean, "ratio_error": found.ratio_error, "p_wigner": found.p_wigner}
    facts = {f"spacing_{key}": value for key, value in told.items() if value is not None}
    assert claims._wigner(node_of(np.ones(5), **facts)).verdict == "not decided"
    row = {"hessian": "h", "samples": "s", "n": 9, "null": 0}
    table = pd.DataFrame([{**row, **{f"{key}_positive": value for key, value in told.items()}}])
    assert [one.verdict for one in spacings_study._claims(table)] == ["not decided"]


def test_weights_that_cost_no_accuracy_decide_nothing():
    node = node_of(np.ones(5), enough_by_value=0, enough_by_magnitude=0, accuracy=0.5, accuracy_without=0.5)
    for one in (claims._enough(node), claims._negative(node)):
        assert one.verdict == "not decided" and "cost no accuracy" in one.finding
    assert "with these weights at zero" in verdict(node).lower()
    never = node_of(np.ones(5), enough_by_value=3, accuracy=0.5, accuracy_without=0.1)
    assert "never reaches" in claims._negative(never).finding


@pytest.mark.parametrize(
    ("exponent", "expected"), [(0.1, "not decided"), (1.0, "holds"), (-1.0, "does not hold")]
)
def test_an_exponent_within_its_error_is_not_decided(exponent, expected):
    node = node_of(np.ones(5), weights_exponent_all=exponent, weights_exponent_all_error=0.1)
    found = claims._flat(node)
    assert found.verdict == expected and "nan" not in found.finding


@pytest.mark.parametrize(
    ("share", "expected"), [(0.3, "holds"), (0.69, "not decided"), (0.9, "does not hold")]
)
def test_a_share_within_its_error_is_not_decided(share, expected):
    shares = np.clip(share + 0.1 * np.random.default_rng(2).standard_normal(20), 0, 1)[:, None]
    vectors = xr.Dataset(
        {
            "concentration": (("i", "layer"), np.hstack([shares, 1 - shares])),
            "concentration_chance": ("layer", [0.7, 0.3]),
        },
        {"layer": ["a", "b"]},
    )
    assert claims._later(xr.DataTree.from_dict({"/vectors": vectors})).verdict == expected


def test_globs_are_globs_and_biases_may_begin_at_zero(tmp_path):
    data = datasets.take(datasets.load_digits(), 60, 20)
    settings = et.TrainingSettings(epochs=1, lr=0.1)
    run = et.train("mlp50", data, tmp_path / "run", settings, progress=False)
    assert not torch.as_tensor(run["fc3.bias"].values[0]).any()
    found = run_analysis(run, find_analysis("curvature"), layers="*3.bias", progress=False)
    tree = found.tree
    nodes = list(tree.children.values())
    assert [node.attrs["name"] for node in nodes] == ["fc3.bias"] and not found.skipped
    assert (
        "product" not in nodes[0]["initial"].to_dataset()
        and "participation" in nodes[0]["initial"].to_dataset()
    )
    assert WHOLE not in [node.attrs["name"] for node in nodes]


def test_the_ratio_of_weight_products_is_called_a_root_mean_square():
    products = np.full(200, 200**-0.5)
    products[:2] *= 0.28
    told = verdict(node_of(products))
    assert (
        "The leading 1% of the eigenvectors have weight products 0.28 times those of random directions (root mean "
        "square); the largest weight product" in told
    )
