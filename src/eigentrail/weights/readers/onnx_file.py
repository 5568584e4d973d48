"""ONNX models: the initialisers, turned and named by the operation that uses them.

Read by the package `onnx` (the extra `onnx`); the graph is looked at and never run. A `MatMul` multiplies from the
right, so that its matrix is stored inputs first; 8-bit weights are multiplied by their scales.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eigentrail.errors import SourceError
from eigentrail.weights.readers.npz_file import tensor_of, torch_dtype
from eigentrail.weights.slots import FileSlot, Listing, Slot, TensorSlot, dtype_name, file_stamp
from eigentrail.weights.store import ModuleHint, Skipped

_DTYPES = {
    "FLOAT": torch.float32, "DOUBLE": torch.float64, "FLOAT16": torch.float16, "BFLOAT16": torch.bfloat16,
    "INT8": torch.int8, "UINT8": torch.uint8, "INT16": torch.int16, "INT32": torch.int32, "INT64": torch.int64,
    "BOOL": torch.bool, "FLOAT8E4M3FN": torch.float8_e4m3fn, "FLOAT8E5M2": torch.float8_e5m2,
}  # fmt: skip


@dataclass(frozen=True)
class DequantisedSlot(Slot):
    """An 8-bit initialiser with its scales.

    Attributes:
        codes: the stored integers.
        scale: one, or one per entry of `axis`.
        zero: the code of 0, as many as scales; None for 0.
        axis: the axis of the scales.
    """

    codes: Slot
    scale: Slot
    zero: Slot | None
    axis: int

    @property
    def stored_as(self) -> str:
        """The precision of the codes, which are no weights without their scales."""
        return f"scaled {dtype_name(self.codes.dtype)}"

    def read(self) -> Tensor:
        """Read the weight.

        Returns:
            (codes - zero) * scale in float32.
        """
        values, scale = self.codes.read().float(), self.scale.read().float()
        sizes = [1] * values.ndim
        if scale.numel() > 1:
            sizes[self.axis] = scale.numel()
        if self.zero is not None:
            values = values - self.zero.read().float().reshape(sizes)
        return values * scale.reshape(sizes)


def list_onnx(path: Path) -> Listing:
    """List the initialisers of an ONNX model.

    Args:
        path: the file; numbers in files beside it are read from there, never from outside its folder.

    Returns:
        Its tensors, with what the graph tells about their layout.

    Raises:
        SourceError: the file is damaged, or `onnx` is not installed.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise SourceError(
            f"{path}: an ONNX model, which the package onnx reads: install eigentrail[onnx]."
        ) from error
    try:
        model = onnx.load(str(path), load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise SourceError(
            f"{path}: the ONNX file is cut or damaged ({error}); make or download it again."
        ) from error
    slots: dict[str, Slot] = {}
    skipped: list[Skipped] = []
    for tensor in model.graph.initializer:
        found = _slot(path, tensor)
        if isinstance(found, Slot):
            slots[tensor.name] = found
        else:
            skipped.append(found)
    used = _dequantised(model.graph, slots)
    hints = _hints(model.graph, slots, used)
    with path.open("rb") as file:
        return Listing(list(slots.values()), skipped, {}, file_stamp(path, file.read(2**16)), {}, hints)


def _slot(path: Path, tensor: Any) -> Slot | Skipped:
    import onnx

    kind = onnx.TensorProto.DataType.Name(tensor.data_type)
    dtype, shape = _DTYPES.get(kind), tuple(tensor.dims)
    if dtype is None:
        return Skipped(tensor.name, f"its numbers are {kind}, which is not read")
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        told = {entry.key: entry.value for entry in tensor.external_data}
        place = (path.parent / told.get("location", "")).resolve()
        offset = int(told.get("offset", "0")) if told.get("offset", "0").isdecimal() else 0
        if not place.is_relative_to(path.parent.resolve()) or not place.is_file():
            return Skipped(tensor.name, "its numbers lie in a file that is not beside the model")
        return FileSlot(tensor.name, shape, dtype, None, place, offset)
    if tensor.raw_data:
        if prod(shape) * dtype.itemsize != len(tensor.raw_data):
            return Skipped(
                tensor.name, f"its shape {list(shape)} does not fit its {len(tensor.raw_data)} bytes"
            )
        flat = torch.frombuffer(bytearray(tensor.raw_data), dtype=dtype)
        return TensorSlot.of(tensor.name, flat.reshape(shape))
    try:
        array = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError) as error:
        return Skipped(tensor.name, f"its numbers cannot be read ({error})")
    if torch_dtype(array.dtype) is None:
        return Skipped(tensor.name, f"its numbers are {kind}, which is not read")
    return TensorSlot.of(tensor.name, tensor_of(array.copy()))


def _dequantised(graph: Any, slots: dict[str, Slot]) -> dict[str, str]:
    """Put scaled weights in the place of 8-bit codes; returns {value in the graph: the weight that it is}."""
    used: dict[str, str] = {}
    jobs: list[tuple[str, str, str, int, str]] = []
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and len(node.input) >= 2:
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
            zero = node.input[2] if len(node.input) > 2 else ""
            jobs.append((node.input[0], node.input[1], zero, axis, node.output[0]))
    for name in list(slots):
        stem = name.removesuffix("_quantized")
        if stem != name and f"{stem}_scale" in slots:
            jobs.append((name, f"{stem}_scale", f"{stem}_zero_point", -1, name))
    for name, scale, zero, told, value in jobs:
        codes, factor = slots.get(name), slots.get(scale)
        if codes is None or factor is None or isinstance(codes, DequantisedSlot) or not codes.shape:
            continue
        axis = told if -len(codes.shape) <= told < len(codes.shape) else 0
        if prod(factor.shape) not in {1, codes.shape[axis]}:
            continue
        slots[name] = DequantisedSlot(
            name, codes.shape, torch.float32, None, codes, factor, slots.get(zero), axis
        )
        used[value] = name
    for _, scale, zero, _, _ in jobs:
        for name in (scale, zero):
            slots.pop(name, None)
    return used


def _hints(graph: Any, slots: Mapping[str, Slot], used: Mapping[str, str]) -> dict[str, ModuleHint]:
    hints: dict[str, ModuleHint] = {}
    for node in graph.node:
        inputs = [used.get(name, name) for name in node.input]
        settings = {attribute.name: attribute.i for attribute in node.attribute}
        which = {"Gather": 0, "QLinearConv": 3, "QLinearMatMul": 3}.get(node.op_type, 1)
        if len(inputs) <= which or inputs[which] not in slots:
            continue
        name, axes = inputs[which], len(slots[inputs[which]].shape) - 2
        if node.op_type in {"MatMul", "MatMulInteger", "QLinearMatMul"}:
            hints[name] = ModuleHint("Linear", inputs_first=True)
        elif node.op_type == "Gemm":
            hints[name] = ModuleHint("Linear", inputs_first=not settings.get("transB", 0))
        elif node.op_type in {"Conv", "ConvInteger", "QLinearConv", "ConvTranspose"} and 1 <= axes <= 3:
            transposed = node.op_type == "ConvTranspose"
            kind = f"Conv{'Transpose' if transposed else ''}{axes}d"
            hints[name] = ModuleHint(kind, groups=max(1, settings.get("group", 1)), transposed=transposed)
        elif node.op_type == "Gather":
            hints[name] = ModuleHint("Embedding")
    return hints
