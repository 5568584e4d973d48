"""NC1 to NC4, CDNV and D against closed forms and against the definitions with dense matrices."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from feature_cases import dense, gaussians, simplex
from torch import nn

import eigentrail as et

NUMBERS = ["nc1", "nc2_equinorm", "nc2_equiangular", "nc2_etf", "cdnv", "d"]


def measure(features: torch.Tensor, labels: torch.Tensor, **options):
    weighting = {key: options.pop(key) for key in ("weighting", "centre") if key in options}
    return et.Features(nn.Identity(), (features, labels), "network", **options).collapse(**weighting).iloc[0]


def test_a_simplex_frame_has_no_nc2_and_the_nc1_of_its_noise():
    classes, features, norm, spread = 6, 40, 3.0, 0.05
    h, y = gaussians(simplex(classes, features, norm), 2000, spread)
    found = measure(h, y)
    # S_W = s^2 I and S_B = r^2 / (K - 1) on K - 1 directions; means of 2000 samples carry 1/2000 of the variance.
    assert found.nc1 == pytest.approx(spread**2 * (classes - 1) ** 2 / norm**2, rel=0.02)
    assert found.nc1_over_k == found.nc1 / classes
    assert found.d == pytest.approx(spread**2 * features / norm**2, rel=0.01)
    assert found.cdnv == pytest.approx(
        spread**2 * features / (2 * norm**2 * classes / (classes - 1)), rel=0.01
    )
    assert found[["nc2_equinorm", "nc2_equiangular", "nc2_etf"]].max() < 3e-3
    assert (found["features"], found.classes, found.per_class, found.samples, found["rank"]) == (
        40,
        6,
        2000,
        12000,
        5,
    )


def test_exact_simplex_means_give_zero():
    h, y = gaussians(simplex(5, 12), 10, 0.0)
    found = measure(h, y)
    assert found[NUMBERS].abs().max() < 1e-7


@pytest.mark.parametrize("by_class", [False, True])
@pytest.mark.parametrize("by_sample", [False, True])
def test_unbalanced_classes_agree_with_dense_covariances(by_class, by_sample):
    generator = torch.Generator().manual_seed(3)
    y = torch.cat([torch.full((n,), k) for k, n in enumerate((5, 20, 90, 200))])
    h = torch.randn(len(y), 7, generator=generator, dtype=torch.float64) * torch.linspace(0.5, 2, 7)
    h += 2 * torch.randn(4, 7, generator=generator, dtype=torch.float64)[y] + 1e3
    found = measure(
        h,
        y,
        weighting="classes" if by_class else "samples",
        centre="samples" if by_sample else "classes",
        batch_size=17,
    )
    truth = dense(h, y, by_class=by_class, by_sample=by_sample)
    for name, value in truth.items():
        assert found[name] == pytest.approx(value, rel=1e-8), name
    assert "5 to 200 samples" in found.notes


@pytest.mark.parametrize("seed", range(3))
def test_float32_features_are_right_for_ill_conditioned_means(seed):
    classes, features = 10, 64
    generator = torch.Generator().manual_seed(seed)
    left, _ = torch.linalg.qr(torch.randn(classes, classes, generator=generator, dtype=torch.float64))
    left, _ = torch.linalg.qr(left - left.mean(0))
    right, _ = torch.linalg.qr(torch.randn(features, classes - 1, generator=generator, dtype=torch.float64))
    means = left[:, : classes - 1] * torch.logspace(0, -5, classes - 1, dtype=torch.float64) @ right.T
    h, y = gaussians(means, 100, 1e-5, seed)
    exact = measure(h, y)
    single = measure(h.float(), y)
    assert single.nc1 == pytest.approx(exact.nc1, rel=1e-3)
    assert single["rank"] == exact["rank"] == classes - 1
    # What the dense route makes of the same numbers in float32.
    f = h.float()
    mu = torch.stack([f[y == k].mean(0) for k in range(classes)])
    within = (f - mu[y]).T @ (f - mu[y]) / len(f)
    between = (mu - mu.mean(0)).T @ (mu - mu.mean(0)) / classes
    assert abs(float((within @ torch.linalg.pinv(between)).trace()) / exact.nc1 - 1) > 0.2


def test_orthonormal_samples_as_many_as_coordinates_have_no_nc1():
    data = et.data.load("orthogonal")
    found = measure(data.train_inputs, data.train_targets)
    assert abs(found.nc1) < 1e-20
    # ||h - mu||^2 = 1 - 1/n, ||mu_k - mu_G||^2 = (1/n)(1 - 1/K).
    assert found.d == pytest.approx((1 - 1 / 10) / ((1 / 10) * (1 - 1 / 3)))
    assert "singular" in found.notes


def test_a_head_of_the_class_means_is_dual_and_agrees():
    h, y = gaussians(simplex(4, 9, 5.0), 50, 0.01)
    head = nn.Linear(9, 4).double()
    with torch.no_grad():
        head.weight.copy_(simplex(4, 9, 1.0))
        head.bias.zero_()
    found = et.Features(head, (h, y)).collapse().iloc[0]
    assert found.nc3 < 1e-5
    assert found.nc4 == 0.0
    with torch.no_grad():
        head.bias.copy_(torch.tensor([100.0, 0, 0, 0]))  # the bias decides
    assert et.Features(head, (h, y)).collapse().iloc[0].nc4 == pytest.approx(0.75)
    with torch.no_grad():
        head.weight.neg_()
    assert et.Features(head, (h, y)).collapse().iloc[0].nc3 == pytest.approx(4.0, rel=1e-3)


def test_only_the_layer_before_the_head_has_nc3_and_nc4():
    table = et.Features(et.networks.build("mlp50", (1, 8, 8), 10), et.data.load("digits")).collapse()
    assert list(table.index) == 2 * ["fc1:input", "fc2:input", "fc3:input"]
    assert list(table.part) == 3 * ["train"] + 3 * ["held-out"]
    assert list(table.nc4.isna()) == 2 * [True, True, False]


def test_classes_without_samples_are_left_out_and_said():
    data = et.data.select_classes(et.data.load("digits"), [1, 4, 7])
    table = et.Features(et.networks.build("mlp50", (1, 8, 8), 10), data).collapse()
    assert set(table.classes) == {3}
    assert all("7 of 10 classes have no sample" in note for note in table.notes)
    assert np.isfinite(table.nc4["fc3:input"]).all()


def test_one_sample_of_each_class_has_no_spread():
    found = measure(torch.eye(5, dtype=torch.float64), torch.arange(5))
    assert (found.nc1, found.d, found.cdnv) == (0.0, 0.0, 0.0)
    assert "0 by construction" in found.notes


def test_fewer_dimensions_than_a_simplex_needs():
    h, y = gaussians(
        torch.randn(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), 30, 0.1
    )
    found = measure(h, y)
    assert found["rank"] == 3
    assert found.nc2_etf > 0.3
    assert "cannot reach 0" in found.notes
    assert found.nc1 == pytest.approx(dense(h, y, by_class=False, by_sample=False)["nc1"], rel=1e-9)


def test_means_that_coincide_have_no_nc1():
    h = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    found = measure(h, torch.tensor([0, 0, 1, 1]))
    assert math.isnan(found.nc1)
    assert math.isnan(found.d)
    assert "span 0 of 1 directions" in found.notes


def test_thousands_of_classes_agree_with_the_blocks_of_few():
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(2500, 16, generator=generator, dtype=torch.float64)
    h, y = gaussians(means, 3, 0.1)
    found = measure(h, y)
    centred = torch.stack([h[y == k].mean(0) for k in range(2500)])
    centred -= centred.mean(0)
    gram = centred @ centred.T
    frame = (torch.eye(2500, dtype=torch.float64) - 1 / 2500) / math.sqrt(2499)
    assert found.nc2_etf == pytest.approx(float((gram / gram.norm() - frame).norm()), rel=1e-10)
    assert found.cdnv > 0
