"""Principal components of trajectories against the singular value decomposition and planted structure."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from planting import record

from eigentrail.errors import EigentrailError, NumericalWarning, OptionError, TrajectoryError
from eigentrail.trajectories import pca
from eigentrail.trajectories.joined import joined
from eigentrail.trajectories.pca import components_of
from eigentrail.trajectories.rows import open_rows


def walk(t: int, n: int, seed: int = 0, offset: float = 10.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return offset + np.cumsum(rng.standard_normal((t, n)) * rng.uniform(0.1, 2.0, n), axis=0)


def known(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    _, s, vt = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    return s[:k] ** 2 / len(x), vt[:k]


@pytest.mark.parametrize("method", ["exact", "randomized"])
@pytest.mark.parametrize("of", ["weights", "updates"])
@pytest.mark.parametrize("shape", [(40, 300), (300, 40), (50, 50)])
def test_components_are_those_of_the_thin_svd(shape: tuple[int, int], of: str, method: str) -> None:
    x = walk(*shape)
    found = pca(x, 6, of=of, method=method, tolerance=1e-10)
    rows = x if of == "weights" else np.diff(x, axis=0)
    variances, directions = known(rows, 6)
    np.testing.assert_allclose(found.variances, variances, rtol=1e-9)
    cosines = np.abs(np.einsum("kn,kn->k", found.basis.directions(), directions))
    assert cosines.min() > 1 - 1e-9
    scores = (rows - rows.mean(axis=0)) @ found.basis.directions().T
    np.testing.assert_allclose(found.scores, scores, atol=1e-7 * np.abs(scores).max())
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), atol=1e-10)
    assert found.total == pytest.approx(rows.var(axis=0).sum(), rel=1e-10)
    assert found.errors.max() < 1e-9
    assert found.shares.sum() < 1


def test_the_variance_is_that_of_the_scores_and_signs_follow_time() -> None:
    found = pca(walk(60, 500, 3), 5)
    np.testing.assert_allclose(found.scores.var("step").values, found.variances, rtol=1e-10)
    trend = (found.scores * (np.arange(60) - 29.5)[:, None]).sum("step")
    assert (trend > 0).all()
    np.testing.assert_allclose(found.scores.mean("step").values, 0, atol=1e-9)


def test_components_of_a_drift_in_float32_keep_their_digits() -> None:
    # Weights of norm 1000 that move by one millionth of it: a Gram matrix of the weights themselves would lose that.
    rng = np.random.default_rng(0)
    start, direction = rng.standard_normal(2000) * 20, rng.standard_normal(2000)
    direction /= np.linalg.norm(direction)
    x = (start + 1e-3 * np.linspace(0, 1, 30)[:, None] * direction).astype(np.float64)
    found = pca(x, 1)
    assert abs(found.basis.coordinates(direction)[0]) > 1 - 1e-9
    assert found.variances[0] == pytest.approx(1e-6 * np.var(np.linspace(0, 1, 30)), rel=1e-8)


def test_updates_of_a_long_drift_are_read_again_where_the_differences_would_be_lost() -> None:
    rng = np.random.default_rng(1)
    drift = 1e7 * np.arange(80)[:, None] * np.eye(1, 200)
    x = drift + np.cumsum(rng.standard_normal((80, 200)), axis=0)
    found = pca(x, 4, of="updates")
    variances, _ = known(np.diff(x, axis=0), 4)
    np.testing.assert_allclose(found.variances, variances, rtol=1e-7)


def test_groups_of_steps_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    x = walk(37, 90).astype(np.float32)
    whole = pca(x, 5)
    module = importlib.import_module("eigentrail.trajectories.gram")
    rows = open_rows(x)
    origin = module.reference(rows)
    g = module.gram(rows, origin)
    for memory in (1, 90 * 4 * 8, 90 * 4 * 21):
        np.testing.assert_allclose(module.gram(rows, origin, memory), g, rtol=1e-12, atol=1e-9)
    monkeypatch.setattr("eigentrail.trajectories.gram._COPY", 37 * 256)
    np.testing.assert_allclose(pca(x, 5).variances, whole.variances, rtol=1e-12)


@pytest.mark.parametrize("kind", ["tensor", "half", "labelled", "list", "matrices"])
def test_any_kind_of_array_will_do(kind: str) -> None:
    x = walk(20, 24)
    y = {
        "tensor": lambda: torch.from_numpy(x),
        "half": lambda: torch.from_numpy(x).to(torch.bfloat16),
        "labelled": lambda: xr.DataArray(x, dims=("step", "w"), coords={"step": np.arange(20) * 5}),
        "list": lambda: list(x),
        "matrices": lambda: x.reshape(20, 6, 4),
    }[kind]()
    found = pca(y, 2)
    np.testing.assert_allclose(found.variances, known(x, 2)[0], rtol=0.05 if kind == "half" else 1e-10)
    if kind == "labelled":
        assert found.scores["step"].values.tolist() == list(range(0, 100, 5))
    if kind == "matrices":
        assert found.mean.shape == (6, 4)
        assert found.basis.coordinates(y[0]).shape == (2,)


def test_layers_of_a_run_and_the_whole_network(tmp_path: Path) -> None:
    a, b = walk(12, 20).reshape(12, 5, 4), walk(12, 6, 1).reshape(12, 2, 3)
    run = record(tmp_path / "run", {"a": a, "b": b})
    np.testing.assert_allclose(pca(run["a"], 3).variances, known(a.reshape(12, -1), 3)[0], rtol=1e-10)
    whole = joined(run)
    assert whole.shape == (12, 26) and whole.attrs["slices"] == {"a.weight": (0, 20), "b.weight": (20, 26)}
    both = np.hstack([a.reshape(12, -1), b.reshape(12, -1)])
    np.testing.assert_array_equal(whole.values, both)
    found = pca(whole, 3)
    np.testing.assert_allclose(found.variances, known(both, 3)[0], rtol=1e-10)
    assert found.scores["step"].values.tolist() == list(range(12))


def test_layers_recorded_at_different_rates_share_their_common_steps(tmp_path: Path) -> None:
    a, b = walk(13, 20).reshape(13, 5, 4), walk(13, 6, 1).reshape(13, 2, 3)
    run = record(tmp_path / "run", {"a": a, "b": b}, layers={"a": 2, "b": 3})
    whole = joined(run)
    assert whole["step"].values.tolist() == [0, 6, 12]
    np.testing.assert_array_equal(whole.values[:, 20:], b[[0, 6, 12]].reshape(3, -1))


def test_a_randomised_fit_that_stops_early_says_so() -> None:
    rng = np.random.default_rng(0)
    with pytest.warns(NumericalWarning, match="relative error"):
        found = pca(rng.standard_normal((900, 400)), 2, method="randomized", tolerance=1e-14)
    assert found.errors.max() > 1e-14
    exact = pca(rng.standard_normal((900, 400)) * 0 + 1e-3 * walk(900, 400), 2)
    assert exact.errors.max() < 1e-10


@pytest.mark.parametrize("seed", range(3))
def test_the_stated_error_of_the_randomised_method_holds(seed: int) -> None:
    x = walk(400, 600, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pca(x, 8, method="randomized", tolerance=1e-3, seed=seed)
    variances, _ = known(x, 8)
    assert (np.abs(found.variances / variances - 1) <= found.errors + 1e-12).all()


def broken() -> np.ndarray:
    x = walk(10, 5)
    x[7, 2] = np.nan
    return x


@pytest.mark.parametrize(
    ("x", "k", "words"),
    [
        (walk(2, 5), 1, "at least 3"),
        (np.ones((10, 5)), 1, "constant"),
        (np.ones((10, 3)), 1, "constant"),
        (broken(), 1, "step 7"),
        (walk(4, 5), 4, "1 to 3 components"),
        (walk(4, 5), 0, "1 to 3 components"),
        (np.outer(np.arange(9.0), np.ones(20)), 2, "1 direction only"),
        ([np.ones((2, 2)), np.ones((2, 3)), np.ones((2, 2))], 1, "different shapes"),
        (np.arange(5.0), 1, "of shape"),
        (np.ones((5, 0)), 1, "no numbers"),
    ],
)
@pytest.mark.parametrize("method", ["exact", "randomized"])
def test_bad_input_is_one_sentence(x: object, k: int, words: str, method: str) -> None:
    with pytest.raises(EigentrailError, match=words) as error:
        pca(x, k, method=method)
    assert str(error.value).count(". ") == 0


def test_unknown_options_are_refused() -> None:
    x = walk(10, 5)
    for arguments in ({"of": "gradients"}, {"method": "fast"}, {"tolerance": 0.0}, {"k": 2.5}, {"k": True}):
        with pytest.raises(OptionError):
            pca(x, **arguments)
    with pytest.raises(TrajectoryError, match="updates are constant"):
        pca(np.outer(np.arange(9.0), np.ones(20)), 1, of="updates")


def test_a_layer_that_appears_late_is_named(tmp_path: Path) -> None:
    run = record(tmp_path / "run", {"a": walk(8, 4).reshape(8, 2, 2), "b": walk(8, 4, 1).reshape(8, 2, 2)})
    info = run.layers["b.weight"]
    late = type(info)(**{**info.__dict__, "steps": info.steps[3:], "epochs": info.epochs[3:]})
    run.layers = {**run.layers, "b.weight": late}
    with pytest.raises(TrajectoryError, match=r"b\.weight is recorded first at step 3"):
        joined(run)


@pytest.mark.slow
def test_a_large_network_needs_less_than_two_gigabytes(tmp_path: Path) -> None:
    # 828,490 weights at 2000 steps (MLP 256): 6.6 GB of float32, made up as they are read.
    code = """
import resource, numpy as np, xarray as xr
from eigentrail.runs.lazy import RowsArray, lazy_array
from eigentrail.trajectories import pca
n, t = 828_490, 2000
rng = np.random.default_rng(0)
b = rng.standard_normal((3, n)).astype(np.float32)
b /= np.linalg.norm(b, axis=1, keepdims=True)
time = np.arange(t) / t
a = np.stack([50 * time, 10 * np.sin(2 * np.pi * time), np.cos(6 * np.pi * time)], axis=1).astype(np.float32)
x = lazy_array("w", RowsArray((t, n), np.dtype(np.float32), lambda i: a[i] @ b), ("w",), np.arange(t), time, {})
found = pca(x, 3, method="METHOD")
small = np.linalg.svd((a - a.mean(axis=0)) @ np.linalg.cholesky(b.astype(float) @ b.T), compute_uv=False)
np.testing.assert_allclose(found.variances, small**2 / t, rtol=1e-5)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
    for method in ("exact", "randomized"):
        done = subprocess.run(
            [sys.executable, "-c", code.replace("METHOD", method)], capture_output=True, text=True, check=True
        )
        assert int(done.stdout) < 2e9


def test_updates_that_differ_by_rounding_alone_have_no_components() -> None:
    rng = np.random.default_rng(0)
    line = rng.standard_normal(30) + np.arange(12)[:, None]
    for x in (line, line.astype(np.float32)):
        with pytest.raises(TrajectoryError, match="updates are constant"):
            pca(x, 2, "updates")


def test_directions_of_hardly_any_variance_are_orthonormal_or_left_out() -> None:
    """The Gram matrix squares a variance of 1e-16 away; what is handed out is a basis all the same."""
    rng = np.random.default_rng(0)
    left = np.linalg.qr(rng.standard_normal((60, 40)))[0]
    right = np.linalg.qr(rng.standard_normal((300, 40)))[0]
    x = (left * np.logspace(0, -9, 40)) @ right.T + rng.standard_normal(300)
    rows = open_rows(x)
    found = components_of(rows, 59, "weights", at_most=True)
    directions = np.asarray(found.basis.directions())
    np.testing.assert_allclose(directions @ directions.T, np.eye(len(directions)), atol=1e-9)
    assert 20 <= len(directions) <= 41
    # The strong ones are those of the planted motion.
    planted = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:10]
    np.testing.assert_allclose(np.abs(np.sum(directions[:10] * planted, axis=1)), 1.0, atol=1e-6)
