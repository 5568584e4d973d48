"""Within-class variability falls by the same factor from layer to layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy


@recipe(
    "separation",
    source="S3 part 3",
    data="separable",
    minutes="2 minutes; full: 30 minutes, needs MNIST and Fashion-MNIST",
    disk="1 MB",
)
def separation() -> ClaimStudy:
    """The law of progressive separation in linear and ReLU networks: log D falls linearly with depth."""
    from eigentrail.figures.of_table import TableFigure
    from eigentrail.recipes.experiments.feature_geometry import separation
    from eigentrail.recipes.framework.claim_study import ClaimStudy

    return ClaimStudy(
        separation.run,
        seeds=3,
        figures=tuple(
            TableFigure(
                f"{of}_by_depth",
                f"{symbol} against depth",
                "depth",
                "value",
                "Geometric means over seeds, and of each null over its draws; the law is the straight line fitted "
                "to the logarithms. Depth 0 is the data.",
                by=("network", "data", "line"),
                colour="line",
                panel="shown",
                nulls=("permuted labels", "untrained networks", "random weights of the same spectra"),
                y_label=symbol,
                log="y",
            )
            for of, symbol in (("d", "D = tr S_W / tr S_B"), ("nc1", "NC1"))
        ),
    )
