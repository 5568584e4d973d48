"""Claims of S1's chapter 7 and of S2 that the Hessian of one layer of one training decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eigentrail.findings import Claim, Rule, greater_than, greater_than_chance, greater_than_rival, less_than
from eigentrail.recipes.framework.run_claim import RunClaim
from eigentrail.spectra.spacing_laws import GOE_RATIO, POISSON_RATIO


def curvature_claims(recipe: str, layer: str) -> tuple[RunClaim, ...]:
    """Ask of a layer's Hessian what the source claims of all that it looks at.

    Args:
        recipe: the recipe's name, for the ids.
        layer: the layer.

    Returns:
        The claims.
    """

    def claim(
        key: str,
        source: str,
        statement: str,
        statistic: str,
        rule: Rule,
        value: Callable[[Mapping[str, Any]], float],
        chance: Callable[[Mapping[str, Any]], float] | None = None,
    ) -> RunClaim:
        named = f"{statement}: {layer}."
        made = Claim(f"{recipe}-{key}-{layer}", source, named, statistic, rule, needs=("curvature",))
        return RunClaim(made, "curvature", layer, value, chance)

    return (
        claim(
            "outliers",
            "S1 7.3, figure 7.3",
            "Singular matrices outside of the bulk lie in the leading eigenvectors of the Hessian",
            "part of the outlying singular matrices in the leading tenth of the eigenvectors",
            greater_than_chance(),
            lambda row: row["outliers_in_leading"],
            lambda row: row["in_leading_chance"],
        ),
        claim(
            "overlap-weights",
            "S1 9",
            "Leading eigenvectors overlap more with the singular matrices of large singular values than with the "
            "weights",
            "part of the outlying singular matrices in the leading tenth of the eigenvectors",
            greater_than_rival("the weights as one vector"),
            lambda row: row["outliers_in_leading"],
            lambda row: row["weights_in_leading"],
        ),
        claim(
            "few-product",
            "S1 7.2",
            "Eigenvectors with the largest weight products bring the accuracy back, not those of the largest values",
            "part of the lost accuracy that 25 eigenvectors of the largest weight products bring back",
            greater_than_rival("25 of the largest eigenvalues"),
            lambda row: row["few_by_product"],
            lambda row: row["few_by_value"],
        ),
        claim(
            "sharper",
            "S1 7.1",
            "Components of the updates are nearer to the Hessian's eigenvectors than those of the weights",
            "share near the diagonal, updates minus weights",
            greater_than(0.0),
            lambda row: row["sharper_by"],
        ),
        claim(
            "enough",
            "S1 7.2",
            "At most 20% of the eigenvectors are enough for the network's accuracy",
            "share of the eigenvectors, largest eigenvalue first, for 95% of the accuracy",
            less_than(0.2),
            lambda row: row["enough_by_value"] / row["n"],
        ),
        claim(
            "levels",
            "S1 7.5 against S2",
            "The Hessian's spacings are not those of a random matrix",
            "mean ratio of neighbouring spacings, short of that of random matrices",
            # Half of the way to independent levels.
            greater_than(0.5 * (GOE_RATIO - POISSON_RATIO)),
            lambda row: GOE_RATIO - row["spacing_ratio"],
        ),
        claim(
            "flat",
            "S1 3.8",
            "The variance of the weights along an eigenvector grows as a power of its curvature",
            "exponent of the variance against curvature",
            greater_than(0.0),
            lambda row: row["weights_exponent_all"],
        ),
    )
