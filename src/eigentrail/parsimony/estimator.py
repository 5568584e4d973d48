"""Matrix completion in scikit-learn's form: a transformer that fills in missing entries."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from eigentrail.parsimony.completing import Network
from eigentrail.parsimony.completion import Completion, fit_completion
from eigentrail.parsimony.initial import Matrix
from eigentrail.parsimony.observations import observe


class DeepCompleter(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fill in missing entries by low rank, as `eigentrail.complete` does, in a scikit-learn pipeline.

    `fit` learns the right directions from rows with missing entries; `transform` finds each row's coordinates in them
    from what is observed of it, by least squares with the ridge that the held-out error asks for, and fills in the
    rest. Observed entries stay as they are.

    Args:
        rank: the rank; None to find it.
        depth: the number of inner layers of the network.
        gamma: factor on the rate of the outer factors.
        steps: at most so many for each rank.
        holdout: the share of the observed entries that is held out.
        random_state: the seed, a whole number.

    Attributes:
        completion_: the `Completion` of the rows that were fitted.
        components_: [rank, features] right directions, scaled so that rows' coordinates have variance 1.
        rank_: the rank.
        error_: relative error of held-out entries; NaN where too few could be held out.
    """

    def __init__(
        self,
        rank: int | None = None,
        *,
        depth: int = 3,
        gamma: float = 1.0,
        steps: int = 300,
        holdout: float = 0.05,
        random_state: int = 0,
    ) -> None:
        self.rank = rank
        self.depth = depth
        self.gamma = gamma
        self.steps = steps
        self.holdout = holdout
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the right directions.

        Args:
            X: [samples, features] with NaN where an entry is missing.
            y: ignored.

        Returns:
            The estimator.

        Raises:
            ValueError: there are fewer than two samples or features, of which no rank can be fixed.
        """
        rows = validate_data(self, X, ensure_all_finite="allow-nan", dtype=np.float64, ensure_min_samples=2)
        if rows.shape[1] < 2:
            raise ValueError("rows of 1 feature(s) have no rank to complete by: give two or more.")
        found = fit_completion(
            observe(rows),
            self.rank,
            Network(depth=self.depth, gamma=self.gamma, steps=self.steps),
            holdout=self.holdout,
            seed=self.random_state,
            progress=False,
        )
        self.completion_: Completion = found
        self.rank_ = found.rank
        self.error_ = float("nan") if found.error is None else found.error
        self.components_: Matrix = found.values[:, None] / np.sqrt(len(rows)) * found.right
        # An entry's noise as a ridge on coordinates of variance 1.
        size = float(np.mean(found.observed.values**2))
        self._ridge = max((found.error or 0.0) ** 2, 1e-12) * size
        return self

    def transform(self, X: Any) -> Matrix:
        """Fill in missing entries.

        Args:
            X: [samples, features] with NaN where an entry is missing; a row without any known one becomes zero.

        Returns:
            The same rows without NaN.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, ensure_all_finite="allow-nan", dtype=np.float64, reset=False)
        filled: Matrix = rows.copy()
        unit = np.eye(self.rank_)
        for row in np.flatnonzero(np.isnan(rows).any(axis=1)):
            known = ~np.isnan(rows[row])
            directions = self.components_[:, known]
            gram = directions @ directions.T + self._ridge * unit
            coordinates = np.linalg.solve(gram, directions @ rows[row, known])
            filled[row, ~known] = coordinates @ self.components_[:, ~known]
        return filled

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
