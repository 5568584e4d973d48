"""S1 chapter 7: the Hessian of every layer and of the whole network beside weights, motion and singular."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eigentrail.recipes.experiments.hessian_study import HessianStudy
from eigentrail.recipes.framework.study import OTHER

_FEWER = "fewer epochs: the Hessian is looked at once, where the training ends"
_SIZES: Mapping[str, Mapping[str, Any]] = {"digits": {"lr": 0.1, "epochs": 60}, OTHER: {"epochs": 2}}
_WHY = {
    "digits": "on the digits, whose epochs have 45 steps instead of MNIST's 1875, the rate is larger",
    OTHER: _FEWER,
}

RECIPE = HessianStudy(
    "hessian",
    "mlp50",
    "S1 chapter 7: the Hessian of every layer and of the whole network beside weights, motion and singular "
    "matrices, without and with weight decay",
    "6 minutes, 5 on MNIST; full: 2 hours",
    "110 MB, 150 MB on MNIST; full: 12 GB",
    changes=_SIZES,
    chosen=_WHY,
    analyses=("curvature",),
    analysed=("*",),
    studied="fc2.weight",
)
