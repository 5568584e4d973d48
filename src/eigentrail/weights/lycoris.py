"""Adapters whose update is another product than B A: LoHa, LoKr, VeRA; and those that are only named.

LyCORIS (Yeh et al. 2023) and PEFT keep, per module, LoHa's `hada_w1_a`, `hada_w1_b`, `hada_w2_a`, `hada_w2_b` with the
update alpha / r (w1_a w1_b) * (w2_a w2_b), entry by entry, and LoKr's `lokr_w1`, `lokr_w2` (each perhaps a product
`_a` `_b`) with the update alpha / r w1 ⊗ w2, where r is that of a factored part and without one there is no alpha.
VeRA has a room of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from eigentrail.weights.factored import FactoredMatrix
from eigentrail.weights.store import TensorEntry
from eigentrail.weights.vera import shared_projections, vera, why_not
from eigentrail.weights.view import Context, MatrixSpec, Read

if TYPE_CHECKING:
    from torch import Tensor

_LOHA = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
_FAMILIES = {
    "hada": "LoHa", "lokr": "LoKr", "oft": "OFT", "boft": "BOFT", "vera": "VeRA", "ia3": "IA3", "glora": "GLoRA",
    "shira": "SHiRA", "fourierft": "FourierFT", "randlora": "RandLoRA", "hra": "HRA", "vblora": "VB-LoRA",
    "delora": "DeLoRA", "gralora": "GraLoRA",
}  # fmt: skip
# Whole words: a network's own layers may begin so.
_WORDS = {
    "bone_block": "Bone", "miss_block": "MiSS", "c3a_kernel": "C3A", "road_theta": "RoAd", "road_alpha": "RoAd",
}  # fmt: skip
_PART = re.compile(
    rf"^(?P<module>.+?)[._](?P<part>({'|'.join(_FAMILIES)}|lora_E)_\w+?|{'|'.join(_WORDS)})"
    r"(\.(?!weight$)[^.]+)?(\.weight)?$"
)
_MERGE = "merge the adapter into its base and open that"

Parts = Mapping[str, TensorEntry]


def find_lycoris(context: Context) -> tuple[dict[str, MatrixSpec], dict[str, str]]:
    """Find the adapters of these families.

    Args:
        context: all that planning may look at.

    Returns:
        {the first tensor of an adapter: its update}, and tensor name -> reason for what is no matrix of its own.
    """
    modules: dict[str, dict[str, TensorEntry]] = {}
    for entry in context.entries.values():
        found = _PART.match(entry.name)
        if found:
            modules.setdefault(found["module"], {})[found["part"]] = entry
    specs: dict[str, MatrixSpec] = {}
    skipped: dict[str, str] = {}
    shared = shared_projections(context)
    for module, parts in modules.items():
        spec = _loha(context, module, parts) or _lokr(context, module, parts) or vera(module, parts, shared)
        first = next(iter(parts))
        family = _WORDS.get(first) or _FAMILIES.get(first.partition("_")[0], "another adapter")
        names = [part.name for part in parts.values()]
        alpha = _alpha(context, module)
        if spec is None:
            reason = f"a factor of {family}, no weight by itself; {_MERGE}"
            if family == "VeRA":
                reason = why_not(parts, shared)
            skipped |= dict.fromkeys([*names, *([alpha] if alpha else [])], reason)
            continue
        specs[names[0]] = spec
        skipped |= dict.fromkeys((*spec.tensors, *names), f"a factor of {family}: already in {spec.name}")
    return specs, skipped


def _alpha(context: Context, module: str) -> str | None:
    name = f"{module}.alpha"
    return name if context.shape(name) in {(), (1,)} else None


def _loha(context: Context, module: str, parts: Parts) -> MatrixSpec | None:
    if set(parts) != set(_LOHA):
        return None
    left, right, other_left, other_right = (parts[name].shape for name in _LOHA)
    fits = all(len(shape) == 2 for shape in (left, right, other_left, other_right))
    if not fits or left[0] != other_left[0] or right[1] != other_right[1]:
        return None
    if left[1] != right[0] or other_left[1] != other_right[0]:
        return None
    alpha = _alpha(context, module)
    names = tuple(parts[name].name for name in _LOHA)
    rank = left[1]
    factors = partial(loha, names, alpha, rank)
    return MatrixSpec(
        name=f"{module}:loha", kind="loha", tensors=(*names, *([alpha] if alpha else [])),
        shape=(left[0], right[1]), matrices=1, rows=left[0], cols=right[1], dtype=parts[_LOHA[0]].dtype, aliases=(),
        note=_note(alpha, f"(A B) * (C D) of rank at most {min(rank * other_left[1], left[0], right[1])}"),
        build=partial(_core, factors), factored=True, factors=factors,
    )  # fmt: skip


def _note(alpha: str | None, what: str) -> str:
    return what if alpha else f"{what}; alpha is not known: without its scale"


def _core(factors: partial[FactoredMatrix], read: Read) -> Tensor:
    return factors(read).core()


def loha(names: tuple[str, ...], alpha: str | None, rank: int, read: Read) -> FactoredMatrix:
    """Read a LoHa update: the entrywise product of two low-rank products is itself one, of the product of the ranks.

    Args:
        names: the tensors w1_a [n, r], w1_b [r, m], w2_a [n, s], w2_b [s, m].
        alpha: the tensor of the scale, or None.
        rank: r.
        read: tensor name -> tensor.

    Returns:
        [n, m], factored with r s inner dimensions.
    """
    a, b, c, d = (read(name).detach().double() for name in names)
    left = (a.unsqueeze(2) * c.unsqueeze(1)).flatten(1)
    right = (b.unsqueeze(1) * d.unsqueeze(0)).flatten(0, 1)
    return FactoredMatrix(left, right, float(read(alpha)) / rank if alpha else 1.0)


def _lokr(context: Context, module: str, parts: Parts) -> MatrixSpec | None:
    tensors: list[tuple[str, ...]] = []
    sizes: list[tuple[int, ...]] = []
    rank = None
    for side in ("lokr_w1", "lokr_w2"):
        whole, first, second = parts.get(side), parts.get(f"{side}_a"), parts.get(f"{side}_b")
        if whole is not None:
            tensors.append((whole.name,))
            sizes.append(whole.shape)
        elif first is not None and second is not None and first.shape[1] == second.shape[0]:
            tensors.append((first.name, second.name))
            sizes.append((first.shape[0], *second.shape[1:]))
            rank = first.shape[1]
        else:
            return None
    if "lokr_t2" in parts or len(sizes[0]) != 2 or len(sizes[1]) < 2:
        return None
    rows = sizes[0][0] * sizes[1][0]
    cols = sizes[0][1] * sizes[1][1] * math.prod(sizes[1][2:])
    alpha = _alpha(context, module) if rank else None
    names = tuple(name for pair in tensors for name in pair)
    return MatrixSpec(
        name=f"{module}:lokr", kind="lokr", tensors=(*names, *([alpha] if alpha else [])), shape=(rows, cols),
        matrices=1, rows=rows, cols=cols, dtype=parts[next(iter(parts))].dtype, aliases=(),
        note=_note(alpha or (None if rank else "1"), "a Kronecker product"),
        build=partial(lokr, tuple(tensors), alpha, rank),
    )  # fmt: skip


def lokr(tensors: tuple[tuple[str, ...], ...], alpha: str | None, rank: int | None, read: Read) -> Tensor:
    """Read a LoKr update.

    Args:
        tensors: for each side of the product the one tensor, or the two that are multiplied.
        alpha: the tensor of the scale, or None.
        rank: inner dimension of a factored side, None where neither is.
        read: tensor name -> tensor.

    Returns:
        w1 ⊗ w2 with its scale, [n, m] in float32.
    """
    import torch

    sides = []
    for names in tensors:
        first, *second = (read(name).detach().float() for name in names)
        sides.append((first @ second[0].flatten(1)).reshape(-1, *second[0].shape[1:]) if second else first)
    left = sides[0].reshape(*sides[0].shape, *[1] * (sides[1].ndim - 2))
    scale = float(read(alpha)) / rank if alpha and rank else 1.0
    return torch.kron(left, sides[1].contiguous()).flatten(1) * scale
