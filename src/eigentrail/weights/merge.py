"""A base model with an adapter added: W + scale * B A as a store of its own, so that every kind is seen as ever."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from eigentrail.errors import SourceError
from eigentrail.weights.adapters import Adapter, find_adapters
from eigentrail.weights.matricize import upcast
from eigentrail.weights.name_index import NameIndex
from eigentrail.weights.store import ModuleHint, Skipped, TensorEntry, TensorStore
from eigentrail.weights.view import Context

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class _Change:
    """What an adapter does to one tensor: updates that are added, or a tensor that takes its place."""

    base: str
    updates: tuple[Adapter, ...] = ()
    replaced_by: str | None = None


class AdaptedStore(TensorStore):
    """The tensors of a base model, those that an adapter changes with their change.

    Names, shapes and layouts are the base's; changed tensors come in at least float32. Tensors that the
    adapter stores whole (PEFT's `modules_to_save`) take the base's place. A tied tensor of which one name is
    adapted is untied.
    """

    def __init__(self, base: TensorStore, adapter: TensorStore) -> None:
        self.source = f"{base.source} + {adapter.source}"
        self.config: Mapping[str, Any] = base.config
        self.modules: Mapping[str, ModuleHint] = base.modules
        self._base, self._adapter = base, adapter
        self._holders = {
            name: entry.name for entry in base.entries.values() for name in (*entry.aliases, entry.name)
        }
        self._index = NameIndex(self._holders)
        context = Context(adapter.entries, adapter.config, {}, "flatten", heads=False)
        adapters, skipped = find_adapters(context)
        self.skipped = [*base.skipped, *adapter.skipped]
        used = {name for found in adapters for name in found.tensors} | {
            a.magnitude for a in adapters if a.magnitude
        }
        self.skipped += [Skipped(name, reason) for name, reason in skipped.items() if name not in used]
        self._changes: dict[str, _Change] = {}
        for found in adapters:
            target = self._target(found.module)
            known = self._changes.get(target, _Change(self._stored(target)))
            self._changes[target] = replace(known, updates=(*known.updates, found))
        same = base is adapter
        for name in adapter.entries if not same else ():
            if name in used or name in skipped:
                continue
            self._take_whole(name)
        # In one file with the base, the factors are part of the sum and no weights of their own.
        kept = {name: entry for name, entry in base.entries.items() if not (same and name in used)}
        self.entries = self._changed_entries(kept)

    @property
    def fingerprint(self) -> str:
        """A stable identity of both contents together."""
        both = f"{self._base.fingerprint}\n{self._adapter.fingerprint}"
        return hashlib.sha256(both.encode()).hexdigest()

    def read(self, name: str) -> Tensor:
        """Read one tensor of the adapted model.

        Args:
            name: one of `entries`.

        Returns:
            The base's tensor, with the adapter's updates added.

        Raises:
            SourceError: an update does not fit the shape of its weight.
        """
        change = self._changes.get(name)
        if change is None:
            return self._base.read(name)
        if change.replaced_by:
            return self._adapter.read(change.replaced_by)
        weight = upcast(self._base.read(change.base))
        for update in change.updates:
            weight = self._add(name, weight, update)
        return weight

    def read_rows(self, name: str, start: int, stop: int) -> Tensor:
        """Read a part of a tensor along its first axis.

        Args:
            name: one of `entries`.
            start: the first entry.
            stop: one past the last.

        Returns:
            [stop - start, ...]; of a changed tensor in at least float32.
        """
        if name in self._changes:
            return self.read(name)[start:stop]
        return self._base.read_rows(name, start, stop)

    def _add(self, name: str, weight: Tensor, update: Adapter) -> Tensor:
        factors = update.factors(self._adapter.read)
        # The stored layout of GPT-2's Conv1D is [in, out]; PEFT calls that fan_in_fan_out.
        turned = (
            bool(self._adapter.config.get("fan_in_fan_out")) and weight.ndim == 2 and not update.embedding
        )
        natural = weight.T if turned else weight.flatten(1)
        if tuple(factors.shape) != tuple(natural.shape):
            raise SourceError(
                f"the adapter of {name} makes {list(factors.shape)}, the base's weight is {list(weight.shape)}; "
                "give the base model that the adapter was trained on."
            )
        import torch

        dtype = natural.dtype
        left, right = factors.left.to(dtype), factors.right.to(dtype)
        summed = torch.addmm(natural, left, right, alpha=factors.scale)
        if update.magnitude:
            length = upcast(self._adapter.read(update.magnitude)).to(dtype).reshape(-1)
            axis = 1 if length.numel() == natural.shape[0] else 0
            if length.numel() != natural.shape[1 - axis]:
                raise SourceError(f"the magnitudes of {name} are {length.numel()} for {list(natural.shape)}.")
            norm = torch.linalg.vector_norm(summed, dim=axis)
            summed = summed * (length / norm).unsqueeze(axis)
        return summed.T if turned else summed.reshape(weight.shape)

    def _stored(self, target: str) -> str:
        """The base's entry that holds the numbers of a name."""
        return self._holders[target]

    def _target(self, module: str) -> str:
        found = self._match(module, (".base_layer.weight", ".weight", ""))
        if found is None:
            names = list(self._base.entries)
            near = difflib.get_close_matches(f"{_bare(module)}.weight", names, n=3, cutoff=0.4)
            hint = f"; near it are {', '.join(near)}" if near else ""
            raise SourceError(
                f"the adapter changes {module}, which {self._base.source} does not have{hint}; give the base model "
                "that the adapter was trained on."
            )
        return found

    def _match(self, path: str, endings: tuple[str, ...]) -> str | None:
        """Find the base's name for a path of the adapter: itself, without the wrapper's prefix, or as the only end."""
        for stem in (path, _bare(path)):
            for ending in endings:
                if stem + ending in self._holders:
                    return stem + ending
        for ending in endings:
            # A base that was saved without its head, or with one more wrapper, differs by leading pieces
            # only.
            related = self._index.related(_bare(path) + ending)
            if len(related) == 1:
                return related[0]
        return None

    def _take_whole(self, name: str) -> None:
        bare = _bare(name)
        head, found, tail = bare.partition(".modules_to_save.")
        if found:
            bare = f"{head}.{tail.partition('.')[2] or tail}"
        target = self._match(bare.replace(".base_layer.", "."), ("",))
        if target is None:
            self.skipped.append(Skipped(name, "stored with the adapter and not part of the base model"))
        elif self._base.entries[self._stored(target)].shape != self._adapter.entries[name].shape:
            self.skipped.append(Skipped(name, f"of another shape than {target} of the base model"))
        else:
            self._changes[target] = _Change(self._stored(target), replaced_by=name)

    def _changed_entries(self, entries: Mapping[str, TensorEntry]) -> dict[str, TensorEntry]:
        result: dict[str, TensorEntry] = {}
        for entry in entries.values():
            names = (entry.name, *entry.aliases)
            changed = [name for name in names if name in self._changes]
            rest = [name for name in names if name not in self._changes]
            if rest:
                result[rest[0]] = replace(entry, name=rest[0], aliases=tuple(rest[1:]))
            for name in changed:
                change = self._changes[name]
                if change.replaced_by:
                    own = self._adapter.entries[change.replaced_by]
                    result[name] = replace(own, name=name, aliases=())
                else:
                    dtype = entry.dtype if entry.dtype == "float64" else "float32"
                    result[name] = replace(entry, name=name, aliases=(), dtype=dtype)
        return result


def merge_adapter(base: TensorStore, adapter: TensorStore) -> AdaptedStore:
    """Add an adapter to its base model, one tensor at a time.

    Args:
        base: the model that the adapter was trained on.
        adapter: the adapter; the same store as `base` where both were saved in one file.

    Returns:
        A store with the base's names, whose `read` gives W + scale * B A (with DoRA's magnitudes where
        stored).

    Raises:
        SourceError: there is no adapter in the second store, or it changes weights that the first does not
            have.
    """
    merged = AdaptedStore(base, adapter)
    if not any(change.updates for change in merged._changes.values()):
        raise SourceError(
            f"{adapter.source} holds no low-rank adapter (no lora_A and lora_B); give the adapter's folder."
        )
    return merged


def _bare(path: str) -> str:
    for prefix in ("base_model.model.", "base_model."):
        if path.startswith(prefix):
            return path.removeprefix(prefix)
    return path
