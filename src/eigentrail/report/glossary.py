"""What each number means, in which convention, from which source, and what chance would give.

The page shows an entry when a person points at a number or moves the focus to it; the same entries fill the table's
headers and the list at the end of the page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from eigentrail.report.glossary_motion import MOTION
from eigentrail.report.glossary_time import TIME


@dataclass(frozen=True)
class Entry:
    """The explanation of one column.

    Attributes:
        label: short heading.
        group: which block of numbers it stands in.
        definition: what it is, in a sentence or two.
        units: units and convention.
        source: where the definition comes from.
        chance: what a random matrix, or chance in general, gives.
        absent: why it may be missing even when nothing is wrong; empty if there is no such reason.
    """

    label: str
    group: str
    definition: str
    units: str = ""
    source: str = ""
    chance: str = ""
    absent: str = ""


GROUPS = (
    *("Identity", "Bulk and spikes", "Tail", "Ranks and norms", "Levels and vectors", "Phase"),
    *("Change", "Over time"),
)

_LAMBDA = "in units of the eigenvalues λ of WᵀW / N, N the longer side"
_MP = "Marchenko & Pastur 1967"
_CSN = "Clauset, Shalizi & Newman 2009"
_MM = "Martin & Mahoney 2021"

GLOSSARY: dict[str, Entry] = {
    # -- identity ------------------------------------------------------------------------------------------------
    "name": Entry(
        "Name",
        "Identity",
        "The parameter's name in the checkpoint; after a colon the part of a fused tensor.",
    ),
    "kind": Entry(
        "Kind", "Identity", "What sort of weight this is, told from the module, the name or the shape."
    ),
    "shape": Entry("Shape", "Identity", "Shape of the stored tensor or of the part of it that is analysed."),
    "dtype": Entry(
        "Type", "Identity", "Number format in the checkpoint; all statistics are computed in float64."
    ),
    "matrices": Entry(
        "Matrices",
        "Identity",
        "How many matrices of one shape are pooled in this row (1 for a plain matrix).",
    ),
    "rows": Entry("N", "Identity", "Longer side of the matrix, after transposing where needed.", "N ≥ M"),
    "cols": Entry("M", "Identity", "Shorter side of the matrix: the number of its singular values.", "M ≤ N"),
    "q": Entry(
        "q", "Identity", "Aspect ratio M / N, the one parameter of the noise law besides σ.", "0 < q ≤ 1", _MP
    ),
    "aliases": Entry(
        "Aliases", "Identity", "Other names of the same tensor (tied weights); they are analysed once."
    ),
    "note": Entry(
        "Note", "Identity", "How the stored tensor was read as this matrix, where that is not plain."
    ),
    "warnings": Entry(
        "Look at", "Identity", "What in this row needs a look, or why a number is missing; the gravest first."
    ),
    # -- bulk ----------------------------------------------------------------------------------------------------
    "lambda_min": Entry(
        "λ min",
        "Bulk and spikes",
        "Smallest eigenvalue of WᵀW / N.",
        _LAMBDA,
        _MP,
        "Noise: close to the lower edge λ₋.",
    ),
    "lambda_max": Entry(
        "λ max",
        "Bulk and spikes",
        "Largest eigenvalue of WᵀW / N: the squared largest singular value over N.",
        _LAMBDA,
        _MP,
        "Noise: the upper edge λ₊ with Tracy-Widom fluctuations of order M^(−2/3).",
    ),
    "mp_sigma": Entry(
        "σ",
        "Bulk and spikes",
        "Standard deviation of the noise entries, fitted to the bulk alone so that spikes cannot inflate it.",
        "in units of the weights",
        f"{_MP}; robust fit of quantiles",
        "Noise: the standard deviation of all entries.",
    ),
    "mp_sigma_error": Entry("σ error", "Bulk and spikes", "Standard error of σ.", "in units of the weights"),
    "mp_edge_low": Entry("λ₋", "Bulk and spikes", "Lower edge σ²(1 − √q)² of the noise law.", _LAMBDA, _MP),
    "mp_edge_high": Entry("λ₊", "Bulk and spikes", "Upper edge σ²(1 + √q)² of the noise law.", _LAMBDA, _MP),
    "mp_ks_distance": Entry(
        "Noise distance",
        "Bulk and spikes",
        "Kolmogorov-Smirnov distance between the bulk and the fitted Marchenko-Pastur law.",
        "0 (same) to 1",
        _MP,
        "Noise: a few times 1/M, much smaller than 1/√M because eigenvalues repel each other.",
    ),
    "spike_threshold": Entry(
        "Threshold",
        "Bulk and spikes",
        "Above this an eigenvalue counts as a spike: the 1% point of the largest eigenvalue of pure noise.",
        _LAMBDA,
        "Tracy & Widom 1996; Johnstone 2001",
        "Noise exceeds it in one matrix of a hundred.",
    ),
    "spikes": Entry(
        "Spikes",
        "Bulk and spikes",
        "Number of eigenvalues above the threshold: directions that noise of this size does not explain.",
        "count at level 1% per matrix",
        "Baik, Ben Arous & Péché 2005; Johnstone 2001",
        "Noise: 0 in 99 of 100 matrices.",
    ),
    "spike_strength": Entry(
        "Strongest spike",
        "Bulk and spikes",
        "Debiased strength of the largest spike: the planted singular value that would appear where it is seen.",
        "in units of σ√N; visible only above q^(1/4)",
        "Baik, Ben Arous & Péché 2005; Benaych-Georges & Nadakuditi 2012",
        "Noise: none.",
        "there is no spike",
    ),
    "null_spikes": Entry(
        "Spikes, shuffled",
        "Bulk and spikes",
        "Spikes that survive when the entries are put in random places (seeded): single large entries make them, "
        "not structure. WeightWatcher calls these correlation traps.",
        "count above the same threshold",
        "element-wise permutation",
        "0 for entries with light tails.",
        "the shuffled copy was not asked for",
    ),
    "null_lambda_max": Entry(
        "λ max, shuffled",
        "Bulk and spikes",
        "Largest eigenvalue after the entries were put in random places.",
        _LAMBDA,
        "element-wise permutation",
        "The upper edge for entries with light tails.",
        "the shuffled copy was not asked for",
    ),
    "null_distance": Entry(
        "Distance to shuffled",
        "Bulk and spikes",
        "Kolmogorov-Smirnov distance between the spectrum and that of the matrix with shuffled entries.",
        "0 (same) to 1",
        "element-wise permutation",
        "Noise: a few times 1/M.",
        "the shuffled copy was not asked for",
    ),
    # -- tail ----------------------------------------------------------------------------------------------------
    "alpha": Entry(
        "α",
        "Tail",
        "Exponent of the power law p(λ) ~ λ^(−α) fitted to the eigenvalues above xmin. By convention below 2 hints "
        "at over-, above 6 at under-training.",
        "exponent of the density; maximum likelihood",
        f"{_CSN}; the range 2 to 6 is {_MM}'s convention",
        "Any spectrum gets a slope: for pure noise α is large and depends on the size. See the tail's model.",
    ),
    "alpha_error": Entry("α error", "Tail", "Standard error (α − 1)/√n of α at fixed xmin.", "as α", _CSN),
    "alpha_low": Entry(
        "α low",
        "Tail",
        "Lower end of the 95% bootstrap interval, which chooses xmin anew.",
        "as α",
        _CSN,
        "",
        "needs --bootstrap",
    ),
    "alpha_high": Entry(
        "α high",
        "Tail",
        "Upper end of the 95% bootstrap interval, which chooses xmin anew.",
        "as α",
        _CSN,
        "",
        "needs --bootstrap",
    ),
    "xmin": Entry(
        "xmin", "Tail", "Where the tail starts: the value with the smallest fit distance.", _LAMBDA, _CSN
    ),
    "ks_distance": Entry(
        "Tail distance D",
        "Tail",
        "Kolmogorov-Smirnov distance between the tail and its power law.",
        "0 to 1; uses (i − 1)/n for i = 1..n",
        _CSN,
        "A true power law stays below about 1.09/√n in 19 of 20 cases at a fixed xmin (n eigenvalues in the tail).",
    ),
    "tail_size": Entry("Tail size", "Tail", "Number of eigenvalues at or above xmin.", "count", _CSN),
    "tail_p_value": Entry(
        "Tail p",
        "Tail",
        "Goodness of fit: share of synthetic power laws, refitted in full, that fit worse.",
        "0 to 1; below 0.1 speaks against a power law",
        _CSN,
        "Uniform between 0 and 1 for a true power law.",
        "needs --bootstrap",
    ),
    "tail_model": Entry(
        "Tail model",
        "Tail",
        "The model that the tail supports by likelihood ratios: power law, lognormal, exponential, truncated power "
        "law, none, or undecided.",
        "two-sided 5% level",
        f"Vuong 1989; {_CSN}",
        "Noise is seldom a power law: its tail ends at the edge.",
    ),
    "weighted_alpha": Entry(
        "Weighted α",
        "Tail",
        "α times log₁₀ of the largest eigenvalue.",
        "log₁₀ of λ units; not scale-free",
        _MM,
    ),
    "log_alpha_norm": Entry(
        "Log α-norm",
        "Tail",
        "log₁₀ of the sum of λ^α over all eigenvalues.",
        "log₁₀ of λ units; not scale-free",
        _MM,
    ),
    # -- ranks ---------------------------------------------------------------------------------------------------
    "frobenius_norm": Entry(
        "‖W‖ Frobenius", "Ranks and norms", "Root of the sum of all squared entries.", "units of the weights"
    ),
    "spectral_norm": Entry(
        "‖W‖ spectral",
        "Ranks and norms",
        "Largest singular value.",
        "units of the weights",
        "",
        "Noise: σ(√N + √M).",
    ),
    "stable_rank": Entry(
        "Stable rank",
        "Ranks and norms",
        "Squared Frobenius norm over squared spectral norm; for pooled matrices the sum over the largest.",
        "1 to M",
        "Rudelson & Vershynin 2007",
        "Noise: M / (1 + √q)².",
    ),
    "effective_rank": Entry(
        "Effective rank",
        "Ranks and norms",
        "Exponential of the entropy of the normalised squared singular values.",
        "1 to M",
        "Roy & Vetterli 2007",
        "Noise: M exp(−q/2) (Page 1993).",
    ),
    "participation_rank": Entry(
        "Participation rank",
        "Ranks and norms",
        "Squared sum of the eigenvalues over the sum of their squares.",
        "1 to M",
        "",
        "Noise: M / (1 + q).",
    ),
    "numerical_rank": Entry(
        "Numerical rank",
        "Ranks and norms",
        "Number of singular values above 0.001 of the Frobenius norm.",
        "count, ε = 10⁻³",
        "Galanti et al. 2023 (their public code)",
        "Noise: M, or all but the smallest few when q is near 1.",
    ),
    "mp_soft_rank": Entry(
        "Soft rank",
        "Ranks and norms",
        "Upper edge of the noise law over the largest eigenvalue.",
        "0 to about 1",
        _MM,
        "Noise: about 1; the smaller, the further the largest spike stands out.",
    ),
    "erg_count": Entry(
        "ERG count",
        "Ranks and norms",
        "How many of the largest eigenvalues, scaled to mean 1, multiply to a determinant of 1.",
        "count; WeightWatcher's detX",
        "WeightWatcher",
    ),
    # -- levels --------------------------------------------------------------------------------------------------
    "spacing_ratio": Entry(
        "Spacing ratio",
        "Levels and vectors",
        "Mean of smaller over larger of two neighbouring level spacings: how strongly eigenvalues repel each other.",
        "0 to 1; needs no unfolding",
        "Oganesyan & Huse 2007; Atas et al. 2013",
        "Random matrix 0.531; independent levels 0.386.",
    ),
    "spacing_ratio_error": Entry(
        "Ratio error", "Levels and vectors", "Standard error of the mean spacing ratio.", "as the ratio"
    ),
    "spacing_p_wigner": Entry(
        "p Wigner",
        "Levels and vectors",
        "p-value of the unfolded spacings against the Wigner surmise.",
        "0 to 1; unfolded over the nearest neighbours",
        "Wigner 1957; Kolmogorov-Smirnov",
        "Uniform for a random matrix; small means other than a random matrix.",
    ),
    "spacing_p_poisson": Entry(
        "p Poisson",
        "Levels and vectors",
        "p-value of the unfolded spacings against independent levels.",
        "0 to 1; unfolded over the nearest neighbours",
        "Kolmogorov-Smirnov",
        "Tiny for a random matrix, whose levels repel.",
    ),
    "porter_thomas_p": Entry(
        "p Porter-Thomas",
        "Levels and vectors",
        "p-value of the entries of the leading singular vectors against those of random directions (the smaller of "
        "both sides, corrected for that).",
        "0 to 1",
        "Porter & Thomas 1956; Kolmogorov-Smirnov",
        "Uniform for random vectors; small means a vector with structure.",
        "singular vectors are not known or shorter than 8",
    ),
    "vector_participation": Entry(
        "Participation",
        "Levels and vectors",
        "1 / (n Σ v⁴) of the leading singular vectors, mean of both sides: the share of entries that carry the vector.",
        "1/n (one entry) to 1 (even)",
        "inverse participation ratio",
        "Random direction: 1/3.",
        "singular vectors are not known or shorter than 8",
    ),
    # -- phase ---------------------------------------------------------------------------------------------------
    "phase": Entry(
        "Phase",
        "Phase",
        "Which of six phases of self-regularisation the spectrum is in: random-like, bleeding-out, bulk+spikes, "
        "bulk-decay, heavy-tailed, rank-collapse. Rules calibrated on random matrices with known truth.",
        "label",
        _MM,
        "Noise: random-like.",
    ),
    "phase_confidence": Entry(
        "Confidence",
        "Phase",
        "How clearly the evidence lies on this side of the rules' borders.",
        "0 to 1",
        "calibration on ensembles",
    ),
    # -- change --------------------------------------------------------------------------------------------------
    "relative_change": Entry(
        "Relative change",
        "Change",
        "‖B − A‖ / ‖A‖ in Frobenius norm.",
        "0 is unchanged",
        "",
        "Two independent matrices of one size: √2.",
    ),
    "distance": Entry("‖B − A‖", "Change", "Frobenius norm of the difference.", "units of the weights"),
    "update_spikes": Entry(
        "Spikes of the update",
        "Change",
        "Spikes of the difference B − A against its own noise law.",
        "count at level 1%",
        "Johnstone 2001",
        "Noise-like update: 0.",
    ),
    "cosine": Entry(
        "Cosine",
        "Change",
        "Cosine of the angle between A and B as vectors.",
        "−1 to 1; 1 is unchanged up to scale",
        "",
        "About 0.",
    ),
    "update_null_spikes": Entry(
        "Spikes of the update, shuffled",
        "Change",
        "Spikes of the difference that survive when its entries are put in random places.",
        "count above the same threshold",
        "element-wise permutation",
        "0 for entries with light tails.",
    ),
    "update_spike_strength": Entry(
        "Strongest spike of the update",
        "Change",
        "Debiased strength of the largest spike of B − A.",
        "in units of σ√N of the update; visible only above q^(1/4)",
        "Baik, Ben Arous & Péché 2005; Benaych-Georges & Nadakuditi 2012",
        "Noise: none.",
        "the update has no spike",
    ),
    "update_numerical_rank": Entry(
        "Numerical rank of the update",
        "Change",
        "Singular values of B − A above 0.001 of its Frobenius norm.",
        "count, ε = 10⁻³",
    ),
    "update_lambda_max": Entry(
        "λ max of the update",
        "Change",
        "Largest eigenvalue of the update's ΔᵀΔ / N.",
        "λ units of the update",
    ),
    "update_edge_high": Entry(
        "λ₊ of the update", "Change", "Upper edge of the update's noise law.", "λ units of the update", _MP
    ),
    "subspace_size": Entry(
        "Subspace size",
        "Change",
        "How many leading directions are compared: the larger number of spikes, 1 to 16.",
        "count",
    ),
    "overlap_long": Entry(
        "Overlap, long side",
        "Change",
        "Mean squared cosine of the principal angles on the side of length N.",
        "0 to 1",
        "",
        "k / N.",
    ),
    "overlap_short": Entry(
        "Overlap, short side",
        "Change",
        "Mean squared cosine of the principal angles on the side of length M.",
        "0 to 1",
        "",
        "k / M.",
    ),
    "overlap_chance": Entry(
        "Overlap by chance",
        "Change",
        "Mean squared cosine of random subspaces on the short side: k / M.",
        "0 to 1",
    ),
    "update_stable_rank": Entry(
        "Stable rank of the update", "Change", "Stable rank of B − A.", "1 to M", "", "Noise: M / (1 + √q)²."
    ),
    "update_effective_rank": Entry(
        "Effective rank of the update",
        "Change",
        "Effective rank of B − A.",
        "1 to M",
        "",
        "Noise: M exp(−q/2).",
    ),
    "angles_long": Entry(
        "Angles, long side",
        "Change",
        "Principal angles between the leading singular subspaces of A and B on the side of length N, smallest first.",
        "degrees",
        "Björck & Golub 1973, by sines",
        "Random subspaces of small dimension: near 90°; the page draws the band.",
    ),
    "angles_short": Entry(
        "Angles, short side",
        "Change",
        "Principal angles between the leading singular subspaces of A and B on the side of length M, smallest first.",
        "degrees",
        "Björck & Golub 1973, by sines",
        "Random subspaces of small dimension: near 90°; the page draws the band.",
    ),
}


GLOSSARY |= {name: Entry(label, "Over time", *rest) for name, (label, *rest) in {**TIME, **MOTION}.items()}


def lookup(column: str) -> Entry:
    """Find the entry of a column.

    `<column>_a`, `<column>_b` and `<column>_change` are those of two checkpoints, `<column>_first` and `<column>_last`
    those of the first and the last step of a training.

    Args:
        column: name of a table's column.

    Returns:
        Its entry; a column that nobody described is labelled by its own name.
    """
    if column in GLOSSARY:
        return GLOSSARY[column]
    for suffix, label, what, group in (
        ("_a", "{} in A", "in A (before)", "Change"),
        ("_b", "{} in B", "in B (after)", "Change"),
        ("_change", "Change of {}", "B minus A", "Change"),
        ("_first", "{}, first", "at the first analysed step", "Over time"),
        ("_last", "{}, last", "at the last analysed step", "Over time"),
    ):
        base = column.removesuffix(suffix)
        if base != column and base in GLOSSARY:
            entry = GLOSSARY[base]
            definition = f"{entry.definition} Here {what}."
            return replace(entry, label=label.format(entry.label), group=group, definition=definition)
    return Entry(column.replace("_", " "), "Identity", "")
