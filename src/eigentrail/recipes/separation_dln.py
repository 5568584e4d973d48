"""How the separation of classes improves from layer to layer of a deep linear network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy


@recipe(
    "separation-dln",
    source="S3 part 3",
    minutes="1 minute; full: 1 minute",
    disk="1 MB",
)
def separation_dln() -> ClaimStudy:
    """D_l falls by the same factor from layer to layer of deep linear networks, within its bound."""
    from eigentrail.figures.of_table import TableFigure
    from eigentrail.parsimony import separation_study
    from eigentrail.recipes.framework.claim_study import ClaimStudy

    return ClaimStudy(
        separation_study.run,
        seeds=5,
        figures=(
            TableFigure(
                "depths",
                "Separation by layer",
                "layer",
                "log10 D",
                "log₁₀ of D_l = tr Σ_W / tr Σ_B, smaller is further separated; five layers at scale .3, mean and 95% "
                "interval over seeds. A straight line is the same factor in each layer.",
                by=("network", "law"),
                interval=("log10 D low", "log10 D high"),
                y_label="log₁₀ D_l",
            ),
            TableFigure(
                "scales",
                "The trade-off",
                "iterations",
                "slope",
                "A point for each initial scale, .5 to .1 from left to right: a smaller one separates faster from "
                "layer to layer (a lower slope of log₁₀ D_l) and takes more iterations to converge.",
                by=("network", "law"),
                interval=("slope low", "slope high"),
                x_label="iterations to 1/10000 of the loss",
                y_label="slope of log₁₀ D_l by layer",
                log="x",
            ),
            TableFigure(
                "scales",
                "The decay ratio and its bound",
                "eps",
                "ratio",
                "The largest D_{l+1} / D_l. The bound 2(√K + 1) ε² is a theorem for linear networks with orthogonal "
                "weights; where it is 1 or more (ε above .43) it says nothing.",
                by=("network", "law"),
                interval=("ratio low", "ratio high"),
                grey="bound",
                grey_name="bound 2(√K + 1) ε²",
                x_label="initial scale ε",
                y_label="D_{l+1} / D_l",
                log="xy",
            ),
        ),
    )
