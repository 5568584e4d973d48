"""GPT-L-H-D: its counts, its causality, and against transformers' GPT-2 with the same weights."""

from __future__ import annotations

import pytest
import torch

from eigentrail import networks
from eigentrail.errors import OptionError

TOKENS, POSITIONS = 11, 6


def built(name: str = "gpt-2-2-8") -> torch.nn.Module:
    return networks.build(name, (POSITIONS,), TOKENS, seed=3).double().eval()


def drawn(batch: int = 3) -> torch.Tensor:
    return torch.randint(TOKENS, (batch, POSITIONS), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("spelling", ["GPT 2 2 8", "gpt-2-2-8", "Gpt_2-2_8"])
def test_any_sizes_are_built_by_name(spelling: str) -> None:
    assert networks.resolve(spelling) == "gpt-2-2-8"


def test_its_parameters_are_those_of_the_formula() -> None:
    depth, width = 2, 8
    layer = (3 * width**2 + 3 * width) + (width**2 + width) + (8 * width**2 + 5 * width) + 4 * width
    whole = (TOKENS + POSITIONS) * width + depth * layer + 2 * width + (width + 1) * TOKENS
    assert networks.count_parameters(built()) == whole


def test_a_position_sees_what_comes_before_it_and_nothing_else() -> None:
    model, tokens = built(), drawn()
    other = tokens.clone()
    other[:, 3] = (tokens[:, 3] + 1) % TOKENS
    moved = (model(other) - model(tokens)).abs().amax((0, 1))
    assert not moved[:3].any()
    assert moved[3:].gt(0).all()
    torch.testing.assert_close(model(tokens[:, :4]), model(tokens)[:, :, :4], rtol=1e-12, atol=1e-12)


def test_it_is_gpt2_with_its_weights() -> None:
    transformers = pytest.importorskip("transformers", reason="the peer is in transformers")
    config = transformers.GPT2Config(
        n_layer=2, n_head=2, n_embd=8, vocab_size=TOKENS, n_positions=POSITIONS, tie_word_embeddings=False,
        activation_function="gelu",
    )  # fmt: skip
    peer = transformers.GPT2LMHeadModel(config).double().eval()
    ours = built().state_dict()
    ours["head.bias"].zero_()
    parts = {
        "transformer.wte.weight": "embedding.weight",
        "transformer.wpe.weight": "positions.weight",
        "lm_head.weight": "head.weight",
        "transformer.ln_f.": "norm.",
    }
    names = {"ln_1": "norm1", "attn.c_attn": "attn.qkv", "attn.c_proj": "attn.proj", "ln_2": "norm2",
             "mlp.c_fc": "fc1", "mlp.c_proj": "fc2"}  # fmt: skip
    for number in range(2):
        parts |= {f"transformer.h.{number}.{a}.": f"blocks.{number}.{b}." for a, b in names.items()}
    given = {}
    for name, value in peer.state_dict().items():
        start = next(one for one in parts if name.startswith(one))
        own = ours[parts[start] + name.removeprefix(start)]
        # transformers stores these weights [in, out].
        given[name] = own.T if own.ndim == 2 and ".h." in name else own
        assert given[name].shape == value.shape
    peer.load_state_dict(given)
    model = built()
    model.load_state_dict(ours)
    tokens = drawn()
    torch.testing.assert_close(model(tokens), peer(tokens).logits.transpose(1, 2), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [("gpt-2-3-8", (6,), 11), ("gpt-2-2-8", (1, 8, 8), 10), ("gpt-2-2-8", (6,), 6)],
)
def test_sizes_and_samples_that_do_not_fit_are_one_sentence(
    name: str, shape: tuple[int, ...], classes: int
) -> None:
    with pytest.raises(OptionError, match=r"(gpt|GPT)-2"):
        networks.build(name, shape, classes)
