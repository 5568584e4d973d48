"""The studies of the sources' larger networks, at a size that two cores carry; `full` gives the source's own."""

from __future__ import annotations

from eigentrail.studies.batch_size import BATCH_SIZE
from eigentrail.studies.drift_study import DriftStudy
from eigentrail.studies.geodesic_study import GeodesicStudy
from eigentrail.studies.study import Study
from eigentrail.studies.swap_study import SwapStudy

DRIFT = DriftStudy(
    "drift",
    "drift",
    "S1 chapter 6: the drift mode with and without weight decay, at five rates, with frozen later layers; its claims",
    "3 minutes, 15 on CIFAR-10; full: 2 hours",
    "0.6 GB, 2.7 GB on CIFAR-10; full: 9 GB",
    changes={"digits": {"epochs": 160}},
    chosen={"digits": "160 epochs on the digits, which have a third of the steps in each"},
    only=("evolution", "pca", "drift", "overlap"),
    analyses=("add-back", "landscape", "loss-scaling"),
    studied="fc3.weight",
    later=("fc4.*",),
)

GEODESIC = GeodesicStudy(
    "geodesic",
    "geodesic",
    "S0: paths of the leading singular vectors for six seeds at three rates, beside random walks; full: twenty seeds",
    "3 minutes, 8 on CIFAR-10; full: 17 days",
    "0.4 GB, 5 GB on CIFAR-10; full: 21 GB",
    only=("evolution", "geodesic", "crossings", "subspaces"),
    studied="fc2.weight",
)

CLASS_SWAP = SwapStudy(
    "class-swap",
    "class-swap",
    "S0: what the leading directions do when five classes give way to the other five, beside trainings without a swap",
    "15 minutes, 4 on the digits; full: 8 hours",
    "3.4 GB; full: 36 GB",
    changes={
        "digits": {
            "epochs": 40,
            "phases": [{"start": 0, "classes": range(5)}, {"start": 20, "classes": range(5, 10)}],
        }
    },
    chosen={"digits": "40 epochs on the digits, with the swap in the middle"},
    only=("evolution", "geodesic", "crossings", "subspaces"),
    studied="fc2.weight",
)

SOURCES: tuple[Study, ...] = (
    Study(
        "lenet",
        "lenet",
        "the convolutions of LeNet at every step; figures 7.3 and 7.6 of the source look at them",
        "3 minutes; full: 1 hour",
        "60 MB; full: 1.8 GB",
    ),
    Study(
        "mini-alexnet-s1",
        "mini-alexnet-s1",
        "the thesis's miniAlexNet: first convolution and last layer at every step",
        "5 minutes; full: 14 hours",
        "160 MB; full: 28 GB",
    ),
    Study(
        "resnet20",
        "resnet20",
        "the thesis's ResNet 20 with batch norm and momentum",
        "2 minutes; full: 17 hours",
        "40 MB; full: 2 GB",
    ),
    Study(
        "minialexnet",
        "minialexnet",
        "how the spikes of FC1 and FC2 are born without explicit regularisation; their leading vectors' paths",
        "4 minutes; full: 7 hours",
        "790 MB; full: 35 GB",
    ),
    CLASS_SWAP,
    GEODESIC,
    DRIFT,
    BATCH_SIZE,
    Study(
        "deep-linear",
        "deep-linear",
        "S3: how the singular values and directions of a deep linear network move in a small subspace only",
        "10 minutes; full: the same",
        "60 MB; full: the same",
    ),
    Study(
        "mlp-bn",
        "mlp-bn",
        "weight decay lowers the ranks of a deep dense network with batch norm",
        "15 minutes; full: 1 hour",
        "700 MB; full: 56 GB",
    ),
    Study(
        "res-bn",
        "res-bn",
        "the same for a residual dense network",
        "4 minutes; full: 7 hours",
        "1.1 GB; full: 20 GB",
        analysed=(
            "first.weight",
            "blocks.0.fc1.weight",
            "blocks.2.fc1.weight",
            "blocks.4.fc2.weight",
            "last.weight",
        ),
    ),
    Study(
        "vgg16",
        "vgg16",
        "the first steps of VGG-16; full: how weight decay lowers its ranks",
        "5 minutes; full: 14 days",
        "820 MB; full: 18 GB",
    ),
    Study(
        "resnet18",
        "resnet18",
        "the first steps of ResNet-18; full: how weight decay lowers its ranks",
        "5 minutes; full: 32 days",
        "460 MB; full: 16 GB",
    ),
    Study(
        "vit",
        "vit",
        "the first steps of a small vision transformer; full: how weight decay lowers its ranks",
        "7 minutes; full: 7 days",
        "410 MB; full: 95 GB",
    ),
)
