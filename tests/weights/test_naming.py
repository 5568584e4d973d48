from __future__ import annotations

import pytest

from eigentrail.weights.naming import block, unwrapped, within_block


@pytest.mark.parametrize(
    "name, in_block, end",
    [
        ("transformer.h.3.attn.c_proj.weight", "transformer.h.3", "attn.c_proj"),
        ("layer2.0.conv1.weight", "layer2.0", "conv1"),
        ("layer2.0.downsample.0.weight", "layer2.0", "downsample.0"),
        ("fc.weight", "", "fc"),
        ("conv1.weight", "", "conv1"),
    ],
)
def test_names_say_block_and_layer(name: str, in_block: str, end: str) -> None:
    assert (block(name), within_block(name)) == (in_block, end)


@pytest.mark.parametrize("name", ["fc.parametrizations.weight.original1", "fc.weight_v", "fc.weight"])
def test_parametrised_weights_have_their_plain_names(name: str) -> None:
    assert unwrapped(name) == "fc.weight"
