"""The full diagnosis of one weight matrix: one flat row of numbers, and the spectrum they came from.

What cannot be computed is None and the row's `warnings` say why; nothing is ever NaN or infinite.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigentrail._arrays import is_tensor
from eigentrail.errors import SpectrumError
from eigentrail.spectra.determinant import erg_count
from eigentrail.spectra.eigenvalues import checked_stack, decompose, decompose_checked
from eigentrail.spectra.entry_statistics import entry_statistics
from eigentrail.spectra.randomized import ShuffleNull, shuffled_null
from eigentrail.spectra.spectrum import Spectrum

# From this order on, the data and its shuffled null are decomposed side by side in two threads.
_SIDE_BY_SIDE = 256
# WeightWatcher's convention: below 2 a layer may be over-trained, above 6 under-trained.
ALPHA_OVER, ALPHA_UNDER = 2.0, 6.0

COLUMNS = (
    "rows", "cols", "q", "lambda_min", "lambda_max",
    "mp_sigma", "mp_sigma_error", "mp_edge_low", "mp_edge_high", "mp_ks_distance",
    "spike_threshold", "spikes", "spike_strength", "null_spikes", "null_lambda_max", "null_distance",
    "alpha", "alpha_error", "alpha_low", "alpha_high", "xmin", "ks_distance", "tail_size", "tail_p_value", "tail_model",
    "weighted_alpha", "log_alpha_norm",
    "frobenius_norm", "spectral_norm", "stable_rank", "effective_rank", "participation_rank", "numerical_rank",
    "mp_soft_rank", "erg_count",
    "spacing_ratio", "spacing_ratio_error", "spacing_p_wigner", "spacing_p_poisson",
    "porter_thomas_p", "vector_participation",
    "phase", "phase_confidence",
)  # fmt: skip


@dataclass(frozen=True)
class DiagnosisOptions:
    """What to compute, and how carefully.

    Attributes:
        level: chance that a pure noise matrix shows a spike.
        bootstrap: draws for the tail's p-value and interval; 0 for none.
        seed: seed of everything random.
        null: decompose the shuffled matrix too.
        leading: pairs of leading singular vectors to keep.
    """

    level: float = 0.01
    bootstrap: int = 0
    seed: int = 0
    null: bool = True
    leading: int = 16


@dataclass(frozen=True)
class Diagnosis:
    """Everything about one matrix.

    Attributes:
        row: the columns named in `COLUMNS`, then `warnings` (a list of sentences); plain Python values.
        spectrum: the spectrum that the row was read from.
    """

    row: dict[str, Any]
    spectrum: Spectrum


def diagnose(w: Any, options: DiagnosisOptions | None = None) -> Diagnosis:
    """Diagnose one weight matrix or one pool of matrices.

    Args:
        w: [n, m], or [k, n, m] for a pool; numpy or torch.
        options: see `DiagnosisOptions`.

    Returns:
        The row and the spectrum.

    Raises:
        LayerError: when the array is no matrix, is empty, or holds NaN, infinities, only zeros or one constant.
    """
    options = options or DiagnosisOptions()
    return diagnose_spectrum(_spectrum_of(w, options), options)


def _spectrum_of(w: Any, options: DiagnosisOptions) -> Spectrum:
    if is_tensor(w) and w.device.type != "cpu":
        parts = decompose(w, options.leading)
        stack = checked_stack(w)
        entries = entry_statistics(stack)
        null = shuffled_null(stack, options.seed) if options.null else None
        return Spectrum.from_decomposition(parts, entries, null)
    stack = checked_stack(w)
    if options.null and stack.shape[2] >= _SIDE_BY_SIDE:
        with ThreadPoolExecutor(1) as pool:
            shuffled = pool.submit(shuffled_null, stack, options.seed)
            counted = pool.submit(entry_statistics, stack)
            parts = decompose_checked(stack, options.leading)
            null, entries = shuffled.result(), counted.result()
    else:
        parts = decompose_checked(stack, options.leading)
        null = shuffled_null(stack, options.seed) if options.null else None
        entries = entry_statistics(stack)
    return Spectrum.from_decomposition(parts, entries, null)


def diagnose_spectrum(
    spectrum: Spectrum, options: DiagnosisOptions | None = None, *, product: bool = False
) -> Diagnosis:
    """Fill the row from a spectrum that is already there, for instance one read back from a file.

    Args:
        spectrum: of a weight matrix: with rows and cols.
        options: see `DiagnosisOptions`.
        product: the matrix is a product of thin factors such as an adapter's B A: there is no noise bulk, so bulk,
            spikes, level statistics and phase stay empty.

    Returns:
        The row and the spectrum.
    """
    options = options or DiagnosisOptions()
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    warnings: list[str] = []
    values = np.asarray(spectrum.eigenvalues)
    rows, cols = spectrum.rows or 0, spectrum.cols or 0
    total, top = float(values.sum()) * rows, float(values[-1])
    row |= {
        "rows": rows,
        "cols": cols,
        "q": cols / rows,
        "lambda_min": float(values[0]),
        "lambda_max": top,
        "frobenius_norm": math.sqrt(total),
        "spectral_norm": math.sqrt(top * rows),
    }
    parts = (_tail, _ranks) if product else (_bulk, _tail, _ranks, _levels, _vectors, _phase)
    if product:
        warnings.append(
            "a product of thin factors has no noise bulk: bulk, spikes, levels and phase do not apply"
        )
    for part in parts:
        try:
            part(row, spectrum, options, warnings)
        except SpectrumError as error:
            text = f"no phase: {error}" if part is _phase else str(error)
            if text not in warnings:
                warnings.append(text)
    for name in COLUMNS:
        value = row[name]
        if isinstance(value, float) and not math.isfinite(value):
            row[name] = None
            warnings.append(f"{name} is not finite for this matrix")
    row["warnings"] = remarks(row) + warnings
    return Diagnosis(row, spectrum)


def _bulk(row: dict[str, Any], spectrum: Spectrum, options: DiagnosisOptions, warnings: list[str]) -> None:
    mp = spectrum.marchenko_pastur(options.level)
    row |= {
        "mp_sigma": float(mp.sigma),
        "mp_sigma_error": _number(mp.sigma_error),
        "mp_edge_low": float(mp.edge_low),
        "mp_edge_high": float(mp.edge_high),
        "mp_ks_distance": _number(mp.ks_distance),
        "spike_threshold": float(mp.threshold),
        "spikes": int(mp.spikes),
        "spike_strength": float(mp.spike_strengths[0]) if mp.spikes else None,
    }
    null = spectrum.null
    if null is not None:
        row["null_spikes"] = int(null.marchenko_pastur(options.level).spikes)
        row["null_lambda_max"] = null.lambda_max
        row["null_distance"] = _distance(np.asarray(spectrum.eigenvalues), null)


def _distance(values: NDArray[Any], null: ShuffleNull) -> float | None:
    """Kolmogorov-Smirnov distance between the spectrum and that of the shuffled matrix.

    Args:
        values: eigenvalues, ascending.
        null: the shuffled matrix's.

    Returns:
        The largest difference of the two distribution functions, 0 to 1; None for different sizes.
    """
    other = null.eigenvalues
    if len(other) != len(values):
        return None
    below = np.searchsorted(other, values, side="right") / len(other)
    ranks = np.arange(1, len(values) + 1) / len(values)
    return float(max(np.abs(below - ranks).max(), np.abs(below - ranks + 1 / len(values)).max()))


def _tail(row: dict[str, Any], spectrum: Spectrum, options: DiagnosisOptions, warnings: list[str]) -> None:
    fit = spectrum.power_law(bootstrap=options.bootstrap, seed=options.seed)
    values = np.asarray(spectrum.eigenvalues)
    top = float(values[-1])
    positive = np.log(values[values > 0])
    largest = float(positive[-1])
    exponents = np.exp(fit.alpha * (positive - largest))
    row |= {
        "alpha": float(fit.alpha),
        "alpha_error": float(fit.alpha_error),
        "alpha_low": float(fit.alpha_interval[0]) if fit.alpha_interval else None,
        "alpha_high": float(fit.alpha_interval[1]) if fit.alpha_interval else None,
        "xmin": float(fit.xmin),
        "ks_distance": float(fit.ks_distance),
        "tail_size": int(fit.tail_size),
        "tail_p_value": None if fit.p_value is None else float(fit.p_value),
        "tail_model": fit.model,
        "weighted_alpha": float(fit.alpha) * math.log10(top),
        "log_alpha_norm": (fit.alpha * largest + math.log(float(exponents.sum()))) / math.log(10.0),
    }
    if fit.note:
        warnings.append(fit.note)


def _ranks(row: dict[str, Any], spectrum: Spectrum, options: DiagnosisOptions, warnings: list[str]) -> None:
    found = spectrum.ranks()
    row |= {
        "stable_rank": float(found.stable),
        "effective_rank": float(found.effective),
        "participation_rank": float(found.participation),
        "numerical_rank": int(found.numerical),
        "mp_soft_rank": None if row["mp_sigma"] is None else _number(found.mp_soft),
        "erg_count": int(erg_count(np.asarray(spectrum.eigenvalues))),
    }


def _levels(row: dict[str, Any], spectrum: Spectrum, options: DiagnosisOptions, warnings: list[str]) -> None:
    found = spectrum.spacings()
    row |= {
        "spacing_ratio": _number(found.ratio_mean),
        "spacing_ratio_error": _number(found.ratio_error),
        "spacing_p_wigner": _number(found.p_wigner),
        "spacing_p_poisson": _number(found.p_poisson),
    }
    if found.note:
        warnings.append(found.note)


def _vectors(row: dict[str, Any], spectrum: Spectrum, options: DiagnosisOptions, warnings: list[str]) -> None:
    found = spectrum.vectors
    if found is None:
        if row["cols"] < 8:
            warnings.append(
                "the shorter singular vectors have fewer than 8 entries: no statistics of vectors"
            )
        return
    # Sidak: the smaller of two independent uniform p-values, brought back to a uniform one.
    smaller = min(float(found.long_p[0]), float(found.short_p[0]))
    row["porter_thomas_p"] = 1.0 - (1.0 - smaller) ** 2
    row["vector_participation"] = float(found.long_participation[0] + found.short_participation[0]) / 2


def _phase(row: dict[str, Any], spectrum: Spectrum, options: DiagnosisOptions, warnings: list[str]) -> None:
    phase = spectrum.phase()
    row["phase"] = phase.label
    row["phase_confidence"] = _number(phase.confidence)


def remarks(row: dict[str, Any]) -> list[str]:
    """Say in words what in the row needs a look.

    Args:
        row: the finished row.

    Returns:
        Sentences, the gravest first.
    """
    said = []
    alpha = row["alpha"]
    if row["phase"] == "rank-collapse":
        said.append(f"rank collapse: effective rank {row['effective_rank']:.1f} of {row['cols']}")
    if row["null_spikes"]:
        said.append(
            f"{row['null_spikes']} spike(s) survive a shuffle of the entries: single large entries make them"
        )
    if alpha is not None and alpha < ALPHA_OVER:
        said.append(f"alpha {alpha:.2f} is below 2: over-trained by convention")
    if alpha is not None and alpha > ALPHA_UNDER:
        said.append(f"alpha {alpha:.2f} is above 6: under-trained by convention")
    if row["tail_model"] == "none":
        said.append("the tail is no power law (p < 0.1): alpha is only a slope")
    return said


def _number(x: Any) -> float | None:
    return None if x is None or not math.isfinite(x) else float(x)
