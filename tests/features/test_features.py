"""What `Features` reads, and that it leaves no trace."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from feature_cases import gaussians, simplex
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import eigentrail as et
from eigentrail.errors import DataError, FeatureError, OptionError

NUMBERS = ["nc1", "nc2_equinorm", "nc2_equiangular", "nc2_etf", "cdnv", "d"]


class Images(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.relu = nn.ReLU()
        self.head = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.relu(self.relu(self.norm(self.conv(x)))).mean((2, 3)))


class Tokens(nn.Module):
    """A language model: states of each position, logits of each position, as a mapping or a tuple."""

    def __init__(self, vocabulary: int, width: int = 12, kind: str = "tensor") -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.mix = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, vocabulary)
        self.kind = kind

    def forward(self, input_ids: torch.Tensor):
        logits = self.head(self.mix(self.embed(input_ids))[0])
        return (
            {"logits": logits} if self.kind == "dict" else (logits, None) if self.kind == "tuple" else logits
        )


@pytest.fixture
def images():
    torch.manual_seed(0)
    return Images(), torch.randn(120, 1, 8, 8), torch.arange(120) % 4


def test_batches_memory_and_order_do_not_matter(images):
    model, x, y = images
    whole = et.Features(model, (x, y), "*").collapse()
    order = torch.randperm(120)
    loader = DataLoader(TensorDataset(x, y), batch_size=17, shuffle=True)
    for other in (
        et.Features(model, (x[order], y[order]), "*", batch_size=13),
        et.Features(model, (x, y), "*", memory_limit=0),
        et.Features(model, (x, y), "*", memory_limit=20_000, batch_size=50),
        et.Features(model, loader, "*"),
        et.Features(model, iter([(x[:50], y[:50]), (x[50:], y[50:])]), "*"),
    ):
        found = other.collapse()
        assert list(found.index) == list(whole.index)
        np.testing.assert_allclose(found[NUMBERS], whole[NUMBERS], rtol=2e-4)
    assert list(et.Features(model, (x, y), "*").collapse().index) == [
        "conv",
        "norm",
        "relu#1",
        "relu#2",
        "head",
        "network",
    ]


def test_pooled_and_flattened_are_recorded(images):
    model, x, y = images
    pooled = et.Features(model, (x, y), "conv").collapse().iloc[0]
    flat = et.Features(model, (x, y), "conv", reduce="flatten").collapse().iloc[0]
    assert (pooled["features"], pooled.reading) == (6, "mean over 6 x 6 positions")
    assert (flat["features"], flat.reading) == (216, "6 x 6 x 6 flattened")
    with torch.no_grad():
        by_hand = et.Features(nn.Identity(), (model.conv(x).mean((2, 3)), y), "network").collapse().iloc[0]
    assert pooled.nc1 == pytest.approx(by_hand.nc1, rel=1e-4)


def test_nothing_is_left_behind(images):
    model, x, y = images
    model.train()
    model.norm.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.random.get_rng_state()
    et.Features(model, DataLoader(TensorDataset(x, y), shuffle=True, batch_size=50)).collapse()
    with pytest.raises(FeatureError, match="not finite"):
        et.Features(model, (x.clone().fill_(torch.inf), y), head=False).collapse()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    assert (model.training, model.conv.training, model.norm.training) == (True, True, False)
    assert torch.equal(random, torch.random.get_rng_state())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("kind", ["tensor", "dict", "tuple"])
def test_positions_with_labels_are_samples(kind):
    torch.manual_seed(1)
    model = Tokens(20, kind=kind)
    ids = torch.randint(0, 20, (30, 9))
    labels = torch.randint(0, 5, (30, 9))
    labels[:, 3] = -100
    found = et.Features(model, {"input_ids": ids, "labels": labels}).collapse().loc["head:input"]
    assert (found.samples, found.classes) == (30 * 8, 5)
    with torch.no_grad():
        states = model.mix(model.embed(ids))[0]
    kept = labels != -100
    by_hand = et.Features(nn.Identity(), (states[kept], labels[kept]), "network").collapse().iloc[0]
    np.testing.assert_allclose(found[NUMBERS].astype(float), by_hand[NUMBERS].astype(float), rtol=1e-4)
    assert np.isfinite(found.nc4)


def test_causal_models_shift_labels():
    torch.manual_seed(1)
    model, ids = Tokens(6), torch.randint(0, 6, (40, 7))
    shifted = et.Features(model, {"input_ids": ids, "labels": ids}, "mix", shift=1).collapse().iloc[0]
    direct = et.Features(model, {"input_ids": ids[:, :-1], "labels": ids[:, 1:]}, "mix").collapse().iloc[0]
    assert shifted.nc1 == pytest.approx(direct.nc1, rel=1e-5)


def test_one_token_or_the_mean_of_a_sequence():
    torch.manual_seed(2)
    model, ids, y = Tokens(9), torch.randint(0, 9, (60, 5)), torch.arange(60) % 3
    with torch.no_grad():
        states = model.mix(model.embed(ids))[0]
    for options, by_hand in (
        ({}, states.mean(1)),
        ({"token": 0}, states[:, 0]),
        ({"token": -1}, states[:, -1]),
    ):
        found = et.Features(model, (ids, y), "mix", **options).collapse().iloc[0]
        truth = et.Features(nn.Identity(), (by_hand, y), "network").collapse().iloc[0]
        assert found.nc1 == pytest.approx(truth.nc1, rel=1e-4)


def test_transformer_layers_are_seen_inside_though_their_fused_path_has_no_modules():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.Sequential(nn.TransformerEncoder(layer, 2), nn.Flatten(), nn.Linear(40, 3)).eval()
    found = et.Features(model, (torch.randn(30, 5, 8), torch.arange(30) % 3), "0.layers.*.linear1")
    assert list(found.collapse().index) == ["0.layers.0.linear1", "0.layers.1.linear1"]


def test_parts_are_named():
    h, y = gaussians(simplex(3, 5), 20, 0.1)
    table = et.Features(nn.Identity(), (h, y), "network", held_out=(h + 1, y)).collapse()
    assert list(table.part) == ["train", "held-out"]
    assert table.nc1.iloc[0] == pytest.approx(table.nc1.iloc[1])


def test_accuracy_is_that_of_the_outputs():
    h, y = gaussians(4 * torch.eye(3, dtype=torch.float64), 50, 0.5)
    head = nn.Linear(3, 3).double()
    with torch.no_grad():
        head.weight.copy_(torch.eye(3))
        head.bias.zero_()
    assert et.Features(head, (h, y)).accuracy() == float((h.argmax(1) == y).double().mean())


def test_layers_that_share_a_tensor_are_told(images):
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.unused = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(2, 2)
            self.head = nn.Linear(5, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.q(x) * self.k(x))

    found = et.Features(Shared(), (torch.randn(40, 5), torch.arange(40) % 2))
    assert list(found.collapse().index) == ["q:input", "head:input"]
    assert {one.name for one in found.skipped} == {"k:input", "unused:input"}


class Drawing(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(super().forward(x), 0.5)


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.one(x)
        return self.one(x) if len(x) > 10 else x


@pytest.mark.parametrize(
    ("model", "data", "options", "error", "says"),
    [
        (nn.Linear(4, 3), (torch.randn(9, 4), torch.rand(9)), {}, FeatureError, "not classes"),
        (nn.Linear(4, 3), (torch.randn(9, 4), torch.eye(9)[:, :3]), {}, FeatureError, "one-hot"),
        (
            nn.Linear(4, 3),
            (torch.randn(9, 4), torch.zeros(9, dtype=torch.int64)),
            {},
            FeatureError,
            "class 0 only",
        ),
        (nn.Linear(4, 3), (torch.randn(9, 4), -1 - torch.arange(9)), {}, FeatureError, "count from 0"),
        (nn.Linear(4, 3), (torch.randn(9, 4), torch.full((9,), -100)), {}, FeatureError, "no call|no class"),
        (
            nn.Linear(4, 3),
            (torch.randn(9, 4), torch.arange(9) % 3),
            {"layers": "fc"},
            OptionError,
            "no layer is named",
        ),
        (nn.Linear(4, 3), (torch.randn(9, 4), torch.arange(8) % 3), {}, DataError, "9 inputs and 8 targets"),
        (nn.Linear(4, 3), {"input": torch.randn(9, 4)}, {}, FeatureError, "no class labels"),
        (nn.Linear(4, 3), torch.randn(9, 4), {}, DataError, "batch is a pair"),
        (nn.Linear(4, 3), (torch.randn(0, 4), torch.arange(0)), {}, FeatureError, "no samples"),
        (Drawing(4, 3), (torch.randn(9, 4), torch.arange(9) % 3), {}, FeatureError, "Drawing"),
        (
            Twice(),
            [(torch.randn(20, 4), torch.arange(20) % 2), (torch.randn(5, 4), torch.arange(5) % 2)],
            {"layers": "one"},
            FeatureError,
            "2 times for one batch and 1 times",
        ),
        (
            nn.Sequential(nn.Conv2d(1, 2, 3)),
            [(torch.randn(9, 1, s, s), torch.arange(9) % 2) for s in (6, 7)],
            {"layers": "0", "reduce": "flatten"},
            FeatureError,
            "32 features in one batch and 50",
        ),
        (
            nn.GRU(3, 4),
            (torch.randn(9, 5, 3), torch.arange(8) % 2),
            {"layers": "network"},
            DataError,
            "9 inputs",
        ),
        (
            nn.Linear(4, 3),
            (torch.randn(9, 4), torch.arange(9) % 3),
            {"head": "x"},
            FeatureError,
            "no nn.Linear",
        ),
        (nn.ReLU(), (torch.randn(9, 4), torch.arange(9) % 3), {}, FeatureError, "no layer with weights"),
        (nn.Linear(4, 3), (torch.randn(9, 4), torch.arange(9) % 3), {"reduce": "max"}, OptionError, "pool"),
    ],
)
def test_bad_input_is_one_sentence(model, data, options, error, says):
    with pytest.raises(error, match=says) as caught, warnings.catch_warnings():
        warnings.simplefilter("error")
        et.Features(model, data, **options).collapse()
    assert "\n" not in str(caught.value)


def test_images_of_several_sizes_are_pooled():
    model = nn.Sequential(nn.Conv2d(1, 2, 3))
    batches = [(torch.randn(9, 1, s, s), torch.arange(9) % 2) for s in (6, 7)]
    assert et.Features(model, batches, "0").collapse().iloc[0].samples == 18
