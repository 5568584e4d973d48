"""What S1's chapter 7 and S2 claim about Hessians, beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64
from scipy import stats

from eigentrail.analyses.hessian.place import WHOLE
from eigentrail.curvature.weight_decay_shift import WeightDecayShift
from eigentrail.recipes.framework.claims import Claim, decide
from eigentrail.spectra.spacing_laws import GOE_RATIO, POISSON_RATIO

_SURE = 2.0
# Chance beyond two standard deviations on one side of a Gaussian, for laws that are none.
_TAIL = float(stats.norm.sf(_SURE))
# Level ratios further from a law's than this many errors are not of that law.
_FAR = 3.0
_NO_LOSS = "these weights at zero cost no accuracy"
# What the largest of the means over 31 neighbours is for some thousands of random directions.
_LARGEST_MEAN = 0.68
# The steepest eigenvectors whose landscapes S1 draws.
_STEEPEST = 4


def hessian_claims(
    trees: Mapping[str, xr.DataTree],
    layer: str,
    meeting: xr.Dataset | None = None,
    shift: WeightDecayShift | None = None,
) -> tuple[Claim, ...]:
    """Confront the claims with the analyses of a training without and one with weight decay.

    Args:
        trees: the analysis `curvature` of "plain" and "decay".
        layer: the layer that the source looks at.
        meeting: the layer's leading eigenvectors against the whole network's, see `layer_meeting`.
        shift: how far the decay of the second training moves the leading eigenvalues at the same weights.

    Returns:
        The claims; one that needs what a tree does not have is not decided, and says so.
    """
    plain, decay = (_node(trees[kind], layer) for kind in ("plain", "decay"))
    whole = _node(trees["plain"], WHOLE)
    claims = [
        _sharper(plain),
        _products(plain, "without weight decay", True),
        _products(decay, "with weight decay", False),
        _gaussian(plain),
        _enough(plain),
        _outliers(plain),
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
    if meeting is not None:
        claims.append(_similar(meeting))
    if shift is not None:
        claims.append(_shifted(decay, shift))
    return tuple(claims)


def _node(tree: xr.DataTree, name: str) -> xr.DataTree:
    return next(node for node in tree.children.values() if node.attrs["name"] == name)


def _vectors(node: xr.DataTree) -> xr.Dataset:
    return node["vectors"].to_dataset()


def _missing(source: str, claim: str, quantity: str, why: Any) -> Claim:
    return Claim(source, claim, "not decided", quantity, None, None, f"not measured: {why}")


def _sharper(node: xr.DataTree) -> Claim:
    told = node.attrs
    text = "the components of the updates are nearer to the Hessian's eigenvectors than those of the weights"
    what = "share near the diagonal, updates minus weights"
    if "sharper_by" not in told:
        return _missing("S1 7.1", text, what, told.get("no_motion", "too few components"))
    gap, error = told["sharper_by"], told["sharper_error"]
    return Claim(
        "S1 7.1",
        text,
        decide(gap > 0 if abs(gap) > _SURE * error else None),
        what,
        gap,
        0.0,
        f"{gap:+.4f} ± {error:.4f}: weights {told['weights_share']:.1%}, updates {told['updates_share']:.1%}, by "
        f"chance {told['weights_share_chance']:.2%} within {told['band']} ranks",
    )


def _leading_ratio(squared: Float64[np.ndarray, " n"], top: int) -> tuple[float, float, float]:
    """Divide the mean squared product of the leading eigenvectors by that of all others.

    Squares of Gaussian numbers of one variance have ratios that follow Fisher's law. With few leading ones that is
    skewed: ratios far below 1 are common by chance.

    Args:
        squared: squared products, largest eigenvalue first.
        top: how many count as leading.

    Returns:
        The ratio and both ends of its interval.
    """
    ratio = float(squared[:top].mean() / squared[top:].mean())
    low, high = stats.f.ppf([_TAIL, 1.0 - _TAIL], top, len(squared) - top)
    return ratio, ratio / float(high), ratio / float(low)


def _smaller(low: float, high: float) -> bool | None:
    """Whether a ratio is below 1; None where 1 lies within its interval."""
    return None if low <= 1.0 <= high else high < 1.0


def _alike(low: float, high: float) -> bool | None:
    """Whether two mean squares are the same within a factor of 2; None where their ratio's interval leaves it open."""
    if low > 0.5 and high < 2.0:
        return True
    return False if high < 0.5 or low > 2.0 else None


def _leading(node: xr.DataTree, column: str = "product") -> tuple[float, float, float, int]:
    """Compare the squared products of the leading 2% of the eigenvectors, at least 10, with all others."""
    squared = _vectors(node)[column].values ** 2
    top = max(10, len(squared) // 50)
    return *_leading_ratio(squared, top), top


def _products(node: xr.DataTree, kind: str, smaller: bool) -> Claim:
    ratio, low, high, top = _leading(node)
    text = (
        f"{kind} the leading eigenvectors have smaller weight products than the others"
        if smaller
        else f"{kind} the weight products of leading eigenvectors are of the size of the others"
    )
    return Claim(
        "S1 7.2",
        text,
        decide(_smaller(low, high) if smaller else _alike(low, high)),
        "mean squared product, leading over others",
        ratio,
        1.0,
        f"{ratio:.3g} ({low:.2g} to {high:.2g}) for the leading {top} of {node.attrs['n']:,} eigenvectors",
    )


def _gaussian(node: xr.DataTree) -> Claim:
    told = node.attrs
    text = "weight products are Gaussian within ranges of 500 neighbours"
    what = "windows that pass at the 1% level"
    if "windows" not in told:
        return _missing("S1 7.2", text, what, told.get("no_gaussianity", ""))
    share = told["gaussian_windows"] / told["windows"]
    return Claim(
        "S1 7.2",
        text,
        decide(share >= 0.9),
        what,
        share,
        0.99,
        f"{told['gaussian_windows']} of {told['windows']} windows; all of them as one Gaussian: p = "
        f"{told['gaussian_whole_p']:.2g}",
    )


def _enough(node: xr.DataTree) -> Claim:
    told = node.attrs
    text = "at most 20% of the largest eigenvalues are enough for the network's accuracy"
    found = told.get("enough_by_value")
    if not found:
        why = "the curve never reaches it" if found is None else _NO_LOSS
        return _missing("S1 7.2", text, "share of eigenvectors", why)
    share = found / told["n"]
    return Claim(
        "S1 7.2",
        text,
        decide(share <= 0.2),
        "share of eigenvectors for 95% of the accuracy",
        share,
        None,
        f"{found:,} of {told['n']:,} ({share:.1%}); accuracy {told['accuracy']:.1%}, with the layer at zero "
        f"{told['accuracy_without']:.1%}",
    )


def _negative(node: xr.DataTree) -> Claim:
    told = node.attrs
    text = "the eigenvectors of negative eigenvalues are needed: ordered by magnitude, fewer are enough"
    by_value, by_magnitude = told.get("enough_by_value"), told.get("enough_by_magnitude")
    if not by_value or not by_magnitude:
        why = "a curve never reaches it" if None in {by_value, by_magnitude} else _NO_LOSS
        return _missing("S1 7.4", text, "eigenvectors by value over by magnitude", why)
    return Claim(
        "S1 7.4",
        text,
        decide(by_magnitude < 0.8 * by_value),
        "eigenvectors by value over by magnitude",
        by_value / by_magnitude,
        1.0,
        f"{by_value:,} by value and {by_magnitude:,} by magnitude of {told['n']:,} for 95% of the accuracy",
    )


def _outliers(node: xr.DataTree) -> Claim:
    told = node.attrs
    text = "singular matrices outside of the Marchenko-Pastur bulk lie in the leading eigenvectors"
    what = "part of them in the leading tenth of the eigenvectors"
    if "outliers_in_leading" not in told:
        return _missing("S1 7.3", text, what, "no singular value is outside of the bulk")
    bulk = told.get("bulk_in_leading")
    found = told["outliers_in_leading"]
    return Claim(
        "S1 7.3",
        text,
        decide(found > 0.5 and (bulk is None or found > 1.5 * bulk)),
        what,
        found,
        told["in_leading_chance"],
        f"{found:.1%} of the {told['spikes']} outlying ones"
        + (f", {bulk:.1%} of those in the bulk" if bulk is not None else "")
        + f", {told['in_leading_chance']:.1%} of random ones",
    )


def _near_zero(node: xr.DataTree) -> Claim:
    products = _vectors(node)["product"].values
    ratio, low, high = _leading_ratio(products**2, _STEEPEST)
    size = np.abs(products)
    return Claim(
        "S1 7.4",
        "the minima along the steepest eigenvectors are near zero, so that taking these out changes little",
        decide(_smaller(low, high)),
        f"mean squared product of the steepest {_STEEPEST} over that of the others",
        ratio,
        1.0,
        f"{ratio:.2g} ({low:.2g} to {high:.2g}); mean |h · w| ÷ ‖w‖ of the steepest {size[:_STEEPEST].mean():.2g}, the "
        f"largest of all {size.max():.2g}, of random directions {node.attrs['n'] ** -0.5:.2g}",
    )


def _spectrum(node: xr.DataTree) -> Claim:
    values = node["spectrum"].to_dataset()["eigenvalue"].values
    small = float((np.abs(values) < 0.01 * values[0]).mean())
    return Claim(
        "S1 7.5",
        "a few eigenvalues greatly surpass the others, which crowd at zero",
        decide(small > 0.8),
        "share of eigenvalues below 1% of the largest",
        small,
        None,
        f"{small:.1%} of {len(values):,} are below 1% of the largest, {values[0]:.3g}",
    )


def _few_negative(node: xr.DataTree) -> Claim:
    values = node["spectrum"].to_dataset()["eigenvalue"].values
    told = node.attrs
    negative = told["negative"] / told["n"]
    return Claim(
        "S1 7.5",
        "a small fraction of the eigenvalues is negative",
        decide(0 < negative < 0.2),
        "share of negative eigenvalues",
        negative,
        0.5,
        f"{negative:.1%} of {told['n']:,} are negative, down to {values[-1]:.3g} where the largest is {values[0]:.3g}",
    )


def _wigner(node: xr.DataTree) -> Claim:
    told = node.attrs
    text = "the Hessian's spacings are not those of random matrices (S1); for small networks they are (S2)"
    # Of a handful of levels a ratio is known, and neither its error nor how well a law fits.
    if not {"spacing_ratio", "spacing_ratio_error", "spacing_p_wigner"} <= set(told):
        return _missing("S1 7.5 against S2", text, "spacing ratio", told.get("no_levels", "too few levels"))
    ratio, error = told["spacing_ratio"], told["spacing_ratio_error"]
    far = abs(ratio - GOE_RATIO) > _FAR * error
    # Few levels agree with either law: that is no evidence for the one.
    open_ = not far and abs(ratio - POISSON_RATIO) <= _FAR * error
    right = "too few levels to tell" if open_ else "S1 is right here" if far else "S2 is right here"
    return Claim(
        "S1 7.5 against S2",
        text,
        decide(None if open_ else far),
        "mean ratio of neighbouring spacings",
        ratio,
        GOE_RATIO,
        f"{ratio:.4f} ± {error:.4f}, Wigner surmise p = {told['spacing_p_wigner']:.2g}: {right}",
    )


def _porter_thomas(node: xr.DataTree) -> Claim:
    p = _vectors(node)["porter_thomas_mean"].values
    largest = float(np.nanmax(p))
    return Claim(
        "S1 7.5",
        "no eigenvector has Porter-Thomas entries; local means of the p-values reach at most about .02",
        decide(largest <= 0.03),
        "largest local mean of p-values",
        largest,
        _LARGEST_MEAN,
        f"largest mean over 31 neighbours {largest:.3g}, median {float(np.nanmedian(p)):.2g}",
    )


def _at_first(node: xr.DataTree) -> Claim:
    text = (
        "even the initial weights have smaller products with the leading eigenvectors of the trained network"
    )
    what = "mean squared product, leading over others"
    if "product_first" not in _vectors(node):
        return _missing("S1 7.6", text, what, node.attrs.get("no_first", "no first step"))
    ratio, low, high, top = _leading(node, "product_first")
    told = f"{ratio:.3g} ({low:.2g} to {high:.2g}), leading {top}"
    return Claim("S1 7.6", text, decide(_smaller(low, high)), what, ratio, 1.0, told)


def _first_spectrum(node: xr.DataTree) -> Claim:
    text = "the spectrum is similar before training: a few large eigenvalues, the others around zero"
    if "initial" not in node.children:
        return _missing("S1 7.6", text, "share below 1% of the largest", node.attrs.get("no_initial", ""))
    first = node["initial"].to_dataset()["eigenvalue"].values
    last = node["spectrum"].to_dataset()["eigenvalue"].values
    small = [float((np.abs(v) < 0.01 * v[0]).mean()) for v in (first, last)]
    return Claim(
        "S1 7.6",
        text,
        decide(small[0] > 0.8),
        "share below 1% of the largest, before training",
        small[0],
        small[1],
        f"{small[0]:.1%} before, {small[1]:.1%} after; largest {first[0]:.3g} before, {last[0]:.3g} after",
    )


def _participation(node: xr.DataTree) -> Claim:
    # In the null space any basis is one: which one says nothing.
    levels = np.abs(node["spectrum"].to_dataset()["eigenvalue"].values) > node.attrs.get("floor", 0.0)
    values = _vectors(node)["participation"].values[levels]
    part = max(5, len(values) // 50)
    text = (
        "eigenvectors of the largest and of the smallest eigenvalues live on fewer weights than those between"
    )
    if len(values) < 8 * part:
        return _missing("S1 7.6", text, "participation ratio", f"{len(values)} eigenvalues are not zero")
    middle = values[len(values) // 4 : 3 * len(values) // 4]
    ends = values[:part], values[-part:]
    # The ends against the middle by rank; the smaller of both ratios has to be above 1.
    chances = [stats.mannwhitneyu(end, middle, alternative="greater").pvalue for end in ends]
    ratios = [float(np.median(end) / np.median(middle)) for end in ends]
    return Claim(
        "S1 7.6",
        text,
        decide(max(chances) < _TAIL),
        "median participation ratio over that of the middle, the smaller of both ends",
        min(ratios),
        1.0,
        f"largest {ratios[0]:.2g} times the middle (p = {chances[0]:.1g}), smallest that are not zero {ratios[1]:.2g} "
        f"times (p = {chances[1]:.1g}); median Σ h⁴ in the middle {np.median(middle):.2g}, of random directions "
        f"{3 / node.attrs['n']:.2g}",
    )


def _flat(node: xr.DataTree) -> Claim:
    told = node.attrs
    text = "the variance of the weights along an eigenvector grows as a power of its curvature"
    exponent, error = told.get("weights_exponent_all"), told.get("weights_exponent_all_error")
    if exponent is None or error is None:
        return _missing("S1 3.8", text, "exponent", told.get("no_flatness", told.get("no_motion", "")))
    updates = told.get("updates_exponent_all")
    return Claim(
        "S1 3.8",
        text,
        decide(exponent > 0 if abs(exponent) > _SURE * error else None),
        "exponent of variance against curvature",
        exponent,
        0.0,
        f"{exponent:.2f} ± {error:.2f} over all"
        + (f"; of the updates {updates:.2f}" if updates is not None else ""),
    )


def _later(node: xr.DataTree) -> Claim:
    vectors = _vectors(node)
    text = "the leading eigenvectors of the whole network are concentrated in later layers"
    if "concentration" not in vectors:
        return _missing("S1 7.5", text, "share in the first layer", "no concentration by layer")
    top = min(20, vectors.sizes["i"])
    shares = vectors["concentration"].values[:top, 0]
    first, error = float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(top))
    chance = float(vectors["concentration_chance"].values[0])
    return Claim(
        "S1 7.5",
        text,
        decide(first < chance if abs(first - chance) > _SURE * error else None),
        f"share of the leading {top} in {vectors['layer'].values[0]}",
        first,
        chance,
        f"{first:.1%} ± {error:.1%} lies in the first layer's weights, which are {chance:.1%} of all",
    )


def _similar(meeting: xr.Dataset) -> Claim:
    largest = meeting["overlap"].values.max(axis=0)
    # Already a part of what each direction has within the layer.
    captured = float(meeting["captured"].values.mean())
    chance = float(meeting.attrs["captured_chance"])
    return Claim(
        "S1 7.4",
        "the leading eigenvectors of a layer and of the whole network are similar within the layer, not identical",
        decide(min(10 * chance, (1 + chance) / 2) < captured < 0.999 if np.isfinite(captured) else None),
        "part of the network's leading eigenvectors, within the layer, in the span of the layer's",
        captured,
        chance,
        f"{captured:.1%} (chance {chance:.2%}); largest single overlaps {largest.mean():.2f} on average",
    )


def _shifted(node: xr.DataTree, shift: WeightDecayShift) -> Claim:
    # S1's lambda ||w||^2 has the derivative 2 lambda w, which is torch's weight decay.
    wanted = node.attrs["weight_decay"]
    return Claim(
        "S1 7.5",
        "weight decay shifts all eigenvalues by 2 lambda",
        decide(abs(shift.shift - wanted) < 0.01 * wanted and shift.spread < 0.1 * wanted),
        "median shift along the leading eigenvectors, by differences of the gradient",
        shift.shift,
        0.0,
        f"{shift.shift:.4g}, each within {shift.spread:.1g}, along {shift.count} eigenvectors; 2 lambda = {wanted:.4g}",
    )
