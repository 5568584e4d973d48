"""The functions that torch's files call, each written anew: they describe tensors and make plain data, no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from eigentrail.weights.readers.inert import InertArray, InertDtype, InertRecord, inert_array, inert_scalar
from eigentrail.weights.readers.stand_ins import Global, Storage, StoredTensor, Unreadable
from eigentrail.weights.slots import plausible_shape

_STORAGES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64, "ComplexDoubleStorage": torch.complex128, "UntypedStorage": torch.uint8,
    "QInt8Storage": torch.qint8, "QUInt8Storage": torch.quint8, "QInt32Storage": torch.qint32,
}  # fmt: skip


def storage_of(told: Any) -> Any:
    """Take what a pickle says about an object that lies elsewhere.

    Args:
        told: ("storage", type, key, location, size, perhaps (key of a view, offset, size)) as torch writes it.

    Returns:
        The storage; for a module's class with its source text, the class's name.

    Raises:
        ValueError: it is nothing that torch writes.
    """
    match told:
        case ("module", Global() as kind, *_):
            return kind
        case ("storage", Global(name), str() | int() as key, str() | None, int(), *rest):
            dtype = _STORAGES.get(name.rpartition(".")[2])
            shift = rest[0][1] if rest and isinstance(rest[0], tuple) and len(rest[0]) == 3 else 0
            if dtype is not None and type(shift) is int and shift >= 0:
                return Storage(str(key), dtype, shift)
    raise ValueError("a reference to no storage that torch writes")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> StoredTensor | Unreadable:
    if not isinstance(storage, Storage):
        raise ValueError("a tensor without a storage")
    return _described(storage, offset, shape, strides, storage.dtype, rest[2] if len(rest) > 2 else None)


def _tensor_of_type(
    storage: Any, offset: Any, shape: Any, strides: Any, _grad: Any, _hooks: Any, kind: Any, bits: Any = None
) -> StoredTensor | Unreadable:
    dtype = getattr(torch, kind.name.rpartition(".")[2], None) if isinstance(kind, Global) else None
    if not isinstance(storage, Storage) or not isinstance(dtype, torch.dtype):
        raise ValueError("a tensor of no precision that torch has")
    return _described(storage, offset, shape, strides, dtype, bits)


def _described(
    storage: Storage, offset: Any, shape: Any, strides: Any, dtype: torch.dtype, bits: Any
) -> StoredTensor | Unreadable:
    shape, strides = tuple(shape), tuple(strides)
    plain = all(type(step) is int and 0 <= step < 2**62 for step in strides)
    if not plausible_shape(shape) or not plain or len(strides) != len(shape):
        raise ValueError(
            f"a tensor of the impossible shape {str(shape)[:60]} with strides {str(strides)[:60]}"
        )
    if type(offset) is not int or not 0 <= offset < 2**62:
        raise ValueError("a tensor that begins nowhere")
    if isinstance(bits, Mapping) and any(bits.get(bit) for bit in ("conj", "neg")):
        return Unreadable("a lazily conjugated or negated view; save a clone of it")
    if dtype.is_complex and bits:
        return Unreadable("a lazily conjugated view; save a clone of it")
    return StoredTensor(storage, offset + storage.shift, shape, strides, dtype)


def _first(value: Any = None, *_: Any) -> Any:
    return value


def _of_subclass(function: Any, kind: Any, arguments: Any, *_: Any) -> Any:
    """A tensor of a subclass: what it is made of, if that is a plain tensor."""
    known = REBUILD.get(function.name) if isinstance(function, Global) else None
    if known is None or not isinstance(arguments, tuple):
        name = kind.name if isinstance(kind, Global) else "a subclass of Tensor"
        return Unreadable(f"a {name}, which is no plain tensor; unpack it to float32 first")
    return known(*arguments)


def _unreadable(reason: str) -> Callable[..., Unreadable]:
    return lambda *_: Unreadable(reason)


def _ordered(pairs: Any = (), *_: Any) -> dict[Any, Any]:
    from eigentrail.weights.readers.pickle_machine import _key

    if isinstance(pairs, Mapping):
        return dict(pairs)
    return {_key(pair[0]): pair[1] for pair in pairs}


def _elements(values: Any = (), *_: Any) -> list[Any]:
    return list(values) if isinstance(values, (list, tuple, dict)) else []


def _encoded(text: Any = "", *_: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError("text that is none")
    return text.encode("latin-1")


def _raw(content: Any = b"", *_: Any) -> bytes:
    return content if isinstance(content, bytes) else b""


def _array_of_buffer(content: Any, kind: Any, shape: Any, order: Any = "C") -> InertArray:
    array = InertArray()
    array.__setstate__((1, shape, kind, order == "F", content))
    return array


def _silent(*_: Any) -> None:
    return None


_SPARSE = "sparse; take `.to_dense()` of it first"
_QUANTISED = "quantised by torch; take `.dequantize()` of it first"
_META = "on the meta device, without numbers: load the weights first"
_SHARD = "one rank's part of a distributed tensor, not the whole; gather it (`full_tensor()`) and save that"
_UTILS = "torch._utils."

#: Name in the file -> function of our own.
REBUILD: dict[str, Callable[..., Any]] = {
    _UTILS + "_rebuild_tensor": _tensor,
    _UTILS + "_rebuild_tensor_v2": _tensor,
    _UTILS + "_rebuild_tensor_v3": _tensor_of_type,
    _UTILS + "_rebuild_parameter": _first,
    _UTILS + "_rebuild_parameter_with_state": _first,
    _UTILS + "_rebuild_sparse_tensor": _unreadable(_SPARSE),
    _UTILS + "_rebuild_sparse_csr_tensor": _unreadable(_SPARSE),
    _UTILS + "_rebuild_nested_tensor": _unreadable("a nested tensor, which is no matrix"),
    _UTILS + "_rebuild_qtensor": _unreadable(_QUANTISED),
    _UTILS + "_rebuild_meta_tensor_no_storage": _unreadable(_META),
    _UTILS + "_rebuild_wrapper_subclass": _unreadable("of a subclass of Tensor; unpack it to float32 first"),
    _UTILS + "_rebuild_device_tensor_from_numpy": _first,
    "torch._tensor._rebuild_from_type_v2": _of_subclass,
    "torch._tensor._rebuild_from_type": _of_subclass,
    "torch.distributed.tensor.DTensor": _unreadable(_SHARD),
    "torch.distributed._tensor.api.DTensor": _unreadable(_SHARD),
    "torch.distributed._shard.sharded_tensor.api.ShardedTensor": _unreadable(_SHARD),
    "torch.serialization._get_layout": _first,
    "torch.jit._pickle.restore_type_tag": _first,
    "torch.jit._pickle.build_intlist": _first,
    "torch.jit._pickle.build_tensorlist": _first,
    "torch.Size": lambda shape=(): tuple(shape),
    "torch.device": _silent,
    "collections.OrderedDict": _ordered,
    **{
        f"{module}.{kind}": _elements
        for module in ("builtins", "__builtin__")
        for kind in ("set", "frozenset", "list")
    },
    **{f"{module}.dict": _ordered for module in ("builtins", "__builtin__")},
    **{f"{module}.tuple": lambda *a: tuple(_elements(*a)) for module in ("builtins", "__builtin__")},
    **{f"{module}.{kind}": _raw for module in ("builtins", "__builtin__") for kind in ("bytes", "bytearray")},
    "_codecs.encode": _encoded,
    "numpy.dtype": InertDtype,
    "numpy.ndarray": InertArray,
    **{f"numpy.{core}.multiarray.scalar": inert_scalar for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray._reconstruct": inert_array for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _array_of_buffer for core in ("core", "_core")},
    **{f"numpy.dtypes.{kind}DType": _silent for kind in ("Float32", "Float64", "Int64", "Int32")},
    "argparse.Namespace": InertRecord,
    "pathlib.PosixPath": InertRecord,
    "pathlib.PurePosixPath": InertRecord,
    "pathlib._local.PosixPath": InertRecord,
}
