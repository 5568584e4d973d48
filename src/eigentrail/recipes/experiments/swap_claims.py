"""What S0 claims about swapped classes, confronted with trainings with the swap and without."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from eigentrail.recipes.experiments.geodesic_claims import above_chance
from eigentrail.recipes.framework.claims import Claim, decide

_SOURCE = "S0 slides 34-37"


def swap_claims(table: pd.DataFrame) -> Iterator[Claim]:
    """Confront each claim with what was measured.

    Args:
        table: a row for each training.

    Yields:
        The claims, in the order of the slides.
    """
    rows = table[table["status"] != "diverged"]
    swap, control = (rows[rows["trial"] == name] for name in ("swap", "control"))
    if not len(swap) or not len(control):
        return
    ratios = [part["turned_after"] / part["turned_before"] for part in (swap, control)]
    yield Claim(
        _SOURCE,
        "The direction of the leading vector changes in the epochs after the swap.",
        decide(_apart(ratios[0], ratios[1])),
        "angle turned in three epochs after over three before",
        float(ratios[0].mean()),
        float(ratios[1].mean()),
        f"after the swap the right vector turns {_list(swap['turned_after'])} rad in three epochs, after "
        f"{_list(swap['turned_before'])} rad in the three before; without a swap {_list(control['turned_after'])} "
        f"after {_list(control['turned_before'])}",
    )
    yield Claim(
        _SOURCE,
        "After that it goes on in a direction similar to before.",
        decide(bool((swap["heading"] > 0.5).all()) or (False if (swap["heading"] < 0.5).all() else None)),
        "cosine between its motion before and after",
        float(swap["heading"].mean()),
        float(swap["heading_chance"].mean()),
        f"the cosines are {_list(swap['heading'])}; without a swap {_list(control['heading'])}; between random "
        f"directions {swap['heading_chance'].mean():.3f}",
    )
    yield Claim(
        _SOURCE,
        "The residual near the swap is rather small.",
        decide(
            bool((swap["residual_swap"] < 2.0).all())
            or (False if (swap["residual_swap"] > 2.0).all() else None)
        ),
        "residual in three epochs after the swap over the median of the path",
        float(swap["residual_swap"].mean()),
        float(control["residual_swap"].mean()),
        f"the residuals after the swap are {_list(swap['residual_swap'])} times the median of the path; without a swap "
        f"{_list(control['residual_swap'])} times",
    )
    for part, dims in (("whole", 1), ("whole", 2), ("before", 2), ("after", 2)):
        kind = "circle" if dims == 1 else "2-sphere"
        when = {"whole": "through the swap", "before": "before the swap", "after": "after the swap"}[part]
        names = [f"{part}_right_{dims}_{what}" for what in ("percentile", "score", "null")]
        yield above_chance(
            swap[names[0]].to_numpy(dtype=np.float64),
            _SOURCE,
            f"The leading vector follows a great {kind} {when}.",
            f"{when} the scores are {_list(swap[names[1]])}, where walks reach {swap[names[2]].median():.3f}; without "
            f"a swap the percentiles are {', '.join(f'{one:.0f}' for one in control[names[0]])}",
        )
    for column, claim, what in (
        ("change_near", "The path goes over to another geodesic at the swap.", "a change between geodesics"),
        (
            "crossing_near",
            "Another direction becomes the leading one at the swap.",
            "a change of the leading direction",
        ),
    ):
        shares = [float(part[column].astype(float).mean()) for part in (swap, control)]
        counts = [f"{int(part[column].sum())} of {len(part)}" for part in (swap, control)]
        yield Claim(
            "S0's question",
            claim,
            decide(True if shares[0] > 0.5 > shares[1] else (None if shares[0] > shares[1] else False)),
            f"share of trainings with {what} within three epochs",
            shares[0],
            shares[1],
            f"{counts[0]} trainings have {what} there, {counts[1]} without a swap",
        )


def _apart(a: pd.Series, b: pd.Series) -> bool | None:
    if a.min() > b.max():
        return True
    return False if a.mean() <= b.mean() else None


def _list(values: pd.Series) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
