"""Five classes, then the other five: which anchor, if any, keeps the first task, and was it predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy


@recipe(
    "forgetting",
    source="S1 7.7",
    network="lenet",
    data="digits",
    source_data="cifar10",
    minutes="10 minutes; full: 5 days",
    disk="1 MB",
)
def forgetting() -> ClaimStudy:
    """Two tasks of five classes: singular and Hessian anchors beside EWC, SI, GPM, OSF, L2, lower rates, joint."""
    from eigentrail.figures.of_table import TableFigure
    from eigentrail.recipes.experiments.forgetting import two_tasks
    from eigentrail.recipes.framework.claim_study import ClaimStudy

    return ClaimStudy(
        two_tasks.run,
        seeds=5,
        figures=(
            TableFigure(
                "summary",
                "Mean accuracy of both tasks",
                "way",
                "mean",
                "Test samples of both tasks with all ten outputs, mean over seeds and 95% interval; strength and epoch "
                "are chosen on a validation part. Grey: guessing among ten classes; of one task alone it is 20%.",
                panel="case",
                interval=("low", "high"),
                grey="floor",
                grey_name="guessing among ten classes",
                y_label="mean accuracy",
                lines=False,
            ),
            TableFigure(
                "summary",
                "What is kept and what is learned",
                "first",
                "second",
                "Mean test accuracies of the first and the second task, a mark for each way; a pointer on it names it.",
                by=("case", "way"),
                colour="case",
                x_label="accuracy of the first task",
                y_label="accuracy of the second task",
                lines=False,
            ),
            TableFigure(
                "runs",
                "Forgetting, predicted and measured",
                "predicted",
                "measured",
                "Growth of the first task's training loss: the quadratic model g . d + d . H d / 2 at the weights that "
                "the first task ended with, and what it was.",
                by=("case", "way"),
                colour="case",
                x_label="predicted growth of the loss",
                y_label="measured",
                lines=False,
            ),
            TableFigure(
                "overlap",
                "What weights and activations say matters",
                "direction",
                "share",
                "Share of the leading right singular vectors in the subspace of the inputs (GPM, 97% of their squared "
                "norm); a mark for each seed. The table has what a random vector has there.",
                by=("weight",),
                panel="case",
                x_label="singular direction",
                y_label="share in the inputs' subspace",
                lines=False,
            ),
        ),
    )
