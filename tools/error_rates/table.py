"""All rows of the table of error rates."""

from __future__ import annotations

from error_rates import (
    checks,
    claims,
    comparisons,
    crossings,
    drift,
    geodesics,
    growth,
    laws,
    overlaps,
    segments,
    spectra,
    tails,
)
from error_rates.row import Row

SUBJECTS = (
    spectra,
    tails,
    laws,
    drift,
    growth,
    geodesics,
    segments,
    overlaps,
    crossings,
    claims,
    checks,
    comparisons,
)


def rows() -> list[Row]:
    """List all rows, in the order of the table."""
    return [row for subject in SUBJECTS for row in subject.rows()]
