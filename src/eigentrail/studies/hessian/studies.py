"""The studies of Hessians: S1's chapter 7 and S2's level spacings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eigentrail.studies.hessian.spacings_study import SpacingsStudy
from eigentrail.studies.hessian.study import HessianStudy
from eigentrail.studies.study import Study

_FEWER = "fewer epochs: the Hessian is looked at once, where the training ends"
_SIZES: Mapping[str, Mapping[str, Any]] = {"digits": {"lr": 0.1, "epochs": 60}, "mnist": {"epochs": 2}}
_WHY = {
    "digits": "on the digits, whose epochs have 45 steps instead of MNIST's 1875, the rate is larger",
    "mnist": _FEWER,
}

HESSIANS: tuple[Study, ...] = (
    HessianStudy(
        "hessian",
        "mlp50",
        "S1 chapter 7: the Hessian of every layer and of the whole network beside weights, motion and singular "
        "matrices, without and with weight decay",
        "6 minutes, 5 on MNIST",
        "110 MB, 150 MB on MNIST",
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
        "40 minutes, 25 for --epochs 5",
        "3 GB, 1.8 GB for --epochs 5",
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
        "3 minutes",
        "20 MB",
        changes=_SIZES,
        chosen=_WHY,
        studied="fc2.weight",
    ),
    Study(
        "hessian-lenet",
        "lenet",
        "S1 figures 7.3 and 7.6: the Hessians of LeNet's convolutions",
        "10 minutes",
        "60 MB",
        analyses=("curvature",),
        analysed=("conv1.weight", "conv2.weight"),
    ),
    Study(
        "hessian-resnet20",
        "resnet20",
        "S1 figure 7.3: the Hessian of the second convolution of ResNet 20",
        "20 minutes",
        "10 MB",
        analyses=("curvature",),
        analysed=("layer1.0.conv1.weight",),
    ),
    Study(
        "hessian-minialexnet",
        "mini-alexnet-s1",
        "S1 figure 7.3: the Hessians of the first convolution and of the last layer of miniAlexNet",
        "25 minutes",
        "90 MB",
        analyses=("curvature",),
        analysed=("conv1.weight", "fc3.weight"),
    ),
)
