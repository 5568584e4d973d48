"""S2: are the levels of a Hessian spaced as a random matrix's? A small network and logistic regression on its."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eigentrail.recipes.experiments.hessian_spacings_study import SpacingsStudy
from eigentrail.recipes.framework.study import OTHER

_FEWER = "fewer epochs: the Hessian is looked at once, where the training ends"
_SIZES: Mapping[str, Mapping[str, Any]] = {"digits": {"lr": 0.1, "epochs": 60}, OTHER: {"epochs": 2}}
_WHY = {
    "digits": "on the digits, whose epochs have 45 steps instead of MNIST's 1875, the rate is larger",
    OTHER: _FEWER,
}

RECIPE = SpacingsStudy(
    "hessian-spacings",
    "mlp50",
    "S2: are the levels of a Hessian spaced as a random matrix's? A small network and logistic regression on its "
    "features, for all samples and for one batch",
    "3 minutes; full: 10 minutes",
    "20 MB; full: 60 MB",
    changes=_SIZES,
    chosen=_WHY,
    studied="fc2.weight",
)
