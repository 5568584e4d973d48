"""How many singular values does a layer need? Accuracy against the rank it is cut to, over the training (S0)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float64, Int64

from eigentrail.analyses import Context, Figure, Needs, Overview, Probed, Quantity, Row, Size, analysis
from eigentrail.analyses.add_back import spread_counts
from eigentrail.analyses.framework.probe import SAMPLES, WHOLE, Probe, probed_layers
from eigentrail.analyses.framework.subjects import Subject, thinned_places
from eigentrail.chance import LEVEL, adjust
from eigentrail.chance.paired_samples import paired_p
from eigentrail.errors import DataError, LayerError, RunError, SpectrumError
from eigentrail.evaluation.candidates import Candidates
from eigentrail.figures import acc_k as drawn
from eigentrail.findings import Chance, Effect, Finding, Skipped, Verdict
from eigentrail.interventions import (
    denoise,
    geodesic_target,
    james_stein,
    leading_target,
    random_target,
    truncate,
)
from eigentrail.interventions.decomposition import Decomposition, decompose
from eigentrail.interventions.rank_choice import noise_of
from eigentrail.runs import Run

# Steps at which the accuracy is measured, ranks at each, and points of the path that a geodesic is fitted to.
_STEPS, _RANKS, _PATH = 5, 14, 24
#: What the leading vectors are shrunk towards: the two ends of the scale are the last ones.
TARGETS = ("mean", "geodesic", "initial", "random", "later")


def _matrices(
    run: Run, layers: str | Sequence[str] | None, probe: Probe, arguments: Mapping[str, Any]
) -> tuple[list[Subject], list[Skipped]]:
    del arguments
    names = [name for name in probed_layers(run, layers) if name != WHOLE]
    sizes = [run.layers[name].shape for name in names]
    return [
        Subject(name, Size(_STEPS, shape[0], int(np.prod(shape[1:]))), partial(Probed, name, probe))
        for name, shape in zip(names, sizes, strict=True)
    ], []


def _findings(row: Row) -> Iterable[Finding]:
    full, guess = row["accuracy_full"], row["guess"]
    if not full > guess:
        return
    needed, spikes = row["k_last"], row["spikes"]
    worse = row["spikes_p"] is not None and row["spikes_p"] <= LEVEL
    named = "singular value is" if needed == 1 else "singular values are"
    beside = "no noise law is told of their spectrum."
    if spikes is not None:
        alone = {0: "without any spike it gives", 1: "the spike alone gives"}
        told = alone.get(spikes, f"the {spikes} spikes alone give")
        beside = f"{told} {row['accuracy_spikes']:.1%} of {full:.1%}" + (
            ", which is worse." if worse else ", not shown to be worse."
        )
    yield Finding(
        subject=row.subject,
        question="Do the spikes carry the accuracy?",
        verdict=Verdict.NO if worse else Verdict.UNDECIDED,
        sentence=f"{needed} {named} needed; {beside}",
        effect=Effect("accuracy lost with the spikes alone", row["spikes_loss"], "0 to 1"),
        chance=Chance("as good for each sample (McNemar)", 0.0),
        p=row["spikes_p"],
        detail=f"No cut is tested to be equal: differences below about {row['resolution']:.1%} are not seen.",
    )
    if row["asked"]:
        yield Finding(
            subject=row.subject,
            question="Is any rank better shrunk or denoised than cut?",
            verdict=Verdict.YES if row["better"] else Verdict.NO,
            sentence=f"{row['better']} of {row['asked']} cuts are better shrunk to the mean or denoised, "
            f"{row['worse']} are worse (same samples, corrected).",
            effect=Effect("cuts that are better", row["better"], "count"),
            chance=Chance("as good for each sample (McNemar)", 0),
            detail=f"Mean gains in accuracy: to the mean {_signed(row['gain_mean'])}, denoised "
            f"{_signed(row['gain_denoised'])}.",
        )


def _signed(gain: float | None) -> str:
    return "unknown" if gain is None else f"{gain:+.2%}"


@analysis(
    "acc-k",
    question="How many singular values does a layer need?",
    about="accuracy against the rank of a layer over the training: cut, shrunk, denoised; needs network and data",
    version=2,
    unit="probe",
    order=95,
    default=False,
    parallel=False,
    subjects=_matrices,
    needs=Needs(network=True, data=True),
    findings=_findings,
    source="S0 slides 8-16",
    arguments={"samples": SAMPLES},
    quantities={
        "rank": Quantity("Rank", "Rank of the layer at the last step.", "count"),
        "accuracy_full": Quantity(
            "Accuracy", "Accuracy of the network as it is at the last step.", "0 to 1", shown=True
        ),
        "guess": Quantity("Largest class", "Share of the largest class: what guessing gives.", "0 to 1"),
        "resolution": Quantity(
            "Resolution",
            "About the smallest difference that the paired test sees on so many samples.",
            "0 to 1",
        ),
        "spikes": Quantity(
            "Spikes",
            "How many singular values stand out of the noise at the last step.",
            "count",
            shown=True,
            absent="no noise law is told of such values",
        ),
        "k_first": Quantity(
            "k*, first", "The same as k* at the first step that was looked at.", "count", shown=True
        ),
        "k_last": Quantity(
            "k*",
            "The smallest rank from which on no larger one is worse than the full matrix, by a paired test on the same "
            "samples, corrected for the number of ranks.",
            "count",
            source="S0 slide 8",
            shown=True,
        ),
        "k_trend": Quantity(
            "Trend of k*",
            "Kendall's tau-a of k* with the step, over steps with an accuracy beyond guessing: pairs of steps between "
            "which it rises minus those between which it falls, over all pairs.",
            "-1 to 1",
            absent="fewer than three steps are beyond guessing",
        ),
        "accuracy_spikes": Quantity(
            "Accuracy, spikes",
            "Accuracy with the spikes alone.",
            "0 to 1",
            shown=True,
            absent="as of the spikes",
        ),
        "spikes_loss": Quantity(
            "Lost with the spikes",
            "Full accuracy minus that with the spikes.",
            "0 to 1",
            absent="as of the spikes",
        ),
        "spikes_p": Quantity(
            "p, spikes worse",
            "Paired test that the spikes alone are worse.",
            "0 to 1",
            absent="as of the spikes",
        ),
        **{
            f"gain_{target}": Quantity(
                f"Gain, {words}",
                f"Accuracy with the leading vectors shrunk towards {words} minus that of the cut, mean over ranks.",
                "0 to 1",
                source="S0 slides 9-13",
                shown=target in {"mean", "geodesic"},
                absent="too few steps come before, or a vector vanishes",
            )
            for target, words in {
                "mean": "the grand mean",
                "geodesic": "the geodesic of the steps before",
                "initial": "the initial direction",
                "random": "a random direction",
                "later": "the direction at the last step",
            }.items()
        },
        "gain_denoised": Quantity(
            "Gain, denoised",
            "Accuracy with the spikes put back to what they were without noise minus that of the cut, mean over ranks.",
            "0 to 1",
            shown=True,
            absent="no value stands out of the noise",
        ),
        "asked": Quantity(
            "Compared", "How many shrunk or denoised matrices were compared with cuts.", "count"
        ),
        "better": Quantity("Better", "How many of them are better, corrected.", "count"),
        "worse": Quantity("Worse", "How many of them are worse, corrected.", "count"),
    },
    figures=(
        Figure(
            "acc-k",
            "accuracy against rank",
            "The layer is cut to its k largest singular values, the others stay; a curve for each step. Diamonds: the "
            "number of spikes of that step; circles: k*, from which on no larger rank is worse.",
            drawn.accuracy_curves,
            drawn.accuracy_data,
            wide=True,
        ),
        Figure(
            "acc-k-shrunk",
            "shrunk and denoised minus cut",
            "Difference in accuracy to the plain cut of the same rank, on the same samples. James-Stein towards the "
            "mean, a geodesic, the first and a random direction; the direction at the last step is the oracle.",
            drawn.gain_curves,
            drawn.gain_data,
            wide=True,
            when=lambda node: "shrunk" in node.children,
        ),
    ),
    overviews=(
        Overview(
            "acc-k-layers",
            "Accuracy against the rank of each layer",
            "Means over runs, bars from the lowest to the highest; one layer is cut, the others stay; a curve for each "
            "step. Diamonds: median number of spikes of that step; circles: median k*.",
            drawn.layer_curves,
            drawn.layer_data,
        ),
    ),
)
def acc_k(subject: Probed, context: Context) -> xr.DataTree:
    """Cut a layer to each of several ranks at several steps, and shrink it at one of them.

    Args:
        subject: the layer, with network and samples.
        context: seed of the random direction.

    Returns:
        The child `cut` with `accuracy` over [step, k] and `spikes`, `k_star`, `full` over [step]; the child `shrunk`
        with `accuracy` and `gain` over [way, k] and `p` (two-sided, paired with the cut) at the last step but one;
        attributes: the table's numbers.

    Raises:
        DataError: the targets are no class numbers.
        RunError: there are fewer than two steps at which all layers are recorded.
    """
    run, name = context.run, subject.name
    parts = subject.probe.parts
    inputs, targets = parts.get("test", parts["train"])
    if targets.is_floating_point():
        raise DataError("the rank is judged by the accuracy, and these targets are no class numbers [n]")
    steps = _complete_steps(run)
    if len(steps) < 2:
        raise RunError("all layers are recorded together at fewer than two steps: record them more often")
    chosen = steps[steps > steps[0]]
    chosen = chosen[thinned_places(len(chosen), _STEPS)]
    shrunk_at = int(chosen[-2]) if len(chosen) > 1 else int(chosen[-1])
    rows, ranks = [], None
    shrunk: xr.Dataset | None = None
    for place, step in enumerate(chosen):
        context.progress(f"ranks of {name}", place, len(chosen))
        model = run.model(int(step)).eval()
        candidates = Candidates(model, (inputs, targets), [name])
        matrix = dict(model.named_parameters())[name].detach().flatten(1)
        parts_of = decompose(matrix)[0]
        spikes = _spikes(parts_of)
        counts = np.unique([*spread_counts(len(parts_of.values), _RANKS), spikes or 0])
        right = candidates.correct([candidates.weights, *(_plain(parts_of, k) for k in counts)])
        rows.append((spikes, counts, right))
        if int(step) == shrunk_at:
            ways = _ways(run, name, parts_of, counts, int(step), context.seed)
            shrunk = _compared(candidates, ways, counts, right[1:])
    ranks = np.unique(np.concatenate([counts for _, counts, _ in rows]))
    cut = _curves(rows, ranks, chosen)
    nodes: dict[str, xr.Dataset] = {"/cut": cut}
    if shrunk is not None:
        nodes["/shrunk"] = shrunk
    tree = xr.DataTree.from_dict(nodes)
    guess = float(targets.flatten().bincount().max()) / targets.numel()
    tree.attrs = _numbers(cut, rows[-1], shrunk, guess) | {"shrunk_at": shrunk_at}
    return tree


def _complete_steps(run: Run) -> Int64[np.ndarray, " t"]:
    whole = set.intersection(*(set(info.steps.tolist()) for info in run.layers.values()))
    return np.array(sorted(whole), dtype=np.int64)


def _spikes(parts: Decomposition) -> int | None:
    """Count what stands out of the noise; None where no noise law is told of such values."""
    try:
        return noise_of(parts).spikes
    except (LayerError, SpectrumError):
        return None


def _plain(parts: Decomposition, k: int) -> Float64[np.ndarray, " n"]:
    if k == 0:
        return np.zeros(parts.shape[0] * parts.shape[1])
    kept = truncate(parts, min(int(k), parts.rank))
    return np.asarray(kept.matrix.numpy().ravel())


def _ways(
    run: Run, name: str, parts: Decomposition, counts: Int64[np.ndarray, " c"], step: int, seed: int
) -> dict[str, dict[int, Float64[np.ndarray, " n"]]]:
    """For each way the edited matrices by rank; ways that cannot be gone are left out."""
    w = run[name]
    recorded = w["step"].values
    before = recorded[recorded < step]
    before = before[thinned_places(len(before), _PATH)]

    def leading(at: int) -> Float64[np.ndarray, " p"]:
        value = w.sel(step=at).values
        return leading_target(value.reshape(len(value), -1))[:, 0]

    targets: dict[str, Any] = {"mean": "mean"}
    if len(before) >= 3:
        targets["geodesic"] = geodesic_target(np.stack([leading(int(at)) for at in before]))
    targets["initial"] = leading(int(recorded[0]))
    targets["random"] = random_target(max(parts.shape), seed)
    if int(recorded[-1]) > step:
        targets["later"] = leading(int(recorded[-1]))
    found: dict[str, dict[int, Float64[np.ndarray, " n"]]] = {}
    for way in TARGETS:
        if way in targets:
            found[way] = {
                int(k): james_stein(parts, int(k), target=targets[way]).matrix.numpy().ravel()
                for k in counts
                if 0 < k < parts.rank
            }
    if spikes := _spikes(parts):
        found["denoised"] = {
            int(k): denoise(parts, most=int(k)).matrix.numpy().ravel() for k in counts if 0 < k <= spikes
        }
    return {way: matrices for way, matrices in found.items() if matrices}


def _compared(
    candidates: Candidates,
    ways: Mapping[str, Mapping[int, Float64[np.ndarray, " n"]]],
    counts: Int64[np.ndarray, " c"],
    plain: Bool[np.ndarray, "c samples"],
) -> xr.Dataset:
    """Accuracy of each way at each rank, its gain over the cut and the paired p-value; NaN where there is none."""
    shape = (len(ways), len(counts))
    accuracy, gain, p = (np.full(shape, np.nan) for _ in range(3))
    place = {int(k): number for number, k in enumerate(counts)}
    for row, matrices in enumerate(ways.values()):
        right = candidates.correct(matrices.values())
        for k, one in zip(matrices, right, strict=True):
            column = place[k]
            accuracy[row, column] = one.mean()
            gain[row, column] = one.mean() - plain[column].mean()
            p[row, column] = paired_p(one, plain[column], "two")
    return xr.Dataset(
        {name: (("way", "k"), values) for name, values in (("accuracy", accuracy), ("gain", gain), ("p", p))},
        coords={"way": list(ways), "k": counts},
    )


def smallest_rank(
    counts: Int64[np.ndarray, " c"], right: Bool[np.ndarray, "c samples"], full: Bool[np.ndarray, " samples"]
) -> int:
    """Find the smallest rank from which on no larger one is worse than the full matrix.

    Args:
        counts: ranks, ascending.
        right: which samples are right at each.
        full: which are right with the full matrix.

    Returns:
        The rank; paired tests on the same samples, corrected for how many ranks there are.
    """
    worse = adjust([paired_p(one, full, "less") for one in right]) <= LEVEL
    last = np.flatnonzero(worse)
    return int(counts[0] if not len(last) else counts[min(last[-1] + 1, len(counts) - 1)])


def _curves(
    rows: Sequence[Any], ranks: Int64[np.ndarray, " k"], steps: Int64[np.ndarray, " t"]
) -> xr.Dataset:
    accuracy = np.full((len(rows), len(ranks)), np.nan)
    for place, (_, counts, right) in enumerate(rows):
        accuracy[place, np.searchsorted(ranks, counts)] = right[1:].mean(axis=1)
    return xr.Dataset(
        {
            "accuracy": (("step", "k"), accuracy),
            "full": ("step", [right[0].mean() for _, _, right in rows]),
            "spikes": ("step", [np.nan if spikes is None else spikes for spikes, _, _ in rows]),
            "k_star": ("step", [smallest_rank(counts, right[1:], right[0]) for _, counts, right in rows]),
        },
        coords={"step": steps, "k": ranks},
    )


def _numbers(cut: xr.Dataset, last: Any, shrunk: xr.Dataset | None, guess: float) -> dict[str, Any]:
    spikes, counts, right = last
    full = right[0]
    known = cut["full"].values > guess + 2.0 * np.sqrt(guess * (1.0 - guess) / len(full))
    k_star = cut["k_star"].values[known]
    trend = None
    if len(k_star) >= 3:
        # Ties count as no trend: a k* that stays is evidence against one that falls, not a missing value.
        later, sooner = np.tril_indices(len(k_star), -1)
        trend = float(np.sign(k_star[later] - k_star[sooner]).mean())
    found: dict[str, Any] = {
        "rank": int(counts[-1]),
        "accuracy_full": float(full.mean()),
        "guess": guess,
        "resolution": float(2.5 * np.sqrt(0.05 / len(full))),
        "spikes": spikes,
        "k_first": int(cut["k_star"].values[0]),
        "k_last": int(cut["k_star"].values[-1]),
        "k_trend": trend,
        "asked": 0,
        "better": 0,
        "worse": 0,
    }
    if spikes is not None:
        alone = right[1 + int(np.searchsorted(counts, spikes))]
        found |= {
            "accuracy_spikes": float(alone.mean()),
            "spikes_loss": float(full.mean() - alone.mean()),
            "spikes_p": paired_p(alone, full, "less"),
        }
    if shrunk is None:
        return found
    for way in shrunk["way"].values.tolist():
        found[f"gain_{way}"] = float(np.nanmean(shrunk["gain"].sel(way=way).values))
    # One family: towards the mean and denoised, at all ranks.
    family = shrunk.sel(way=[way for way in shrunk["way"].values if way in {"mean", "denoised"}])
    there = np.isfinite(family["p"].values)
    beyond = adjust(family["p"].values[there].tolist()) <= LEVEL
    gains = family["gain"].values[there]
    found |= {
        "asked": int(there.sum()),
        "better": int((beyond & (gains > 0)).sum()),
        "worse": int((beyond & (gains < 0)).sum()),
    }
    return found
