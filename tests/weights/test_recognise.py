from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import eigentrail as et


@pytest.mark.parametrize("length", [640, 896, 1152, 1408])
def test_a_safetensors_header_whose_length_begins_like_a_pickle(tmp_path: Path, length: int) -> None:
    # 640 = 0x0280, little-endian: the two bytes that a pickle of protocol 2 begins with.
    path = tmp_path / "model.safetensors"
    w = torch.randn(6, 4)
    for padding in range(length):
        save_file({"layer.weight": w}, path, metadata={"note": "x" * padding})
        if int.from_bytes(path.read_bytes()[:8], "little") == length:
            break
    else:
        pytest.fail("no such header was made")
    assert torch.equal(torch.as_tensor(et.open_weights(path)["layer.weight"]), w)
