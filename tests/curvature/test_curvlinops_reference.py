"""Products and matrices against the numbers that curvlinops gave (benchmarks/make_curvature_reference.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from curvature_cases import NAMES, PEER_IS_WRONG, build, vectors

import eigentrail as et

_FILE = Path(__file__).parent / "reference" / "curvlinops.npz"
KINDS = ("hessian", "gauss-newton")


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(_FILE) as file:
        return dict(file)


WAYS = ("cached", "linearised", "recomputed")
# Tracing a deep network for one batch takes longer than all its products; these are traced behind the marker `slow`.
_TRACED = ("tanh",)


def curvature(name: str, kind: str, way: str | None = None) -> et.Curvature:
    case = build(name)
    return et.Curvature(
        case.model, case.loss, (case.inputs, case.targets), kind=kind, batch_size=case.batch_size, way=way
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "way"),
    [
        pytest.param(
            name,
            way,
            marks=[pytest.mark.slow] if way == "linearised" and name not in _TRACED else [],
        )
        for name in NAMES
        for way in WAYS
    ],
)
def test_products_are_curvlinops(name: str, kind: str, way: str, reference: dict[str, np.ndarray]) -> None:
    c = curvature(name, kind, way)
    wanted = reference[f"{name}/{kind}/products"]
    rows = torch.from_numpy(vectors(c.n))
    # Where torch cannot linearise, the graph is taken in its place, and says so.
    assert c.plan.way == way or c.plan.way == "cached"
    for found in (c.apply(rows), torch.stack([c.apply(row) for row in rows])):
        np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_matrix_has_the_eigenvalues_of_curvlinops(
    name: str, kind: str, reference: dict[str, np.ndarray]
) -> None:
    c = curvature(name, kind)
    wanted = reference[f"{name}/{kind}/eigenvalues"]
    found = np.asarray(c.spectrum().eigenvalues)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_top_eigenvalues_are_curvlinops(name: str, kind: str, reference: dict[str, np.ndarray]) -> None:
    c = curvature(name, kind)
    wanted = reference[f"{name}/{kind}/eigenvalues"][::-1]
    top = c.top(4, tol=1e-7)
    np.testing.assert_allclose(np.asarray(top.values), wanted[:4], rtol=1e-10)
    assert np.asarray(top.residuals).max() <= 1e-7


@pytest.mark.parametrize("name", PEER_IS_WRONG)
def test_where_curvlinops_is_wrong_differences_of_the_gradient_say_who_is_right(
    name: str, reference: dict[str, np.ndarray]
) -> None:
    assert reference[f"{name}/off"] > 0.01
    case, h = build(name), 1e-5
    v = torch.from_numpy(vectors(case.n)[0])

    def gradient(step: float) -> torch.Tensor:
        moved = build(name)
        flat = torch.nn.utils.parameters_to_vector(case.model.parameters()) + step * v
        torch.nn.utils.vector_to_parameters(flat.detach(), moved.model.parameters())
        return et.Curvature(moved.model, moved.loss, (moved.inputs, moved.targets)).gradient()

    wanted = (gradient(h) - gradient(-h)) / (2 * h)
    found = curvature(name, "hessian").apply(v)
    assert float((found - wanted).abs().max() / wanted.abs().max()) < 1e-7


def test_reference_covers_every_case(reference: dict[str, np.ndarray]) -> None:
    assert {key.split("/")[0] for key in reference} == {*NAMES, "versions"}
    assert any(text.startswith("curvlinops") for text in reference["versions"])
