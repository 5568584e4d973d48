"""The six phases of a weight matrix, told by a handful of rules from its spectrum.

The phases are those of Martin & Mahoney (2021), as S2 draws them. Each rule is one score, linear in one or two
pieces of evidence and zero on its boundary, asked in this order:

1. collapse: does a gap of a factor 2 or more separate directions that hold 95% of the squared norm?
2. decay: is the bulk wider than noise, by the sum of the second Chebyshev polynomial over it?
3. heavy: given a wide bulk, do so many eigenvalues lie above the edge that no bulk remains?
4. onset: given a bulk of noise, is there any spike at all?
5. strength: is the strongest of them beyond 1.83 times the BBP threshold?

The entries of the matrix, where they are known, move the second and third score: independent entries with
outliers make heavy tails, correlations make them without.

The slopes of decay, heavy and strength are rounded from logistic fits to draws of known phase. The rest was set
by hand: onset near the 1% level of Tracy-Widom, collapse and the reach of heavy tails in the empty space between
the ensembles, the terms of the entries after looking at draws of other generators.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from eigentrail.spectra.entry_statistics import EntryStatistics
from eigentrail.spectra.fewest import FEWEST_VALUES
from eigentrail.spectra.marchenko_pastur import MarchenkoPastur
from eigentrail.spectra.phase_evidence import SpectrumEvidence, spectrum_evidence

if TYPE_CHECKING:
    from eigentrail.spectra.power_law import PowerLaw
    from eigentrail.spectra.ranks import Ranks

PHASES = ("random-like", "bleeding-out", "bulk+spikes", "bulk-decay", "heavy-tailed", "rank-collapse")

# Most confident that a label may be by the number of eigenvalues: the share of held-out draws with M of them
# (N = 2 M, all six phases, without entries) that the rules got right. It falls for small matrices whatever
# the margins.
_SIZES = (8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
_RIGHT = (0.42, 0.49, 0.65, 0.87, 0.92, 0.98)


@dataclass(frozen=True)
class Phase:
    """The phase of one spectrum.

    Attributes:
        label: one of `PHASES`.
        evidence: what the label was told from: numbers by name (see `SpectrumEvidence` and
            `EntryStatistics`), the scores of the rules that were asked (named `score_...`, positive for yes),
            and `rule`, a sentence.
        confidence: estimated probability, for a matrix of one of the six ensembles that the rules were
            calibrated on, that the label is right: the product of the logistic probabilities of the rules
            asked, at most the share of right labels that was measured for so few eigenvalues. It says nothing
            about a matrix that is like none of them.
    """

    label: str
    evidence: dict[str, float | str]
    confidence: float


def classify(
    eigenvalues: Float64[np.ndarray, "n"],
    rows: int,
    cols: int,
    mp: MarchenkoPastur,
    power_law: PowerLaw | None = None,
    ranks: Ranks | None = None,
    *,
    entries: EntryStatistics | None = None,
) -> Phase:
    """Tell the phase of a spectrum.

    Args:
        eigenvalues: of W^T W / rows, any order, all of them; pooled matrices together.
        rows: N, the larger dimension of each matrix.
        cols: M <= N.
        mp: the Marchenko-Pastur fit of the same eigenvalues.
        power_law: the tail fit; its exponent is shown with the evidence and decides nothing.
        ranks: the ranks; the stable rank is shown with the evidence and decides nothing.
        entries: statistics of the matrix's entries, where the matrix is known.

    Returns:
        The label, its evidence and its confidence. Neither scale nor orientation matters.
    """
    found = spectrum_evidence(eigenvalues, rows, mp)
    label, rule, scores = _decide(found, entries)
    evidence: dict[str, float | str] = {"rule": rule, **asdict(found)}
    evidence |= {f"score_{name}": value for name, value in scores.items()}
    if entries is not None:
        evidence |= {
            "entry_kurtosis": entries.kurtosis,
            "entry_largest": entries.largest,
            "entry_expected": entries.expected,
            **({"entry_tail_index": entries.tail_index} if np.isfinite(entries.tail_index) else {}),
        }
    if power_law is not None and np.isfinite(power_law.alpha):
        evidence["alpha"] = float(power_law.alpha)
    if ranks is not None:
        evidence["stable_rank"] = float(ranks.stable)
    margins = 1.0 / (1.0 + np.exp(-np.abs(np.clip(list(scores.values()), -30.0, 30.0))))
    ceiling = float(np.interp(np.log(eigenvalues.size), np.log(_SIZES), _RIGHT))
    return Phase(label, evidence, min(float(margins.prod()), ceiling))


def collapsed(eigenvalues: Float64[np.ndarray, "n"], rows: int) -> Phase | None:
    """Tell the rank collapse of a spectrum with so few eigenvalues above zero that neither bulk nor tail can be fitted.

    Args:
        eigenvalues: of W^T W / rows, ascending, the zeros included; pooled matrices together.
        rows: N, the larger dimension of each matrix.

    Returns:
        The phase when fewer than 16 eigenvalues, and at most a third of 16 or more, differ from zero; else None.
    """
    total, top = eigenvalues.size, float(eigenvalues[-1])
    left = int((eigenvalues > top * rows * np.finfo(np.float64).eps).sum())
    if total < FEWEST_VALUES or left >= FEWEST_VALUES or 3 * left > total:
        return None
    rule = f"only {left} of {total} eigenvalues differ from zero"
    ceiling = float(np.interp(np.log(total), np.log(_SIZES), _RIGHT))
    return Phase("rank-collapse", {"rule": rule, "zero_share": 1.0 - left / total}, ceiling)


def _decide(found: SpectrumEvidence, entries: EntryStatistics | None) -> tuple[str, str, dict[str, float]]:
    """Ask the rules in their order; return the label, its reason and the scores that were needed."""
    scores = {"collapse": _collapse(found)}
    if scores["collapse"] > 0.0:
        return (
            "rank-collapse",
            "a few directions hold the norm, a gap above what little noise is left",
            scores,
        )
    scores["decay"] = _decay(found, entries)
    if scores["decay"] > 0.0:
        scores["heavy"] = _heavy(found, entries)
        if scores["heavy"] > 0.0:
            return "heavy-tailed", "the spectrum runs far beyond any bulk without an edge", scores
        return "bulk-decay", "the bulk is wider than noise and its upper edge decays", scores
    scores["onset"] = 2.0 * (found.leader - 2.0)
    if scores["onset"] <= 0.0:
        return "random-like", "the bulk is that of noise and nothing lies above its edge", scores
    scores["strength"] = 14.0 * float(np.log(found.strongest / 1.83))
    if scores["strength"] > 0.0:
        return "bulk+spikes", "the bulk is that of noise and strong directions stand out of it", scores
    return "bleeding-out", "the bulk is that of noise and weak directions leave its edge", scores


def _collapse(found: SpectrumEvidence) -> float:
    """Ask for a gap below which next to nothing of the norm lies, or for eigenvalues that are zero."""
    noise = max(found.noise_share, 1e-16)
    gap = 8.0 * min(found.gap - 0.3, float(np.log10(0.05 / noise)))
    zeros = 12.0 * min(found.zero_share - 0.5, (found.zero_gap - 2.0) / 10.0)
    return max(gap, zeros)


def _decay(found: SpectrumEvidence, entries: EntryStatistics | None) -> float:
    """Ask for a bulk wider than noise; spikes far from the bulk and outliers among the entries shift the boundary."""
    score = 1.9 * (found.spread - 2.6) - float(np.clip(20.0 * (found.gap - 0.1), 0.0, 5.0))
    if entries is not None and entries.largest > 0.0:
        score += float(np.clip(8.0 * np.log(entries.largest / (1.9 * entries.expected)), -4.0, 8.0))
    return score


def _heavy(found: SpectrumEvidence, entries: EntryStatistics | None) -> float:
    """Ask for more eigenvalues above the edge, a worse bulk and a longer reach than a finite variance makes."""
    score = (
        8.0 * float(np.log10(max(found.spike_share, 1e-4)))
        + 7.0 * float(np.log10(max(found.misfit, 1e-4)))
        + 14.8
    )
    if entries is not None and entries.tail_index < 3.5:
        score += float(np.clip(6.0 * (2.0 - entries.tail_index), -3.0, 3.0))
    return min(score, 5.0 * float(np.log(found.strongest / 6.0)))
