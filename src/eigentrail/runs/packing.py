"""Many small tensors as one: a row of a pack holds all of them one behind the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from eigentrail.runs.layout import pack_name
from eigentrail.runs.manifest import LayerSpec
from eigentrail.runs.schedules import Schedule
from eigentrail.runs.selection import Source

# A file and a few calls for each tensor cost more than its bytes, up to about this size and from about this many on.
SMALL_BYTES = 16 * 2**10
FEWEST = 16


@dataclass(frozen=True)
class Group:
    """Tensors that are recorded together, in one node of the trajectory.

    Attributes:
        node: the node's name.
        when: their schedule.
        places: their places among the sources.
        dtype: their precision in the store.
        nbytes: the bytes of one record.
    """

    node: str
    when: Schedule
    places: tuple[int, ...]
    dtype: torch.dtype
    nbytes: int


def pack(sources: Sequence[Source]) -> None:
    """Give small tensors of one schedule and precision a common node, where there are many of them.

    Args:
        sources: what is recorded; their descriptions are changed.
    """
    alike: dict[tuple[Schedule, torch.dtype], list[Source]] = {}
    for source in sources:
        if source.nbytes <= SMALL_BYTES and source.dtype == source.stored:
            alike.setdefault((source.spec.schedule, source.stored), []).append(source)
    packs = [some for some in alike.values() if len(some) >= FEWEST]
    for number, some in enumerate(packs):
        offset = 0
        for source in some:
            source.spec = source.spec.model_copy(update={"node": pack_name(number), "offset": offset})
            offset += math.prod(source.shape)


def adopt(sources: Sequence[Source], recorded: Sequence[LayerSpec]) -> None:
    """Go on with a run as it is described on disk, where an earlier version has chosen nodes, precisions and hints.

    Args:
        sources: what is to be recorded; their descriptions are changed.
        recorded: the run's layers.
    """
    known = {layer.name: layer for layer in recorded}
    for source in sources:
        layer = known.get(source.spec.name)
        if layer is None:
            continue
        if source.spec.stored != layer.stored and layer.stored in ("float32", "uint16"):
            source.stored = torch.bfloat16 if layer.stored == "uint16" else torch.float32
            source.nbytes = math.prod(source.shape) * source.stored.itemsize
        kept: dict[str, Any] = {"node": layer.node, "offset": layer.offset, "stored": layer.stored}
        now, then = source.spec.hint or {}, layer.hint or {}
        if then and then.items() <= now.items():
            # A later version may ask modules for more.
            kept["hint"] = layer.hint
        source.spec = source.spec.model_copy(update=kept)


def groups_of(sources: Sequence[Source]) -> list[Group]:
    """Join the sources of each node.

    Args:
        sources: what is recorded.

    Returns:
        The groups, each with its members in the order of their rows.
    """
    nodes: dict[str, list[int]] = {}
    for place, source in enumerate(sources):
        nodes.setdefault(source.spec.node, []).append(place)
    found = []
    for node, places in nodes.items():
        places.sort(key=lambda place: sources[place].spec.offset or 0)
        first = sources[places[0]]
        nbytes = sum(sources[place].nbytes for place in places)
        found.append(Group(node, first.spec.schedule, tuple(places), first.stored, nbytes))
    return found
