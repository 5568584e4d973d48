"""Sentences about what sources leave open, where several recipes chose alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SCALING = "inputs have mean 0 and variance 1 over the training set (the source names no scaling)"
DECAY = "the source's lambda ||w||^2 is weight_decay = 2 lambda in torch, on weights and biases"
LAST = "the last batch of an epoch, which is not full, is used"
#: Where a Hessian is looked at where the training ends, on the digits and on all other data.
HESSIAN_SIZES: Mapping[str, Mapping[str, Any]] = {"digits": {"lr": 0.1, "epochs": 60}, "*": {"epochs": 2}}
HESSIAN_WHY = {
    "digits": "on the digits, whose epochs have 45 steps instead of MNIST's 1875, the rate is larger",
    "*": "fewer epochs: the Hessian is looked at once, where the training ends",
}
