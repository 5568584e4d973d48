"""The diagnosis of one weight matrix of a source, as one process does it."""

from __future__ import annotations

from typing import Any, NamedTuple

from eigentrail.errors import EigentrailError, NotFiniteError
from eigentrail.linalg.threads import threads_for
from eigentrail.metrics.framework.contract import DiagnosisOptions
from eigentrail.metrics.framework.diagnose import diagnose, diagnose_spectrum
from eigentrail.metrics.framework.sketched import diagnose_fast
from eigentrail.spectra.shuffle_law import ORDER
from eigentrail.spectra.spectrum import Spectrum
from eigentrail.weights import FactoredMatrix, MatrixSpec, Weights

# Floating-point operations that a core does in a second, and seconds that a diagnosis takes beside its decompositions.
_SPEED, _DIAGNOSIS = 3e10, 0.03
_LARGE = 2048


class InspectedLayer(NamedTuple):
    """What came of one matrix.

    Attributes:
        name: of the matrix.
        row: its row of the table; None where it could not be diagnosed.
        spectrum: its spectrum; None as well.
        reason: why there is none.
        finite: whether all entries are finite.
    """

    name: str
    row: dict[str, Any] | None
    spectrum: Spectrum | None
    reason: str | None = None
    finite: bool = True


def inspect_layer(weights: Weights, name: str, options: DiagnosisOptions, device: str) -> InspectedLayer:
    """Read one matrix and diagnose it.

    Args:
        weights: the open source; it reads lazily, so sending it to another process sends no weights of files.
        name: which matrix.
        options: how to diagnose.
        device: where to decompose.

    Returns:
        The row and spectrum, or the reason when there are none.
    """
    spec: MatrixSpec = weights.specs[name]
    try:
        # The matrix and its shuffled copy are decomposed side by side.
        with threads_for(min(spec.rows, spec.cols), 2):
            matrix = weights.as_stored(name) if device == "cpu" else weights[name]
            if isinstance(matrix, FactoredMatrix):
                found = diagnose_spectrum(factored_spectrum(matrix), options, product=True)
            elif options.fast:
                found = diagnose_fast(matrix.to(device), options)
            else:
                found = diagnose(matrix.to(device), options)
    except EigentrailError as error:
        return InspectedLayer(name, None, None, str(error), not isinstance(error, NotFiniteError))
    found.spectrum.forget_vectors()  # hundreds of layers would otherwise keep hundreds of megabytes
    row = {
        "name": name,
        "kind": spec.kind,
        "shape": list(spec.shape),
        "dtype": spec.dtype,
        "matrices": spec.matrices,
        **found.row,
        "aliases": list(spec.aliases),
        "note": spec.note or None,
        "errors": found.errors,
    }
    return InspectedLayer(name, row, found.spectrum)


def seconds_for(spec: MatrixSpec) -> float:
    """Say about how long a matrix takes on one core.

    Args:
        spec: its shape.

    Returns:
        Seconds.
    """
    n, m = max(spec.rows, spec.cols), min(spec.rows, spec.cols)
    # Up to that order a shuffled copy is decomposed too.
    copies = 2 if m < ORDER else 1
    return copies * spec.matrices * (2.0 * n * m**2 + 4.0 * m**3) / _SPEED + _DIAGNOSIS


def is_large(spec: MatrixSpec) -> bool:
    """Say whether one decomposition keeps all cores at work: several at a time would only take more memory.

    Args:
        spec: its shape.

    Returns:
        Whether the short side is 2048 or more, of a matrix that is no product of thin factors.
    """
    return min(spec.rows, spec.cols) >= _LARGE and not spec.factored


def factored_spectrum(matrix: FactoredMatrix) -> Spectrum:
    """Give the spectrum of a low-rank product from its factors alone.

    Args:
        matrix: for instance the update B A of an adapter.

    Returns:
        All eigenvalues of W^T W / N, the exact zeros included.
    """
    shape = matrix.shape
    rows, cols = max(shape[-2:]), min(shape[-2:])
    sigma = matrix.singular_values().reshape(-1, cols)
    return Spectrum(sigma.numpy() ** 2 / rows, rows, cols, len(sigma))
