"""Neural collapse grows over the training and with depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy


@recipe(
    "collapse",
    source="S3 part 1",
    data="digits",
    source_data="fashion-mnist",
    minutes="1 minute; full: 10 minutes",
    disk="1 MB",
)
def collapse() -> ClaimStudy:
    """Neural collapse by layer over the training of a classifier, on training and held-out samples."""
    from eigentrail.figures.of_table import TableFigure
    from eigentrail.recipes.experiments.feature_geometry import collapse
    from eigentrail.recipes.framework.claim_study import ClaimStudy

    return ClaimStudy(
        collapse.run,
        seeds=3,
        figures=(
            TableFigure(
                "collapse",
                "NC1 over the training, layer by layer",
                "step",
                "nc1",
                "A curve for each layer and seed; fc1:input is the data, the last point the penultimate features.",
                by=("layer", "seed", "part"),
                colour="layer",
                panel="part",
                y_label="NC1",
                log="y",
            ),
            TableFigure(
                "collapse",
                "Accuracy on the training samples",
                "step",
                "accuracy",
                "The terminal phase begins where it reaches 1, where all training samples are right.",
                by=("seed",),
            ),
        ),
    )
