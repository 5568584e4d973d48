"""Units, conventions and reasons that several metrics state."""

from __future__ import annotations

#: The unit of edges, thresholds and cutoffs.
LAMBDA = "in units of the eigenvalues λ of WᵀW / N, N the longer side"
#: Why a column of the shuffled matrix may be missing.
NO_SHUFFLE = "the shuffled copy was not asked for"
#: Why a column of the bootstrap may be missing.
NO_BOOTSTRAP = "needs --bootstrap"
#: Why a column of the singular vectors may be missing.
NO_VECTORS = "singular vectors are not known or shorter than 8"
