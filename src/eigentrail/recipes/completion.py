"""Compressed training of deep linear networks completes matrices, with the discrepant rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy


@recipe(
    "completion",
    source="S3 part 4",
    minutes="2 minutes; full: 6 minutes",
    disk="1 MB",
)
def completion() -> ClaimStudy:
    """Matrix completion by compressed deep networks beside the full and the narrow network, over masks."""
    from eigentrail.figures.of_table import TableFigure
    from eigentrail.parsimony import completion_study
    from eigentrail.recipes.framework.claim_study import ClaimStudy

    return ClaimStudy(
        completion_study.run,
        seeds=10,
        figures=(
            TableFigure(
                "factorisation",
                "Compressed factorisation is the full one",
                "step",
                "gap",
                "Without what follows ρ(t) the compressed network is exactly ρ(t)^L √(d − 2r) / ‖Φ‖ away (grey), with "
                "it nothing but rounding. The narrow network, as wide as the compressed one, goes another way.",
                by=("network",),
                grey="theory",
                grey_name="ρ(t)^L √(d − 2r) / ‖Φ‖",
                y_label="‖W − W_full‖ / ‖Φ‖",
                log="y",
                marks=False,
            ),
            TableFigure(
                "transition",
                "How many observations a completion needs",
                "observed",
                "recovered",
                "Share of 20 masks from which a 30 x 30 matrix of rank 2 is recovered to 1e-2, by the full network of "
                "each depth in 5000 steps from a product with singular values 1e-5, with 95% intervals (Wilson).",
                by=("depth",),
                interval=("low", "high"),
                x_label="observed share of the entries",
                y_label="recovered share of the masks",
            ),
            TableFigure(
                "widths",
                "Width saves iterations",
                "width",
                "iterations",
                "Iterations to an error of 1e-2 on unobserved entries, by networks without compression; mean over "
                "masks and 95% interval.",
                interval=("iterations low", "iterations high"),
                log="x",
            ),
            TableFigure(
                "ranks",
                "An overestimated rank recovers as well",
                "estimate",
                "iterations",
                "Iterations of the compressed network to an error of 1e-2 on unobserved entries, for estimates r, 2r, "
                "5r of the rank; mean over masks and 95% interval.",
                interval=("iterations low", "iterations high"),
                x_label="estimate of the rank",
                log="x",
            ),
            TableFigure(
                "noise",
                "Noise in the observations",
                "noise",
                "truth",
                "Error to the truth on all entries after 1000 steps, or when 1e-2 is reached on unobserved ones; noise "
                "in units of the root mean square of the entries; mean over masks and 95% interval.",
                by=("network",),
                interval=("truth low", "truth high"),
                x_label="noise of an observed entry",
                y_label="error to the truth",
            ),
        ),
    )
