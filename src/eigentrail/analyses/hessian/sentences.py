"""What the Hessian of a target says, in sentences: observed beside chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from eigentrail.spectra.spacing_laws import GOE_RATIO, POISSON_RATIO


def detail_of(node: xr.DataTree) -> str:
    """Say what was found about one target, in full.

    Args:
        node: of the analysis `curvature`.

    Returns:
        A few sentences.
    """
    told = {str(key): value for key, value in node.attrs.items()}
    values = node["spectrum"].to_dataset()["eigenvalue"].values
    said = [_spectrum(told, values)]
    for sentence in (_weights(node), _motion(told), _singular(told), _added(told), _levels(told)):
        if sentence:
            said.append(sentence)
    return " ".join(said)


def _spectrum(told: Mapping[str, Any], values: Any) -> str:
    if not told["exact"]:
        return (
            f"The largest of {told['n']:,} eigenvalues is {values[0]:.3g}, the trace {told['trace']:.3g} "
            f"± {told['trace_error']:.1g}."
        )
    small = f"{told['null']:,} count as zero" if told.get("null") else "none counts as zero"
    share = told["negative"] / max(told["n"], 1)
    below = f"{told['negative']:,} ({share:.0%}) are negative, down to {values[-1]:.3g}"
    if not told["negative"]:
        below = "none is negative"
    return f"Of {told['n']:,} eigenvalues {small} and {below}; the largest is {values[0]:.3g}."


def _weights(node: xr.DataTree) -> str:
    products = abs(node["vectors"].to_dataset()["product"].values)
    if not node.attrs["exact"] or len(products) < 100:
        return ""
    top = max(1, len(products) // 100)
    chance = node.attrs["n"] ** -0.5
    leading = float((products[:top] ** 2).mean() ** 0.5) / chance
    largest = int(products.argmax())
    return (
        f"The leading 1% of the eigenvectors have weight products {leading:.2g} times those of random directions (root "
        f"mean square); the largest weight product, {products[largest]:.2g} (chance {chance:.2g}), is that of "
        f"eigenvector {largest + 1}."
    )


def _motion(told: Mapping[str, Any]) -> str:
    if "sharper_by" not in told:
        return ""
    gap, error = told["sharper_by"], told["sharper_error"]
    better = "updates" if gap > 0 else "weights"
    sure = abs(gap) > 2 * error
    shares = (
        f"near the diagonal lie {told['weights_share']:.1%} of the components of the weights and "
        f"{told['updates_share']:.1%} of those of the updates, by chance {told['weights_share_chance']:.2%}"
    )
    end = f"the {better} are the better choice" if sure else "neither is surely the better choice"
    return f"Of the eigenvectors {shares}: {end} ({gap:+.3f} ± {error:.3f})."


def _singular(told: Mapping[str, Any]) -> str:
    if "outliers_in_leading" not in told:
        return ""
    bulk = told.get("bulk_in_leading")
    beside = f", those of the bulk {bulk:.1%}" if bulk is not None else ""
    many = f"{told['spikes']} outlying singular " + ("matrix" if told["spikes"] == 1 else "matrices")
    of = f"{told['singular_of']}" + (", by places and channels," if told.get("singular_spatial") else "")
    return (
        f"Of the {many} of {of} {told['outliers_in_leading']:.1%} lies in the span of the leading {told['leading']} "
        f"eigenvectors{beside}, random ones {told['in_leading_chance']:.1%}."
        + (
            f" Of the weights themselves {told['weights_in_leading']:.1%}."
            if "weights_in_leading" in told
            else ""
        )
    )


def _added(told: Mapping[str, Any]) -> str:
    if told.get("enough_by_value") is None:
        return ""
    n = told["n"]
    if not told["enough_by_value"]:
        return "With these weights at zero the network is as accurate."
    text = f"{told['enough_by_value']:,} eigenvectors ({told['enough_by_value'] / n:.0%}) added from the largest value"
    if told.get("enough_by_magnitude") is not None:
        text += f", {told['enough_by_magnitude']:,} from the largest magnitude,"
    text += " bring back 95% of the accuracy that zeros lose."
    if "few_by_product" in told:
        text += (
            f" The {told['few']} with the largest weight products bring back {told['few_by_product']:.0%} of it, the "
            f"{told['few']} of largest value {max(0.0, told['few_by_value']):.0%}."
        )
    return text


def _levels(told: Mapping[str, Any]) -> str:
    ratio, error = told.get("spacing_ratio"), told.get("spacing_ratio_error")
    if ratio is None or not error:
        return ""
    from_goe, from_poisson = abs(ratio - GOE_RATIO) / error, abs(ratio - POISSON_RATIO) / error
    if from_goe <= 2:
        what = "as those of a random matrix"
    elif from_poisson <= 2:
        what = "as independent levels"
    else:
        what = "between the two" if POISSON_RATIO < ratio < GOE_RATIO else "like neither"
    return (
        f"Neighbouring levels have the spacing ratio {ratio:.3f} ± {error:.3f}, {what} ({GOE_RATIO:.3f} for random "
        f"matrices, {POISSON_RATIO:.3f} for independent levels)."
    )
