"""The same at the source's own rate 0.01 without weight decay: what 4500 slow steps can and cannot move."""

from __future__ import annotations

from eigentrail.recipes.framework.study import OTHER, Study

# The source's 200 epochs of MNIST are an hour; here they are to take minutes on any data.
_SHORT = {"epochs": 10}
_WHY_SHORT = "fewer epochs, which take minutes instead of an hour"

RECIPE = Study(
    "mlp50-plain",
    "mlp50",
    "the same at the source's own rate 0.01 without weight decay: what 4500 slow steps can and cannot move",
    "2 minutes, 5 on MNIST; full: 1 hour",
    "125 MB, 0.4 GB on MNIST; full: 6 GB",
    changes={"digits": {"epochs": 100}, OTHER: _SHORT},
    chosen={
        "digits": "100 epochs on the digits, whose epochs have 45 steps instead of MNIST's 1875",
        OTHER: _WHY_SHORT,
    },
)
