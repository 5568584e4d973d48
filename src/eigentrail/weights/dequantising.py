"""A quantised checkpoint as the numbers that its codes stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eigentrail.errors import SourceError
from eigentrail.weights.opening import open_store
from eigentrail.weights.quantised import unpack_layouts, without_quantisation
from eigentrail.weights.readers.memory import open_state_dict
from eigentrail.weights.view import Context

if TYPE_CHECKING:
    from torch import Tensor

    from eigentrail.weights.slot_store import SlotStore


def dequantised(source: Any) -> SlotStore:
    """Read all tensors of a source, quantised weights as float32 in the place of their codes.

    Bits, groups and blocks come from the configuration beside the weights where it tells them. The rest of that
    configuration stays, since it says how the weights are divided (heads, tied embeddings).

    Args:
        source: see `open_store`.

    Returns:
        The tensors without codes, scales and what else belongs to them; they are in memory as a whole.

    Raises:
        SourceError: nothing in it is quantised, or some of it in a way that is not read.
    """
    store = open_store(source)
    context = Context(store.entries, store.config or {}, store.modules or {}, "flatten", False, store.read)
    found = unpack_layouts(context)
    unread = [(name, why) for name, why in found.skipped.items() if why.startswith("packed weight")]
    if unread:
        raise SourceError(f"{store.source}: `{unread[0][0]}` cannot be dequantised: {unread[0][1]}.")
    if not found.sources:
        raise SourceError(f"{store.source} has no quantised weights: edit it without dequantising.")
    tensors: dict[str, Tensor] = {}
    for name, entry in found.entries.items():
        tensor = found.sources[name][0](store.read) if name in found.sources else store.read(name)
        tensors |= dict.fromkeys((name, *entry.aliases), tensor)
    return open_state_dict(tensors, store.source, without_quantisation(store.config or {}))
