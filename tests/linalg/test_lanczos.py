"""Leading eigenpairs of operators with prescribed spectra: no ghosts, no missed pairs, every product counted."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.linalg
import torch

from eigentrail.errors import CurvatureError, NumericalWarning, OptionError
from eigentrail.linalg.krylov_space import KrylovSpace
from eigentrail.linalg.lanczos import lanczos
from prescribed import Prescribed, hessian_like

_random = np.random.default_rng(5)
_BULK = 0.1 * _random.standard_normal(500)

SPECTRA = {
    # name: (values, k, which)
    "separated": (np.r_[10, 8, 6, 4, 3, _BULK], 5, "largest"),
    "cluster": (np.r_[5, 4.999, 4.998, 3, 2.999, 2.998, 1.5, _BULK], 7, "largest"),
    "pair of equals": (np.r_[5, 5, 3, 2, _BULK], 3, "largest"),
    "three equals in a cluster": (np.r_[5, 5, 5, 4.999, 4.998, 3, 3, _BULK], 7, "largest"),
    "equals cut by k": (np.r_[5, 4, 3, 3, 3, _BULK], 3, "largest"),
    "one value twelve times": (np.r_[np.full(12, 5.0), _BULK], 12, "largest"),
    "negative end": (np.r_[5, 4, -6, -6, -5, _BULK], 3, "smallest"),
    "both ends": (np.r_[5, 4, -6, -6, -5, _BULK], 5, "both"),
    "rank deficient, k above the rank": (np.r_[5, 4, 3, np.zeros(400)], 6, "largest"),
    "negative, k above the rank": (np.r_[-5, -4, -3, np.zeros(400)], 6, "largest"),
    "zeros below": (np.r_[5, 5, 3, np.zeros(300)], 4, "smallest"),
    "graded": (np.logspace(6, -6, 300), 10, "largest"),
    "hessian-like": (hessian_like(1000, 3), 10, "largest"),
    "zero": (np.zeros(50), 5, "largest"),
    "identity": (np.ones(50), 5, "both"),
    "k = n": (_random.standard_normal(12), 12, "largest"),
    "k = n, both": (_random.standard_normal(7), 7, "both"),
    "two equals are all": ([3.0, 3.0], 2, "largest"),
    "one parameter": ([-2.0], 1, "smallest"),
    "one parameter, zero": ([0.0], 1, "largest"),
}


def true_residuals(operator, found):
    """||H v - l v|| / max(|l|, floor) of the pairs as they are handed out, each from its own product."""
    product = operator(found.vectors) - torch.from_numpy(found.values)[:, None] * found.vectors
    against = np.maximum(np.maximum(np.abs(found.values), found.floor), 1e-300)
    return np.linalg.norm(product.numpy(), axis=1) / against


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("seed", range(3))
def test_pairs_of_prescribed_spectra(name, seed):
    values, k, which = SPECTRA[name]
    operator = Prescribed(values, seed)
    found = lanczos(operator, operator.n, k, which=which, tol=1e-6, seed=seed)

    assert found.converged == k
    assert found.products == operator.count
    assert found.residuals.max() <= 1e-6
    # Values: quadratic in the residual; of eigenvalue zero within rounding of the largest.
    scale = np.abs(operator.values).max()
    np.testing.assert_allclose(found.values, operator.truth(k, which), rtol=1e-9, atol=1e-13 * scale)
    # No ghosts: a copy of a vector would not be orthogonal to it.
    gram = (found.vectors @ found.vectors.T).numpy()
    assert np.abs(gram - np.eye(k)).max() < 1e-10
    # The residuals are those of the vectors that are handed out, plus how far one mixture of all confirms them.
    true = true_residuals(operator, found)
    rounding = (
        30 * np.finfo(float).eps * scale / np.maximum(np.maximum(np.abs(found.values), found.floor), 1e-300)
    )
    assert (np.abs(found.residuals - true) <= rounding).all()


@pytest.mark.parametrize("name", ["separated", "pair of equals", "both ends", "three equals in a cluster"])
def test_subspaces_equal_those_of_eigh(name):
    values, k, which = SPECTRA[name]
    operator = Prescribed(values, 1)
    found = lanczos(operator, operator.n, k, which=which, tol=1e-8)
    dense = operator.vectors.T @ np.diag(operator.values) @ operator.vectors
    ordered, vectors = np.linalg.eigh(dense)
    for value in np.unique(np.round(found.values, 6)):
        mine = found.vectors.numpy()[np.abs(found.values - value) < 1e-5]
        theirs = vectors[:, np.abs(ordered - value) < 1e-5]
        if mine.shape[0] == theirs.shape[1]:
            assert scipy.linalg.subspace_angles(mine.T, theirs).max() < 1e-4


def test_copies_are_missed_at_most_at_the_accepted_rate():
    """Every draw: a degenerate pair among outliers, found with all copies (1 % may be missed)."""
    missed = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        outliers = np.sort(1 + 9 * random.random(5))[::-1]
        values = np.r_[outliers, outliers[random.integers(0, 4)], 0.2 * random.standard_normal(94)]
        operator = Prescribed(values, 100 + seed)
        found = lanczos(operator, 100, 5, seed=seed)
        missed += not np.allclose(found.values, operator.truth(5), rtol=1e-3)
    assert missed <= 1


def test_without_the_search_the_copy_is_missed():
    """The negative control: a Krylov space from one vector cannot see the second of two equal eigenvalues."""
    operator = Prescribed(np.r_[5, 5, 3, 2, _BULK], 0)
    blind = lanczos(operator, operator.n, 3, risk=None)
    assert blind.converged == 3
    assert blind.risk == 1.0
    np.testing.assert_allclose(blind.values, [5, 3, 2], rtol=1e-5)
    assert lanczos(operator, operator.n, 3).risk <= 0.01


@pytest.mark.parametrize("seed", range(4))
def test_few_products_on_a_hessian_like_spectrum(seed):
    operator = Prescribed(hessian_like(800, seed), seed)
    found = lanczos(operator, operator.n, 10, seed=seed)
    assert found.converged == 10
    assert found.products == operator.count
    assert found.products <= 36
    assert lanczos(operator, operator.n, 10, seed=seed, risk=None).products <= 31


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_residuals_of_the_space_are_those_of_each_vector(seed, dtype):
    """One product instead of ten says the same, in both precisions, restarts included."""
    operator = Prescribed(hessian_like(600, seed), seed, dtype)
    for limit in (2**31, 26 * 600 * dtype.itemsize):
        found = lanczos(operator, 600, 10, seed=seed, dtype=dtype, memory_limit=limit)
        assert found.converged == 10
        np.testing.assert_allclose(found.residuals, true_residuals(operator, found), atol=5e-5)


@pytest.mark.parametrize("seed", range(6))
def test_an_operator_that_changed_meanwhile_is_found_out(seed):
    """The mixture contradicts the products before; the residuals are then those of fresh products."""
    operator = Prescribed(hessian_like(400, seed), seed)
    other = np.random.default_rng(seed).standard_normal(400)
    push = torch.from_numpy(other / np.linalg.norm(other))
    calls = 0

    def shifting(v):
        nonlocal calls
        calls += len(v)
        later = 1.0 if calls > quiet else 0.0
        return operator(v) + later * 0.3 * (v @ push)[:, None] * push

    quiet = 10_000
    quiet = lanczos(shifting, 400, 10, seed=seed, risk=None).products - 1  # all but the mixture
    calls = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumericalWarning)
        found = lanczos(shifting, 400, 10, seed=seed, risk=None)
    image = shifting(found.vectors) - torch.from_numpy(found.values)[:, None] * found.vectors
    np.testing.assert_allclose(
        image.norm(dim=1).numpy() / np.maximum(np.abs(found.values), found.floor), found.residuals, atol=1e-9
    )


def test_the_scale_of_the_operator_does_not_matter():
    counts = set()
    for scale in (1.0, 2.0**-900, 2.0**900):
        operator = Prescribed(scale * np.r_[5, 5, 3, 2, _BULK], 2)
        found = lanczos(operator, operator.n, 3)
        np.testing.assert_allclose(found.values / scale, [5, 5, 3], rtol=1e-5)
        counts.add(found.products)
    assert len(counts) == 1


@pytest.mark.parametrize("which", ["largest", "smallest", "both"])
def test_restarts_within_a_memory_limit(which, monkeypatch):
    values = np.linspace(-1, 1, 400) ** 3
    operator = Prescribed(values, 0)
    sizes = []
    restart = KrylovSpace.restart

    def watched(space, *args):
        sizes.append(space.m)
        restart(space, *args)

    monkeypatch.setattr(KrylovSpace, "restart", watched)
    lanczos(operator, 400, 4, which=which, tol=1e-5)
    assert not sizes
    tight = lanczos(operator, 400, 4, which=which, tol=1e-5, memory_limit=20 * 400 * 8)
    assert len(sizes) > 3
    assert max(sizes) < 20
    assert tight.converged == 4
    np.testing.assert_allclose(tight.values, operator.truth(4, which), rtol=1e-8)
    assert np.abs((tight.vectors @ tight.vectors.T).numpy() - np.eye(4)).max() < 1e-10


def test_float32_vectors_with_the_small_problem_in_float64():
    for seed in range(3):
        operator = Prescribed(np.r_[5, 5, 3, 2, 1.5, _BULK], seed, torch.float32)
        found = lanczos(operator, operator.n, 5, seed=seed, dtype=torch.float32)
        assert found.converged == 5
        assert found.vectors.dtype == torch.float32
        np.testing.assert_allclose(found.values, operator.truth(5), rtol=3e-6)
        assert np.abs((found.vectors @ found.vectors.T).numpy() - np.eye(5)).max() < 1e-6


def test_float32_vectors_of_a_million_have_unit_length():
    n = 1_000_000
    diagonal = torch.zeros(n)
    diagonal[:4] = torch.tensor([4.0, 3.0, 2.0, 1.0])
    found = lanczos(lambda v: v * diagonal, n, 3, dtype=torch.float32)
    assert found.converged == 3
    assert float((found.vectors.double().norm(dim=1) - 1).abs().max()) < 1e-6


def test_a_tolerance_below_rounding_is_reported():
    operator = Prescribed(np.r_[5, 4, 3, _BULK], 0, torch.float32)
    with pytest.warns(NumericalWarning, match=r"0 of 3 eigenpairs .* compute in float64"):
        found = lanczos(operator, operator.n, 3, tol=1e-9, dtype=torch.float32)
    assert found.converged == 0
    assert 1e-9 < found.residuals.max() < 1e-5
    assert found.products < 200


def test_too_few_products_are_reported_and_never_exceeded():
    operator = Prescribed(np.linspace(0, 1, 500), 0)
    with pytest.warns(
        NumericalWarning, match=r"of 4 eigenpairs have a residual of at most 0.001 after 30 products"
    ):
        found = lanczos(operator, 500, 4, max_products=30)
    assert found.products == operator.count == 30
    assert found.converged == int((found.residuals <= 1e-3).sum()) < 4


@pytest.mark.parametrize("most", [20, 21, 25, 30, 33, 34, 36, 40])
def test_any_bound_on_the_products_holds(most):
    operator = Prescribed(hessian_like(400, 0), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert lanczos(operator, 400, 10, max_products=most).products == operator.count <= most


@pytest.mark.parametrize("block", [1, 2, 5])
def test_blocks(block):
    operator = Prescribed(np.r_[5, 5, 3, 2, _BULK], 0)
    sizes = []

    def watched(x):
        sizes.append(len(x))
        return operator(x)

    found = lanczos(watched, operator.n, 3, block=block, tol=1e-6)
    np.testing.assert_allclose(found.values, [5, 5, 3], rtol=1e-10)
    assert sizes[0] == block


def test_same_seed_same_answer_and_signs_fixed():
    operator = Prescribed(hessian_like(400, 1), 1)
    one, two = (lanczos(operator, 400, 5, tol=1e-8, seed=3) for _ in range(2))
    assert torch.equal(one.vectors, two.vectors)
    assert np.array_equal(one.values, two.values)
    assert (one.vectors.gather(1, one.vectors.abs().argmax(dim=1, keepdim=True)) > 0).all()
    other = lanczos(operator, 400, 5, tol=1e-8, seed=4)
    assert float((one.vectors - other.vectors).abs().max()) < 1e-6


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"k": 21}, "21 eigenpairs were asked of a curvature of 20 parameters"),
        ({"k": 0}, "k is 1 to 20"),
        ({"k": 2.5}, "k is a whole number, not 2.5"),
        ({"which": "middle"}, "which is"),
        ({"tol": 0.0}, "tol is"),
        ({"block": 0}, "block is"),
        ({"max_products": 5}, "at least 6"),
        ({"dtype": torch.bfloat16}, "float32 or float64"),
    ],
)
def test_arguments_that_do_not_fit(options, text):
    operator = Prescribed(np.arange(20.0), 0)
    with pytest.raises(OptionError, match=text):
        lanczos(operator, 20, **({"k": 3} | options))
    assert operator.count == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("block", [1, 4])
def test_the_space_is_orthonormal_and_holds_its_products(dtype, block):
    n, spread = 600, torch.linspace(0.0, 1.0, 600, dtype=torch.float64)
    spread[-8:] = torch.linspace(
        2.0, 100.0, 8, dtype=torch.float64
    )  # pairs that converge: orthogonality is lost there
    diagonal = spread.to(dtype)
    space = KrylovSpace(lambda v: v * diagonal, n, dtype=dtype, device="cpu", seed=0)
    for _ in range(block):
        space.add_random()
    for _ in range(80 // block):
        space.expand(np.eye(len(space.pending))[:block])
    rows = torch.cat([space.vectors, space.pending]).double()
    assert float((rows @ rows.T - torch.eye(len(rows), dtype=torch.float64)).abs().max()) < 200 * space.eps
    images = torch.from_numpy(np.vstack([space.images, space.coupling])) * space.unit
    products = space.vectors.double() * spread
    assert float((products - images.T @ rows).abs().max()) < 100.0 * 100 * space.eps


def test_a_basis_that_does_not_fit_the_memory_is_refused():
    operator = Prescribed(np.arange(300.0), 0)
    with pytest.raises(CurvatureError, match="raise memory_limit or ask for fewer pairs"):
        lanczos(operator, 300, 10, memory_limit=10 * 300 * 8)


def test_a_product_that_is_not_finite_is_refused():
    with pytest.raises(CurvatureError, match="NaN or infinity"):
        lanczos(lambda v: v * torch.nan, 30, 2)


def test_an_operator_that_is_not_symmetric_is_refused():
    matrix = torch.from_numpy(np.random.default_rng(0).standard_normal((50, 50)))
    with pytest.raises(CurvatureError, match="not symmetric"):
        lanczos(lambda v: v @ matrix, 50, 3)


def test_products_that_change_are_refused():
    generator = torch.Generator().manual_seed(0)

    def noisy(v):
        return v * torch.rand(v.shape[1], generator=generator, dtype=torch.float64)

    with pytest.raises(CurvatureError, match="change from call to call"):
        lanczos(noisy, 200, 3)


def test_an_operator_of_another_shape_is_refused():
    with pytest.raises(CurvatureError, match="keep the shape"):
        lanczos(lambda v: v[:, :3], 50, 3)
