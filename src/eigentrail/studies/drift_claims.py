"""What S1's chapter 6 claims about the drift mode, confronted with a study's measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from eigentrail.studies.adding_back import add_back_table
from eigentrail.studies.claims import Claim, decide
from eigentrail.studies.landscapes import landscape_table
from eigentrail.studies.scaling import loss_scaling_table
from eigentrail.trajectories import Drift

_SAID = {"plain": "without weight decay", "decay": "with weight decay"}
# How near an exponent of a power is to what is claimed, and a ratio to 1.
_EXPONENT, _RATIO = 0.2, 0.1
# As many components count as hundreds.
_HUNDREDS = 100
#: S1's overlap of the drift with the weights.
OVERLAP = 0.7


def drift_claims(
    table: pd.DataFrame,
    drifts: Mapping[str, Drift],
    growth: Mapping[str, xr.DataArray],
    first: Mapping[str, xr.Dataset],
    results: Mapping[str, Mapping[str, xr.DataTree]],
    layer: str,
) -> Iterator[Claim]:
    """Confront each claim with what was measured.

    Args:
        table: a row for each training.
        drifts: the drift of each watched stretch at the last rate, by trial.
        growth: how its variance grows with the length of the observation.
        first: the first component over the singular matrices, by kind.
        results: the analyses of the shown trials.
        layer: the studied layer.

    Yields:
        The claims, in the order of the chapter.
    """
    rows = {name: table[table["trial"] == name].iloc[0].to_dict() for name in drifts}
    for kind, said in _SAID.items():
        yield _leading(first[kind], kind, said)
    yield from _add_back(results, layer)
    yield from (_frozen(rows[kind], rows[f"{kind}-frozen"], said) for kind, said in _SAID.items())
    for kind, said in _SAID.items():
        row = rows[kind]
        yield _linear(row, said)
        yield _others(row, said)
        yield _growth(row, kind, said)
        yield _line_variance(row, said)
        yield from _rate(table, kind, said)
        yield _time(growth[kind], said)
    yield from _well(results, layer)
    yield _weights(rows["plain"])
    yield from _scaling(results, layer)


def _leading(first: xr.Dataset, kind: str, said: str) -> Claim:
    power = first["product"].values ** 2
    spikes, m = first.attrs["spikes"], len(power)
    outside = float(power[:spikes].sum() / power.sum()) if spikes else None
    chance = spikes / m if spikes else None
    where = "outside the bulk" if kind == "plain" else "inside the bulk"
    if outside is None or chance is None:
        finding = f"{said} no singular value lies above the Marchenko-Pastur bulk, so there is no outside"
        holds = None
    else:
        holds = outside > 0.5 if kind == "plain" else outside < 0.5
        finding = (
            f"{said} {outside:.0%} of what the first component has on the {m} singular matrices is on the {spikes} "
            f"above the bulk, where an even spread would put {chance:.0%}; on the largest one its product is "
            f"{first['product'].values[0]:.3f} (random direction: {first.attrs['chance']:.4f})"
        )
    return Claim(
        "S1 6.1, figure 6.2",
        f"{said.capitalize()} the first component's products with singular matrices are mostly with those {where}.",
        decide(holds),
        "share of its squared products that is outside the bulk",
        outside,
        chance,
        finding,
    )


def _add_back(results: Mapping[str, Mapping[str, xr.DataTree]], layer: str) -> Iterator[Claim]:
    found = {kind: _row(results, kind, "add-back", layer, add_back_table) for kind in _SAID}
    for kind, said in _SAID.items():
        row = found[kind]
        if row is None:
            continue
        gain = row["accuracy_full"] - row["accuracy_zeros"]
        back = (row["accuracy_first"] - row["accuracy_zeros"]) / gain if gain > 0 else None
        plain = kind == "plain"
        needed, there = row["components_back"], row["components"]
        holds = None if back is None else (back >= 0.5 if plain else hundreds_needed(needed, there))
        few = not plain and back is not None and holds is None
        yield Claim(
            "S1 6.2, figure 6.3",
            "Without weight decay the first component alone holds most of what the layer does."
            if plain
            else "With weight decay hundreds of components are needed to reach the full accuracy.",
            decide(holds),
            "share of the accuracy that the first component brings back"
            if plain
            else "components for 90% of the way",
            back if plain else needed,
            None if plain else row["random_back"],
            f"{said} the accuracy is {row['accuracy_zeros']:.1%} with zeros, {row['accuracy_first']:.1%} with one "
            f"component, {row['accuracy_full']:.1%} with all weights; 90% of the way back takes "
            f"{_count(needed, there, 'component')}, "
            f"{_count(row['singular_back'], None, 'singular matrix', 'singular matrices')}, "
            f"{_count(row['random_back'], there, 'random direction')}"
            + (f"; {_count(there, None, 'component')} in all are too few to tell" if few else ""),
        )


def hundreds_needed(needed: int | None, there: int) -> bool | None:
    """Tell whether hundreds of components are needed.

    Args:
        needed: how many bring the accuracy back; None where all do not.
        there: how many there are.

    Returns:
        None where all do not and they are fewer than hundreds.
    """
    if needed is None or not np.isfinite(needed):
        return True if there >= _HUNDREDS else None
    return needed >= _HUNDREDS


def _count(count: int | None, most: int | None, one: str, many: str = "") -> str:
    many = many or f"{one}s"
    if count is not None and np.isfinite(count):
        return f"{int(count)} {one if count == 1 else many}"
    return f"more than all {many}" if most is None else f"more than {_count(most, None, one, many)}"


def _frozen(free: Mapping[str, Any], frozen: Mapping[str, Any], said: str) -> Claim:
    ratio = abs(frozen["weight_overlap"]) / max(abs(free["weight_overlap"]), 1e-12)
    change = [abs(row["train_loss"] / row["train_loss_before"] - 1.0) for row in (free, frozen)]
    return Claim(
        "S1 6.2",
        "With the later layers frozen the product of the first component with the weights disappears.",
        decide(abs(frozen["weight_overlap"]) < 0.25 * abs(free["weight_overlap"])),
        "product with w/||w||, frozen over free",
        ratio,
        frozen["overlap_chance"] / max(abs(free["weight_overlap"]), 1e-12),
        f"{said} the product is {frozen['weight_overlap']:+.3f} frozen and {free['weight_overlap']:+.3f} free (random "
        f"direction: {frozen['overlap_chance']:.4f}); the slope is {frozen['slope']:.3g} and {free['slope']:.3g} per "
        f"step, and the training loss changed by {change[1]:.1%} and {change[0]:.1%}",
    )


def _linear(row: Mapping[str, Any], said: str) -> Claim:
    return Claim(
        "S1 6.3, figure 6.4",
        "Along the first component the weights move linearly in time.",
        decide(row["walk_percentile"] > 97.5 and row["linear_r2"] > 0.9),
        "displacement squared over that of a random walk",
        row["straightness"],
        row["straightness_chance"],
        f"{said} a line explains {row['linear_r2']:.1%} of theta_1, which is {row['share']:.0%} of the motion (random "
        f"walks with these updates: {row['share_chance']:.0%}); the displacement is {row['straightness']:.1f} times "
        f"that of a random walk, percentile {row['walk_percentile']:.0f}",
    )


def _others(row: Mapping[str, Any], said: str) -> Claim:
    inside = 2.5 <= row["others_percentile"] <= 97.5
    return Claim(
        "S1 6.3",
        "All other components are a random walk.",
        decide(inside),
        "percentile of their straightness among random walks",
        row["others_percentile"],
        50.0,
        f"{said} what the first component leaves is as straight as percentile {row['others_percentile']:.1f} of random "
        f"walks treated alike ({'inside' if inside else 'outside'} 2.5 to 97.5)",
    )


def _growth(row: Mapping[str, Any], kind: str, said: str) -> Claim:
    wanted = "grows" if kind == "plain" else "shrinks"
    return Claim(
        "S1 6.3",
        f"{said.capitalize()} the norm of the weights {wanted}.",
        decide(row["growth"] == wanted),
        "slope of ||w|| per step",
        row["norm_slope"],
        0.0,
        f"{said} ||w|| {row['growth']} by {row['norm_slope']:+.3g} per step (error {row['norm_slope_error']:.2g}); "
        f"the drift points {'along' if row['weight_overlap'] > 0 else 'against'} the weights "
        f"({row['weight_overlap']:+.3f})",
    )


def _line_variance(row: Mapping[str, Any], said: str) -> Claim:
    ratio = row["variance"] / row["variance_of_line"]
    return Claim(
        "S1 eq. 6.6",
        "The variance of the first component is a^2 (T^2 - 1) / 12.",
        decide(abs(ratio - 1.0) <= _RATIO),
        "variance over a^2 (T^2 - 1) / 12",
        ratio,
        None,
        f"{said} the variance is {ratio:.3f} times that of the fitted line",
    )


def _rate(table: pd.DataFrame, kind: str, said: str) -> Iterator[Claim]:
    rows = table[table["trial"].isin([kind, f"{kind}-rates"])].dropna(subset=["slope"]).sort_values("lr")
    rate = rows["lr"].to_numpy(dtype=np.float64)
    for name, column, power, source, chance in (
        ("slope of the drift", "slope", 1.0, "S1 eq. 6.7", 0.0),
        ("variance of the first component", "variance", 2.0, "S1 6.3", 0.0),
    ):
        values = rows[column].to_numpy(dtype=np.float64)
        # The slopes that are zero within their errors say nothing about a power.
        known = values > (2.0 * rows["slope_error"].to_numpy(dtype=np.float64) if column == "slope" else 0.0)
        if known.sum() < 3:
            exponent, error = None, float("nan")
        else:
            fit, covariance = np.polyfit(np.log(rate[known]), np.log(values[known]), 1, cov="unscaled")
            left = np.log(values[known]) - np.polyval(fit, np.log(rate[known]))
            error = float(np.sqrt(covariance[0, 0] * (left @ left) / max(1, known.sum() - 2)))
            exponent = float(fit[0])
        told = ", ".join(f"{r:.3g}: {v:.3g}" for r, v in zip(rate, values, strict=True))
        yield Claim(
            source,
            f"The {name} is proportional to {'eta' if power == 1.0 else 'eta^2'}.",
            decide(None if exponent is None else _agrees(exponent, error, power)),
            "exponent of eta",
            exponent,
            chance,
            f"{said} "
            + (
                f"it grows as eta^{exponent:.2f} (error {error:.2f}) from rate {rate[0]:.3g} to {rate[-1]:.3g} ({told})"
                if exponent is not None
                else f"fewer than three rates have one that differs from zero ({told})"
            ),
        )


def _agrees(exponent: float, error: float, claimed: float) -> bool | None:
    """Tell whether an exponent is the claimed one; None where its error is too large to tell."""
    if abs(exponent - claimed) <= _EXPONENT:
        return True
    return None if abs(exponent - claimed) <= 2.0 * error else False


def _time(growth: xr.DataArray, said: str) -> Claim:
    exponent = float(growth.attrs["exponent"])
    return Claim(
        "S1 6.3",
        "The variance of the first component is proportional to T^2.",
        decide(abs(exponent - 2.0) <= _EXPONENT),
        "exponent of T",
        exponent,
        1.0,
        f"{said} it grows as T^{exponent:.2f} from {float(growth['duration'][0]):.0f} to "
        f"{float(growth['duration'][-1]):.0f} steps; a drift has 2, a random walk 1",
    )


def _well(results: Mapping[str, Mapping[str, xr.DataTree]], layer: str) -> Iterator[Claim]:
    for kind, said in _SAID.items():
        row = _row(results, kind, "landscape", layer, landscape_table)
        if row is not None:
            yield Claim(
                "S1 6.3, figure 6.6",
                "Along the drift the loss has a potential well, and the network is close to its minimum.",
                decide(bool(row["well"]) and abs(row["lowest"]) <= 0.5 * row["reach"]),
                "distance to the lowest loss over the distance that was looked at",
                abs(row["lowest"]) / row["reach"],
                None,
                f"{said}: {row['verdict'][:1].lower()}{row['verdict'][1:].rstrip('.')}",
            )


def _weights(row: Mapping[str, Any]) -> Claim:
    found = row["weight_overlap"]
    return Claim(
        "S1 6.5",
        "Without weight decay the drift points along the weights, product about 0.7.",
        decide(abs(found - OVERLAP) <= 0.15),
        "p_1 . w / ||w||",
        found,
        row["overlap_chance"],
        f"the product is {found:+.3f}; a random direction has {row['overlap_chance']:.4f}",
    )


def _scaling(results: Mapping[str, Mapping[str, xr.DataTree]], layer: str) -> Iterator[Claim]:
    for kind, said in _SAID.items():
        row = _row(results, kind, "loss-scaling", layer, loss_scaling_table)
        if row is None:
            continue
        plain = kind == "plain"
        form = row["form"] if plain else row["total_form"]
        r2 = {name: row[f"{'' if plain else 'total_'}{name}_r2"] for name in ("exponential", "quadratic")}
        wanted, other = ("exponential", "quadratic") if plain else ("quadratic", "exponential")
        yield Claim(
            "S1 6.5, figure 6.7",
            "Without weight decay L(alpha w) falls exponentially."
            if plain
            else "With weight decay L(alpha w) grows quadratically.",
            decide(form == wanted and r2[wanted] > 0.9 and (row["rate"] > 0 or not plain)),
            f"share of its variance that the {wanted} fit explains",
            r2[wanted],
            r2[other],
            f"{said}: {row['verdict'][:1].lower()}{row['verdict'][1:].rstrip('.')}; given for chance is the share that "
            f"the {other} fit explains",
        )


def _row(
    results: Mapping[str, Mapping[str, xr.DataTree]], trial: str, analysis: str, layer: str, tabulate: Any
) -> dict[str, Any] | None:
    tree = results.get(trial, {}).get(analysis)
    if tree is None:
        return None
    table = tabulate(tree)
    rows = table[table["name"] == layer].to_dict(orient="records")
    return {str(key): value for key, value in rows[0].items()} if rows else None
