"""Fused projections of transformers: q, k and v in one weight, gate and up in one weight.

The layouts, as the model families store them (rows of the natural matrix [out, in]):

* q, k, v one behind the other, with fewer key and value heads under grouped-query attention: timm's and
  SAM's `qkv`, `qkv_proj` (Phi-3), `Wqkv` (MPT, DBRX, ModernBERT), `W_pack`, `c_attn`, `in_proj_weight` of
  MultiheadAttention;
* q, k, v alternating head by head: `query_key_value` of GPT-NeoX, BLOOM, Persimmon, ChatGLM-6B, older Falcon;
* per key-value head its query heads, then k, then v: newer Falcon, InternLM2's `wqkv`; with one key-value
  head this is multi-query Falcon;
* q, v, k in four blocks: CodeGen;
* k and v in one weight: `kv_proj`, `to_kv`, DeepSeek's `kv_b_proj` (alternating head by head);
* gate then up, one behind the other: `gate_up_proj`, `w12`, ChatGLM's `dense_h_to_4h`, ModernBERT's `Wi`.
"""

from __future__ import annotations

from eigentrail.weights.geometry import Geometry
from eigentrail.weights.split import RowPart, alternating, consecutive
from eigentrail.weights.view import Context, Name

Parts = tuple[tuple[RowPart, ...], str | None]

_QKV = ("q", "k", "v")
_CONSECUTIVE = {
    "qkv",
    "qkv_proj",
    "qkv_linear",
    "Wqkv",
    "W_pack",
    "to_qkv",
    "c_attn",
    "in_proj_weight",
    "wqkv",
}
_KEY_VALUE = {"kv_proj", "to_kv", "kv", "key_value"}
_OUTPUTS = ("out_proj", "o_proj", "dense", "wo", "proj", "c_proj", "to_out.0", "to_out")
_PER_HEAD = {"gpt_neox", "gpt_neox_japanese", "bloom", "persimmon", "fuyu"}
_FALCON = {"falcon", "RefinedWeb", "RefinedWebModel"}
_GATE_UP = {
    "gate_up_proj": ("down_proj",),
    "gate_up_fused": ("down_proj",),
    "w12": ("w3",),
    "Wi": ("Wo",),
}
_SEPARATE = {
    "q": {"q_proj", "query", "to_q", "wq", "q_lin", "q_proj_weight"},
    "k": {"k_proj", "key", "to_k", "wk", "k_lin", "k_proj_weight"},
    "v": {"v_proj", "value", "to_v", "wv", "v_lin", "v_proj_weight"},
}


def attention_parts(context: Context, name: str, rows: int, cols: int) -> Parts | None:
    """Find the queries, keys and values of a fused attention projection.

    Args:
        context: all that planning may look at.
        name: the parameter's name.
        rows: outputs of the natural matrix.
        cols: its inputs.

    Returns:
        The parts and a note, no parts where the layout cannot be told (the note says why), or None where the
        name is not that of a fused attention projection.
    """
    pieces = Name.of(name)
    key = pieces.leaf if pieces.leaf == "in_proj_weight" else pieces.parent
    geometry = context.geometry(name)
    if key == "query_key_value":
        return _query_key_value(context, pieces, geometry, rows, cols)
    if key in {"kv_b_proj", "kv_a_proj_with_mqa"}:
        return _latent(geometry, key, rows)
    if key in _KEY_VALUE and rows % 2 == 0:
        return consecutive(
            ("k", "v"), (rows // 2, rows // 2), _head_rows(context, name, geometry, rows // 2)
        ), None
    if key == "in_proj" and geometry.model_type == "deberta":
        return _per_head(geometry, rows)
    if key == "wqkv" and geometry.model_type.startswith("internlm2"):
        return _grouped(geometry, geometry.kv_heads, rows)
    if key == "qkv_proj" and geometry.model_type == "codegen" and rows % 12 == 0:
        block = rows // 12
        return alternating(("q", "v", "k"), (block, block, block), 4, geometry.head_dim), None
    if key == "c_attn":
        if geometry.model_type == "gpt_bigcode" and not geometry.config.get("multi_query", True):
            return _per_head(geometry, rows)
        if pieces.block.endswith("crossattention.") and rows == 2 * cols:
            return consecutive(("k", "v"), (cols, cols), _head_rows(context, name, geometry, cols)), None
    if key in _CONSECUTIVE:
        return _consecutive_qkv(context, name, geometry, rows, cols)
    return None


def gate_up_parts(context: Context, name: str, rows: int) -> Parts | None:
    """Find the gate and the up projection of a fused weight.

    Args:
        context: all that planning may look at.
        name: the parameter's name.
        rows: outputs of the natural matrix.

    Returns:
        The two parts, no parts where the shapes contradict the name (the note says so), or None where the
        name is not that of a fused gate-up projection.
    """
    pieces = Name.of(name)
    downs = _GATE_UP.get(pieces.parent)
    order = ("gate", "up")
    if pieces.parent == "dense_h_to_4h" and context.geometry(name).model_type.startswith("chatglm"):
        downs = ("dense_4h_to_h",)
    if pieces.module.endswith("net.0.proj"):  # diffusers: the activated half comes second
        width = context.shape(pieces.block.removesuffix("0.") + "2.weight")
        if width is None or rows != 2 * width[1]:
            return None
        return consecutive(("up", "gate"), (rows // 2, rows // 2)), None
    if downs is None:
        return None
    widths = [
        shape[1]
        for down in downs
        if (shape := context.shape(f"{pieces.block}{down}.weight")) and len(shape) == 2
    ]
    if rows % 2 or (widths and rows != 2 * widths[0]):
        if pieces.parent == "dense_h_to_4h":
            return None
        return (
            (),
            f"named as gate and up in one, but {rows} rows are not twice the width of the down projection",
        )
    return consecutive(order, (rows // 2, rows // 2)), None


def separate_role(context: Context, name: str, rows: int) -> tuple[str, tuple[RowPart, ...]] | None:
    """Find the heads of a projection that holds only queries, keys or values.

    Args:
        context: all that planning may look at.
        name: the parameter's name.
        rows: its outputs.

    Returns:
        "q", "k" or "v" with one part for the whole (its heads marked if known), or None for any other
        parameter.
    """
    pieces = Name.of(name)
    key = pieces.parent if pieces.leaf == "weight" else pieces.leaf
    for role, names in _SEPARATE.items():
        if key in names:
            geometry = context.geometry(name)
            heads = geometry.heads if role == "q" else (geometry.kv_heads or geometry.heads)
            size = rows // heads if heads and rows % heads == 0 else None
            if size and geometry.head_dim and size != geometry.head_dim:
                size = None
            return role, (RowPart("", 1, rows, 0, rows, size),)
    return None


def _head_rows(context: Context, name: str, geometry: Geometry, query_rows: int) -> int | None:
    """Rows of one head, if the query rows are a whole number of heads of the configured number and size."""
    hint = context.hint(name)
    heads = (hint.num_heads if hint else None) or geometry.heads
    if not heads or query_rows % heads:
        return None
    return query_rows // heads


def _consecutive_qkv(context: Context, name: str, geometry: Geometry, rows: int, cols: int) -> Parts:
    pieces = Name.of(name)
    kv_heads = geometry.kv_heads or geometry.heads
    if geometry.model_type == "gpt_bigcode" and geometry.config.get("multi_query", True):
        kv_heads = 1
    if geometry.heads and kv_heads and geometry.head_dim:
        size = geometry.head_dim
        if rows == (geometry.heads + 2 * kv_heads) * size:
            return consecutive(_QKV, (geometry.heads * size, kv_heads * size, kv_heads * size), size), None
    outputs = [
        shape[1]
        for out in _OUTPUTS
        if (shape := context.shape(f"{pieces.block}{out}.weight")) and len(shape) == 2
    ]
    if rows % 3 == 0 and (rows == 3 * cols or rows // 3 in outputs):
        third = rows // 3
        return consecutive(_QKV, (third, third, third), _head_rows(context, name, geometry, third)), None
    for query, told in [*((out, True) for out in outputs), (cols, False)]:
        rest = rows - query
        if rest > 0 and rest % 2 == 0 and query % (rest // 2) == 0:
            note = None if told else "no configuration: the queries are taken to be as wide as the input"
            head = _head_rows(context, name, geometry, query)
            if head and (rest // 2) % head:
                head = None
            return consecutive(_QKV, (query, rest // 2, rest // 2), head), note
    return (
        (),
        f"named as q, k and v in one, but {rows} rows and {cols} columns do not tell their sizes: seen whole",
    )


def _per_head(geometry: Geometry, rows: int) -> Parts:
    if geometry.heads and rows % (3 * geometry.heads) == 0:
        size = rows // (3 * geometry.heads)
        return alternating(_QKV, (size, size, size), geometry.heads, size), None
    return (
        (),
        "q, k and v alternate head by head and the number of heads is not known: seen whole (add config.json)",
    )


def _grouped(geometry: Geometry, kv_heads: int | None, rows: int) -> Parts:
    if geometry.heads and kv_heads and geometry.heads % kv_heads == 0:
        each = geometry.heads // kv_heads
        if rows % (kv_heads * (each + 2)) == 0:
            size = rows // (kv_heads * (each + 2))
            return alternating(_QKV, (each * size, size, size), kv_heads, size), None
    return (
        (),
        "q, k and v alternate by groups of heads and their numbers do not fit: seen whole (add config.json)",
    )


def _query_key_value(context: Context, pieces: Name, geometry: Geometry, rows: int, cols: int) -> Parts:
    family, config = geometry.model_type, geometry.config
    if family in _PER_HEAD:
        return _per_head(geometry, rows)
    if family in _FALCON:
        if config.get("new_decoder_architecture", False):
            return _grouped(geometry, geometry.kv_heads, rows)
        return _grouped(geometry, 1, rows) if config.get("multi_query", True) else _per_head(geometry, rows)
    if family.startswith("chatglm") and not config.get("multi_query_attention", False):
        return _per_head(geometry, rows)
    if family.startswith(("chatglm", "bailing")):
        return _consecutive_qkv(context, f"{pieces.module}.weight", geometry, rows, cols)
    return (), "q, k and v in one, and only the model's config.json tells how they alternate: seen whole"


def _latent(geometry: Geometry, key: str, rows: int) -> Parts | None:
    """Multi-head latent attention (DeepSeek): the compressed latent, and its expansion to keys and values."""
    config = geometry.config
    rank, rope = config.get("kv_lora_rank"), config.get("qk_rope_head_dim")
    if key == "kv_a_proj_with_mqa":
        if rank and rope and rank + rope == rows:
            return consecutive(("latent", "rope"), (rank, rope)), None
        return None
    nope, value = config.get("qk_nope_head_dim"), config.get("v_head_dim")
    if nope and value and rows % (nope + value) == 0:
        heads = rows // (nope + value)
        keys, values = alternating(("k", "v"), (nope, value), heads)
        return (_with_heads(keys, nope), _with_heads(values, value)), None
    return None


def _with_heads(part: RowPart, size: int) -> RowPart:
    return RowPart(part.label, part.groups, part.period, part.start, part.stop, size)
