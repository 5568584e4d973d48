"""Orthonormal samples of any size, by name and found again."""

from __future__ import annotations

import numpy as np
import pytest

from eigentrail import data
from eigentrail.errors import OptionError


@pytest.mark.parametrize(
    ("name", "d", "classes", "outputs"),
    [("orthogonal", 30, 3, 30), ("orthogonal-40-5", 40, 5, 40), ("Orthogonal 21_4-4", 21, 4, 4)],
)
def test_samples_are_orthonormal_and_targets_have_their_rank(
    name: str, d: int, classes: int, outputs: int
) -> None:
    samples = data.load(name)
    x = samples.train_inputs.numpy()
    np.testing.assert_allclose(x @ x.T, np.eye(d), atol=1e-14)
    assert samples.classes == outputs
    sizes = np.bincount(samples.train_targets.numpy(), minlength=outputs)
    assert np.count_nonzero(sizes) == classes and sizes[:classes].max() - sizes[:classes].min() <= 1
    assert data.rebuild(samples.describe()).fingerprint == samples.fingerprint
    assert data.resolve(name)[1] is None


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(OptionError, match="classes is a whole number, 1 to 4"):
        data.load("orthogonal-4-5")
