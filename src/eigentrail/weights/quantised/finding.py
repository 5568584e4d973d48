"""Find the packed weights of a checkpoint by the table, and put what they stand for in their place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eigentrail.errors import LayerError
from eigentrail.weights.quantised.layout import Decoding, Layout, Look
from eigentrail.weights.quantised.table import COMPANIONS, LAYOUTS, MARKERS
from eigentrail.weights.store import TensorEntry
from eigentrail.weights.view import Context, Source

if TYPE_CHECKING:
    from torch import Tensor

# Stored in these, a tensor is no code of anything.
_PLAIN = ("float64", "float32", "float16", "bfloat16", "bool", "complex")


@dataclass(frozen=True)
class Unpacked:
    """What the table made of a checkpoint.

    Attributes:
        entries: the tensors by name, weights in the place of their codes, companions left out.
        sources: {weight: (how it is read, note)}.
        skipped: {stored tensor: why it is not listed}.
    """

    entries: dict[str, TensorEntry]
    sources: dict[str, tuple[Source, str | None]]
    skipped: dict[str, str]


def unpack_layouts(context: Context) -> Unpacked:
    """Find all packed weights.

    Args:
        context: all that planning may look at.

    Returns:
        The tensors as they are seen, and what belongs to which weight.
    """
    weights: dict[str, tuple[TensorEntry, Source, str]] = {}
    skipped: dict[str, str] = {}
    modules: dict[str, str] = {}
    for entry in context.entries.values():
        if entry.dtype.startswith(_PLAIN) or entry.name in skipped:
            continue
        if entry.name.rpartition(".")[2] in MARKERS:
            skipped[entry.name] = "a mark that other tensors are codes: no weight"
            continue
        found = _first(context, entry)
        if found is None:
            continue
        layout, look = found
        modules[_module(entry.name)] = look.weight
        plan = layout.plan if isinstance(layout.plan, str) else layout.plan(look)
        if look.weight != entry.name and look.weight in context.entries:
            plan = f"codes of `{look.weight}`, which is stored in full as well"
        if isinstance(plan, str):
            reason = f"packed weight ({layout.name}): {plan}"
            skipped |= dict.fromkeys((entry.name, *(part.name for part in look.parts.values())), reason)
            continue
        weights[entry.name] = _weight(layout, look, plan)
        skipped |= {
            part.name: f"belongs to the codes of {look.weight}: already in it" for part in look.parts.values()
        }
    for name in context.entries:
        module, _, leaf = name.rpartition(".")
        owner = modules.get(f"{module}." if module else "")
        if leaf in COMPANIONS and owner is not None and name not in weights:
            skipped.setdefault(name, f"belongs to the codes of {owner}")
    entries: dict[str, TensorEntry] = {}
    for name, entry in context.entries.items():
        if name in weights:
            entries[weights[name][0].name] = weights[name][0]
        elif name not in skipped:
            entries[name] = entry
    return Unpacked(entries, {w.name: (source, note) for w, source, note in weights.values()}, skipped)


def _first(context: Context, entry: TensorEntry) -> tuple[Layout, Look] | None:
    return next(((layout, look) for layout in LAYOUTS if (look := layout.look(context, entry))), None)


def _module(name: str) -> str:
    # quanto and bitsandbytes hang their companions below the weight's own name, all others below the module's.
    return name[: name.rfind(".") + 1]


def _weight(layout: Layout, look: Look, plan: Decoding) -> tuple[TensorEntry, Source, str]:
    aliases = look.codes.aliases if look.weight == look.codes.name else ()
    entry = replace(look.codes, name=look.weight, shape=plan.shape, dtype=plan.dtype, aliases=aliases)
    decode = _Decode(look.weight, layout.name, plan.decode)
    source = Source(
        look.weight,
        plan.tensors[1:],
        decode,
        fixed=f"its numbers are quantised ({plan.dtype} codes with scales); ask for dequantise=True "
        "(--dequantise), or load the model in bfloat16 and save it first",
        stored=plan.tensors[0],
        stacked=plan.stacked,
    )
    note = f"{plan.dtype} codes ({layout.name}) times their scales"
    return entry, source, "; ".join(piece for piece in (note, plan.note) if piece)


@dataclass(frozen=True)
class _Decode:
    """A decoding that says whose codes were damaged, instead of where in the arithmetic that showed."""

    weight: str
    layout: str
    decode: Callable[..., Tensor]

    def __call__(self, *tensors: Tensor) -> Tensor:
        try:
            return self.decode(*tensors)
        except (RuntimeError, IndexError, ValueError, TypeError) as error:
            raise LayerError(
                f"the codes of `{self.weight}` ({self.layout}) and what belongs to them do not fit each other; make or "
                "download the file again."
            ) from error
