"""Low-rank adapters: pairs of thin factors whose product is the update of a weight.

PEFT keeps `<module>.lora_A.weight` [r, in] and `<module>.lora_B.weight` [out, r] (with the adapter's name
between when saved from memory), embeddings as `lora_embedding_A` [r, vocabulary] and `lora_embedding_B`
[dim, r], convolutions with A [r, in, *kernel] and B [out, r, 1, 1]. Diffusion tools keep `lora_down` and
`lora_up`, with alpha as a tensor. The update is scale * B A with scale = alpha / r (Hu et al. 2021), or
alpha / sqrt(r) with `use_rslora` (Kalajdzievski 2023).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from eigentrail.errors import LayerError
from eigentrail.weights.factored import FactoredMatrix
from eigentrail.weights.fused import attention_parts, gate_up_parts
from eigentrail.weights.split import RowPart
from eigentrail.weights.store import TensorEntry
from eigentrail.weights.view import Context, MatrixSpec, Read, place_back

if TYPE_CHECKING:
    from torch import Tensor

_FACTOR = re.compile(
    r"^(?P<module>.+?)(\.|_)(?P<which>lora_embedding_A|lora_embedding_B|lora_A|lora_B|lora_down|lora_up|lora_mid|lora\.down|lora\.up)"
    r"(\.(?P<adapter>(?!weight$|bias$)[^.]+))?(\.weight)?$"
)
_FIRST = {"lora_A", "lora_down", "lora.down", "lora_embedding_A"}
_MERGE = "merge the adapter into its base (PEFT's merge_and_unload) and open that"


@dataclass(frozen=True)
class Adapter:
    """One low-rank update of one weight.

    Attributes:
        module: the path of the module it belongs to, as stored.
        label: "lora", or "lora.<name>" for an adapter that is not called default.
        first: the factor that meets the input, A: [r, in], [r, in, *kernel].
        second: the factor that makes the output, B: [out, r], [out, r, 1, ...].
        embedding: the factors belong to an embedding, whose stored weight is the transposed product.
        scale: the number that multiplies B A, without a stored alpha.
        alpha: the stored tensor that multiplies as well, None if the configuration gives alpha.
        magnitude: the stored magnitudes of weight-decomposed adaptation (DoRA), None if there are none.
        note: what is uncertain, or None.
        middle: the core [r, r, *kernel] between the two (LyCORIS' `lora_mid`), None if there is none.
    """

    module: str
    label: str
    first: TensorEntry
    second: TensorEntry
    embedding: bool
    scale: float
    alpha: str | None
    magnitude: str | None
    note: str | None
    middle: TensorEntry | None = None

    @property
    def kernel(self) -> tuple[int, ...]:
        """The positions of a convolution's kernel along each axis, () for a linear layer."""
        return (self.middle or self.first).shape[2:]

    @property
    def rank(self) -> int:
        """The inner dimension r."""
        return self.first.shape[0]

    @property
    def tensors(self) -> tuple[str, ...]:
        """The stored tensors of the product, the magnitudes not among them."""
        middle = (self.middle.name,) if self.middle else ()
        return (self.second.name, self.first.name, *middle, *([self.alpha] if self.alpha else []))

    def factors(self, read: Read, *, slices: bool = False) -> FactoredMatrix:
        """Read the two factors.

        Args:
            read: tensor name -> tensor.
            slices: one product per position of a convolution's kernel, instead of all positions side by side.

        Returns:
            scale * B A in the orientation [out, in * kernel] or [positions, out, in].
        """
        first, second = read(self.first.name).detach(), read(self.second.name).detach()
        scale = self.scale * (float(read(self.alpha)) if self.alpha else 1.0)
        if self.middle:  # B core A, the core's own kernel kept
            import torch

            core = read(self.middle.name).detach().flatten(2)
            first = torch.einsum("pqk,qi->pik", core.float(), first.flatten(1).float())
        right = first.flatten(2).permute(2, 0, 1) if slices and first.ndim > 2 else first.flatten(1)
        left = second.flatten(1)
        if self.embedding:  # the stored weight is [vocabulary, dim]
            left, right = right.transpose(-1, -2), left.transpose(-1, -2)
        return FactoredMatrix(left, right, scale)


def find_adapters(context: Context) -> tuple[list[Adapter], dict[str, str]]:
    """Pair up the factors of all adapters.

    Args:
        context: all that planning may look at; `config` is the adapter's.

    Returns:
        The adapters, and tensor name -> reason for every adapter tensor that is not analysed.
    """
    pairs: dict[tuple[str, str], dict[str, TensorEntry]] = {}
    skipped: dict[str, str] = {}
    for entry in context.entries.values():
        if "lora_magnitude_vector" in entry.name:
            skipped[entry.name] = (
                "the magnitudes of DoRA: they scale the sum with the base weight; merge to see that"
            )
            continue
        found = _FACTOR.match(entry.name)
        if found and not entry.name.endswith(".bias"):
            side = (
                "middle"
                if found["which"] == "lora_mid"
                else "first"
                if found["which"] in _FIRST
                else "second"
            )
            pair = pairs.setdefault((found["module"], found["adapter"] or ""), {})
            pair[side] = entry
            if "embedding" in found["which"]:
                pair["embedding"] = entry
    # AdaLoRA keeps singular values beside the two factors.
    singular = {name.partition(".lora_E")[0] for name in context.entries if ".lora_E" in name}
    adapters = []
    for (module, name), pair in pairs.items():
        reason = _unusable(context, module, pair, singular)
        names = [entry.name for entry in pair.values()]
        if reason:
            skipped.update(dict.fromkeys(names, reason))
            continue
        adapter = _adapter(context, module, name, pair)
        adapters.append(adapter)
        if adapter.alpha:
            skipped[adapter.alpha] = f"the alpha of a low-rank adapter: already in {module}:{adapter.label}"
    return adapters, skipped


def adapter_specs(context: Context, adapter: Adapter) -> list[MatrixSpec]:
    """Plan the matrices of one adapter.

    Args:
        context: all that planning may look at.
        adapter: the pair of factors.

    Returns:
        One spec for the product, or one per part where the adapted weight is a fused projection.
    """
    first, second = adapter.first.shape, adapter.second.shape
    positions = math.prod(adapter.kernel)
    slices = context.conv == "slices" and positions > 1
    rows, cols = second[0], first[1] * (1 if slices else positions)
    if adapter.embedding:
        rows, cols = cols, rows
    parts: list[RowPart | None] = [None]
    notes = [adapter.note]
    if len(first) == 2 and not adapter.embedding:
        name = f"{adapter.module}.weight"
        fused = attention_parts(context, name, rows, cols) or gate_up_parts(context, name, rows)
        if fused:
            parts = [p for part in fused[0] for p in (part.heads() if context.heads else [part])] or [None]
            notes.append(fused[1])
    elif context.conv == "spatial" and len(first) > 2:
        notes.append("the adapter of a convolution factors as flatten only, and is seen so")
    if adapter.magnitude:
        notes.append("DoRA: the direction's update B A, before its magnitudes")
    specs = []
    for part in parts:
        label = f"{adapter.label}.{part.label}" if part else adapter.label
        height = part.rows if part else rows
        specs.append(
            MatrixSpec(
                name=f"{adapter.module}:{label}",
                kind=f"lora.{part.role}" if part and part.role else "lora",
                tensors=adapter.tensors,
                shape=(height, cols),
                matrices=positions if slices else 1,
                rows=height,
                cols=cols,
                dtype=adapter.second.dtype,
                aliases=(),
                note="; ".join(
                    [f"B A of rank at most {min(adapter.rank, height, cols)}", *(n for n in notes if n)]
                ),
                build=partial(_core, adapter, part, slices),
                factored=True,
                factors=partial(_factors, adapter, part, slices),
                put=partial(put_factors, adapter, part, slices),
            )
        )
    return specs


def _factors(adapter: Adapter, part: RowPart | None, slices: bool, read: Read) -> FactoredMatrix:
    whole = adapter.factors(read, slices=slices)
    return FactoredMatrix(part.take(whole.left), whole.right, whole.scale) if part else whole


def put_factors(
    adapter: Adapter, part: RowPart | None, slices: bool, tensors: dict[str, Tensor], update: FactoredMatrix
) -> None:
    """Write an update back into the stored factors.

    The factor that meets the input stays, for it may serve several parts; the other one takes the change up. That is
    exact for every update whose rows are combinations of the stored ones, as all cuts, shrinkings and new left
    factors are.

    Args:
        adapter: the stored pair.
        part: the rows that `update` stands for, None for all.
        slices: the update comes as one product per position of a kernel.
        tensors: {name: tensor} of the pair; changed in place.
        update: the new product.

    Raises:
        LayerError: the update has rows that the stored factor does not reach, or it comes in slices.
    """
    import torch

    if slices:
        raise LayerError(
            f"the slices of `{adapter.module}` share a factor: change the adapter with conv='flatten'."
        )
    old = adapter.factors(tensors.__getitem__)
    right, wanted = old.right.double(), update.right.double()
    # wanted = mixing @ right, as far as the rows of `right` reach.
    mixing = torch.linalg.lstsq(right.T, wanted.T, driver="gelsd").solution.T
    missed = torch.linalg.vector_norm(update.left.double() @ (mixing @ right - wanted))
    size = torch.linalg.vector_norm(torch.linalg.qr(update.left.double(), mode="r").R @ wanted)
    if missed > 1e-4 * size:
        raise LayerError(
            f"the update of `{adapter.module}` has rows outside of the stored factor: only cuts and shrinkings of an "
            "adapter can be stored in its factors."
        )
    left = old.left.clone() if part else old.left
    new = update.left.double() @ mixing * (update.scale / old.scale)
    place_back(left, new.to(left.dtype), None, part)
    stored = tensors[(adapter.first if adapter.embedding else adapter.second).name]
    stored.copy_((left.T if adapter.embedding else left).reshape(stored.shape))


def _core(adapter: Adapter, part: RowPart | None, slices: bool, read: Read) -> Tensor:
    return _factors(adapter, part, slices, read).core()


def _unusable(
    context: Context, module: str, pair: Mapping[str, TensorEntry], singular: Set[str]
) -> str | None:
    if "first" not in pair or "second" not in pair:
        return "one factor of a low-rank adapter without the other"
    first, second = pair["first"], pair["second"]
    for entry in (first, second):
        if not entry.dtype.startswith(("float", "bfloat")):
            return f"a factor of a low-rank adapter in {entry.dtype}; save it in a floating precision"
    if module in singular:
        return f"AdaLoRA, which keeps singular values apart; {_MERGE}"
    if 0 in first.shape or 0 in second.shape:
        return "a low-rank adapter of rank 0"
    if context.config.get("target_parameters") and re.search(r"experts?$|experts\.base_layer$", module):
        return f"an adapter on a stack of experts; {_MERGE}"
    middle = pair.get("middle")
    if middle is not None and (
        middle.shape[:2] != (second.shape[1], first.shape[0]) or math.prod(first.shape[2:]) > 1
    ):
        return f"a core {list(middle.shape)} that does not fit its factors; {_MERGE}"
    if len(first.shape) < 2 or len(second.shape) < 2 or math.prod(second.shape[2:]) != 1:
        return f"factors {list(first.shape)} and {list(second.shape)} do not make a product; {_MERGE}"
    if first.shape[0] != second.shape[1]:
        if len(first.shape) > 2 and first.shape[0] % second.shape[1] == 0:
            return f"the adapter of a grouped convolution; {_MERGE}"
        return f"factors {list(first.shape)} and {list(second.shape)} do not fit each other; save the adapter again"
    return None


def _adapter(context: Context, module: str, name: str, pair: Mapping[str, TensorEntry]) -> Adapter:
    first, second = pair["first"], pair["second"]
    label = "lora" if name in {"", "default"} else f"lora.{name}"
    stored = next(
        (n for n in (f"{module}.alpha", f"{module}.lora.alpha") if context.shape(n) in {(), (1,)}), None
    )
    scale, note = _scale(context.config, module, first.shape[0], stored is not None)
    endings = ("", ".weight", f".{name or 'default'}", f".{name or 'default'}.weight")
    lengths = (f"{module}.lora_magnitude_vector{ending}" for ending in endings)
    magnitude = next((length for length in lengths if length in context.entries), None)
    return Adapter(
        module, label, first, second, "embedding" in pair, scale, stored, magnitude, note, pair.get("middle")
    )


def _scale(config: Mapping[str, Any], module: str, rank: int, stored_alpha: bool) -> tuple[float, str | None]:
    """Alpha / r by the configuration; patterns match the end of the module's path, as PEFT matches them."""
    root = rank**0.5 if config.get("use_rslora") else rank
    if stored_alpha:
        return 1.0 / root, None
    alpha = _by_pattern(config.get("alpha_pattern"), module, config.get("lora_alpha"))
    if not isinstance(alpha, int | float) or isinstance(alpha, bool):
        return 1.0, "alpha is not known (no adapter_config.json): B A without its scale"
    told = _by_pattern(config.get("rank_pattern"), module, config.get("r"))
    if isinstance(told, int) and told != rank:
        return alpha / root, f"the configuration says rank {told}, the factors have {rank}"
    return alpha / root, None


def _by_pattern(patterns: Any, module: str, default: Any) -> Any:
    """The value of the first pattern that fits the end of the module's path, else the default."""
    if isinstance(patterns, Mapping):
        path = module.removeprefix("base_model.model.")
        for pattern, value in patterns.items():
            try:
                found = re.match(rf"(.*\.)?({pattern})$", path)
            except re.error:
                found = re.match(rf"(.*\.)?({re.escape(str(pattern))})$", path)
            if found:
                return value
    return default
