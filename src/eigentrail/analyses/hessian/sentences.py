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
        f"The weights overlap the leading 1% of the eigenvectors {leading:.2g} times as much as random directions "
        f"(root mean square of the cosines, {chance:.2g} for random ones). Their largest overlap, "
        f"{products[largest]:.2g}, is with eigenvector {largest + 1}."
    )


def _motion(told: Mapping[str, Any]) -> str:
    if "sharper_by" not in told:
        return ""
    gap, error = told["sharper_by"], told["sharper_error"]
    first, second = ("updates", "weights") if gap > 0 else ("weights", "updates")
    sure = abs(gap) > 2 * error
    shares = (
        f"{told[f'{first}_share']:.1%} of the {first}' principal components lie near the Hessian eigenvectors of the "
        f"same place in the order, {told[f'{second}_share']:.1%} of the {second}', by chance "
        f"{told['weights_share_chance']:.2%}"
    )
    points = f"difference {100 * abs(gap):.1f} ± {100 * error:.1f} percentage points"
    end = f"the {first} predict the eigenvectors better" if sure else "neither surely predicts them better"
    return f"{shares}: {end} ({points})."


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
    many = told["enough_by_value"]
    text = (
        f"From weights at zero, restoring those along {many:,} of {n:,} Hessian eigenvectors ({many / n:.0%}), the "
        "largest eigenvalue first, brings back 95% of the accuracy lost"
    )
    if told.get("enough_by_magnitude") is not None:
        text += f"; the largest magnitude first, {told['enough_by_magnitude']:,}"
    text += "."
    if "few_by_product" in told:
        text += (
            f" Restoring the {told['few']} eigenvectors that overlap the weights most brings back "
            f"{told['few_by_product']:.0%}; the {told['few']} of largest eigenvalue, "
            f"{max(0.0, told['few_by_value']):.0%}."
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
