"""The store over tensors whose places are known."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from eigentrail._text import printable
from eigentrail.errors import SourceError
from eigentrail.weights.nesting import clean_names
from eigentrail.weights.slots import Slot
from eigentrail.weights.store import ModuleHint, Skipped, TensorEntry, TensorStore


def _with_printable_names(slots: Iterable[Slot]) -> tuple[list[Slot], list[Skipped]]:
    kept: dict[str, Slot] = {}
    twins = []
    for slot in slots:
        name = printable(slot.name)
        if name in kept:
            twins.append(
                Skipped(name, "a second tensor of the same name, but for characters that cannot be shown")
            )
        else:
            kept[name] = slot
    return [slot if slot.name == name else replace(slot, name=name) for name, slot in kept.items()], twins


class SlotStore(TensorStore):
    """A store over slots: names cleaned of wrappers' prefixes, each set of tied tensors listed once.

    Args:
        source: what people call the source.
        slots: the tensors.
        skipped: what cannot be read, by the source's own names.
        config: the settings beside the weights.
        modules: what the module says, by the source's own names.
        ties: {other name: name}, by the source's own names.
        stamp: what identifies the content, or a function that computes it when it is asked for.
        in_memory: the numbers are not those of a file, though `source` may name one that they were made of.
    """

    def __init__(
        self,
        source: str,
        slots: Iterable[Slot],
        skipped: Iterable[Skipped] = (),
        config: Mapping[str, Any] | None = None,
        modules: Mapping[str, ModuleHint] | None = None,
        ties: Mapping[str, str] | None = None,
        stamp: str | Callable[[], str] = "",
        in_memory: bool = False,
    ) -> None:
        # Names are a stranger's text: escape sequences would reach terminals, halves of surrogate pairs no file.
        slots, twins = _with_printable_names(slots)
        ties = {printable(other): printable(kept) for other, kept in (ties or {}).items()}
        clean = clean_names([slot.name for slot in slots], also=[*ties, *(modules or {})])
        groups: dict[Hashable, list[Slot]] = {}
        for slot in slots:
            groups.setdefault(slot.name if slot.identity is None else (slot.identity,), []).append(slot)
        self.source = source
        self.in_memory = in_memory
        self.skipped = [Skipped(printable(left.name), printable(left.reason)) for left in [*skipped, *twins]]
        self.config = dict(config or {})
        self.modules = {clean.get(name, name): hint for name, hint in (modules or {}).items()}
        self.entries = {}
        self._slots: dict[str, Slot] = {}
        self._stamp = stamp
        declared: dict[str, list[str]] = {}
        for other, kept in ties.items():
            declared.setdefault(kept, []).append(clean.get(other, other))
        for group in groups.values():
            names = [clean[slot.name] for slot in group] + declared.get(group[0].name, [])
            first = group[0]
            others = tuple(sorted(set(names[1:]) - {names[0]}))
            self.entries[names[0]] = TensorEntry(
                names[0], tuple(first.shape), first.stored_as, first.nbytes, others
            )
            self._slots.update(dict.fromkeys(names, first))

    @property
    def fingerprint(self) -> str:
        """See `TensorStore.fingerprint`.

        For files it is made from sizes, times of change and headers, else from the numbers.
        """
        if callable(self._stamp):
            self._stamp = self._stamp()
        return hashlib.sha256(self._stamp.encode("utf-8", "surrogatepass")).hexdigest()

    def slot(self, name: str) -> Slot:
        """Tell where one tensor lies.

        Args:
            name: one of `entries`, or one of their aliases.

        Returns:
            Its place; the slot's own name is the source's.

        Raises:
            KeyError: there is no tensor of that name.
        """
        return self._slots[name]

    def read(self, name: str) -> Tensor:
        """Read one tensor; see `TensorStore.read`.

        Args:
            name: one of `entries`, or one of their aliases.

        Returns:
            The tensor as stored.
        """
        slot = self._slots[name]
        return self._guarded(slot, slot.read)

    def read_rows(self, name: str, start: int, stop: int) -> Tensor:
        """Read a part of a tensor; see `TensorStore.read_rows`.

        Args:
            name: one of `entries`, or one of their aliases.
            start: the first entry.
            stop: one past the last.

        Returns:
            [stop - start, ...] as stored.
        """
        slot = self._slots[name]
        return self._guarded(slot, partial(slot.read_rows, start, stop))

    def _guarded(self, slot: Slot, read: Callable[[], Tensor]) -> Tensor:
        try:
            return read()
        except MemoryError as error:
            raise SourceError(
                f"{self.source}: `{slot.name}` of shape {list(slot.shape)} does not fit into memory; choose other "
                "weights with `layers`."
            ) from error
