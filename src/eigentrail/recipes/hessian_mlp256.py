"""The same for the 128 x 64 layer of MLP 256 and for the largest eigenpairs of its 828,490 weights."""

from __future__ import annotations

from eigentrail.recipes.experiments.hessian_study import HessianStudy

_FEWER = "fewer epochs: the Hessian is looked at once, where the training ends"

RECIPE = HessianStudy(
    "hessian-mlp256",
    "mlp256",
    "the same for the 128 x 64 layer of MLP 256 and for the largest eigenpairs of its 828,490 weights",
    "40 minutes, 25 for --epochs 5; full: 3 hours",
    "3 GB, 1.8 GB for --epochs 5; full: 64 GB",
    changes={"cifar10": {"epochs": 10}},
    chosen={"cifar10": _FEWER},
    analyses=("curvature",),
    analysed=("*",),
    studied="fc3.weight",
)
