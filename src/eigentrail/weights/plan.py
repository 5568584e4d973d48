"""The plan: which matrices a checkpoint holds, told without reading a number.

Names, shapes, the configuration and, where there is one, the module decide.
Every stored number lies in exactly one planned matrix, or its tensor is listed as skipped with the reason.
The kinds are asked one after the other; the first that knows the tensor takes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from eigentrail.weights.adapters import adapter_specs, find_adapters
from eigentrail.weights.effective import effective_source
from eigentrail.weights.exclusions import not_a_matrix, not_a_weight
from eigentrail.weights.experts import view_experts
from eigentrail.weights.fused import attention_parts, gate_up_parts, separate_role
from eigentrail.weights.headwise import flatten_leading, flatten_rows, stack_shape, view_headwise, view_kernel
from eigentrail.weights.layout import inputs_first
from eigentrail.weights.lycoris import find_lycoris
from eigentrail.weights.matricize import check_mode, view_convolution
from eigentrail.weights.quantised import unpack_layouts
from eigentrail.weights.recurrent import view_recurrent
from eigentrail.weights.store import ModuleHint, Skipped, TensorEntry
from eigentrail.weights.view import Context, MatrixSpec, Name, Read, Source, View, transpose

_EMBEDDING = re.compile(
    r"(^|_)(embed\w*|wte|wpe|emb|embeddings?|embedder|tokens_embed|positions_embed|shared)$|^(W_E|W_pos)$|"
    r"(pos|position)\w*_(embed\w*|bias_table)$|(embed\w*|relative_attention_bias)$"
)
_DECONVOLUTION = re.compile(r"deconv|conv_?transpose|transposed?_?conv|tconv|up_?conv", re.IGNORECASE)
_CONVOLUTION_LEAVES = {"weight", "weight_v", "weight_orig", "original", "original1", "filters"}
_LARGEST_KERNEL = 16
_HF_CONV1D = {"c_attn", "c_proj", "c_fc", "q_attn"}
_HF_FAMILIES = {"gpt2", "imagegpt", "openai-gpt", "decision_transformer"}


def plan_matrices(
    entries: Mapping[str, TensorEntry],
    config: Mapping[str, Any] | None = None,
    modules: Mapping[str, ModuleHint] | None = None,
    conv: str = "flatten",
    *,
    heads: bool = False,
    read: Read | None = None,
) -> tuple[list[MatrixSpec], list[Skipped]]:
    """Plan all matrices of a checkpoint.

    Args:
        entries: the tensors by name, in the order of the source.
        config: the settings beside the weights (`config.json` or `adapter_config.json`), if there are any.
        modules: what an `nn.Module` says about its parameters, if there is one.
        conv: how convolutions are seen: "flatten", "spatial" or "slices" (see `matricize`).
        heads: cut queries, keys and values into attention heads where their number is known. Fused weights
            are cut into q, k, v and gate, up in any case; a head is a matrix of its own only on request,
            instead of the whole q.
        read: reads a tensor, for the few small ones that describe quantised weights; None: these are skipped.

    Returns:
        The planned matrices in the order of the source, and what is not analysed with the reasons.

    Raises:
        OptionError: `conv` is none of the three ways.
    """
    check_mode(conv)
    stored = Context(entries, config or {}, modules or {}, conv, heads, read)
    unpacked = unpack_layouts(stored)
    context = replace(stored, entries=unpacked.entries)
    skipped = dict(unpacked.skipped)
    adapters, reasons = find_adapters(context)
    skipped.update(reasons)
    products, reasons = find_lycoris(context)
    skipped.update(reasons)
    order = {name: place for place, name in enumerate(entries)}
    starts = {min(adapter.tensors, key=order.__getitem__): adapter for adapter in adapters}
    taken = {name for adapter in adapters for name in adapter.tensors} - set(skipped)
    sources = dict(unpacked.sources)
    for entry in context.entries.values():
        if entry.name in skipped or entry.name in taken or entry.name in sources:
            continue
        claim = effective_source(context, entry)
        if claim:
            sources[entry.name] = claim[:2]
            skipped.update(claim[2])
    specs: list[MatrixSpec] = []
    for entry in context.entries.values():
        if entry.name in starts:
            specs += adapter_specs(context, starts[entry.name])
        if entry.name in products:
            specs.append(products[entry.name])
        if entry.name in skipped or entry.name in taken:
            continue
        source, note = sources.get(entry.name, (Source(entry.name), None))
        reason = None if source.stored else not_a_weight(entry, context.hint(entry.name))
        views = [] if reason else _views(context, entry, source)
        if not views:
            skipped[entry.name] = (
                reason or not_a_matrix(entry.shape) or "no kind of weight that is known here"
            )
        for view in views:
            specs += view.with_note(note).specs(entry, heads=heads)
    for spec in specs:
        if min(spec.rows, spec.cols) > 1:
            continue
        which = "row" if spec.rows < 2 else "column"
        skipped[spec.name] = (
            f"one {which} only (seen as {[spec.rows, spec.cols]}): a single vector has no spectrum"
        )
    listed = sorted(skipped, key=lambda name: order.get(name, order.get(name.rpartition(":")[0], len(order))))
    planned = [spec for spec in specs if min(spec.rows, spec.cols) > 1]
    return planned, [Skipped(name, skipped[name]) for name in listed]


def _views(context: Context, entry: TensorEntry, source: Source) -> list[View]:
    """Ask the kinds one after the other; none answers for what is no matrix."""
    shape = entry.shape
    experts = view_experts(context, source, shape)
    if experts:
        return experts
    view = (
        view_recurrent(context, source, shape)
        or view_headwise(context, source, shape)
        or view_kernel(context, source, shape)
        or _convolution(context, source, shape)
    )
    if view:
        return [view]
    if not_a_matrix(shape):
        return []
    if len(shape) > 2:
        return [_many_axes(context, source, shape)]
    return [_linear(context, source, shape)]


def _linear(context: Context, source: Source, shape: tuple[int, ...]) -> View:
    """A matrix: fused projections, GPT-2's transposed layers, embeddings, everything else."""
    rows, cols = shape
    pieces = Name.of(source.name)
    hint = context.hint(source.name)
    turn, kind = None, "linear"
    turned_note = None
    if _is_hf_conv1d(context, source.name, pieces, shape):
        turn, kind, rows, cols = transpose, "conv1d-hf", cols, rows
    elif hint and hint.inputs_first:
        turn, rows, cols = transpose, cols, rows
    elif not hint and (inputs_first(context, source.name, shape) or (False, 1))[0]:
        turn, rows, cols = transpose, cols, rows
        turned_note = "stored with the inputs first, by the length of its bias"
    attention = attention_parts(context, source.name, rows, cols)
    fused = attention or gate_up_parts(context, source.name, rows)
    if fused:
        parts, note = fused
        kind = ("attention" if attention else "mlp") if parts else kind
        return View(kind, source, (1, rows, cols), turn, parts=parts, note=note).with_note(turned_note)
    if turn:
        return View(kind, source, (1, rows, cols), turn, note=turned_note)
    role = separate_role(context, source.name, rows)
    if role:
        parts = role[1] if context.heads and role[1][0].head_rows else ()
        return View(f"attention.{role[0]}", source, (1, rows, cols), parts=parts)
    owner = pieces.leaf if pieces.leaf != "weight" else pieces.parent
    if (hint and hint.class_name in {"Embedding", "EmbeddingBag"}) or _EMBEDDING.search(owner):
        kind = "embedding"
    return View(kind, source, (1, rows, cols))


def _is_hf_conv1d(context: Context, name: str, pieces: Name, shape: tuple[int, ...]) -> bool:
    """Tell transformers' Conv1D, a linear layer stored [in, out]."""
    hint = context.hint(name)
    if hint:
        return hint.class_name == "Conv1D" and len(shape) == 2
    if pieces.parent not in _HF_CONV1D:
        return False
    family = context.geometry(name).model_type
    if family:
        return family in _HF_FAMILIES
    # Without a configuration the wide layers tell: [n, 3 n] and [n, 4 n] have the inputs first.
    for parent, factor in (("attn.c_attn", 3), ("mlp.c_fc", 4)):
        block = pieces.block.removesuffix("attn.").removesuffix("mlp.")
        wide = context.shape(f"{block}{parent}.weight")
        if wide and len(wide) == 2 and wide[0] != wide[1]:
            return wide[1] == factor * wide[0]
    return False


def _convolution(context: Context, source: Source, shape: tuple[int, ...]) -> View | None:
    """Kernels of convolutions, by module or by name and number of axes."""
    hint = context.hint(source.name)
    axes = len(shape) - 2
    if not 1 <= axes <= 3:
        return None
    if hint and not re.match(r"(Lazy)?Conv(Transpose)?[123]d", hint.class_name):
        return None
    pieces = Name.of(source.name)
    if not hint and pieces.leaf not in _CONVOLUTION_LEAVES and not _named_without_dots(pieces.leaf, shape):
        return None
    note = None
    transposed, groups = (hint.transposed, hint.groups) if hint else (False, 1)
    told = None if hint else inputs_first(context, source.name, shape)
    if told:
        transposed, groups = told
    elif not hint and _DECONVOLUTION.search(pieces.module):
        transposed, note = True, "transposed by its name: stored with the inputs first"
    seen = view_convolution(shape, context.conv, groups=groups, transposed=transposed)
    if not hint and not transposed and not seen.note:
        note = _groups_note(context, source.name, shape)
    if groups > 1 and seen.groups > 1:
        note = f"{groups} groups: a matrix each"
    kind = f"conv{axes}d" + ("-transposed" if transposed else "")
    notes = "; ".join(piece for piece in (note, seen.note) if piece)
    return View(kind, source, seen.matrices, seen, note=notes or None)


def _named_without_dots(leaf: str, shape: tuple[int, ...]) -> bool:
    """Stable Diffusion's averaged copies: `diffusion_modelinput_blocks00weight`, a kernel that is small both ways."""
    return leaf.endswith("weight") and len(shape) == 4 and max(shape[2:]) <= _LARGEST_KERNEL


def _groups_note(context: Context, name: str, shape: tuple[int, ...]) -> str | None:
    """Say that a kernel may be grouped, where no other tensor has as many outputs as it has inputs.

    A file does not tell the groups of a convolution; input channels that nothing produces are their trace.
    The network's first kernel has the data's channels.

    Returns:
        The note, or None.
    """
    makers = context.output_counts[shape[1]] - (shape[0] == shape[1])
    if context.first_kernels[len(shape)] == name or shape[1] == 1 or makers:
        return None
    return "perhaps grouped (no tensor has as many outputs as this has inputs): a file does not tell, seen as stored"


def _many_axes(context: Context, source: Source, shape: tuple[int, ...]) -> View:
    """Tensors with three or more axes that are no kernel, no heads and no experts."""
    pieces = Name.of(source.name)
    hint = context.hint(source.name)
    if hint and hint.class_name == "Bilinear":
        note = "one matrix per output, pooled"
        return View("bilinear", source, stack_shape(shape), flatten_leading, note=note)
    owner = pieces.leaf if pieces.leaf != "weight" else pieces.parent
    if shape[0] == 1 or _EMBEDDING.search(owner):
        count, rows, cols = stack_shape(shape)
        kind = "embedding" if _EMBEDDING.search(owner) else "table"
        merged = f"all axes but the last together as rows of {list(shape)}" if count > 1 else None
        return View(kind, source, (1, count * rows, cols), flatten_rows, note=merged)
    note = f"a tensor {list(shape)} of no known kind: seen as a pool of its last two axes"
    return View("stack", source, stack_shape(shape), flatten_leading, note=note)
