import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import eigentrail as et
from eigentrail import data as datasets
from eigentrail.analyses import run_analysis
from eigentrail.analyses.framework.registry import find_analysis
from eigentrail.analyses.hessian.parameter_point import WHOLE
from eigentrail.analyses.hessian.sentences import detail_of as verdict
from eigentrail.bases import Basis
from eigentrail.curvature import hessian_spacings, layer_overlaps
from eigentrail.recipes.experiments import hessian_claims as claims
from eigentrail.recipes.experiments import hessian_spacings_study as spacings_study
from eigentrail.recipes.framework.observation import decided
from eigentrail.spectra.spacing_laws import GOE_RATIO, POISSON_RATIO


def node_of(products, **facts):
    count = len(products)
    vectors = xr.Dataset({"product": ("i", products), "product_first": ("i", products)})
    spectrum = xr.Dataset({"eigenvalue": ("i", np.linspace(1.0, -0.1, count))})
    tree = xr.DataTree.from_dict({"/vectors": vectors, "/spectrum": spectrum})
    tree.attrs = {"n": count, "exact": True, "negative": 1, "null": 0, **facts}
    return tree


def verdicts(*seeds):
    """The verdicts over seeds, each a list of observations."""
    return {
        one.claim.id.removeprefix("s1-hessian-"): str(one.verdict)
        for one in decided(each for seed in seeds for each in seed)
    }


def of_leading(products):
    node = node_of(products)
    return [claims._products(node, "plain"), claims._at_first(node), claims._near_zero(node)]


SMALLER = ("products-plain", "first-products", "near-zero")


def test_what_is_captured_is_a_part_of_what_lies_in_the_layer():
    # One direction of the whole has 36% in the layer, of which the layer's only direction holds three quarters.
    c, s = np.sqrt(0.75), 0.5
    layer = Basis(np.eye(200)[:1], [1.0])
    whole = np.zeros((1, 300))
    whole[0, 0], whole[0, 1], whole[0, 250] = 0.6 * c, 0.6 * s, 0.8
    met = layer_overlaps(
        layer, Basis(whole, [1.0]), {"a": slice(0, 200)}, {"a": slice(0, 200), "b": slice(200, 300)}
    )
    for found in claims._similar(met):
        assert found.values == pytest.approx((0.75,)) and found.beside == pytest.approx((1 / 200,))
    assert verdicts(*[claims._similar(met)] * 3) == {"similar": "yes", "not-identical": "yes"}


@pytest.mark.parametrize(("factor", "expected"), [(0.1, "yes"), (10.0, "no")])
def test_planted_products_decide(factor, expected):
    rng = np.random.default_rng(0)
    seeds = []
    for _ in range(5):
        products = rng.standard_normal(2500) / 50
        products[:60] *= factor
        seeds.append([*of_leading(products), claims._products(node_of(products), "decay")])
    assert verdicts(*seeds) == {**dict.fromkeys(SMALLER, expected), "products-decay": "no"}


@pytest.mark.slow
def test_random_products_seldom_decide():
    """Both tails have 10%: of 200 times five seeds 2 to 45 are decided; ratios of few squares are skewed."""
    rng = np.random.default_rng(1)
    found = [verdicts(*(of_leading(rng.standard_normal(2500) / 50) for _ in range(5))) for _ in range(200)]
    for key in SMALLER:
        assert 2 <= sum(one[key] != "undecided" for one in found) <= 45
        assert sum(one[key] == "yes" for one in found) <= 25


@pytest.mark.parametrize(
    ("ratio", "spread", "expected"),
    [(GOE_RATIO, 0.01, "no"), (POISSON_RATIO, 0.01, "yes"), (0.47, 0.2, "undecided")],
)
def test_level_ratios_decide_between_the_two_laws(ratio, spread, expected):
    seeds, rows = [], []
    for off in (-spread, 0.0, spread):
        facts = {"spacing_ratio": ratio + off, "spacing_ratio_error": 0.01, "spacing_p_wigner": 0.5}
        seeds.append([claims._wigner(node_of(np.ones(5), **facts))])
        row = {"hessian": "h", "samples": "s", "n": 9, "null": 0, "p_wigner_positive": 0.5}
        rows.append({**row, "ratio_positive": ratio + off, "ratio_error_positive": 0.01})
    assert verdicts(*seeds) == {"levels": expected}
    contrary = {"yes": "no", "no": "yes", "undecided": "undecided"}
    [found, _] = decided(spacings_study._claims(pd.DataFrame(rows)))
    assert str(found.verdict) == contrary[expected] and found.seeds == 3


@pytest.mark.parametrize(("distance", "expected"), [(0.3, "yes"), (0.02, "undecided"), (0.001, "no")])
def test_densities_are_judged_beside_random_matrices(distance, expected):
    rows = []
    for off in (0.9, 1.0, 1.2):
        row = {"hessian": "h", "samples": "s", "n": 9, "null": 0, "laws_chance": 0.02}
        rows.append({**row, "semicircle_distance": 0.5, "marchenko_pastur_distance": distance * off})
    [_, found] = decided(spacings_study._claims(pd.DataFrame(rows)))
    assert str(found.verdict) == expected and "neither a semicircle" in found.claim.statement


@pytest.mark.parametrize("count", [3, 5, 8])
def test_a_handful_of_levels_measures_nothing(count):
    found = hessian_spacings(np.random.default_rng(0).random(count))
    told = {"ratio": found.ratio_mean, "ratio_error": found.ratio_error, "p_wigner": found.p_wigner}
    facts = {f"spacing_{key}": value for key, value in told.items() if value is not None}
    assert np.isnan(claims._wigner(node_of(np.ones(5), **facts)).values).all()
    row = {"hessian": "h", "samples": "s", "n": 9, "null": 0}
    table = pd.DataFrame([{**row, **{f"{key}_positive": value for key, value in told.items()}}])
    assert np.isnan([one.values for one in spacings_study._claims(table)]).all()


@pytest.mark.parametrize(("gain", "expected"), [(0.5, "yes"), (0.0, "undecided"), (-0.5, "no")])
def test_singular_matrices_beside_the_weights_and_products_beside_values(gain, expected):
    seeds = []
    for off in (-0.1, 0.03, 0.1):
        node = node_of(
            np.ones(5), spikes=2, outliers_in_leading=0.5 + gain / 2 + off, weights_in_leading=0.5 - gain / 2,
            signs_in_leading=0.4, in_leading_chance=0.1, few=25, few_by_product=0.5 + gain / 2 + off,
            few_by_value=0.5 - gain / 2,
        )  # fmt: skip
        told = {
            f"{kind}_share_{part}": 0.4
            for kind in ("weights", "updates")
            for part in ("steepest", "middle", "band")
        }
        told |= {f"{kind}_share_flattest": 0.4 * (1.0 + gain + off) for kind in ("weights", "updates")}
        ends = node_of(
            np.ones(5), parts=10, **{**told, "weights_share_steepest": 0.9, "updates_share_steepest": 0.9}
        )
        seeds.append(
            [
                claims._overlap_weights(node),
                claims._few_product(node),
                claims._ends(ends, "weights", "l"),
                claims._ends(ends, "updates", "l"),
                claims._bulk_removed(0.9, 0.85 + gain * 0.12 + off / 100, 2),
            ]
        )
    found = verdicts(*seeds)
    bulk = {"yes": "yes", "undecided": "no", "no": "no"}[expected]
    assert found == {**dict.fromkeys(("overlap-weights", "few-product", "ends-weights", "ends-updates"), expected),
                     "bulk-removed": bulk}  # fmt: skip


def test_what_could_not_be_measured_of_them_decides_nothing():
    bare = node_of(np.ones(5))
    for one in (
        claims._overlap_weights(bare),
        claims._few_product(bare),
        claims._ends(bare, "weights", "fc3.weight"),
        claims._bulk_removed(0.9, 0.1, 0),
    ):
        assert np.isnan(one.values).all() and one.found.startswith("not measured")


def test_weights_that_cost_no_accuracy_measure_nothing():
    node = node_of(np.ones(5), enough_by_value=0, enough_by_magnitude=0, accuracy=0.5, accuracy_without=0.5)
    for one in (claims._enough(node), claims._negative(node)):
        assert np.isnan(one.values).all() and "cost no accuracy" in one.found
    assert "with these weights at zero" in verdict(node).lower()
    never = node_of(np.ones(5), enough_by_value=3, accuracy=0.5, accuracy_without=0.1)
    assert "never reaches" in claims._negative(never).found


@pytest.mark.parametrize(("exponent", "expected"), [(0.05, "undecided"), (1.0, "yes"), (-1.0, "no")])
def test_an_exponent_within_its_spread_is_not_decided(exponent, expected):
    seeds = [
        [
            claims._flat(
                node_of(np.ones(5), weights_exponent_all=exponent + off, weights_exponent_all_error=0.1)
            )
        ]
        for off in (-0.1, 0.0, 0.1)
    ]
    assert verdicts(*seeds) == {"flat": expected}


@pytest.mark.parametrize(
    ("share", "expected"), [(0.3, "yes"), (0.495, "undecided"), (0.69, "no"), (0.9, "no")]
)
def test_a_share_within_its_spread_is_not_decided(share, expected):
    rng = np.random.default_rng(2)
    seeds = []
    for _ in range(4):
        shares = np.clip(share + 0.1 * rng.standard_normal(20), 0, 1)[:, None]
        vectors = xr.Dataset(
            {
                "concentration": (("i", "layer"), np.hstack([shares, 1 - shares])),
                "concentration_chance": ("layer", [0.7, 0.3]),
            },
            {"layer": ["a", "b"]},
        )
        seeds.append([claims._later(xr.DataTree.from_dict({"/vectors": vectors}))])
    assert verdicts(*seeds) == {"later": expected}


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
    assert "0.28 times as much as random directions" in told and "root mean square" in told
