"""The law of separation on networks where it holds exactly, and its nulls."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import eigentrail as et
from eigentrail.errors import FeatureError
from eigentrail.features.labelled import LabelledData
from eigentrail.features.random_networks import same_spectrum, untrained
from eigentrail.findings import Verdict


def shrinking(layers: int, factor: float, signal: int = 4, noise: int = 8) -> nn.Sequential:
    """Linear layers that keep the coordinates of the classes and shrink the others: D falls by factor^2 per layer."""
    made = [nn.Linear(signal + noise, signal + noise, bias=False, dtype=torch.float64) for _ in range(layers)]
    with torch.no_grad():
        for layer in made:
            layer.weight.copy_(
                torch.diag(torch.tensor([1.0] * signal + [factor] * noise, dtype=torch.float64))
            )
    return nn.Sequential(*made)


@pytest.fixture(scope="module")
def classes():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(400) % 4
    noise = torch.randn(400, 8, generator=generator, dtype=torch.float64)
    noise -= torch.stack([noise[y == k].mean(0) for k in range(4)])[y]
    return torch.cat([torch.eye(4, dtype=torch.float64)[y], noise], 1), y


def test_planted_factor_is_found_and_is_more_than_chance(classes):
    found = et.Features(shrinking(6, 0.7), classes).separation(seed=1)
    assert found.rho == pytest.approx(0.49, rel=1e-6)
    assert found.correlation == pytest.approx(-1.0, abs=1e-9)
    assert found.fit.interval[0] <= 0.49 + 1e-6 <= found.fit.interval[1] + 2e-6
    assert found.layers == tuple(f"{n}:input" for n in range(6))
    np.testing.assert_allclose(found.d, found.d[0] * 0.49 ** np.arange(6), rtol=1e-6)
    assert set(found.compared) == {
        "permuted labels",
        "untrained networks",
        "random weights of the same spectra",
    }
    assert all(one.p <= 0.05 for one in found.compared.values())
    assert {one.verdict for one in found.findings} == {Verdict.YES}
    assert list(found.table.columns[:3]) == ["depth", "d", "law"]


def test_nc1_falls_likewise(classes):
    # The noise is outside the span of the class means, so that NC1 needs some of it inside.
    x = classes[0] + 0.05 * torch.randn(
        400, 12, generator=torch.Generator().manual_seed(2), dtype=torch.float64
    )
    found = et.Features(shrinking(5, 0.5), (x, classes[1])).separation(of="nc1", draws=19, networks=0)
    assert found.rho <= 1.0
    assert found.null_values["permuted labels"].shape == (19, 5)


def test_labels_without_meaning_are_not_called_separated(classes):
    """At the 5% level, 15 sets of random labels give at most 3 (p < 1%) that separate faster than permuted ones."""
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(200, 12, generator=generator, dtype=torch.float64)
    called = 0
    for _ in range(15):
        y = torch.randint(0, 4, (200,), generator=generator)
        found = et.Features(shrinking(5, 0.9), (x, y)).separation(draws=19, networks=0)
        called += found.compared["permuted labels"].p <= 0.05
    assert called <= 3


def test_fewer_than_four_layers_are_refused(classes):
    with pytest.raises(FeatureError, match="at least 4"):
        et.Features(shrinking(3, 0.5), classes).separation()
    with pytest.raises(FeatureError, match="no logarithm"):
        x = torch.eye(4, dtype=torch.float64)
        et.Features(
            nn.Sequential(*[nn.Linear(4, 4, dtype=torch.float64) for _ in range(4)]), (x, torch.arange(4))
        ).separation()


def test_random_networks_keep_what_they_say():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    data = LabelledData((3 + torch.randn(50, 1, 6, 6), torch.arange(50) % 3), None, 50)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for make in (same_spectrum, untrained):
        other = make(model, data.batches(torch.float32, torch.device("cpu")), seed=4)
        again = make(model, data.batches(torch.float32, torch.device("cpu")), seed=4)
        assert torch.equal(other[0].weight, again[0].weight)
        assert not torch.equal(other[0].weight, model[0].weight)
        # Batch norm normalises the new features.
        x = next(data.batches(torch.float32, torch.device("cpu"))).inputs
        assert float((other[0](x).detach().mean((0, 2, 3)) - other[1].running_mean).abs().max()) < 1e-5
        assert other[1].momentum == 0.1
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    turned = same_spectrum(model, data.batches(torch.float32, torch.device("cpu")), seed=4)
    for place in (0, 4):
        one, two = (torch.linalg.svdvals(m[place].weight.flatten(1)) for m in (model, turned))
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


def test_law_of_exact_powers():
    fit = et.features.fit_law(np.array([8.0, 4.0, 2.0, 1.0, 0.5]))
    assert fit.rho == pytest.approx(0.5)
    assert fit.correlation == pytest.approx(-1.0)
    assert fit.slope == pytest.approx(-math.log(2))
