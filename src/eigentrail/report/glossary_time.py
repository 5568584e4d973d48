"""What the numbers of a training over time mean: label, definition, units, source, what chance gives."""

from __future__ import annotations

_FOLLOWED = "spikes followed by the overlap of their singular vectors, S0's counts made individuals"

TIME: dict[str, tuple[str, str, str, str, str]] = {
    "run": ("Run", "Which of the compared trainings.", "", "", ""),
    "steps": (
        "Steps",
        "Recorded steps of this layer; singular values and norms are computed at each.",
        "count",
        "",
        "",
    ),
    "points": (
        "Looked at closely",
        "Log-spaced steps at which bulk, spikes, tail, ranks and phase are computed.",
        "count",
        "",
        "",
    ),
    "first_step": ("First step", "The first analysed step that has a spectrum.", "optimizer steps", "", ""),
    "last_step": ("Last step", "The last analysed step that has a spectrum.", "optimizer steps", "", ""),
    "run_end": (
        "End of the run",
        "The last step of the run; where it is later than the last step of a layer, that layer is not seen at the end.",
        "optimizer steps",
        "",
        "",
    ),
    "first_birth": (
        "First birth",
        "The analysed step at which the first spike was born. Spikes of the first step have no birth.",
        "optimizer steps",
        _FOLLOWED,
        "A layer that stays noise: a false birth at one analysed step in a hundred.",
    ),
    "births": (
        "Births",
        "Spikes that came out of the bulk: directions above the threshold that continue none of the steps before.",
        "count over the training",
        _FOLLOWED,
        "One false spike in a hundred independent steps; neighbouring steps are hardly independent.",
    ),
    "deaths": (
        "Deaths",
        "Spikes that went back into the bulk, or whose direction was lost, for four analysed steps or to the end.",
        "count over the training",
        _FOLLOWED,
        "Every false birth dies.",
    ),
    "crossings": (
        "Crossings",
        "How often two followed spikes changed places in the order of singular values.",
        "count over the training",
        _FOLLOWED,
        "Spikes of nearly equal strength change places by chance.",
    ),
    "noise_ks_high": (
        "Noise stays below",
        "95% quantile of the distance to the noise law over Gaussian matrices of this shape, each with its own fit.",
        "0 to 1",
        "eigenvalues drawn exactly, Dumitriu & Edelman 2002",
        "5% of pure noise matrices lie above.",
    ),
    "phases_between": (
        "Phases between",
        "Phases at analysed steps that are neither the first nor the last one, in the order in which they came.",
        "",
        "",
        "Many steps are looked at: near a border between two phases noise alone can change the label.",
    ),
    "farthest_bulk": (
        "Noise distance, largest",
        "The largest distance between the bulk and its noise law at any analysed step.",
        "0 to 1",
        "",
        "The largest of many steps lies above what one step gives: neighbouring steps are hardly independent.",
    ),
    "farthest_step": (
        "At step",
        "The analysed step at which the bulk was farthest from its noise law.",
        "optimizer steps",
        "",
        "",
    ),
    "frobenius_ratio": (
        "‖W‖ last ÷ first",
        "Frobenius norm at the last step over that at the first.",
        "1 is unchanged",
        "",
        "Weight decay alone: (1 − rate × decay) to the number of steps.",
    ),
    "spectral_ratio": (
        "σ₁ last ÷ first",
        "Largest singular value at the last step over that at the first.",
        "1 is unchanged",
        "",
        "",
    ),
}
