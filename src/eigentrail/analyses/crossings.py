"""When do the leading singular directions of a layer change places, and more often than chance gives?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from eigentrail._text import counted
from eigentrail.analyses import Context, Figure, Needs, Quantity, Row, Size, Trajectory, analysis
from eigentrail.analyses.framework.wording import finding
from eigentrail.chance import LEVEL
from eigentrail.figures.crossings import crossing_data, crossing_timeline
from eigentrail.findings import Chance, Effect, Finding, Verdict
from eigentrail.spectra import Spectrum
from eigentrail.trajectories.crossing_null import crossing_seconds
from eigentrail.trajectories.crossings import crossings as crossings_of
from eigentrail.trajectories.geodesic import MOST_STEPS, thinned
from eigentrail.trajectories.jumps import jumps as jumps_of

_LEADING = 4
_STEPS = 200
# The first steps, all of them, at which turns of the leading rank's vector are looked at.
_TURNS = 1000
_KEPT = 24
_LISTED = 8
_DRAWS = 100
_WALKS = "walks of the same updates with random signs"


def _seconds(size: Size) -> float:
    n, m = size.rows, size.cols
    own = (min(size.steps, _STEPS) + min(size.steps, _TURNS)) * (1e-3 + 1e-10 * n * m * m + 5e-10 * m**3)
    return own + crossing_seconds((n, m), min(size.steps, MOST_STEPS), _DRAWS)


def _findings(row: Row) -> Iterable[Finding]:
    beside = row.compared("leading_count")
    if beside is None:
        return
    many = int(beside.observed)
    overtaken = "never" if not many else "once" if many == 1 else f"{many} times"
    walks = "most walks of the same updates" if not beside.median else "walks of the same updates"
    beside_walks = f"in {walks} {f'{beside.median:g} times in the median' if beside.median else 'never'}"
    yield finding(
        row,
        "Do the leading singular values cross more often than in a random walk?",
        "leading_count",
        yes=f"Another direction takes the lead {overtaken}, more often than by chance: {beside_walks}.",
        no=f"Another direction takes the lead {overtaken}, no more often than by chance: {beside_walks}."
        if many or beside.median
        else f"Another direction never takes the lead, as in {walks}.",
        detail=row["events_told"] or "",
    )
    jumps, p = row["jumps"], row["jumps_p"]
    if not jumps:
        return
    both, crossed = row["jumps_at_crossings"], row["crossed_steps"]
    yield Finding(
        subject=row.subject,
        question="Does the leading vector jump where singular values cross?",
        verdict=Verdict.UNDECIDED if p is None else Verdict.YES if p <= LEVEL else Verdict.NO,
        sentence=f"The top singular vector jumps {counted(int(jumps), 'time')}, {both:.0f} where another direction "
        f"takes the lead, which happens at {crossed:.0f} of {row['turns']:.0f} steps.",
        effect=Effect("jumps at crossings", both, "count"),
        chance=Chance("jumps at any steps alike", jumps * crossed / row["turns"]),
        p=p,
        detail=row["jumps_told"],
    )


@analysis(
    "crossings",
    question="Do leading singular values cross?",
    about="where the leading singular directions change places, beside random walks of the weights",
    version=6,
    unit="matrix",
    order=60,
    cost=_seconds,
    needs=Needs(momentum=True),
    findings=_findings,
    source="S0 slides 31-32",
    arguments={"k": _LEADING, "steps": _STEPS},
    quantities={
        "shape": Quantity("Shape", "Rows and columns of the matrix."),
        "steps": Quantity("Steps", "How many recorded steps are looked at.", "count", shown=True),
        "k": Quantity("Places", "How many leading singular values are looked at.", "count"),
        "crossings": Quantity(
            "Crossings",
            "How often two directions exchange places among the leading ones.",
            "count",
            shown=True,
        ),
        "above_noise": Quantity(
            "Above the noise",
            "How many of these are between singular values above the Marchenko-Pastur edge.",
            "count",
            shown=True,
        ),
        **{
            f"crossings_at_{place}": Quantity(
                f"At place {place}",
                f"How many of those above the noise are between place {place} and a later one.",
                "count",
            )
            for place in range(1, _LEADING + 1)
        },
        "leading_changes": Quantity(
            "Changes of the leading direction",
            "Steps at which another direction becomes the leading one.",
            "steps",
        ),
        "exchanges": Quantity(
            "Exchanges, beside walks",
            "How often directions exchange places at the steps at which random walks are compared.",
            "count",
            null="exchanges_null_counts",
            null_name=_WALKS,
            side="two",
            shown=True,
        ),
        "leading_count": Quantity(
            "Changes of the leader, beside walks",
            "How often the leading direction changes at the steps at which random walks are compared.",
            "count",
            null="leading_null_counts",
            null_name=_WALKS,
            side="greater",
            shown=True,
        ),
        "turns": Quantity(
            "Steps for jumps",
            "Steps at which the leading rank's vector and the one before are compared.",
            "count",
        ),
        "jumps": Quantity(
            "Jumps",
            "Turns of the leading rank's vector of more than 30 degrees from one step to the next.",
            "count",
            source="S0 slide 31",
            absent="recorded too seldom to find directions again",
        ),
        "jumps_at_crossings": Quantity(
            "Jumps at crossings", "Those where another direction takes the lead.", "count"
        ),
        "crossed_steps": Quantity(
            "Steps with a crossing", "All steps at which another direction takes the lead.", "count"
        ),
        "jumps_p": Quantity(
            "p, jumps at crossings",
            "Fisher's exact test: probability of so many jumps at crossings were both independent.",
            "0 to 1",
            shown=True,
            absent="there is no jump, no crossing, or too few recorded steps",
        ),
        "jumps_told": Quantity("Jumps told", "The same in words."),
        "events_told": Quantity("Events", "Which directions above the noise change places, and when."),
    },
    figures=(
        Figure(
            "crossings",
            "leading singular values, followed",
            "Directions are followed by the overlap of both singular vectors, never by rank. Crosses: two change "
            "places. "
            "In the bulk of noise vectors mix at every step, and exchanges say nothing; those above its edge are pink.",
            lambda node, title: crossing_timeline(
                node["tracks"].to_dataset(), node["events"].to_dataset(), title
            ),
            lambda node: crossing_data(node["tracks"].to_dataset()),
            wide=True,
        ),
    ),
)
def crossings(matrix: Trajectory, context: Context) -> xr.DataTree:
    """Follow the leading singular directions of a layer and list where they change places.

    Args:
        matrix: the layer.
        context: seed, draws, and what is told of the walks done.

    Returns:
        `tracks` [step, direction]: `value` and `rank` of the directions that are ever among the first (NaN and -1 where
        they are not among those looked at), `leading` [step]; and `events` [event]: `step`, `up` and `down`, the
        directions, `rank`, the better of the places, and `above_noise`, 1 where both values lie above the threshold of
        Marchenko-Pastur spikes at that step. The node itself has the table's numbers and those of random walks [draw];
        turns of the leading rank's vector are those of the first 1000 recorded steps.
    """
    x, memory = matrix.weights, matrix.memory
    if x.sizes["step"] > _STEPS:
        x = x.isel(step=thinned(x.sizes["step"], _STEPS))
    k = min(_LEADING, *x.shape[1:])
    found = crossings_of(
        x,
        k,
        null=min(context.draws, _DRAWS),
        momentum=memory.momentum,
        nesterov=memory.nesterov,
        weight_decay=memory.weight_decay,
        seed=context.seed,
        progress=context.progress,
    )
    chance = found.chance
    among = ((found.ranks.values >= 0) & (found.ranks.values < k)).sum(axis=0)
    named = np.union1d(found.table["up"], found.table["down"]).astype(np.int64)
    most = np.argsort(-among, kind="stable")[:_KEPT]
    kept = np.union1d(most[among[most] > 0], named[:_KEPT])
    tracks = xr.Dataset({"value": found.values, "rank": found.ranks, "leading": found.leading}).isel(
        direction=kept
    )
    limits = {int(step): _threshold(x.sel(step=step).values) for step in set(found.table["step"])}
    above = [
        min(found.values.sel(step=row.step, direction=[row.up, row.down]).values) > limits[int(row.step)]
        for row in found.table.itertuples()
    ]
    events = xr.Dataset(
        {
            **{
                name: ("event", found.table[name].to_numpy(dtype=np.int64))
                for name in ("step", "up", "down", "rank")
            },
            "above_noise": ("event", np.array(above, dtype=np.int64)),
        }
    )
    numbers = xr.Dataset(
        {
            "exchanges_null_counts": ("walk", np.asarray(chance.exchanges_null, dtype=np.float64)),
            "leading_null_counts": ("walk", np.asarray(chance.leading_null, dtype=np.float64)),
        }
    )
    tree = xr.DataTree.from_dict({"/": numbers, "/tracks": tracks, "/events": events})
    leading = tracks["leading"].values
    changed = np.flatnonzero(np.diff(leading) != 0) + 1
    tree.attrs = {
        "k": k,
        "rows": int(x.shape[1]),
        "cols": int(x.shape[2]),
        "shape": f"{x.shape[1]}x{x.shape[2]}",
        "steps": tracks.sizes["step"],
        "crossings": events.sizes["event"],
        "above_noise": int(events["above_noise"].sum()),
        **{
            f"crossings_at_{place}": int(
                (events["above_noise"].values[events["rank"].values == place - 1]).sum()
            )
            for place in range(1, k + 1)
        },
        "leading_changes": [int(step) for step in tracks["step"].values[changed]],
        "compared_steps": chance.steps,
        "exchanges": chance.exchanges,
        "leading_count": chance.leading_changes,
        "events_told": _told(events),
        **_jumps(matrix),
    }
    return tree


def _jumps(matrix: Trajectory) -> dict[str, Any]:
    # Thinned steps would say less: from one to the next too much happens to know who is who.
    found = jumps_of(matrix.weights[:_TURNS])
    told = {"jumps_told": found.verdict, "turns": int(found.counts.sum()), "jumps_p": found.p_value}
    if not found.often_enough:
        return {**told, "jumps": None, "jumps_at_crossings": None, "crossed_steps": None}
    (both, alone), (quiet, _) = found.counts.tolist()
    return {**told, "jumps": both + alone, "jumps_at_crossings": both, "crossed_steps": both + quiet}


def _threshold(w: np.ndarray[Any, Any]) -> float:
    """Give the singular value above which noise lies in 1% of cases."""
    law = Spectrum.from_matrix(w).marchenko_pastur()
    return float(np.sqrt(law.threshold * max(w.shape)))


def _told(events: xr.Dataset) -> str:
    real = events.isel(event=events["above_noise"].values == 1)
    listed = [
        f"at step {int(step)} direction {int(up) + 1} rises above {int(down) + 1}"
        for step, up, down in zip(real["step"].values, real["up"].values, real["down"].values, strict=True)
    ]
    if not listed:
        return ""
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return f"Above the noise: {'; '.join(listed[:_LISTED])}{more}."
