"""Stacks of experts: one matrix per expert, the gate and the up projection apart.

The stacks [E, out, in] (transformers' Mixtral, Qwen, Granite, JetMoe in memory or on disk) and [E, in, out]
(Llama 4, GPT-OSS) are told apart by how the two halves of the feed-forward layer fit together: natural
orientation has gate_up [E, 2 I, H] with down [E, H, I], the other gate_up [E, H, 2 I] with down [E, I, H];
never do both hold.
"""

from __future__ import annotations

from eigentrail.weights.split import RowPart, alternating, consecutive
from eigentrail.weights.view import Context, Name, Source, View, transpose

_UP = {
    "gate_up_proj": "down_proj",
    "gate_proj": "down_proj",
    "up_proj": "down_proj",
    "input_linear": "output_linear",
    "w1": "w2",
    "w3": "w2",
    "w13": "w2",
    "v1": "w2",
}
_DOWN = {"down_proj", "output_linear", "w2"}
_FUSED = {"gate_up_proj", "input_linear", "w13"}
_IN_OUT = {"llama4", "llama4_text", "gpt_oss"}
_INTERLEAVED = {"gpt_oss"}


def view_experts(context: Context, source: Source, shape: tuple[int, ...]) -> list[View] | None:
    """See a stack of experts as one matrix per expert.

    Args:
        context: all that planning may look at.
        source: where the numbers come from.
        shape: the stored shape.

    Returns:
        One view per expert, or None for a parameter that is not a stack of experts.
    """
    pieces = Name.of(source.name)
    in_module = pieces.leaf == "weight"
    key = pieces.parent if in_module else pieces.leaf
    if len(shape) != 3 or (key not in _UP and key not in _DOWN):
        return None
    stem = source.name[: source.name.rindex(key)]
    ending = source.name[len(stem) + len(key) :]

    def pair(other: str) -> tuple[int, ...] | None:
        found = context.shape(f"{stem}{other}{ending}")
        return found if found and len(found) == 3 else None

    turned, fused, told = _orientation(context, source.name, key, shape, pair)
    count, rows, cols = shape if not turned else (shape[0], shape[2], shape[1])
    note = (
        None
        if told
        else "whether inputs or outputs come first is not known: seen as [expert, out, in], as stored"
    )
    parts: tuple[RowPart, ...] = ()
    if fused and rows % 2 == 0:
        family = context.geometry(source.name).model_type
        if family in _INTERLEAVED or (not family and turned and f"{stem}{key}_bias" in context.entries):
            parts = alternating(("gate", "up"), (1, 1), rows // 2)
        else:
            parts = consecutive(("gate", "up"), (rows // 2, rows // 2))
    kind = "expert" if fused else f"expert.{_role(key)}"
    turn = transpose if turned else None
    return [View(kind, source, (1, rows, cols), turn, f"e{e}", e, parts, note) for e in range(count)]


def _role(key: str) -> str:
    if key in _DOWN:
        return "down"
    return {"gate_proj": "gate", "w1": "gate", "up_proj": "up", "w3": "up", "v1": "up"}.get(key, "in")


def _orientation(  # type: ignore[no-untyped-def]
    context: Context, name: str, key: str, shape: tuple[int, ...], pair
) -> tuple[bool, bool, bool]:
    """Tell whether the inputs come first, whether gate and up are fused, and whether that is certain."""
    down = shape if key in _DOWN else pair(_UP[key])
    ups = [key] if key in _UP else [up for up, its_down in _UP.items() if its_down == key]
    for up_key in ups:
        up = shape if up_key == key else pair(up_key)
        if up is None or down is None:
            continue
        for factor, fused in ((2, up_key in _FUSED), (1, False)):
            if factor == 2 and not fused:
                continue
            natural = up[1] == factor * down[2] and up[2] == down[1]
            turned = up[2] == factor * down[1] and up[1] == down[2]
            if natural != turned:
                return turned, fused and key == up_key, True
            if natural and turned:
                break
    geometry = context.geometry(name)
    fused = key == "gate_up_proj"
    if geometry.model_type:
        return geometry.model_type in _IN_OUT, fused, True
    return False, fused, False
