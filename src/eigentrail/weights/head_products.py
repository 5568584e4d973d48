"""The products of an attention head that the network works with: queries with keys, outputs with values.

A head's scores are x^T (W_Q^T W_K) y and what it writes is (W_O W_V) y: only these products have a meaning, each factor
alone can be turned by any matrix (Elhage et al. 2021). Both have the rank of a head, and are kept as their factors.
Under grouped-query attention several query heads share the keys and values of their group.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from eigentrail.weights.factored import FactoredMatrix
from eigentrail.weights.view import MatrixSpec, Name, Read

if TYPE_CHECKING:
    from torch import Tensor

Factors: TypeAlias = Callable[[MatrixSpec, MatrixSpec, Read], FactoredMatrix]
_HEAD = re.compile(r"(?:^|\.)h(?P<head>\d+)$")
_OUTPUTS = (
    "o_proj", "out_proj", "wo", "to_out.0", "to_out", "c_proj", "proj", "dense", "out_lin", "attn_output", "W_O", "out",
)  # fmt: skip
_POSITIONS = "of rank at most {rank}; biases and positions (rotations) are not in it"


def head_products(by_head: Iterable[MatrixSpec], whole: Iterable[MatrixSpec]) -> list[MatrixSpec]:
    """Plan the query-key and the output-value product of each attention head.

    Args:
        by_head: the plan with queries, keys and values cut into heads.
        whole: the plan as it is, for the output projections.

    Returns:
        The products named `BLOCK:qk.hN` and `BLOCK:ov.hN`, N the query head, where the heads are known.
    """
    blocks: dict[str, dict[str, dict[int, MatrixSpec]]] = {}
    for spec in by_head:
        head = _HEAD.search(spec.name.rpartition(":")[2])
        role = spec.kind.rpartition(".")[2]
        if head and spec.kind.startswith("attention.") and role in {"q", "k", "v"} and spec.matrices == 1:
            blocks.setdefault(_block(spec.name), {}).setdefault(role, {})[int(head["head"])] = spec
    plain = {spec.name.partition(":")[0]: spec for spec in whole if spec.matrices == 1}
    return [product for block, roles in blocks.items() for product in _of_block(block, roles, plain)]


def _block(name: str) -> str:
    """The path of the attention module, with a dot behind it."""
    pieces = Name.of(name.partition(":")[0])
    return (
        pieces.block if pieces.leaf in {"weight", "kernel"} else f"{pieces.module}." if pieces.module else ""
    )


def _of_block(
    block: str, roles: Mapping[str, Mapping[int, MatrixSpec]], plain: Mapping[str, MatrixSpec]
) -> list[MatrixSpec]:
    queries, keys, values = (roles.get(role, {}) for role in "qkv")
    heads = len(queries)
    found = []
    title = block.rstrip(".") or "attention"
    if keys and heads % len(keys) == 0:
        for head, query in queries.items():
            key = keys[head * len(keys) // heads]
            if query.rows == key.rows:
                found.append(
                    _spec(
                        f"{title}:qk.h{head}", "attention.qk", query, key, (query.cols, key.cols), _query_key
                    )
                )
    output = _output(block, plain)
    if output and values and heads % len(values) == 0:
        size = values[0].rows
        if output.cols == heads * size:
            for head in queries:
                value = values[head * len(values) // heads]
                factors = partial(_output_value, head)
                found.append(
                    _spec(
                        f"{title}:ov.h{head}",
                        "attention.ov",
                        output,
                        value,
                        (output.rows, value.cols),
                        factors,
                    )
                )
    return found


def _output(block: str, plain: Mapping[str, MatrixSpec]) -> MatrixSpec | None:
    above = block.rstrip(".").rpartition(".")[0]
    names = [f"{block}{out}{end}" for out in _OUTPUTS for end in (".weight", ".kernel", "")]
    names.append(f"{above}.output.dense.weight")  # BERT's
    return next((plain[name] for name in names if name in plain), None)


def _spec(
    name: str, kind: str, left: MatrixSpec, right: MatrixSpec, shape: tuple[int, int], factors: Factors
) -> MatrixSpec:
    rank = min(right.rows, *shape)
    return MatrixSpec(
        name=name,
        kind=kind,
        tensors=tuple(dict.fromkeys((*left.tensors, *right.tensors))),
        shape=shape,
        matrices=1,
        rows=shape[0],
        cols=shape[1],
        dtype=left.dtype,
        aliases=(),
        note=_POSITIONS.format(rank=rank),
        build=partial(_core, factors, left, right),
        factored=True,
        factors=partial(factors, left, right),
        fixed="it is a product of two weights: change these",
    )


def _query_key(query: MatrixSpec, key: MatrixSpec, read: Read) -> FactoredMatrix:
    return FactoredMatrix(query.build(read).T, key.build(read))


def _output_value(head: int, output: MatrixSpec, value: MatrixSpec, read: Read) -> FactoredMatrix:
    inside = value.build(read)
    start = head * len(inside)
    return FactoredMatrix(output.build(read)[:, start : start + len(inside)], inside)


def _core(factors: Factors, left: MatrixSpec, right: MatrixSpec, read: Read) -> Tensor:
    return factors(left, right, read).core()
