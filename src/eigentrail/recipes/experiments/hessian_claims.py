"""What S1's chapter 7 and S2 claim about Hessians, beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64
from scipy import stats

from eigentrail.analyses.hessian.parameter_point import WHOLE
from eigentrail.curvature.weight_decay_shift import WeightDecayShift
from eigentrail.findings import (
    Claim,
    Rule,
    all_of,
    equals,
    greater_than,
    greater_than_chance,
    greater_than_rival,
    less_than,
    less_than_chance,
)
from eigentrail.recipes.framework.observation import Observation
from eigentrail.spectra.spacing_laws import GOE_RATIO, POISSON_RATIO

# A mean ratio of spacings as near as this to the random matrices' is theirs; that of independent levels is .14 away.
_NEAR = 0.5 * (GOE_RATIO - POISSON_RATIO)
_NO_LOSS = "these weights at zero cost no accuracy"
_CLAIMS: dict[str, tuple[str, str, str, Rule]] = {
    "sharper": (
        "S1 7.1",
        "the components of the updates are nearer to the Hessian's eigenvectors than those of the weights",
        "share near the diagonal, updates minus weights",
        greater_than(0.0),
    ),
    "products-plain": (
        "S1 7.2",
        "without weight decay the leading eigenvectors have smaller weight products than the others",
        "mean squared product, leading over others",
        less_than(1.0),
    ),
    "products-decay": (
        "S1 7.2",
        "with weight decay the weight products of leading eigenvectors are of the size of the others",
        "log2 of the mean squared product, leading over others",
        equals(0.0, within=1.0),
    ),
    "gaussian": (
        "S1 7.2",
        "weight products are Gaussian within ranges of 500 neighbours",
        "share of windows that pass the test of normality",
        greater_than(0.9),
    ),
    "enough": (
        "S1 7.2",
        "at most 20% of the largest eigenvalues are enough for the network's accuracy",
        "share of eigenvectors for 95% of the accuracy",
        less_than(0.2),
    ),
    "negative-needed": (
        "S1 7.4",
        "the eigenvectors of negative eigenvalues are needed: ordered by magnitude, fewer are enough",
        "eigenvectors by value over by magnitude",
        greater_than(1.25),
    ),
    "outliers": (
        "S1 7.3",
        "singular matrices outside of the Marchenko-Pastur bulk lie in the leading eigenvectors",
        "part of them in the leading tenth of the eigenvectors",
        greater_than(0.5),
    ),
    "overlap-weights": (
        "S1 9",
        "leading eigenvectors overlap more with the singular matrices of large singular values than with the weights",
        "part of the outlying singular matrices in the leading tenth of the eigenvectors",
        greater_than_rival("the weights as one vector"),
    ),
    "few-product": (
        "S1 7.2",
        "the eigenvectors with the largest weight products bring the accuracy back, not those of the largest values",
        "part of the lost accuracy that 25 eigenvectors of the largest weight products bring back",
        greater_than_rival("25 of the largest eigenvalues"),
    ),
    "ends-weights": (
        "S1 7.1",
        "eigenvectors of the largest and of the smallest eigenvalues are like components of the weights, more than "
        "those between",
        "share in the same tenth of the components, the smaller of both ends, against that of an even band",
        greater_than_chance(),
    ),
    "ends-updates": (
        "S1 7.1",
        "eigenvectors of the largest and of the smallest eigenvalues are like components of the updates, more than "
        "those between",
        "share in the same tenth of the components, the smaller of both ends, against that of an even band",
        greater_than_chance(),
    ),
    "bulk-removed": (
        "S1 4",
        "removing the singular values inside the bulk costs no accuracy",
        "test accuracy lost without the bulk of the layer",
        less_than(0.01),
    ),
    "near-zero": (
        "S1 7.4",
        "the minima along the steepest eigenvectors are near zero, so that taking these out changes little",
        "mean squared product of the steepest four over that of the others",
        less_than(1.0),
    ),
    "spectrum": (
        "S1 7.5",
        "a few eigenvalues greatly surpass the others, which crowd at zero",
        "share of eigenvalues below 1% of the largest",
        greater_than(0.8),
    ),
    "few-negative": (
        "S1 7.5",
        "a small fraction of the eigenvalues is negative",
        "share of negative eigenvalues",
        equals(0.1, within=0.1),
    ),
    "levels": (
        "S1 7.5 against S2",
        "the Hessian's spacings are not those of random matrices (S1); for small networks they are (S2)",
        "mean ratio of neighbouring spacings, short of that of random matrices",
        greater_than(_NEAR),
    ),
    "porter-thomas": (
        "S1 7.5",
        "no eigenvector has Porter-Thomas entries; local means of the p-values reach at most about .02",
        "largest local mean of p-values",
        less_than(0.03),
    ),
    "first-products": (
        "S1 7.6",
        "even the initial weights have smaller products with the leading eigenvectors of the trained network",
        "mean squared product of the initial weights, leading over others",
        less_than(1.0),
    ),
    "first-spectrum": (
        "S1 7.6",
        "the spectrum is similar before training: a few large eigenvalues, the others around zero",
        "share below 1% of the largest, before training",
        greater_than(0.8).beside("the trained network"),
    ),
    "participation": (
        "S1 7.6",
        "eigenvectors of the largest and of the smallest eigenvalues live on fewer weights than those between",
        "median participation ratio over that of the middle, the smaller of both ends",
        greater_than(1.0),
    ),
    "flat": (
        "S1 3.8",
        "the variance of the weights along an eigenvector grows as a power of its curvature",
        "exponent of variance against curvature",
        greater_than(0.0),
    ),
    "later": (
        "S1 7.5",
        "the leading eigenvectors of the whole network are concentrated in later layers",
        "share of the leading ones in the first layer, against its share of the parameters",
        all_of(less_than(0.5), less_than_chance()),
    ),
    "similar": (
        "S1 7.4",
        "the leading eigenvectors of a layer and of the whole network are similar within the layer",
        "part of the network's leading eigenvectors, within the layer, in the span of the layer's",
        greater_than_chance(0.1),
    ),
    "not-identical": (
        "S1 7.4",
        "the leading eigenvectors of a layer and of the whole network are not identical within the layer",
        "part of the network's leading eigenvectors, within the layer, in the span of the layer's",
        less_than(0.999),
    ),
    "shift": (
        "S1 7.5",
        "weight decay shifts all eigenvalues by 2 lambda",
        "shift along the leading eigenvectors over 2 lambda, the one furthest off",
        equals(1.0, within=0.1),
    ),
}
# What the largest of the means over 31 neighbours is for some thousands of random directions.
_LARGEST_MEAN = 0.68
# The steepest eigenvectors whose landscapes S1 draws.
_STEEPEST = 4


def hessian_claims(
    trees: Mapping[str, xr.DataTree],
    layer: str,
    overlaps: xr.Dataset | None = None,
    shift: WeightDecayShift | None = None,
    complete: str | None = None,
    without_bulk: tuple[float, float] | None = None,
) -> tuple[Observation, ...]:
    """Measure what the claims are about in a training without and one with weight decay.

    Args:
        trees: the analysis `curvature` of "plain" and "decay".
        layer: the layer that the source looks at.
        overlaps: the layer's leading eigenvectors against the whole network's, see `layer_overlaps`.
        shift: how far the decay of the second training moves the leading eigenvalues at the same weights.
        complete: a layer that is recorded at more steps than it has parameters, for the ends of the spectrum.
        without_bulk: the test accuracy of the plain training, and the same with the layer cut to its spikes.

    Returns:
        The observations of one seed; one that needs what a tree does not have has no number, and says why.
    """
    plain, decay = (_node(trees[kind], layer) for kind in ("plain", "decay"))
    whole = _node(trees["plain"], WHOLE)
    claims = [
        _sharper(plain),
        _products(plain, "plain"),
        _products(decay, "decay"),
        _gaussian(plain),
        _enough(plain),
        _outliers(plain),
        _overlap_weights(plain),
        _few_product(plain),
        _near_zero(plain),
        _spectrum(whole if whole.attrs["exact"] else plain),
        _wigner(plain),
        _porter_thomas(plain),
        _at_first(plain),
        _first_spectrum(plain),
        _participation(plain),
        _flat(plain),
    ]
    if whole.attrs["exact"]:
        claims += [_few_negative(whole), _negative(whole)]
    claims += [_later(whole)]
    if complete is not None:
        claims += [_ends(_node(trees["plain"], complete), kind, complete) for kind in ("weights", "updates")]
    if without_bulk is not None:
        claims.append(_bulk_removed(*without_bulk, int(plain.attrs.get("spikes") or 0)))
    if overlaps is not None:
        claims += _similar(overlaps)
    if shift is not None:
        claims.append(_shifted(decay, shift))
    return tuple(claims)


def _node(tree: xr.DataTree, name: str) -> xr.DataTree:
    return next(node for node in tree.children.values() if node.attrs["name"] == name)


def _vectors(node: xr.DataTree) -> xr.Dataset:
    return node["vectors"].to_dataset()


def _seen(key: str, value: float, chance: float | None, found: str) -> Observation:
    return Observation(_claim(key), (float(value),), () if chance is None else (float(chance),), found)


def _missing(key: str, why: Any) -> Observation:
    return Observation(_claim(key), (float("nan"),), (), f"not measured: {why}")


def _claim(key: str) -> Claim:
    source, text, statistic, rule = _CLAIMS[key]
    return Claim(f"s1-hessian-{key}", source, text, statistic, rule)


def _sharper(node: xr.DataTree) -> Observation:
    told = node.attrs
    if "sharper_by" not in told:
        return _missing("sharper", told.get("no_motion", "too few components"))
    gap, error = told["sharper_by"], told["sharper_error"]
    return _seen(
        "sharper",
        gap,
        None,
        f"{gap:+.4f} ± {error:.4f}: weights {told['weights_share']:.1%}, updates {told['updates_share']:.1%}, by "
        f"chance {told['weights_share_chance']:.2%} within {told['band']} ranks",
    )


def _leading_ratio(squared: Float64[np.ndarray, " n"], top: int) -> float:
    """Divide the mean squared product of the leading eigenvectors by that of all others, largest eigenvalue first."""
    return float(squared[:top].mean() / squared[top:].mean())


def _leading(node: xr.DataTree, column: str = "product") -> tuple[float, int]:
    """Compare the squared products of the leading 2% of the eigenvectors, at least 10, with all others."""
    squared = _vectors(node)[column].values ** 2
    top = max(10, len(squared) // 50)
    return _leading_ratio(squared, top), top


def _products(node: xr.DataTree, kind: str) -> Observation:
    ratio, top = _leading(node)
    value = ratio if kind == "plain" else float(np.log2(ratio))
    found = f"{ratio:.3g} times for the leading {top} of {node.attrs['n']:,} eigenvectors"
    return _seen(f"products-{kind}", value, 1.0 if kind == "plain" else 0.0, found)


def _gaussian(node: xr.DataTree) -> Observation:
    told = node.attrs
    if "windows" not in told:
        return _missing("gaussian", told.get("no_gaussianity", ""))
    share = told["gaussian_windows"] / told["windows"]
    return _seen(
        "gaussian",
        share,
        0.99,
        f"{told['gaussian_windows']} of {told['windows']} windows; all of them as one Gaussian: p = "
        f"{told['gaussian_whole_p']:.2g}",
    )


def _enough(node: xr.DataTree) -> Observation:
    told = node.attrs
    found = told.get("enough_by_value")
    if not found:
        why = "the curve never reaches it" if found is None else _NO_LOSS
        return _missing("enough", why)
    share = found / told["n"]
    return _seen(
        "enough",
        share,
        None,
        f"{found:,} of {told['n']:,} ({share:.1%}); accuracy {told['accuracy']:.1%}, with the layer at zero "
        f"{told['accuracy_without']:.1%}",
    )


def _negative(node: xr.DataTree) -> Observation:
    told = node.attrs
    by_value, by_magnitude = told.get("enough_by_value"), told.get("enough_by_magnitude")
    if not by_value or not by_magnitude:
        why = "a curve never reaches it" if None in {by_value, by_magnitude} else _NO_LOSS
        return _missing("negative-needed", why)
    return _seen(
        "negative-needed",
        by_value / by_magnitude,
        None,
        f"{by_value:,} by value and {by_magnitude:,} by magnitude of {told['n']:,} for 95% of the accuracy",
    )


def _outliers(node: xr.DataTree) -> Observation:
    told = node.attrs
    if "outliers_in_leading" not in told:
        return _missing("outliers", "no singular value is outside of the bulk")
    bulk = told.get("bulk_in_leading")
    found = told["outliers_in_leading"]
    return _seen(
        "outliers",
        found,
        told["in_leading_chance"],
        f"{found:.1%} of the {told['spikes']} outlying ones"
        + (f", {bulk:.1%} of those in the bulk" if bulk is not None else "")
        + f", {told['in_leading_chance']:.1%} of random ones",
    )


def _overlap_weights(node: xr.DataTree) -> Observation:
    told = node.attrs
    if "weights_in_leading" not in told:
        return _missing("overlap-weights", "no singular value is outside of the bulk")
    outliers, weights = told["outliers_in_leading"], told["weights_in_leading"]
    return _seen(
        "overlap-weights",
        outliers,
        weights,
        f"{outliers:.1%} of the {told['spikes']} outlying singular matrices, {weights:.1%} of the weights, "
        f"{told['signs_in_leading']:.1%} of the weights with random signs of their singular values, "
        f"{told['in_leading_chance']:.1%} of random directions",
    )


def _few_product(node: xr.DataTree) -> Observation:
    told = node.attrs
    if "few_by_product" not in told:
        return _missing("few-product", _NO_LOSS)
    by_product, by_value = told["few_by_product"], told["few_by_value"]
    return _seen(
        "few-product",
        by_product,
        by_value,
        f"{told['few']} of the largest weight products bring back {by_product:.0%}, {told['few']} of the largest "
        f"eigenvalues {by_value:.0%}, of {told['n']:,} eigenvectors",
    )


def _ends(node: xr.DataTree, kind: str, layer: str) -> Observation:
    told = node.attrs
    if f"{kind}_share_steepest" not in told:
        return _missing(f"ends-{kind}", f"{layer}: {told.get('no_ends', told.get('no_motion', ''))}")
    steep, middle, flat, band = (
        told[f"{kind}_share_{part}"] for part in ("steepest", "middle", "flattest", "band")
    )
    return _seen(
        f"ends-{kind}",
        min(steep, flat),
        band,
        f"{layer}: {steep:.0%} of the steepest tenth of the eigenvectors lies in the leading tenth of the components "
        f"of the {kind}, {flat:.0%} of the flattest in the last, between {middle:.0%} (random bases "
        f"{1 / told['parts']:.0%}); ends have neighbours on one side only, which alone gives {band:.0%}; directions "
        "without curvature left out",
    )


def _bulk_removed(full: float, spikes_alone: float, spikes: int) -> Observation:
    if not spikes:
        return _missing("bulk-removed", "no singular value is outside of the bulk")
    return _seen(
        "bulk-removed",
        full - spikes_alone,
        None,
        f"test accuracy {full:.1%}, with the {spikes} singular values outside of the bulk alone {spikes_alone:.1%}",
    )


def _near_zero(node: xr.DataTree) -> Observation:
    products = _vectors(node)["product"].values
    ratio = _leading_ratio(products**2, _STEEPEST)
    size = np.abs(products)
    return _seen(
        "near-zero",
        ratio,
        1.0,
        f"{ratio:.2g}; mean |h · w| ÷ ‖w‖ of the steepest {size[:_STEEPEST].mean():.2g}, the "
        f"largest of all {size.max():.2g}, of random directions {node.attrs['n'] ** -0.5:.2g}",
    )


def _spectrum(node: xr.DataTree) -> Observation:
    values = node["spectrum"].to_dataset()["eigenvalue"].values
    small = float((np.abs(values) < 0.01 * values[0]).mean())
    return _seen(
        "spectrum",
        small,
        None,
        f"{small:.1%} of {len(values):,} are below 1% of the largest, {values[0]:.3g}",
    )


def _few_negative(node: xr.DataTree) -> Observation:
    values = node["spectrum"].to_dataset()["eigenvalue"].values
    told = node.attrs
    negative = told["negative"] / told["n"]
    return _seen(
        "few-negative",
        negative,
        None,
        f"{negative:.1%} of {told['n']:,} are negative, down to {values[-1]:.3g} where the largest is {values[0]:.3g}",
    )


def _wigner(node: xr.DataTree) -> Observation:
    told = node.attrs
    # Of a handful of levels a ratio is known, and neither its error nor how well a law fits.
    if not {"spacing_ratio", "spacing_ratio_error", "spacing_p_wigner"} <= set(told):
        return _missing("levels", told.get("no_levels", "too few levels"))
    ratio, error = told["spacing_ratio"], told["spacing_ratio_error"]
    return _seen(
        "levels",
        GOE_RATIO - ratio,
        None,
        f"the ratio is {ratio:.4f} ± {error:.4f}, of random matrices {GOE_RATIO:.4f}, of independent levels "
        f"{POISSON_RATIO:.4f}; Wigner surmise p = {told['spacing_p_wigner']:.2g}",
    )


def _porter_thomas(node: xr.DataTree) -> Observation:
    p = _vectors(node)["porter_thomas_mean"].values
    largest = float(np.nanmax(p))
    return _seen(
        "porter-thomas",
        largest,
        _LARGEST_MEAN,
        f"largest mean over 31 neighbours {largest:.3g}, median {float(np.nanmedian(p)):.2g}",
    )


def _at_first(node: xr.DataTree) -> Observation:
    if "product_first" not in _vectors(node):
        return _missing("first-products", node.attrs.get("no_first", "no first step"))
    ratio, top = _leading(node, "product_first")
    return _seen("first-products", ratio, 1.0, f"{ratio:.3g} times for the leading {top}")


def _first_spectrum(node: xr.DataTree) -> Observation:
    if "initial" not in node.children:
        return _missing("first-spectrum", node.attrs.get("no_initial", ""))
    first = node["initial"].to_dataset()["eigenvalue"].values
    last = node["spectrum"].to_dataset()["eigenvalue"].values
    small = [float((np.abs(v) < 0.01 * v[0]).mean()) for v in (first, last)]
    return _seen(
        "first-spectrum",
        small[0],
        small[1],
        f"{small[0]:.1%} before, {small[1]:.1%} after; largest {first[0]:.3g} before, {last[0]:.3g} after",
    )


def _participation(node: xr.DataTree) -> Observation:
    # In the null space any basis is one: which one says nothing.
    levels = np.abs(node["spectrum"].to_dataset()["eigenvalue"].values) > node.attrs.get("floor", 0.0)
    values = _vectors(node)["participation"].values[levels]
    part = max(5, len(values) // 50)
    if len(values) < 8 * part:
        return _missing("participation", f"{len(values)} eigenvalues are not zero")
    middle = values[len(values) // 4 : 3 * len(values) // 4]
    ends = values[:part], values[-part:]
    # The ends against the middle by rank; the smaller of both ratios has to be above 1.
    chances = [stats.mannwhitneyu(end, middle, alternative="greater").pvalue for end in ends]
    ratios = [float(np.median(end) / np.median(middle)) for end in ends]
    return _seen(
        "participation",
        min(ratios),
        1.0,
        f"largest {ratios[0]:.2g} times the middle (p = {chances[0]:.1g}), smallest that are not zero {ratios[1]:.2g} "
        f"times (p = {chances[1]:.1g}); median Σ h⁴ in the middle {np.median(middle):.2g}, of random directions "
        f"{3 / node.attrs['n']:.2g}",
    )


def _flat(node: xr.DataTree) -> Observation:
    told = node.attrs
    exponent, error = told.get("weights_exponent_all"), told.get("weights_exponent_all_error")
    if exponent is None or error is None:
        return _missing("flat", told.get("no_flatness", told.get("no_motion", "")))
    updates = told.get("updates_exponent_all")
    return _seen(
        "flat",
        exponent,
        None,
        f"{exponent:.2f} ± {error:.2f} over all"
        + (f"; of the updates {updates:.2f}" if updates is not None else ""),
    )


def _later(node: xr.DataTree) -> Observation:
    vectors = _vectors(node)
    if "concentration" not in vectors:
        return _missing("later", "no concentration by layer")
    top = min(20, vectors.sizes["i"])
    shares = vectors["concentration"].values[:top, 0]
    first, error = float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(top))
    chance = float(vectors["concentration_chance"].values[0])
    return _seen(
        "later",
        first,
        chance,
        f"{first:.1%} ± {error:.1%} lies in the first layer's weights, which are {chance:.1%} of all",
    )


def _similar(overlaps: xr.Dataset) -> tuple[Observation, ...]:
    largest = overlaps["overlap"].values.max(axis=0)
    # Already a part of what each direction has within the layer.
    captured = float(overlaps["captured"].values.mean())
    chance = float(overlaps.attrs["captured_chance"])
    found = f"{captured:.1%} (chance {chance:.2%}); largest single overlaps {largest.mean():.2f} on average"
    return tuple(_seen(key, captured, chance, found) for key in ("similar", "not-identical"))


def _shifted(node: xr.DataTree, shift: WeightDecayShift) -> Observation:
    # S1's lambda ||w||^2 has the derivative 2 lambda w, which is torch's weight decay.
    wanted = node.attrs["weight_decay"]
    worst = max((shift.shift - shift.spread, shift.shift + shift.spread), key=lambda one: abs(one - wanted))
    return _seen(
        "shift",
        worst / wanted,
        None,
        f"{shift.shift:.4g}, each within {shift.spread:.1g}, along {shift.count} eigenvectors; 2 lambda = {wanted:.4g}",
    )
