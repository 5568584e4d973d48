"""What S1's chapter 6 claims about the drift mode, and what one training of each kind measures of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import spearmanr

from eigentrail.analyses.framework.registry import find_analysis
from eigentrail.analyses.framework.rows import table_of
from eigentrail.chance import LEVEL, percentile_text, requested
from eigentrail.findings import (
    Rule,
    all_of,
    equals,
    greater_than,
    greater_than_chance,
    greater_than_rival,
    less_than,
)
from eigentrail.recipes.framework.observation import Observation, observe
from eigentrail.trajectories import Drift
from eigentrail.trajectories.bending import FEWEST, Bend
from eigentrail.trajectories.fits import fit_line
from eigentrail.trajectories.overlap_nulls import LEADING_BOTH

_SAID = {"plain": "without weight decay", "decay": "with weight decay"}
_WALKS = {
    "plain": "random walks of these updates",
    "decay": "random walks of these updates with the same weight decay",
}
# How near an exponent of a power is to what is claimed.
_EXPONENT = 0.2
# How near a predicted variance is to the measured one; when a Ritz vector counts as an eigenvector; how many are a few.
_FOURTH, _EIGENVECTOR, _FEW = 0.25, 0.1, 5
_BEND = {
    "plain": "Without weight decay too the drift is linear at first and then ceases to be.",
    "decay": "With weight decay the drift is linear at first and goes over to an exponential decay.",
}
# What is linear at first: what part of the long stretch, and how much of it a line explains.
_EARLY, _LINEAR = 8, 0.99
# As many components count as hundreds.
_HUNDREDS = 100
_BENDS = {
    "bend-early": (greater_than(_LINEAR), "share of the first eighth that a line explains"),
    "bend-late": (greater_than_chance(), "share of what a line leaves that an exponential explains"),
    "bend-slows": (greater_than(0.0), "rate of the exponential decay over the long stretch"),
}
#: S1's overlap of the drift with the weights.
OVERLAP = 0.7


def drift_claims(
    table: pd.DataFrame,
    drifts: Mapping[str, Drift],
    growth: Mapping[str, xr.DataArray],
    first: Mapping[str, xr.Dataset],
    results: Mapping[str, Mapping[str, xr.DataTree]],
    layer: str,
) -> Iterator[Observation]:
    """Measure what each claim is about.

    Args:
        table: a row for each training.
        drifts: the drift of each watched stretch at the last rate, by trial.
        growth: how its variance grows with the length of the observation.
        first: the first component over the singular matrices, by kind.
        results: the analyses of the shown trials.
        layer: the studied layer.

    Yields:
        The observations of one seed, in the order of the chapter.
    """
    rows = {name: table[table["trial"] == name].iloc[0].to_dict() for name in drifts}
    for kind, said in _SAID.items():
        yield _leading(first[kind], kind, said)
    yield from _low_with_low(results, layer)
    yield from _add_back(results, layer)
    yield from (_frozen(rows[kind], rows[f"{kind}-frozen"], kind) for kind in _SAID)
    for kind, said in _SAID.items():
        row = rows[kind]
        yield from _linear(row, kind)
        yield _others(row, kind)
        yield _growth(row, kind, said)
        yield _line_variance(row, kind)
        yield from _rate(table, kind, said)
        yield _time(growth[kind], kind)
    yield from _well(results, layer)
    yield from _weights(rows["plain"])
    yield from _scaling(results, layer)


def _seen(
    key: str,
    kind: str,
    source: str,
    statement: str,
    rule: Rule,
    statistic: str,
    value: float | None,
    chance: float | None,
    found: str,
) -> Observation:
    told = f"{statistic}, {_SAID[kind]}"
    # Both kinds of training are asked alike: what is claimed says of which one.
    asked = statement if "weight decay" in statement else f"{statement.removesuffix('.')}, {_SAID[kind]}."
    return observe(f"s1-drift-{key}-{kind}", source, asked, rule, told, value, chance, found)


def _low_with_low(results: Mapping[str, Mapping[str, xr.DataTree]], layer: str) -> Iterator[Observation]:
    for kind, said in _SAID.items():
        node = next(
            (
                one
                for one in results.get(kind, {}).get("overlap", xr.DataTree()).children.values()
                if one.attrs.get("name") == layer and "low_share_null_draws" in one.data_vars
            ),
            None,
        )
        if node is None:
            continue
        walks = np.asarray(node.to_dataset()["low_share_null_draws"].values)
        share, middle = float(node.attrs["low_share"]), float(np.median(walks))
        yield _seen(
            "low-with-low",
            kind,
            "S1 6.1, figure 6.1",
            f"{said.capitalize()} the first principal components have their largest products with the largest singular "
            "matrices.",
            greater_than_chance(),
            f"share of the first {LEADING_BOTH} components in the {LEADING_BOTH} largest singular matrices, against "
            "the median of walks of the same updates",
            share,
            middle,
            f"{said} {share:.1%}; {len(walks)} walks of the same updates {middle:.1%} in the median, up to "
            f"{walks.max():.1%}",
        )


def _leading(first: xr.Dataset, kind: str, said: str) -> Observation:
    power = first["product"].values ** 2
    spikes, m = first.attrs["spikes"], len(power)
    outside = float(power[:spikes].sum() / power.sum()) if spikes else None
    chance = spikes / m if spikes else None
    where = "outside the bulk" if kind == "plain" else "inside the bulk"
    if outside is None or chance is None:
        finding = f"{said} no singular value lies above the Marchenko-Pastur bulk, so there is no outside"
    else:
        finding = (
            f"{said} {outside:.0%} of what the first component has on the {m} singular matrices is on the {spikes} "
            f"above the bulk, where an even spread would put {chance:.0%}; on the largest one its product is "
            f"{first['product'].values[0]:.3f} (random direction: {first.attrs['chance']:.4f})"
        )
    return _seen(
        "leading",
        kind,
        "S1 6.1, figure 6.2",
        f"{said.capitalize()} the first component's products with singular matrices are mostly with those {where}.",
        greater_than(0.5) if kind == "plain" else less_than(0.5),
        "share of its squared products that is outside the bulk",
        outside,
        chance,
        finding,
    )


def _add_back(results: Mapping[str, Mapping[str, xr.DataTree]], layer: str) -> Iterator[Observation]:
    found = {kind: _row(results, kind, "add-back", layer) for kind in _SAID}
    for kind, said in _SAID.items():
        row = found[kind]
        if row is None:
            continue
        gain = row["accuracy_full"] - row["accuracy_zeros"]
        back, like = (
            (row[f"accuracy_{one}"] - row["accuracy_zeros"]) / gain if gain > 0 else None
            for one in ("first", "alike")
        )
        plain = kind == "plain"
        needed, there = row["components_back"], row["components"]
        many = None if back is None else least_needed(needed, there)
        few = not plain and back is not None and many is None
        yield _seen(
            "add-back",
            kind,
            "S1 6.2, figure 6.3",
            "Without weight decay the first component alone holds most of what the layer does."
            if plain
            else "With weight decay hundreds of components are needed to reach the full accuracy.",
            all_of(greater_than(0.5), greater_than_chance()) if plain else greater_than(_HUNDREDS - 0.5),
            "share of the accuracy that the first component brings back"
            if plain
            else "components for 90% of the way",
            back if plain else many,
            like if plain else row["random_back"],
            f"{said} the accuracy is {row['accuracy_zeros']:.1%} with zeros, {row['accuracy_first']:.1%} with one "
            f"component ({row['accuracy_alike']:.1%} with a random direction of the same overlap with the weights), "
            f"{row['accuracy_full']:.1%} with all weights; 90% of the way back takes "
            f"{_count(needed, there, 'component')}, "
            f"{_count(row['singular_back'], None, 'singular matrix', 'singular matrices')}, "
            f"{_count(row['random_back'], there, 'random direction')}"
            + (f"; {_count(there, None, 'component')} in all are too few to tell" if few else ""),
        )


def least_needed(needed: int | None, there: int) -> float | None:
    """Tell how many components are needed at least.

    Args:
        needed: how many bring the accuracy back; None where all do not.
        there: how many there are.

    Returns:
        The number; where all do not suffice that of all, None where these are fewer than hundreds.
    """
    if needed is None or not np.isfinite(needed):
        return float(there) if there >= _HUNDREDS else None
    return float(needed)


def _count(count: int | None, most: int | None, one: str, many: str = "") -> str:
    many = many or f"{one}s"
    if count is not None and np.isfinite(count):
        return f"{int(count)} {one if count == 1 else many}"
    return f"more than all {many}" if most is None else f"more than {_count(most, None, one, many)}"


def _frozen(free: Mapping[str, Any], frozen: Mapping[str, Any], kind: str) -> Observation:
    said = _SAID[kind]
    ratio = abs(frozen["weight_overlap"]) / max(abs(free["weight_overlap"]), 1e-12)
    change = [abs(row["train_loss"] / row["train_loss_before"] - 1.0) for row in (free, frozen)]
    return _seen(
        "frozen",
        kind,
        "S1 6.2",
        "With the later layers frozen the product of the first component with the weights disappears.",
        less_than(0.25),
        "product with w/||w||, frozen over free",
        ratio,
        abs(frozen["overlap_walks"]) / max(abs(free["weight_overlap"]), 1e-12),
        f"{said} the product is {frozen['weight_overlap']:+.3f} frozen and {free['weight_overlap']:+.3f} free (random "
        f"walks with these updates: {frozen['overlap_walks']:+.3f}); the slope is {frozen['slope']:.3g} and "
        f"{free['slope']:.3g} per step, and the training loss changed by {change[1]:.1%} and {change[0]:.1%}",
    )


def _linear(row: Mapping[str, Any], kind: str) -> Iterator[Observation]:
    for key, how, rule, statistic, value, chance in (
        (
            "straight", "straighter than a random walk", greater_than_chance(),
            f"displacement squared over that of a walk that does not decay, against the median of {_WALKS[kind]}",
            row["straightness"], row["straightness_chance"],
        ),
        ("line", "a line explains nine tenths", greater_than(0.9), "R² of a line", row["linear_r2"], None),
    ):  # fmt: skip
        yield _seen(
            key,
            kind,
            "S1 6.3, figure 6.4",
            f"Along the first component the weights move linearly in time: {how}.",
            rule,
            statistic,
            value,
            chance,
            f"{_SAID[kind]} a line explains {row['linear_r2']:.1%} of theta_1, which is {row['share']:.0%} of the "
            f"motion ({_WALKS[kind]}: {row['share_chance']:.0%}); the squared displacement is "
            f"{row['straightness']:.1f} times that of a walk that does not decay, that of {_WALKS[kind]} "
            f"{row['straightness_chance']:.1f} times (percentile {_percentile(row['walk_percentile'])} of them)",
        )


def _percentile(value: float) -> str:
    return percentile_text(value, requested.ENOUGH)


def _others(row: Mapping[str, Any], kind: str) -> Observation:
    said = _SAID[kind]
    return _seen(
        "others",
        kind,
        "S1 6.3",
        "All other components are a random walk.",
        equals(50.0, within=50.0 * (1.0 - LEVEL)),
        "percentile of their straightness among random walks",
        row["others_percentile"],
        50.0,
        f"{said} what the first component leaves is straighter than {_percentile(row['others_percentile'])}% of random "
        "walks treated alike; less straight than chance means that it returns",
    )


def _growth(row: Mapping[str, Any], kind: str, said: str) -> Observation:
    plain = kind == "plain"
    return _seen(
        "norm",
        kind,
        "S1 6.3",
        f"{said.capitalize()} the norm of the weights {'grows' if plain else 'shrinks'}.",
        greater_than_chance() if plain else less_than(0.0),
        "slope of ||w|| per step",
        row["norm_slope"],
        row["norm_slope_walks"],
        f"{said} ||w|| {row['growth']} by {row['norm_slope']:+.3g} per step (error {row['norm_slope_error']:.2g}), "
        f"that of random walks with these updates by {row['norm_slope_walks']:+.3g}; the drift points "
        f"{'along' if row['weight_overlap'] > 0 else 'against'} the weights ({row['weight_overlap']:+.3f})",
    )


def _line_variance(row: Mapping[str, Any], kind: str) -> Observation:
    ratio = row["variance"] / row["variance_of_early_line"]
    return _seen(
        "line-variance",
        kind,
        "S1 eq. 6.6",
        "The variance of the first component is a^2 (T^2 - 1) / 12.",
        equals(1.0, within=_FOURTH),
        "variance over a^2 (T^2 - 1) / 12, the slope a of its first half alone",
        ratio,
        None,
        f"{_SAID[kind]} the variance is {ratio:.3f} times what the line through the first half gives for the whole",
    )


def _rate(table: pd.DataFrame, kind: str, said: str) -> Iterator[Observation]:
    rows = table[table["trial"].isin([kind, f"{kind}-rates"])].dropna(subset=["slope"]).sort_values("lr")
    rate = rows["lr"].to_numpy(dtype=np.float64)
    # The steps of a driftless walk grow with the rate too, so that its slope has exponent 1 and its variance 2.
    for key, name, column, power, source in (
        ("slope", "displacement by the drift", "displacement_beyond", 1.0, "S1 eq. 6.7"),
        ("variance", "variance of the first component", "variance_beyond", 2.0, "S1 6.3"),
    ):
        values = rows[column].to_numpy(dtype=np.float64)
        known = values > 0.0
        exponent, error = (None, np.nan) if known.sum() < 3 else power_of(rate[known], values[known])
        told = ", ".join(f"{r:.3g}: {v:.3g}" for r, v in zip(rate, values, strict=True))
        yield _seen(
            f"rate-{key}",
            kind,
            source,
            f"The {name} is proportional to {'eta' if power == 1.0 else 'eta^2'}.",
            equals(power, within=_EXPONENT),
            f"exponent of eta in the {name}, what random walks with the same updates have taken off",
            exponent,
            None,
            f"{said} "
            + (
                f"beyond walks it grows as eta^{exponent:.2f} (error {error:.2f}) from rate {rate[0]:.3g} to "
                f"{rate[-1]:.3g} ({told})"
                if exponent is not None
                else f"not measured: at fewer than three rates it is more than that of random walks ({told})"
            ),
        )


def power_of(x: Any, y: Any) -> tuple[float, float]:
    """Fit a power law y ~ x^p.

    Args:
        x: [n] positive.
        y: [n] positive.

    Returns:
        p and its standard error.
    """
    fit, covariance = np.polyfit(np.log(x), np.log(y), 1, cov="unscaled")
    left = np.log(y) - np.polyval(fit, np.log(x))
    return float(fit[0]), float(np.sqrt(covariance[0, 0] * (left @ left) / max(1, len(x) - 2)))


def _time(growth: xr.DataArray, kind: str) -> Observation:
    exponent = float(growth.attrs["exponent"])
    return _seen(
        "time",
        kind,
        "S1 6.3",
        "The variance of the first component is proportional to T^2.",
        equals(2.0, within=_EXPONENT),
        "exponent of T in the variance",
        exponent,
        1.0,
        f"{_SAID[kind]} it grows as T^{exponent:.2f} from {float(growth['duration'][0]):.0f} to "
        f"{float(growth['duration'][-1]):.0f} steps; a drift has 2, a random walk 1",
    )


def _well(results: Mapping[str, Mapping[str, xr.DataTree]], layer: str) -> Iterator[Observation]:
    for kind, said in _SAID.items():
        row = _row(results, kind, "landscape", layer)
        if row is not None:
            # Where the loss falls on to the end of the stretch there is no well in it.
            yield _seen(
                "well",
                kind,
                "S1 6.3, figure 6.6",
                "Along the drift the loss has a potential well, and the network is close to its minimum.",
                less_than(0.5),
                "distance to the lowest loss over the distance that was looked at",
                abs(row["lowest"]) / row["reach"] if row["well"] else 1.0,
                None,
                f"{said} the loss is lowest {row['lowest']:.3g} from the last weights, of {row['reach']:.3g} that "
                "were looked at",
            )


def _weights(row: Mapping[str, Any]) -> Iterator[Observation]:
    found = row["weight_overlap"]
    told = (
        f"the product is {found:+.3f}; random walks with the same updates have {row['overlap_walks']:+.3f}, a random "
        f"direction {row['overlap_chance']:.4f}"
    )
    for key, claimed, rule in (
        ("along", "Without weight decay the drift points along the weights.", greater_than_chance()),
        (
            "weights",
            "Without weight decay the product of drift and weights is about 0.7.",
            equals(OVERLAP, within=0.15),
        ),
    ):
        yield _seen(
            key, "plain", "S1 6.5", claimed, rule, "p_1 . w / ||w||", found, row["overlap_walks"], told
        )


def _scaling(results: Mapping[str, Mapping[str, xr.DataTree]], layer: str) -> Iterator[Observation]:
    for kind, said in _SAID.items():
        row = _row(results, kind, "loss-scaling", layer)
        if row is None:
            continue
        plain = kind == "plain"
        form = row["form"] if plain else row["total_form"]
        r2 = {name: row[f"{'' if plain else 'total_'}{name}_r2"] for name in ("exponential", "quadratic")}
        wanted, other = ("exponential", "quadratic") if plain else ("quadratic", "exponential")
        yield _seen(
            "scaling",
            kind,
            "S1 6.5, figure 6.7",
            "Without weight decay L(alpha w) falls exponentially."
            if plain
            else "With weight decay L(alpha w) grows quadratically.",
            greater_than_rival(f"the {other} fit"),
            f"share of its variance that the {wanted} fit explains",
            r2[wanted],
            r2[other],
            f"{said} the better fit is {form} (R² {r2['exponential']:.3f} exponential, {r2['quadratic']:.3f} "
            "quadratic)",
        )


def bend_claims(bends: Mapping[str, Bend], thetas: Mapping[str, xr.DataArray]) -> Iterator[Observation]:
    """Measure figure 6.5, where the drift ceases to be linear after many epochs.

    Args:
        bends: of the long stretches, by kind.
        thetas: the weights along their first component, with `epoch`.

    Yields:
        Two observations for each kind: that it is linear at first, and that it bends.
    """
    for kind, said in _SAID.items():
        found = bends.get(kind)
        if found is None or found.percentile is None:
            why = f"not measured: {said} the long stretch diverged or has fewer than {FEWEST} epochs"
            for key, of in _BENDS.items():
                if key == "bend-slows" and kind == "plain":
                    continue
                yield _seen(key, kind, "S1 6.3, figure 6.5", _BEND[kind], *of, None, None, why)
            continue
        epochs = thetas[kind]["epoch"].values - thetas[kind]["epoch"].values[0]
        steps = thetas[kind]["step"].values - thetas[kind]["step"].values[0]
        until = float(epochs[np.searchsorted(steps, found.until)])
        part = thetas[kind].isel(step=first_part(len(steps)))
        first = fit_line(part["step"].values.astype(np.float64), part.values.astype(np.float64))
        curve = found.exponential
        walks = len(found.null)
        how = "it bends no more than they do"
        if found.gain > np.median(found.null):
            more = int((found.null < found.gain).sum())
            # An exponential leaves the line of its start by a tenth of the way where rate t / 2 is a tenth.
            tenth = 0.2 / abs(curve.rate) / float(steps[-1]) * float(epochs[-1])
            how = (
                f"it bends more than {f'all {walks}' if more == walks else f'{more} of {walks}'} walks, "
                + (
                    f"for the first {until:.0f} epochs no more than they do"
                    if until
                    else "from the first epochs on"
                )
                + f"; it leaves the line of its start by a tenth after {tenth:.0f} epochs"
            )
        told = (
            f"{said}, over {epochs[-1]:.0f} epochs at a constant rate, a line explains {found.linear.r2:.2%} of "
            f"theta_1 ({first.r2:.2%} of its first eighth) and an exponential {curve.r2:.2%} (rate {curve.rate:.2g} ± "
            f"{curve.rate_error:.1g} per step); beside straight lines with a random walk on top, of whose bends an "
            f"exponential explains {np.median(found.null):.0%}, {how}"
        )
        measured: dict[str, tuple[float, float | None]] = {
            "bend-early": (first.r2, None),
            "bend-late": (found.gain, float(np.median(found.null))),
        }
        if kind == "decay":
            measured["bend-slows"] = (curve.rate * float(steps[-1]), None)
        for key, numbers in measured.items():
            yield _seen(key, kind, "S1 6.3, figure 6.5", _BEND[kind], *_BENDS[key], *numbers, told)


def first_part(count: int) -> slice:
    """Choose what of a long stretch is its beginning.

    Args:
        count: how many steps it has.

    Returns:
        The first eighth, at least four steps.
    """
    return slice(max(4, count // _EARLY))


def model_claims(table: pd.DataFrame, directions: Mapping[str, xr.Dataset]) -> Iterator[Observation]:
    """Measure the quadratic model of 6.4.

    Args:
        table: a row for each training, with `model_variance`, `model_sum` and `model_line`.
        directions: predicted and measured variances along the directions of the well, by kind.

    Yields:
        For each kind the variance of the drift with covariances, S1's sum without them, and the single directions.
    """
    for kind, said in _SAID.items():
        rows = table[table["trial"].isin([kind, f"{kind}-rates"])].dropna(subset=["model_variance"])
        if not len(rows):
            continue
        measured = rows["variance"].to_numpy(dtype=np.float64)
        ratios = {
            name: rows[f"model_{name}"].to_numpy(dtype=np.float64) / measured
            for name in ("variance", "sum", "line")
        }
        rates = rows["lr"].to_numpy(dtype=np.float64)
        told = ", ".join(
            f"{rate:.3g}: {ratio:.2f}" for rate, ratio in sorted(zip(rates, ratios["variance"], strict=True))
        )
        middle = {name: float(np.median(found)) for name, found in ratios.items()}
        share = float(np.median(ratios["sum"] / ratios["variance"]))
        worst = float(ratios["variance"][np.abs(ratios["variance"] - 1.0).argmax()])
        yield _seen(
            "model",
            kind,
            "S1 6.4, eq. 6.11-6.12",
            f"{said.capitalize()} decays in a quadratic well give the variance of the drift.",
            equals(1.0, within=_FOURTH).beside("the first gradient for all steps, as if nothing were curved"),
            "predicted variance, with covariances, over the measured one, at the rate where it is furthest off",
            worst,
            middle["line"],
            f"{said} the predicted variance is {middle['variance']:.2f} times the measured one in the median of "
            f"{len(rows)} rates (by rate {told}; within a fourth is meant); the first gradient for all steps, as if "
            f"nothing were curved, gives {middle['line']:.2f} times",
        )
        yield _seen(
            "model-sum",
            kind,
            "S1 eq. 6.13",
            f"{said.capitalize()} its variance is the sum of those along the directions, sum d_i^2 sigma_i^2.",
            equals(1.0, within=_FOURTH),
            "the sum over the same model's variance with covariances",
            share,
            None,
            f"{said} the sum is {share:.2f} times what the same model gives with its covariances, and "
            f"{middle['sum']:.2f} times the measured variance, where directions that decay alike count as one, which "
            "makes the sum large; decays that run at the same time are correlated",
        )
        yield from _directions(directions.get(kind), kind)


def _directions(found: xr.Dataset | None, kind: str) -> Iterator[Observation]:
    if found is None:
        return
    # Of those that are no eigenvectors and of those that the model leaves at rest nothing can be said.
    known = (found["residual"].values < _EIGENVECTOR) & (found["predicted"].values > 0.0)
    if known.sum() < _FEW:
        return
    predicted, measured = (np.log10(found[name].values[known]) for name in ("predicted", "measured"))
    test = spearmanr(predicted, measured)
    ratio = 10.0 ** float(np.median(predicted - measured))
    said = _SAID[kind]
    told = (
        f"{said}, along {int(known.sum())} eigenvectors, the predicted variance is {ratio:.2f} times the measured one "
        f"in the median (between {10.0 ** float((predicted - measured).min()):.1g} and "
        f"{10.0 ** float((predicted - measured).max()):.1g}); the rank correlation of both is {test.statistic:+.2f}"
    )
    for key, rule, statistic, value in (
        (
            "order",
            greater_than(0.0),
            "rank correlation of predicted and measured variances",
            float(test.statistic),
        ),
        (
            "size",
            equals(0.0, within=1.0),
            "log2 of predicted over measured variance, median",
            float(np.log2(ratio)),
        ),
    ):
        text = (
            f"{said.capitalize()} the decay along each Hessian direction gives the variance there: its {key}."
        )
        yield _seen(f"directions-{key}", kind, "S1 eq. 6.12", text, rule, statistic, value, None, told)


def _row(
    results: Mapping[str, Mapping[str, xr.DataTree]], trial: str, analysis: str, layer: str
) -> dict[str, Any] | None:
    tree = results.get(trial, {}).get(analysis)
    if tree is None:
        return None
    table = table_of(find_analysis(analysis), tree)
    rows = table[table["name"] == layer].to_dict(orient="records")
    return {str(key): value for key, value in rows[0].items()} if rows else None
