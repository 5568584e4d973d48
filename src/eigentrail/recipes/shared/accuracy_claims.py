"""The accuracies that the thesis's table 5.1 gives for its networks."""

from __future__ import annotations

import math

from eigentrail.findings import Claim, equals
from eigentrail.recipes.framework.run_claim import TRAINING, RunClaim

# Data and test accuracies; they hold for the source's own epochs and size.
_TABLE = {
    "mlp50-plain": ("mnist", 0.982),
    "mlp256": ("cifar10", 0.442),
    "lenet": ("cifar10", 0.653),
    "mini-alexnet-s1": ("cifar10", 0.749),
    "resnet20-projection": ("cifar10", 0.681),
}
_WITHIN = 0.03


def accuracy_claim(recipe: str) -> RunClaim:
    """Confront the test accuracy that a training reaches with the source's.

    Args:
        recipe: the recipe's name, one of the table's.

    Returns:
        The claim; a part of the data or fewer epochs than the source's miss it. On other data it has no number.
    """
    data, wanted = _TABLE[recipe]
    claim = Claim(
        f"{recipe}-accuracy",
        "S1 table 5.1",
        f"The network reaches a test accuracy of {wanted:.1%} on {data}.",
        "test accuracy at the end",
        equals(wanted, within=_WITHIN),
    )
    return RunClaim(
        claim,
        TRAINING,
        "network",
        lambda row: row["test_accuracy"] if row["data"] == data else math.nan,
    )
