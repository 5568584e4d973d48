"""Files of other frameworks: the matrices the right way round, [outputs, inputs]."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from planning import noise

from eigentrail.errors import SourceError
from eigentrail.weights import open_weights

KERNEL = noise(7, 5).float()  # inputs first
CONV = noise(3, 3, 4, 6).float()  # Keras and Flax: height, width, in, out


@pytest.mark.parametrize(
    "names", [("dense/dense/kernel:0", "conv/conv/kernel:0"), ("layers/dense/vars/0", "layers/conv2d/vars/0")]
)
def test_keras(names, tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs the extra keras")
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        for name, tensor in zip(names, (KERNEL, CONV), strict=True):
            file[name] = tensor.numpy()
            if name.endswith("0") and "vars" in name:
                file[name[:-1] + "1"] = np.zeros(tensor.shape[-1], np.float32)
        file["optimizer/vars/3"] = np.ones((3, 3), np.float32)
    weights = open_weights(tmp_path / "m.weights.h5")
    assert [tuple(weights[name].shape) for name in sorted(weights)] == [(6, 36), (5, 7)]
    dense = next(name for name in weights if "dense" in name)
    assert torch.equal(weights[dense], KERNEL.T)
    assert any("optimiser" in left.reason for left in weights.skipped)


def test_flax(tmp_path):
    msgpack = pytest.importorskip("msgpack", reason="needs the extra flax")

    def array(tensor):
        told = msgpack.packb((list(tensor.shape), "float32", tensor.numpy().tobytes()), use_bin_type=True)
        return msgpack.ExtType(1, told)

    tree = {
        "params": {
            "Dense_0": {"kernel": array(KERNEL), "bias": array(torch.zeros(5))},
            "Conv_0": {"kernel": array(CONV)},
        }
    }
    path = tmp_path / "flax_model.msgpack"
    path.write_bytes(msgpack.packb(tree))
    weights = open_weights(path)
    assert torch.equal(weights["Dense_0/kernel"], KERNEL.T)
    assert tuple(weights["Conv_0/kernel"].shape) == (6, 36)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(SourceError, match="damaged"):
        open_weights(path)


def test_onnx(tmp_path):
    onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
    make, array = onnx.helper, onnx.numpy_helper.from_array
    codes = torch.randint(-9, 9, (7, 5)).to(torch.int8)
    scale = torch.rand(5) + 0.1
    initialisers = {
        "mm": KERNEL, "gemm": noise(5, 7).float(), "conv": noise(6, 2, 3, 3).float(), "q_quantized": codes,
        "q_scale": scale, "q_zero_point": torch.zeros(5, dtype=torch.int8), "table": noise(11, 4).float(),
    }  # fmt: skip
    nodes = [
        make.make_node("MatMul", ["x", "mm"], ["a"]),
        make.make_node("Gemm", ["x", "gemm"], ["b"], transB=1),
        make.make_node("Conv", ["y", "conv"], ["c"], group=2),
        make.make_node("MatMulInteger", ["x", "q_quantized"], ["d"]),
        make.make_node("Gather", ["table", "i"], ["e"]),
    ]
    graph = make.make_graph(nodes, "g", [], [], [array(t.numpy(), n) for n, t in initialisers.items()])
    onnx.save(make.make_model(graph), tmp_path / "m.onnx")
    weights = open_weights(tmp_path / "m.onnx")
    assert set(weights) == {"mm", "gemm", "conv", "q_quantized", "table"}
    assert torch.equal(weights["mm"], KERNEL.T)
    assert torch.equal(weights["gemm"], initialisers["gemm"])
    assert weights["conv"].shape == (2, 3, 18)
    assert torch.equal(weights["q_quantized"], (codes.float() * scale).T)
    assert weights.specs["table"].kind == "embedding"
