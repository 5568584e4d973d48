"""Claims that several sources make of one training's spectra."""

from __future__ import annotations

from eigentrail.findings import Claim, greater_than_chance, less_than
from eigentrail.recipes.framework.run_claim import RunClaim
from eigentrail.recipes.framework.swept import SweptClaim


def spikes_are_born(recipe: str, source: str, layer: str) -> RunClaim:
    """Training brings eigenvalues out of the bulk.

    Args:
        recipe: the recipe's name, for the id.
        source: document and place.
        layer: the layer.

    Returns:
        The claim: more spikes at the end than at the start and than entries in any order have.
    """
    return RunClaim(
        Claim(
            f"{recipe}-spikes-{layer}",
            source,
            f"Eigenvalues of {layer} leave the bulk in the training.",
            f"spikes of {layer} at the end, against those of its shuffled entries",
            greater_than_chance(),
            needs=("evolution",),
        ),
        "evolution",
        layer,
        lambda row: row["spikes_last"] - row["spikes_first"],
        lambda row: row["null_spikes_last"],
    )


def bulk_stays(recipe: str, source: str, layer: str) -> RunClaim:
    """The bulk stays near to Marchenko-Pastur's law.

    Args:
        recipe: the recipe's name, for the id.
        source: document and place.
        layer: the layer.

    Returns:
        The claim: the distance to the law is at most 1.25 times what 95% of pure noise stays below.
    """
    return RunClaim(
        Claim(
            f"{recipe}-bulk-{layer}",
            source,
            f"The bulk of {layer} stays that of Marchenko and Pastur.",
            f"distance of the bulk of {layer} to the law over what 95% of pure noise stays below",
            less_than(1.25),
            needs=("evolution",),
        ),
        "evolution",
        layer,
        lambda row: row["mp_ks_distance_last"] / row["noise_ks_high"],
    )


def rank_falls(recipe: str, source: str, layer: str) -> RunClaim:
    """Training lowers the effective rank.

    Args:
        recipe: the recipe's name, for the id.
        source: document and place.
        layer: the layer.

    Returns:
        The claim.
    """
    return RunClaim(
        Claim(
            f"{recipe}-rank-{layer}",
            source,
            f"The effective rank of {layer} falls in the training.",
            f"effective rank of {layer} at the end over that at the start",
            less_than(1.0),
            needs=("evolution",),
        ),
        "evolution",
        layer,
        lambda row: row["effective_rank_last"] / row["effective_rank_first"],
    )


def decay_lowers_ranks(recipe: str) -> SweptClaim:
    """Weight decay lowers the ranks of a network (S4).

    Args:
        recipe: the recipe's name, for the id.

    Returns:
        The claim, of runs with and without decay.
    """
    return SweptClaim(
        Claim(
            f"{recipe}-decay-rank",
            "S4 prediction 4.1",
            f"Weight decay lowers the ranks of {recipe}.",
            "average rank at the largest weight decay minus that without",
            less_than(0.0),
            needs=("rank",),
        ),
        "weight_decay",
        "rank",
    )
