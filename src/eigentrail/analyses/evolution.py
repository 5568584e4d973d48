"""How do the spectra change while the network learns? Values, bulk, spikes, tail, ranks and phase over steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail.analyses import Context, Figure, Overview, Quantity, Row, analysis
from eigentrail.errors import TrajectoryError
from eigentrail.figures import average_rank as drawn_ranks
from eigentrail.figures import evolution_density, evolution_values, style
from eigentrail.findings import Chance, Effect, Finding, Skipped, Verdict
from eigentrail.runs import Run
from eigentrail.trajectories import average_rank, evolution_table
from eigentrail.trajectories import evolution as evolution_of
from eigentrail.trajectories.narrative import describe_layer

_SHUFFLED = "the same entries in random places"
_FOLLOWED = "spikes followed by the overlap of their singular vectors"
#: Numbers that the table gives at the first and the last analysed step: label, meaning, units, shown.
_BOTH = {
    "spikes": (
        "Spikes",
        "Eigenvalues above what noise reaches in 1% of matrices (Tracy-Widom)",
        "count",
        True,
    ),
    "null_spikes": ("Spikes, shuffled", f"Spikes of {_SHUFFLED}", "count", False),
    "mp_ks_distance": (
        "Noise distance",
        "Kolmogorov-Smirnov distance between the bulk and its fitted Marchenko-Pastur law",
        "0 to 1",
        True,
    ),
    "alpha": ("α", "Exponent of the power-law tail of the eigenvalues' density", "", True),
    "stable_rank": (
        "Stable rank",
        "Squared Frobenius norm over the squared largest singular value",
        "",
        False,
    ),
    "effective_rank": ("Effective rank", "exp of the entropy of the squared singular values", "1 to M", True),
    "numerical_rank": ("Numerical rank", "Singular values above 0.001 of the Frobenius norm", "count", False),
    "phase": ("Phase", "Phase of self-regularisation", "label", True),
}


def _first_and_last() -> dict[str, Quantity]:
    found = {}
    for key, (label, meaning, units, shown) in _BOTH.items():
        for end in ("first", "last"):
            found[f"{key}_{end}"] = Quantity(
                f"{label}, {end}", f"{meaning}, at the {end} analysed step.", units, shown=shown
            )
    return found


_QUANTITIES = {
    "kind": Quantity("Kind", "What sort of weight this is, told from the module, the name or the shape."),
    "rows": Quantity("N", "Longer side of the matrix.", "N ≥ M"),
    "cols": Quantity("M", "Shorter side of the matrix: the number of its singular values.", "M ≤ N"),
    "steps": Quantity("Steps", "Recorded steps; singular values and norms are computed at each.", "count"),
    "points": Quantity(
        "Looked at closely",
        "Log-spaced steps at which bulk, spikes, tail, ranks and phase are computed.",
        "count",
    ),
    "first_step": Quantity("First step", "The first analysed step that has a spectrum.", "optimizer steps"),
    "last_step": Quantity("Last step", "The last analysed step that has a spectrum.", "optimizer steps"),
    "run_end": Quantity(
        "End of the run",
        "The last step of the run; later than the last step of a layer that is not seen at the end.",
    ),
    **_first_and_last(),
    "phases_between": Quantity(
        "Phases between",
        "Phases at analysed steps that are neither the first nor the last one, in the order in which they came.",
        chance="Many steps are looked at: near a border between two phases noise alone can change the label.",
        absent="the phase did not change in between",
    ),
    "noise_ks_high": Quantity(
        "Noise stays below",
        "95% quantile of the distance to the noise law over Gaussian matrices of this shape, each with its own fit.",
        "0 to 1",
        source="eigenvalues drawn exactly, Dumitriu & Edelman 2002",
        chance="5% of pure noise matrices lie above.",
        shown=True,
    ),
    "farthest_bulk": Quantity(
        "Noise distance, largest",
        "The largest distance between the bulk and its noise law at any analysed step.",
        "0 to 1",
        chance="The largest of many steps lies above what one step gives: neighbouring steps are hardly independent.",
    ),
    "farthest_step": Quantity(
        "At step", "The analysed step at which the bulk was farthest from its noise law."
    ),
    "first_birth": Quantity(
        "First birth",
        "The analysed step at which the first spike was born. Spikes of the first step have no birth.",
        "optimizer steps",
        source=_FOLLOWED,
        absent="no spike was born",
    ),
    "births": Quantity(
        "Births",
        "Spikes that came out of the bulk: directions above the threshold that continue none of the steps before.",
        "count",
        source=_FOLLOWED,
        chance="One false spike in a hundred independent steps.",
        shown=True,
    ),
    "deaths": Quantity(
        "Deaths",
        "Spikes that went back into the bulk, or whose direction was lost, for four analysed steps or to the end.",
        "count",
        source=_FOLLOWED,
        shown=True,
    ),
    "crossings": Quantity(
        "Crossings",
        "How often two followed spikes changed places in the order of singular values.",
        "count",
        source=_FOLLOWED,
    ),
    "frobenius_ratio": Quantity(
        "‖W‖ last ÷ first",
        "Frobenius norm at the last step over that at the first.",
        "1 is unchanged",
        chance="Weight decay alone: (1 − rate × decay) to the number of steps.",
    ),
    "spectral_ratio": Quantity(
        "σ₁ last ÷ first", "Largest singular value at the last step over that at the first.", "1 is unchanged"
    ),
    "notes": Quantity("Notes", "What is missing at which steps, and why."),
}


def _stand_out(count: int, of: str = "") -> str:
    if not count:
        return f"no eigenvalue stands out{of}"
    return f"{count} eigenvalue{' stands' if count == 1 else 's stand'} out{of}"


def _findings(row: Row) -> Iterable[Finding]:
    first, last, shuffled = row["spikes_first"], row["spikes_last"], row["null_spikes_last"]
    if last is None:
        return
    told = row["story"] or ""
    beside = "" if shuffled is None else f"; with the entries shuffled {_stand_out(shuffled)}"
    grown = last > (first or 0) and last > (shuffled or 0)
    begun = "none did at the first" if last and not first else f"{first or 'none'} at the first"
    yield Finding(
        subject=row.subject,
        question="Did spikes emerge from the Marchenko-Pastur bulk?",
        verdict=Verdict.YES if grown else Verdict.NO,
        sentence=f"At the last step {_stand_out(last, ' of the noise bulk')}, {begun}{beside}.",
        effect=Effect("spikes at the last step", last, "count"),
        chance=Chance(_SHUFFLED, shuffled, 1),
        # Noise passes the threshold in 1% of matrices (Tracy-Widom): a spike beyond it is at most so likely.
        p=0.01 if grown else None,
        detail=told,
    )
    now, limit = row["mp_ks_distance_last"], row["noise_ks_high"]
    if now is not None and limit:
        inside = now <= limit
        yield Finding(
            subject=row.subject,
            question="Does the bulk end as close to Marchenko-Pastur as noise?",
            verdict=Verdict.YES if inside else Verdict.NO,
            sentence=(
                f"At the end the bulk's distance to the Marchenko-Pastur law is {now:.3f}; 95% of noise matrices stay "
                f"below {limit:.3f}."
                if inside
                else f"The bulk ends off the Marchenko-Pastur law: at {now / limit:.3g} times the distance that 95% of "
                "noise matrices stay below."
            ),
            effect=Effect("distance of the bulk", now, "Kolmogorov-Smirnov"),
            chance=Chance("noise of the same shape, 95% quantile", limit),
        )


def _average_rank(nodes: Sequence[tuple[str, xr.DataTree]], title: str) -> go.Figure:
    try:
        return drawn_ranks.average_rank(average_rank([node for _, node in nodes]), title)
    except TrajectoryError as error:
        return style.empty(title, str(error))


def _average_rank_data(nodes: Sequence[tuple[str, xr.DataTree]]) -> pd.DataFrame:
    try:
        return drawn_ranks.average_rank_data(average_rank([node for _, node in nodes]))
    except TrajectoryError:
        return pd.DataFrame({"step": [], "eps": [], "average_rank": []})


@analysis(
    "evolution",
    question="How do the spectra change over the training?",
    about="singular values, Marchenko-Pastur bulk, followed spikes, tail, ranks and phase over steps",
    version=2,
    unit="run",
    order=10,
    findings=_findings,
    source="S0 slides 4-15",
    quantities=_QUANTITIES,
    overviews=(
        Overview(
            "average-rank",
            "Average rank over the training",
            "Mean over all matrices of how many singular values exceed a share of the Frobenius norm, as S4 counts "
            "ranks, at the steps at which all matrices are recorded.",
            _average_rank,
            _average_rank_data,
        ),
    ),
    figures=(
        Figure(
            "singular-values",
            "singular values against time",
            lambda node: (
                "Shaded: where the singular values of noise of this shape and the bulk's variance lie. What rises "
                "above "
                "the dashed line is a spike. Spikes are followed by the overlap of their singular vectors with those "
                f"before, never by rank: at least {node['spikes'].attrs['minimum_overlap']:g}, where random "
                "directions have "
                f"{node['spikes'].attrs['chance_overlap']:.2g}. Triangles: births and deaths; crosses: two spikes "
                "change "
                "places."
            ),
            evolution_values.singular_values,
            evolution_values.values_table,
            wide=True,
        ),
        Figure(
            "density",
            "spectral density, step by step",
            "Move the slider through the training. Bars: eigenvalues. Grey: the law of noise fitted to the bulk of "
            "that "
            "step. Triangles beyond the dashed threshold are spikes. The axes stay the same.",
            evolution_density.density_over_time,
            evolution_density.density_table,
            wide=True,
        ),
    ),
)
def evolution(
    run: Run, layers: str | Sequence[str] | None, context: Context, *, jobs: int, probe: Any
) -> tuple[xr.DataTree, list[Skipped]]:
    """Follow the spectra of all weight matrices of a run over its steps.

    Args:
        run: the run.
        layers: globs over parameter names; None for all matrices.
        context: what is told of the work.
        jobs: processes that work on steps in parallel.
        probe: not used: no data is needed.

    Returns:
        See `et.trajectories.evolution`, with the table's numbers as attributes of each node; and what is left out.
    """
    del probe
    chosen = layers if layers is None or isinstance(layers, str) else list(layers)
    tree = evolution_of(run, chosen, jobs=jobs, progress=context.progress)
    skipped = [Skipped(**one) for one in tree.attrs.pop("skipped")]
    table = evolution_table(tree)
    for node, row in zip(tree.children.values(), table.to_dict(orient="records"), strict=True):
        numbers = {str(key): value for key, value in row.items()}
        node.attrs = {**node.attrs, **numbers, "story": describe_layer(numbers)}
    return tree, skipped
