"""Ten permutations of MNIST's pixels one after the other: GPM, EWC, SI, OSF and singular anchors beside joint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy


@recipe(
    "permuted-mnist",
    source="S1 7.7, its rivals",
    data="mnist",
    minutes="15 minutes; full: 2 hours",
    disk="1 MB",
)
def permuted_mnist() -> ClaimStudy:
    """Permuted MNIST with 784-100-100-10: what GPM, EWC, SI, OSF and singular anchors keep of ten tasks."""
    from eigentrail.figures.of_table import TableFigure
    from eigentrail.recipes.experiments.forgetting import permutations
    from eigentrail.recipes.framework.claim_study import ClaimStudy

    return ClaimStudy(
        permutations.run,
        seeds=5,
        figures=(
            TableFigure(
                "summary",
                "Final mean accuracy of all tasks",
                "way",
                "mean",
                "Test accuracy behind the last task, mean over tasks and seeds with 95% interval. Grey: guessing.",
                interval=("low", "high"),
                grey="floor",
                grey_name="guessing",
                y_label="mean accuracy",
                lines=False,
            ),
            TableFigure(
                "tasks",
                "What is left of each task",
                "task",
                "accuracy",
                "Test accuracy of each task behind the last one, a curve for each seed.",
                by=("way", "seed"),
                colour="way",
            ),
        ),
    )
