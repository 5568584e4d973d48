"""Claims that one training decides: of its scores and of its Hessian."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from eigentrail.recipes import recipes
from eigentrail.recipes.framework.observation import decided
from eigentrail.recipes.framework.run_claim import TRAINING
from eigentrail.recipes.framework.study import study_of
from eigentrail.recipes.shared.accuracy_claims import accuracy_claim
from eigentrail.recipes.shared.curvature_claims import curvature_claims


def test_the_thesis_s_accuracies_are_confronted() -> None:
    claim = accuracy_claim("lenet")
    scores = pd.DataFrame([{"name": "network", "data": "cifar10", "test_accuracy": 0.66}])
    found = [
        claim.observe({TRAINING: scores.assign(test_accuracy=0.655 + 0.001 * seed)}) for seed in range(3)
    ]
    assert str(claim.claim.decide([one.values[0] for one in found]).verdict) == "yes"
    # The statistic is named once, with its values behind it.
    assert decided(found)[0].detail == "seed by seed 0.655, 0.656, 0.657"
    # The table's number is of its own data: an accuracy on others says nothing about it.
    assert np.isnan(claim.observe({TRAINING: scores.assign(data="digits")}).values[0])
    # A training without the number is told, and decides nothing.
    assert np.isnan(claim.observe({}).values[0])


def test_a_hessian_of_one_layer_answers_its_claims() -> None:
    row = {
        "name": "conv1.weight",
        "n": 450,
        "outliers_in_leading": 0.42,
        "in_leading_chance": 0.1,
        "weights_in_leading": 0.05,
        "few_by_product": 0.87,
        "few_by_value": 0.19,
        "sharper_by": 0.1,
        "enough_by_value": 72,
        "spacing_ratio": 0.535,
        "weights_exponent_all": None,
    }
    seen = [one.observe({"curvature": pd.DataFrame([row])}) for one in curvature_claims("x", "conv1.weight")]
    found = {one.claim.id.removeprefix("x-").removesuffix("-conv1.weight"): one for one in seen}
    values = {key: one.values[0] for key, one in found.items()}
    assert (found["outliers"].beside, found["overlap-weights"].beside) == ((0.1,), (0.05,))
    assert (values["outliers"], values["overlap-weights"]) == (0.42, 0.42)
    assert (values["few-product"], found["few-product"].beside) == (0.87, (0.19,))
    assert (values["sharper"], values["enough"]) == pytest.approx((0.1, 0.16))
    assert abs(values["levels"]) < 0.01 and np.isnan(values["flat"])


@pytest.mark.parametrize(
    "name",
    [
        "hessian-lenet",
        "hessian-mini-alexnet-s1",
        "hessian-resnet20-projection",
        "lenet",
        "mlp256",
    ],
)
def test_studies_of_one_training_state_claims(name: str) -> None:
    claims = study_of(recipes()[name]).claims
    assert claims and len({one.claim.id for one in claims}) == len(claims)
