"""Deep linear networks learn in a subspace of 2r dimensions; all else follows a scalar recursion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy


@recipe(
    "parsimony",
    source="S3 part 2",
    minutes="1 minute; full: 3 minutes",
    disk="1 MB",
    formerly=("deep-linear",),
)
def parsimony() -> ClaimStudy:
    """The law of parsimony: exactly 2r singular values of each layer move, the others follow rho(t)."""
    from eigentrail.figures.of_table import TableFigure
    from eigentrail.parsimony import law_study
    from eigentrail.recipes.framework.claim_study import ClaimStudy

    def panel(column: str, title: str, unit: str, caption: str, rho: str = "") -> TableFigure:
        return TableFigure(
            "panels",
            title,
            "step",
            column,
            caption,
            by=("value",),
            colour="moves",
            panel="network",
            grey=rho,
            grey_name="ρ(t), the recursion",
            y_label=unit,
            marks=False,
        )

    against = (
        "To the invariant subspace, which the data and the first weights fix: the first step's own leading directions "
        "are arbitrary, since all its singular values are equal. {} 0° is inside, 90° outside it."
    )
    return ClaimStudy(
        law_study.run,
        seeds=5,
        figures=(
            panel(
                "singular value",
                "Singular values of the first layer",
                "singular value",
                "2r = 6 of 30 values move, the others follow ρ(t): with momentum as without. On data that is not "
                "whitened, and in a ReLU network, the theorem says nothing, and there is no ρ(t).",
                "rho",
            ),
            panel(
                "left", "Left singular vectors", "angle (°)", against.format("A curve for each left vector.")
            ),
            panel(
                "right",
                "Right singular vectors",
                "angle (°)",
                against.format("A curve for each right vector."),
            ),
        ),
    )
