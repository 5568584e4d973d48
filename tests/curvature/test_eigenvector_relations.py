from __future__ import annotations

import numpy as np
import pytest

from eigentrail.bases import Basis, singular
from eigentrail.curvature.eigenbasis import eigenbasis
from eigentrail.curvature.eigenvector_relations import relate_eigenvectors
from eigentrail.errors import LayerError, OptionError


def planted(seed: int = 0) -> tuple[Basis, dict[str, np.ndarray], np.ndarray]:
    """A Hessian whose leading eigenvectors are the outlying singular matrices of its first layer."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((16, 12)) / 4
    w += 6 * np.outer(*(rng.standard_normal(n) / np.sqrt(n) for n in (16, 12)))
    weights = {"a.weight": w, "a.bias": rng.standard_normal(16), "b.weight": rng.standard_normal((4, 16))}
    lead = np.zeros((1, 272))
    lead[0, :192] = singular(w, 1).directions()[0]
    rows = np.linalg.qr(np.concatenate([lead, rng.standard_normal((271, 272))]).T)[0].T
    h = (rows.T * (10.0 ** np.linspace(1, -3, 272))) @ rows
    return eigenbasis((h + h.T) / 2), weights, h


def test_one_call_gives_every_part() -> None:
    basis, weights, _ = planted()
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((400, 272)) * np.sqrt(np.asarray(basis.values)) @ basis.directions()
    near = Basis(basis.directions()[:40], np.arange(40.0)[::-1])
    far = Basis(np.linalg.qr(rng.standard_normal((272, 40)))[0].T, np.arange(40.0)[::-1])
    found = relate_eigenvectors(
        basis, weights, components={"weights": far, "updates": near}, trajectory=noise, h_cross=0.1
    )
    assert set(found.singular) == {"a.weight", "b.weight"}
    one = found.singular["a.weight"]
    assert one.attrs["spikes"] == 1
    assert float(one.overlap[0, 0]) == pytest.approx(1.0, abs=1e-8)
    assert float(one.outlying[0]) == pytest.approx(1.0, abs=1e-8)
    assert found.statistics.layer.values.tolist() == list(weights)
    assert float(found.statistics.concentration[0, 0]) == pytest.approx(1.0, abs=1e-8)
    assert found.sharpness["updates"].sharpness == pytest.approx(1.0, abs=1e-6)
    assert found.sharpness["weights"].sharpness < 0.1
    assert found.updates_sharper.z > 5
    # Noise of covariance H: variances are the eigenvalues.
    assert found.flatness["weights"].all.exponent == pytest.approx(1.0, abs=0.02)
    assert found.flatness["weights"].h_cross == 0.1
    assert found.gaussianity.sizes["window"] == 4
    assert "updates: sharpness 1" in repr(found)


def test_a_single_convolution_and_no_more() -> None:
    rng = np.random.default_rng(0)
    basis = Basis(np.linalg.qr(rng.standard_normal((54, 20)))[0].T)
    found = relate_eigenvectors(basis, {"conv.weight": rng.standard_normal((3, 2, 3, 3))}, conv="spatial")
    assert found.singular["conv.weight"].attrs["conv"] == "spatial"
    assert found.components == {}
    assert found.updates_sharper is None
    assert found.flatness == {}
    assert found.gaussianity is None


def test_bad_input_is_one_sentence() -> None:
    basis, weights, _ = planted()
    with pytest.raises(OptionError, match="208 numbers and the eigenvectors 272"):
        relate_eigenvectors(basis, {name: weights[name] for name in ("a.weight", "a.bias")})
    with pytest.raises(LayerError, match=r"b\.weight is zero"):
        relate_eigenvectors(basis, weights | {"b.weight": np.zeros((4, 16))})


def test_relations_without_a_law_is_still_told() -> None:
    # Two of two directions are always near the diagonal, and equal eigenvalues have no exponent.
    two = Basis(np.eye(2), [2.0, 1.0])
    assert "+0.0 standard deviations" in repr(
        relate_eigenvectors(two, {"w": np.ones((1, 2))}, components={"a": two})
    )
    flat = Basis(np.eye(4), np.ones(4))
    walk = np.random.default_rng(0).standard_normal((20, 4))
    assert "sigma" not in repr(
        relate_eigenvectors(flat, {"w": np.arange(4.0).reshape(2, 2)}, trajectory=walk)
    )
