"""The completion in scikit-learn's form."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from eigentrail.parsimony import DeepCompleter


@parametrize_with_checks([DeepCompleter(rank=1, steps=5)])
def test_the_conventions_of_scikit_learn(estimator, check) -> None:
    check(estimator)


def test_new_rows_are_filled_in_from_what_is_observed_of_them() -> None:
    rng = np.random.default_rng(0)
    right = rng.standard_normal((3, 30))
    rows = rng.standard_normal((90, 3)) @ right
    holes = np.where(rng.random(rows.shape) < 0.5, rows, np.nan)
    completer = DeepCompleter().fit(holes[:60])
    assert completer.rank_ == 3 and completer.error_ < 1e-4
    np.testing.assert_allclose(completer.transform(holes[60:]), rows[60:], atol=1e-3)
    np.testing.assert_allclose(completer.fit_transform(holes[:60]), rows[:60], atol=1e-3)
    assert np.array_equal(completer.transform(rows), rows)
    scaled = make_pipeline(StandardScaler(), DeepCompleter(rank=3)).fit_transform(holes)
    assert np.isfinite(scaled).all()


def test_one_sample_and_one_feature_are_refused() -> None:
    for shape in ((1, 5), (5, 1)):
        with pytest.raises(ValueError, match="1 "):
            DeepCompleter().fit(np.ones(shape))
