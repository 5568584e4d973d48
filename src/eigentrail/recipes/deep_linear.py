"""How the singular values and directions of a deep linear network move in a small subspace only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study


@recipe(
    "deep-linear",
    source="S3",
    network="deep-linear",
    data="orthogonal",
    minutes="10 minutes; full: the same",
    disk="60 MB; full: the same",
)
def deep_linear() -> Study:
    """How the singular values and directions of a deep linear network move in a small subspace only."""
    from eigentrail.recipes.framework.study import Study
    from eigentrail.training import Preset, TrainingSettings

    return Study(
        Preset(
            settings=TrainingSettings(
                lr=30 * 0.01, batch_size=30, epochs=2000, loss="squared-error", dtype="float64"
            ),
            layers=None,
            chosen=(
                "the source gives three layers, 30 inputs and outputs, rank(Y) = 3, X X^T = I and orthogonal weights "
                "at a scale; it leaves the scale, the rate, the decay and the number of steps open: 0.1, 0.01, none "
                "and 2000",
                "its loss is the sum over the 30 samples and ours the mean: its rate eta is lr = 30 eta here, its "
                "decay lambda, W <- (1 - eta lambda) W - eta grad, is weight_decay = lambda / 30",
                "Y are labels in one-hot form: three classes of ten samples each at 30 outputs",
                "in double precision",
            ),
        )
    )
