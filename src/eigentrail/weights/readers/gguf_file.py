"""GGUF files of llama.cpp and its relatives, quantised or not.

The header is parsed here, within its bounds; the blocks of a quantised tensor are turned into numbers by the format's
own package, `gguf` (the extra `gguf`). Names of language models become those of the Hugging Face layout, and the rows
of Llama's queries and keys return to that layout's order.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from eigentrail.errors import SourceError
from eigentrail.weights.slots import FileSlot, Listing, Slot, file_stamp, plausible_shape
from eigentrail.weights.store import Skipped

_AGAIN = "make or download it again"
_MOST = 2**20  # tensors, settings; a vocabulary is longer, and is only stepped over
_LONGEST_TEXT = 2**24
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
_PLAIN = {
    "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64,
    "I8": torch.int8, "I16": torch.int16, "I32": torch.int32, "I64": torch.int64,
}  # fmt: skip
_LAYER = re.compile(r"blk\.(?P<number>\d+)\.(?P<part>\w+)\.(?P<leaf>weight|bias)")
_TOP = {
    "token_embd": "model.embed_tokens", "output": "lm_head", "output_norm": "model.norm",
    "position_embd": "model.embed_positions",
}  # fmt: skip
_PARTS = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "attn_qkv": "self_attn.qkv_proj", "attn_norm": "input_layernorm",
    "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    "ffn_norm": "post_attention_layernorm", "ffn_gate_inp": "mlp.gate",
    "ffn_gate_exps": "mlp.experts.gate_proj", "ffn_up_exps": "mlp.experts.up_proj",
    "ffn_down_exps": "mlp.experts.down_proj",
}  # fmt: skip
_SETTINGS = {
    "attention.head_count": "num_attention_heads", "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim", "embedding_length": "hidden_size", "block_count": "num_hidden_layers",
}  # fmt: skip
_PERMUTED = {"llama"}  # llama.cpp pairs the rows of a head for its rotary positions


@dataclass(frozen=True)
class GgufSlot(Slot):
    """A tensor of quantised blocks.

    Attributes:
        path: the file.
        offset: where its first byte lies.
        size: its bytes.
        code: the format's number of the layout of blocks.
        precision: what that layout is called, such as "q4_k".
        heads: attention heads whose rows are paired, 0 for none.
    """

    path: Path
    offset: int
    size: int
    code: int
    precision: str
    heads: int = 0

    @property
    def nbytes(self) -> int:
        """The tensor's size in the file."""
        return self.size

    @property
    def stored_as(self) -> str:
        """The layout of its blocks."""
        return self.precision

    def read(self) -> Tensor:
        """Read the blocks and turn them into numbers.

        Returns:
            float32 of `shape`.

        Raises:
            SourceError: the file was cut, or the package does not know the layout.
        """
        gguf = _package(self.path)
        with self.path.open("rb") as file:
            file.seek(self.offset)
            raw = np.frombuffer(file.read(self.size), np.uint8)
        if raw.size != self.size:
            raise SourceError(f"{self.path}: the file ends inside `{self.name}`; {_AGAIN}.")
        try:
            rows = raw.reshape(prod(self.shape[:-1]), -1)
            values = gguf.quants.dequantize(rows, gguf.GGMLQuantizationType(self.code))
        except (NotImplementedError, ValueError, gguf.quants.QuantError) as error:
            raise SourceError(
                f"{self.path}: `{self.name}` is {self.precision}, which is not read ({error})."
            ) from error
        return unpaired(
            torch.from_numpy(np.ascontiguousarray(values, np.float32)).reshape(self.shape), self.heads
        )


@dataclass(frozen=True)
class PairedRowsSlot(FileSlot):
    """A plain tensor whose rows llama.cpp has paired.

    Attributes:
        heads: attention heads.
    """

    heads: int = 0

    def read(self) -> Tensor:
        """Read the tensor.

        Returns:
            The tensor with its rows in the usual order.
        """
        return unpaired(super().read(), self.heads)

    def read_rows(self, start: int, stop: int) -> Tensor:
        """Read some rows, for which all are needed.

        Args:
            start: the first row.
            stop: one past the last.

        Returns:
            [stop - start, ...].
        """
        return self.read()[start:stop]


def unpaired(weight: Tensor, heads: int) -> Tensor:
    """Undo the order of rows that llama.cpp keeps for rotary positions.

    Args:
        weight: [heads * size, ...], the two halves of each head alternating.
        heads: attention heads; 0 for a weight in the usual order.

    Returns:
        The same rows, the first half of each head before the second one.
    """
    if not heads or weight.shape[0] % (2 * heads):
        return weight
    return torch.unflatten(weight, 0, (heads, -1, 2)).transpose(1, 2).reshape(weight.shape)


def list_gguf(path: Path) -> Listing:
    """List the tensors of a GGUF file.

    Args:
        path: the file.

    Returns:
        Its tensors under the names of the Hugging Face layout, with the settings found in its header.

    Raises:
        SourceError: the header is cut or malformed, or a tensor lies outside of the file.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            header = _Header(file, size)
            settings, infos = header.read()
            begin, end = header.data_begin(settings), size
            file.seek(0)
            stamp = file_stamp(path, file.read(min(begin, 2**20)))
    except (struct.error, UnicodeDecodeError, ValueError, OverflowError, MemoryError) as error:
        raise SourceError(f"{path}: the GGUF header is cut or damaged ({error}); {_AGAIN}.") from error
    except OSError as error:
        raise SourceError(f"{path}: cannot read the file: {error.strerror or error}.") from error
    family = str(settings.get("general.architecture", ""))
    config = _config(family, settings)
    slots: list[Slot] = []
    skipped: list[Skipped] = []
    for name, shape, code, offset in infos:
        found = _slot(path, name, shape, code, begin + offset, end, config)
        (slots if isinstance(found, Slot) else skipped).append(found)  # type: ignore[arg-type]
    if str(settings.get("general.type", "model")) == "model":
        config["tie_word_embeddings"] = not any(slot.name == "lm_head.weight" for slot in slots)
    return Listing(slots, skipped, {}, stamp, config)


def _package(path: Path) -> Any:
    try:
        import gguf
    except ImportError as error:
        raise SourceError(
            f"{path}: its weights are quantised GGUF blocks, which the package gguf reads: install eigentrail[gguf]."
        ) from error
    return gguf


class _Header:
    """The header, read step by step and never beyond the file."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.size = file, size

    def read(self) -> tuple[dict[str, Any], list[tuple[str, tuple[int, ...], int, int]]]:
        """Read settings and the list of tensors: name, shape, code, offset."""
        magic, version = self._take("4sI")
        if magic != b"GGUF" or version not in {2, 3}:
            raise ValueError(f"version {version}, which is none of 2 and 3")
        tensors, count = self._take("QQ")
        if max(tensors, count) > _MOST:
            raise ValueError(f"{max(tensors, count)} entries")
        settings = {}
        for _ in range(count):
            key = self._text()
            (kind,) = self._take("I")
            settings[key] = self._value(kind)
        infos = []
        seen = set()
        for _ in range(tensors):
            name = self._text()
            if name in seen:
                raise ValueError(f"{name[:200]!r} stands in it twice")
            seen.add(name)
            (axes,) = self._take("I")
            if axes > 8:
                raise ValueError(f"{name[:200]!r} has {axes} axes")
            shape = tuple(reversed(self._take(f"{axes}Q")))
            code, offset = self._take("IQ")
            if not plausible_shape(shape):
                raise ValueError(f"{name[:200]!r} has the impossible shape {shape}")
            infos.append((name, shape, code, offset))
        return settings, infos

    def data_begin(self, settings: Mapping[str, Any]) -> int:
        """Tell where the tensors begin, after `read`."""
        step = settings.get("general.alignment", 32)
        if not isinstance(step, int) or not 0 < step <= 2**20:
            raise ValueError(f"an alignment of {step}")
        return -(-self.file.tell() // step) * step

    def _take(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(f"<{form}", self.file.read(struct.calcsize(f"<{form}")))

    def _text(self) -> str:
        (length,) = self._take("Q")
        if length > min(_LONGEST_TEXT, self.size - self.file.tell()):
            raise ValueError(f"a text of {length} bytes")
        return self.file.read(length).decode("utf-8", "replace")

    def _value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self._take(_SCALARS[kind])[0]
        if kind == _TEXT:
            return self._text()
        if kind != _ARRAY:
            raise ValueError(f"a setting of the unknown type {kind}")
        kind, length = self._take("IQ")
        if kind in _SCALARS:  # stepped over, but for short ones
            size = struct.calcsize(_SCALARS[kind])
            if length * size > self.size - self.file.tell():
                raise ValueError(f"a list of {length} numbers")
            if length <= 1024:
                return list(self._take(f"{length}{_SCALARS[kind]}"))
            self.file.seek(length * size, 1)
            return None
        if kind != _TEXT or length > self.size - self.file.tell():
            raise ValueError(f"a list of {length} values of type {kind}")
        for _ in range(length):
            (size,) = self._take("Q")
            if size > self.size - self.file.tell():
                raise ValueError(f"a text of {size} bytes")
            self.file.seek(size, 1)
        return None


def _slot(
    path: Path, name: str, shape: tuple[int, ...], code: int, begin: int, end: int, config: Mapping[str, Any]
) -> Slot | Skipped:
    kinds = _kinds()
    shown, heads = _renamed(name, config)
    if code not in kinds:
        return Skipped(shown, f"its numbers are stored as GGUF's type {code}, which is not known here")
    kind, per_block, block_bytes = kinds[code]
    if kind in _PLAIN:
        dtype = _PLAIN[kind]
        slot: Slot = FileSlot(shown, shape, dtype, None, path, begin)
        if heads:
            slot = PairedRowsSlot(shown, shape, dtype, None, path, begin, heads=heads)
    else:
        if not shape or shape[-1] % per_block:
            return Skipped(shown, f"its shape {list(shape)} is no whole number of {kind} blocks; {_AGAIN}")
        size = prod(shape) // per_block * block_bytes
        slot = GgufSlot(shown, shape, torch.float32, None, path, begin, size, code, kind.lower(), heads)
    if begin + slot.nbytes > end:
        return Skipped(
            shown, f"it should end at byte {begin + slot.nbytes}, but the file has {end}; {_AGAIN}"
        )
    return slot


def _kinds() -> dict[int, tuple[str, int, int]]:
    """Name, weights and bytes of a block of each layout, by the format's number; the plain ones without the package."""
    try:
        import gguf
    except ImportError:
        plain = {0: ("F32", 1, 4), 1: ("F16", 1, 2), 28: ("F64", 1, 8), 30: ("BF16", 1, 2)}
        blocks = {
            2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0",
            10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K",
        }  # fmt: skip
        return plain | {code: (kind, 1, 0) for code, kind in blocks.items()}
    return {int(kind): (kind.name, *sizes) for kind, sizes in gguf.GGML_QUANT_SIZES.items()}


def _renamed(name: str, config: Mapping[str, Any]) -> tuple[str, int]:
    """The name in the Hugging Face layout, and the heads whose rows are paired."""
    found = _LAYER.fullmatch(name)
    if found is None:
        stem, _, leaf = name.rpartition(".")
        return (f"{_TOP[stem]}.{leaf}" if stem in _TOP else name), 0
    part = found["part"]
    if part not in _PARTS:
        return name, 0
    heads = 0
    if config.get("model_type") in _PERMUTED and part in {"attn_q", "attn_k"}:
        heads = config.get("num_attention_heads") or 0
        if part == "attn_k":
            heads = config.get("num_key_value_heads") or heads
    return f"model.layers.{found['number']}.{_PARTS[part]}.{found['leaf']}", heads


def _config(family: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {"model_type": family}
    for key, name in _SETTINGS.items():
        value = settings.get(f"{family}.{key}")
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            config[name] = value
    return config
