"""The full diagnosis of one weight matrix: one flat row of numbers, and the spectrum they came from.

What cannot be computed is None and the row's `warnings` say why; nothing is ever NaN or infinite.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from eigentrail._arrays import is_tensor
from eigentrail.errors import SpectrumError
from eigentrail.metrics.framework.contract import DiagnosisOptions, Metric
from eigentrail.metrics.framework.registry import metrics
from eigentrail.spectra.eigenvalues import checked_stack, decompose, decompose_checked
from eigentrail.spectra.entry_statistics import entry_statistics
from eigentrail.spectra.randomized import shuffled_null
from eigentrail.spectra.shuffle_law import ORDER, null_of
from eigentrail.spectra.spectrum import Spectrum

# From this order on, the data and its shuffled null are decomposed side by side in two threads, up to that from which
# on the null is mostly known without being drawn.
_SIDE_BY_SIDE = 256


@dataclass(frozen=True)
class Diagnosis:
    """Everything about one matrix.

    Attributes:
        row: the columns of the metrics, then `warnings` (a list of sentences); plain Python values.
        spectrum: the spectrum that the row was read from.
        errors: standard errors of a sketch's numbers by column, of `phase` the chance that it is another one; None
            where all eigenvalues were computed.
    """

    row: dict[str, Any]
    spectrum: Spectrum
    errors: dict[str, float] | None = None


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
    stack = checked_stack(w)
    entries = entry_statistics(stack)
    null = None
    if is_tensor(w) and w.device.type != "cpu":
        parts = decompose(w, options.leading)
    elif options.null and _SIDE_BY_SIDE <= stack.shape[2] < ORDER:
        with ThreadPoolExecutor(1) as pool:
            drawn = pool.submit(shuffled_null, stack, options.seed)
            parts = decompose_checked(stack, options.leading)
            null = drawn.result()
    else:
        parts = decompose_checked(stack, options.leading)
    if options.null and null is None:
        mean_square = float(parts.groups.mean())
        null = null_of(stack, entries, mean_square, options.seed)
    return diagnose_spectrum(Spectrum.from_decomposition(parts, entries, null), options, matrix=stack)


def diagnose_spectrum(
    spectrum: Spectrum,
    options: DiagnosisOptions | None = None,
    *,
    product: bool = False,
    matrix: Any = None,
    only: Sequence[Metric] | None = None,
) -> Diagnosis:
    """Fill the row from a spectrum that is already there, for instance one read back from a file.

    Args:
        spectrum: of a weight matrix: with rows and cols.
        options: see `DiagnosisOptions`.
        product: the matrix is a product of thin factors such as an adapter's B A: there is no noise bulk, so bulk,
            spikes, level statistics and phase stay empty.
        matrix: [k, N, M] the entries, for the metrics that ask for them; None where they are not there.
        only: the metrics to compute; None for all.

    Returns:
        The row and the spectrum.
    """
    options = options or DiagnosisOptions()
    asked = metrics() if only is None else only
    row: dict[str, Any] = {column.name: None for one in asked for column in one.columns}
    warnings: dict[str, None] = {}
    if product:
        said = "a product of thin factors has no noise bulk: bulk, spikes, levels and phase do not apply"
        warnings[said] = None
    for one in asked:
        if product and (one.of_noise or "matrix" in one.inputs):
            continue
        try:
            found = one.measure(spectrum, options, matrix)
        except SpectrumError as error:
            warnings[str(error)] = None
            continue
        for column in one.columns:
            try:
                row[column.name] = column.plain(found.values.get(column.name))
            except SpectrumError as error:
                warnings[str(error)] = None
        if found.note:
            warnings[found.note] = None
    row["warnings"] = list(warnings)
    return Diagnosis(row, spectrum)
