"""Wrong labels: where the bulk of the weights goes, what stands out, what denoising gives, and the Hessian."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy


@recipe(
    "label-noise",
    source="S1 8.2",
    network="mlp256",
    data="digits",
    source_data="fashion-mnist",
    minutes="5 minutes; full: 6 hours",
    disk="1 MB",
)
def label_noise() -> ClaimStudy:
    """Wrong labels from 0 to 60%: the bulk, the spikes, test accuracy denoised, leading Hessian eigenvalues."""
    from eigentrail.figures.of_table import TableFigure
    from eigentrail.recipes.experiments import label_noise as study
    from eigentrail.recipes.framework.claim_study import ClaimStudy

    return ClaimStudy(
        study.run,
        seeds=5,
        figures=(
            TableFigure(
                "spectra",
                "Where the bulk goes",
                "noise",
                "sigma",
                "Standard deviation of the noise in the weights (Marchenko-Pastur fit of the bulk) against the share "
                "of wrong labels; a curve for each seed.",
                by=("weight", "seed"),
                colour="weight",
                x_label="share of wrong labels",
                y_label="sigma of the bulk",
            ),
            TableFigure(
                "spectra",
                "What stands out of it",
                "noise",
                "spikes",
                "How many singular values stand out of the bulk.",
                by=("weight", "seed"),
                colour="weight",
                x_label="share of wrong labels",
                y_label="spikes",
            ),
            TableFigure(
                "means",
                "Test accuracy, as trained and edited",
                "noise",
                "accuracy",
                "All studied weights are edited together; mean over seeds. Labels of the test samples are right.",
                by=("way",),
                x_label="share of wrong labels",
                y_label="test accuracy",
            ),
            TableFigure(
                "hessian",
                "Leading Hessian eigenvalues",
                "number",
                "eigenvalue",
                "Of the loss on the training samples with the labels that were learned.",
                by=("noise", "seed"),
                log="y",
            ),
        ),
    )
