"""What S0 claims about swapped classes, and what trainings with the swap and without measure of it."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from eigentrail.chance import percentile_text, requested
from eigentrail.findings import greater_than, greater_than_chance, greater_than_rival, less_than
from eigentrail.recipes.framework.observation import Observation, observe

_SOURCE = "S0 slides 34-37"
_CONTROL = "the same seeds without a swap"


def _percentile(value: float) -> str:
    return percentile_text(value, requested.ENOUGH)


def swap_claims(table: pd.DataFrame) -> Iterator[Observation]:
    """Measure what each claim is about.

    Args:
        table: a row for each training.

    Yields:
        An observation of all seeds for each claim, in the order of the slides.
    """
    rows = table[table["status"] != "diverged"]
    swap, control = (rows[rows["trial"] == name] for name in ("swap", "control"))
    if not len(swap) or not len(control):
        return
    # A seed's two trainings have the same first weights and samples: they are compared seed by seed.
    by_seed = [part.set_index("seed") if "seed" in part else part.reset_index() for part in (swap, control)]
    swap, control = by_seed[0], by_seed[1].reindex(by_seed[0].index)
    ratios = [part["turned_after"] / part["turned_before"] for part in (swap, control)]
    yield observe(
        "s0-swap-turn",
        _SOURCE,
        "The direction of the leading vector changes in the epochs after the swap.",
        greater_than_rival(_CONTROL),
        "angle turned in three epochs after over three before",
        ratios[0],
        ratios[1],
        f"after the swap the right vector turns {_list(swap['turned_after'])} rad in three epochs, after "
        f"{_list(swap['turned_before'])} rad in the three before; without a swap {_list(control['turned_after'])} "
        f"after {_list(control['turned_before'])}",
    )
    yield observe(
        "s0-swap-heading",
        _SOURCE,
        "After that it goes on in a direction similar to before.",
        greater_than(0.5),
        "cosine between its motion before and after",
        swap["heading"],
        swap["heading_chance"],
        f"the cosines are {_list(swap['heading'])}; without a swap {_list(control['heading'])}; between random "
        f"directions {swap['heading_chance'].mean():.3f}",
    )
    yield observe(
        "s0-swap-residual",
        _SOURCE,
        "The residual near the swap is rather small.",
        less_than(2.0).beside(_CONTROL),
        "residual in three epochs after the swap over the median of the path",
        swap["residual_swap"],
        control["residual_swap"],
        f"the residuals after the swap are {_list(swap['residual_swap'])} times the median of the path; without a swap "
        f"{_list(control['residual_swap'])} times",
    )
    for part, dims in (("whole", 1), ("whole", 2), ("before", 2), ("after", 2)):
        kind = "circle" if dims == 1 else "2-sphere"
        when = {"whole": "through the swap", "before": "before the swap", "after": "after the swap"}[part]
        names = [f"{part}_right_{dims}_{what}" for what in ("percentile", "score", "null")]
        yield observe(
            f"s0-swap-{part}-{dims}",
            _SOURCE,
            f"The leading vector follows a great {kind} {when}.",
            greater_than_chance(),
            "score of the path, against the median of random walks with the same steps",
            swap[names[1]],
            swap[names[2]],
            f"{when} the scores are {_list(swap[names[1]])}, where walks reach {swap[names[2]].median():.3f}; without "
            f"a swap the percentiles are {', '.join(_percentile(one) for one in control[names[0]])}",
        )
    for column, claim, what in (
        ("change_near", "The path goes over to another geodesic at the swap.", "a change between geodesics"),
        (
            "crossing_near",
            "Another direction becomes the leading one at the swap.",
            "a change of the leading direction",
        ),
    ):
        counts = [f"{int(part[column].sum())} of {part[column].notna().sum()}" for part in (swap, control)]
        yield observe(
            f"s0-swap-{column.replace('_', '-')}",
            "S0's question",
            claim,
            greater_than_rival(_CONTROL),
            f"whether {what} lies within three epochs",
            swap[column].astype(float),
            control[column].astype(float),
            f"{counts[0]} trainings have {what} there, {counts[1]} without a swap",
        )


def _list(values: pd.Series) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
