"""The accuracies that the thesis's table 5.1 gives for its networks."""

from __future__ import annotations

from eigentrail.findings import Claim, equals
from eigentrail.recipes.framework.run_claim import TRAINING, RunClaim

# Test accuracies; they hold for the source's own data, epochs and size.
_TABLE = {
    "mlp256": 0.442,
    "lenet": 0.653,
    "mini-alexnet-s1": 0.749,
    "resnet20-projection": 0.681,
}
_WITHIN = 0.03


def accuracy_claim(recipe: str) -> RunClaim:
    """Confront the test accuracy that a training reaches with the source's.

    Args:
        recipe: the recipe's name, one of the table's.

    Returns:
        The claim; a smaller data set or fewer epochs than the source's miss it.
    """
    wanted = _TABLE[recipe]
    claim = Claim(
        f"{recipe}-accuracy",
        "S1 table 5.1",
        f"The network reaches a test accuracy of {wanted:.1%}.",
        "test accuracy at the end",
        equals(wanted, within=_WITHIN),
    )
    return RunClaim(claim, TRAINING, "network", lambda row: row["test_accuracy"])
