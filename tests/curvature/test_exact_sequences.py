"""The exact matrix of a Linear layer that sees several positions of a sample."""

from __future__ import annotations

import pytest
import torch
from exact_cases import compare, samples, seeded
from torch import nn
from torch.nn import functional as F


class Encoder(nn.Module):
    """Tokens through one block of attention, averaged."""

    def __init__(self, first: str) -> None:
        super().__init__()
        self.first = first
        self.embed = nn.Linear(3, 4)
        self.block = nn.TransformerEncoderLayer(4, 2, 6, batch_first=first == "batch", dropout=0.1)
        self.head = nn.Linear(4, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        tokens = inputs if self.first == "batch" else inputs.transpose(0, 1)
        hidden = self.block(torch.tanh(self.embed(tokens)))
        return self.head(hidden.mean(dim=1 if self.first == "batch" else 0))


@pytest.mark.parametrize("first", ["batch", "sequence"])
@pytest.mark.parametrize(
    ("layers", "method"),
    [
        ("embed.*", "positions"),
        ("block.linear1.*", "positions"),
        ("block.linear2.weight", "positions"),
        ("block.self_attn.in_proj_weight", "products"),
        ("block.self_attn.out_proj.weight", "products"),
        ("head.*", "khatri-rao"),
    ],
)
def test_attention(first: str, layers: str, method: str) -> None:
    found = compare(seeded(lambda: Encoder(first)), layers, samples(7, 2, 3))
    assert found.check.method == method


def test_attention_gauss_newton() -> None:
    compare(seeded(lambda: Encoder("batch")), "embed.*", samples(7, 2, 3), kind="gauss-newton")


def test_long_sequences_are_taken_by_columns() -> None:
    found = compare(seeded(lambda: Encoder("batch")), "embed.*", samples(5, 6, 3))
    assert found.check.method == "columns"


def test_tokens_that_do_not_meet_behind_the_layer_count_as_samples() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 5)))
    inputs, _ = samples(6, 4, 3)
    targets = torch.randint(5, (6, 4), generator=torch.Generator().manual_seed(0))
    found = compare(
        model, "0.*", (inputs, targets), loss=lambda o, t: F.cross_entropy(o.flatten(0, 1), t.flatten())
    )
    assert found.check.method == "khatri-rao"


def test_rows_that_a_reshape_made_of_tokens_are_put_back_together() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.each, self.all = nn.Linear(3, 4), nn.Linear(8, 3)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            hidden = torch.tanh(self.each(inputs.reshape(-1, 3)))
            return self.all(hidden.reshape(len(inputs), -1))

    found = compare(seeded(Flat), "each.*", samples(7, 2, 3))
    assert found.check.method == "positions"
