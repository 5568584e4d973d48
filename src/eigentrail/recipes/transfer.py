"""How little of a network has to be tuned, and whether collapse predicts transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy


@recipe(
    "transfer",
    source="S3 part 1",
    network="lenet",
    data="digits",
    source_data="fashion-mnist",
    minutes="5 minutes; full: 2 hours",
    disk="1 MB",
)
def transfer() -> ClaimStudy:
    """Accuracy against the share of weights trained, from a probe to all; collapse against transfer."""
    from eigentrail.figures.of_table import TableFigure
    from eigentrail.recipes.experiments.feature_geometry import transfer
    from eigentrail.recipes.framework.claim_study import ClaimStudy

    return ClaimStudy(
        transfer.run,
        seeds=5,
        figures=(
            TableFigure(
                "sources",
                "Does collapse predict transfer?",
                "nc1_downstream",
                "probe_accuracy",
                "A mark for each source model, all trained independently: three weight decays, six lengths. Left: "
                "features more collapsed on the downstream samples.",
                by=("seed",),
                x_label="NC1 of the penultimate features on downstream samples",
                y_label="accuracy of a linear probe",
                log="x",
                lines=False,
            ),
            TableFigure(
                "methods",
                "Accuracy against the share of weights that is trained",
                "share",
                "accuracy",
                "Held-out accuracy on the downstream classes, a mark for each seed and size of the downstream set.",
                by=("method", "size", "seed"),
                colour="method",
                panel="samples",
                x_label="share of the parameters",
                log="x",
                lines=False,
            ),
            TableFigure(
                "methods",
                "Accuracy against the size of the downstream set",
                "size",
                "accuracy",
                "The same by the number of downstream samples; a curve for each seed.",
                by=("method", "seed"),
                colour="method",
                x_label="downstream samples",
                log="x",
            ),
            TableFigure(
                "layers",
                "Collapse by layer after each way of tuning",
                "layer",
                "nc1",
                "NC1 on the largest downstream set, a curve for each seed; points are what the layers are given, the "
                "last one the penultimate features.",
                by=("method", "seed"),
                colour="method",
                y_label="NC1",
                log="y",
            ),
        ),
    )
