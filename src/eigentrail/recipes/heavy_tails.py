"""The exponent of eigenvalues against that of the entries, for matrices of growing size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy


@recipe(
    "heavy-tails",
    source="S2",
    minutes="1 minute; full: 15 minutes",
    disk="1 MB",
)
def heavy_tails() -> ClaimStudy:
    """Alpha against mu at N = 250 to 1000 (full: 4000): 1 + mu / 2 below mu = 2, a line of its own above."""
    from eigentrail.figures.of_table import TableFigure
    from eigentrail.recipes.experiments import heavy_tails as experiment
    from eigentrail.recipes.framework.claim_study import ClaimStudy

    return ClaimStudy(
        experiment.run,
        seeds=5,
        figures=(
            TableFigure(
                "alpha", "Exponent of the eigenvalues", "mu", "alpha",
                "Means over seeds with 95% intervals. Dashed: the limit of infinite matrices, 1 + mu / 2.",
                by=("N",), interval=("alpha low", "alpha high"), grey="limit", grey_name="1 + μ / 2",
                x_label="μ of the entries", y_label="α of the eigenvalues",
            ),
            TableFigure(
                "slopes", "Slope of alpha for 2 < mu < 4", "N", "slope",
                "Of the line a mu + b at each size. Dashed: the limit, one half.",
                interval=("slope low", "slope high"), grey="limit", grey_name="1/2", y_label="a", log="x",
            ),
        ),
    )  # fmt: skip
