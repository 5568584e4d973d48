"""The studies of Hessians: S1's chapter 7 and S2's level spacings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eigentrail.studies.hessian.spacings_study import SpacingsStudy
from eigentrail.studies.hessian.study import HessianStudy
from eigentrail.studies.study import OTHER, Study

_FEWER = "fewer epochs: the Hessian is looked at once, where the training ends"
_SIZES: Mapping[str, Mapping[str, Any]] = {"digits": {"lr": 0.1, "epochs": 60}, OTHER: {"epochs": 2}}
_WHY = {
    "digits": "on the digits, whose epochs have 45 steps instead of MNIST's 1875, the rate is larger",
    OTHER: _FEWER,
}

HESSIANS: tuple[Study, ...] = (
    HessianStudy(
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
    ),
    HessianStudy(
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
    ),
    SpacingsStudy(
        "hessian-spacings",
        "mlp50",
        "S2: are the levels of a Hessian spaced as a random matrix's? A small network and logistic regression on its "
        "features, for all samples and for one batch",
        "3 minutes; full: 10 minutes",
        "20 MB; full: 60 MB",
        changes=_SIZES,
        chosen=_WHY,
        studied="fc2.weight",
    ),
    Study(
        "hessian-lenet",
        "lenet",
        "S1 figures 7.3 and 7.6: the Hessians of LeNet's convolutions",
        "10 minutes; full: 2 hours",
        "60 MB; full: 1.8 GB",
        analyses=("curvature",),
        analysed=("conv1.weight", "conv2.weight"),
    ),
    Study(
        "hessian-resnet20",
        "resnet20",
        "S1 figure 7.3: the Hessian of the second convolution of ResNet 20",
        "20 minutes; full: 18 hours",
        "10 MB; full: 2 GB",
        analyses=("curvature",),
        analysed=("layer1.0.conv1.weight",),
    ),
    Study(
        "hessian-minialexnet",
        "mini-alexnet-s1",
        "S1 figure 7.3: the Hessians of the first convolution and of the last layer of miniAlexNet",
        "25 minutes; full: 15 hours",
        "90 MB; full: 28 GB",
        analyses=("curvature",),
        analysed=("conv1.weight", "fc3.weight"),
    ),
)
