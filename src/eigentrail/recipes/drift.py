"""S1 chapter 6: the drift mode with and without weight decay, at five rates, with frozen later layers; its."""

from __future__ import annotations

from eigentrail.recipes.experiments.drift_study import DriftStudy

RECIPE = DriftStudy(
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
