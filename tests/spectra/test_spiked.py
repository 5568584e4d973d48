"""The BBP maps: exact inverses of one another, and what planted directions really do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigentrail.errors import OptionError
from eigentrail.spectra import marchenko_pastur as mp
from eigentrail.spectra import spiked


@given(st.floats(1e-4, 1.0), st.floats(1.001, 1e3), st.floats(1e-6, 1e6))
def test_strength_inverts_observed(q, multiple, sigma):
    theta = multiple * spiked.bbp_threshold(q)
    eigenvalue = spiked.observed(np.array(theta), q, sigma)
    assert float(spiked.strength(eigenvalue, q, sigma)) == pytest.approx(theta, rel=1e-6)


@given(st.floats(1e-4, 1.0), st.floats(1.01, 30.0))
def test_strength_of_overlap_inverts_overlap(q, multiple):
    theta = multiple * spiked.bbp_threshold(q)
    _, right = spiked.overlap(np.array(theta), q)
    assert float(spiked.strength_of_overlap(right, q)) == pytest.approx(theta, rel=1e-6)


@pytest.mark.parametrize("q", [0.1, 0.5, 1.0])
def test_the_transition(q):
    floor = spiked.bbp_threshold(q)
    below = np.array([0.0, 0.5 * floor, floor])
    assert np.allclose(spiked.observed(below, q), mp.edges(q)[1])
    left, right = spiked.overlap(below, q)
    assert np.allclose(left, 0.0, atol=1e-7)
    assert np.allclose(right, 0.0, atol=1e-7)
    assert np.allclose(spiked.strength(np.array([0.0, mp.edges(q)[1]]), q), floor)


@pytest.mark.parametrize(("rows", "cols"), [(1600, 400), (600, 600)])
@pytest.mark.parametrize("multiple", [1.5, 4.0])
def test_planted_direction_shows_where_and_as_well_as_predicted(rows, cols, multiple):
    q, found = cols / rows, []
    theta = multiple * spiked.bbp_threshold(q)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        u, v = (x / np.linalg.norm(x) for x in (rng.standard_normal(rows), rng.standard_normal(cols)))
        w = rng.standard_normal((rows, cols)) + np.sqrt(rows) * theta * np.outer(u, v)
        values, vectors = np.linalg.eigh(w.T @ w / rows)
        top = w @ vectors[:, -1]
        found.append([values[-1], abs(u @ top) / np.linalg.norm(top), abs(v @ vectors[:, -1])])
    mean = np.mean(found, axis=0)
    left, right = spiked.overlap(np.array(theta), q)
    assert mean[0] == pytest.approx(float(spiked.observed(np.array(theta), q)), rel=0.03)
    assert mean[1] == pytest.approx(float(left), abs=0.04)
    assert mean[2] == pytest.approx(float(right), abs=0.04)


def test_bad_arguments_are_refused():
    with pytest.raises(OptionError, match="larger dimension"):
        spiked.bbp_threshold(2.0)
    with pytest.raises(OptionError, match="overlap"):
        spiked.strength_of_overlap(np.array([1.0]), 0.5)
