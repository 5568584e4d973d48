"""The diagnosis of a large matrix from a sketch of its spectrum, every number with its error."""

from __future__ import annotations

from typing import Any

import numpy as np

from eigentrail._arrays import is_tensor
from eigentrail.metrics.framework.contract import DiagnosisOptions
from eigentrail.metrics.framework.diagnose import Diagnosis, diagnose, diagnose_spectrum
from eigentrail.metrics.framework.registry import metrics
from eigentrail.spectra.eigenvalues import checked_stack
from eigentrail.spectra.entry_statistics import entry_statistics
from eigentrail.spectra.sketch import PAYS, sketch
from eigentrail.spectra.spectrum import Spectrum

_DRAWS = 16
_UNRESOLVED = "the sketch did not resolve this spectrum: all eigenvalues were computed"


def diagnose_fast(w: Any, options: DiagnosisOptions) -> Diagnosis:
    """Diagnose one weight matrix from a sketch where that pays and resolves the spectrum, else from all eigenvalues.

    Args:
        w: [n, m], or [k, n, m] for a pool, which is never sketched; numpy or torch.
        options: see `DiagnosisOptions`; no shuffled copy is drawn.

    Returns:
        The row, the spectrum, and the errors of the sketch.

    Raises:
        LayerError: when the array is no matrix, is empty, or holds NaN, infinities, only zeros or one constant.
    """
    if (is_tensor(w) and w.device.type != "cpu") or min(w.shape[-2:]) < PAYS:
        return diagnose(w, options)
    stack = checked_stack(w)
    found = sketch(stack[0], options.seed, options.leading) if len(stack) == 1 else None
    if found is None:
        whole = diagnose(w, options)
        whole.row["warnings"].append(_UNRESOLVED)
        return whole
    known, leading = found
    entries = entry_statistics(stack)
    made = diagnose_spectrum(Spectrum.from_sketch(known, entries, leading), options, matrix=stack)
    # Those that read the entries are exact.
    asked = [one for one in metrics() if "matrix" not in one.inputs]
    draws = [
        diagnose_spectrum(Spectrum.from_sketch(known, entries, eigenvalues=values), options, only=asked).row
        for values in known.resampled(_DRAWS, options.seed)
    ]
    probes = len(known.weights)
    # The weights of a draw spread a little less than new start vectors would.
    return Diagnosis(made.row, made.spectrum, _errors(made.row, draws, (1.0 + 1.0 / probes) ** 0.5))


def _errors(row: dict[str, Any], draws: list[dict[str, Any]], widening: float) -> dict[str, float]:
    """Give the spread of each number over the draws; those that do not move are exact and left out."""
    errors = {}
    for name, value in row.items():
        seen = [draw[name] for draw in draws if draw.get(name) is not None]
        if isinstance(value, str):
            error = sum(one != value for one in seen) / len(draws)
        elif isinstance(value, int | float) and len(seen) > 1:
            error = widening * float(np.std(seen, ddof=1))
        else:
            continue
        if error > 0.0:
            errors[name] = error
    return errors
