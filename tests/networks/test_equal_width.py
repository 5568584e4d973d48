"""Plain deep networks of equal width."""

from __future__ import annotations

import pytest
import torch

from eigentrail import networks
from eigentrail.errors import OptionError


def test_names_in_any_spelling_and_sizes() -> None:
    assert networks.resolve("MLP-6-64") == networks.resolve("mlp 6 64") == "mlp-6-64"
    assert networks.resolve("Linear_4_20") == "linear-4-20"
    assert networks.resolve("MLP 50") == "mlp50"
    assert networks.resolve("MLP-BN-2-40") == "mlp-bn-2-40"
    model = networks.build("mlp-3-16", (1, 4, 4), 5)
    assert [tuple(p.shape) for n, p in model.named_parameters() if "weight" in n] == [(16, 16)] * 3 + [
        (5, 16)
    ]
    with pytest.raises(OptionError, match="positive sizes"):
        networks.build("linear-0-5", (3,), 2)


def test_the_linear_one_is_the_product_of_its_weights() -> None:
    model = networks.build("linear-4-12", (12,), 3, seed=1).double()
    product = torch.eye(12, dtype=torch.float64)
    for weight in model.parameters():
        product = weight @ product
    x = torch.randn(5, 12, dtype=torch.float64)
    torch.testing.assert_close(model(x), x @ product.T)


def test_features_keep_their_size_through_the_layers() -> None:
    x = torch.randn(500, 200, generator=torch.Generator().manual_seed(0))
    for name, activation in (("mlp-8-200", torch.relu), ("linear-8-200", lambda h: h)):
        model, h = networks.build(name, (200,), 10), x
        for number in range(1, 9):
            h = activation(model.get_submodule(f"fc{number}")(h))
        assert 0.5 < float(h.detach().square().mean()) < 2.0, name
