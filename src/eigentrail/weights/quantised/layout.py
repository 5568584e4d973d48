"""What a packed layout is: which tensor holds the codes, what belongs to it, and how a weight comes out of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from eigentrail.weights.store import TensorEntry
from eigentrail.weights.view import Context

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Look:
    """One tensor of codes with what belongs to it, found but not read.

    Attributes:
        context: all that planning may look at.
        codes: the tensor that holds the codes.
        parts: {role: companion}; only the ones that are there.
        weight: the name of the weight that they make together.
    """

    context: Context
    codes: TensorEntry
    parts: Mapping[str, TensorEntry]
    weight: str

    def names(self, *roles: str) -> tuple[str, ...]:
        """Name the codes and the companions of some roles.

        Args:
            roles: in the order in which `Decoding.decode` takes them; absent ones are left out.

        Returns:
            The stored tensors' names, the codes first.
        """
        return (self.codes.name, *(self.parts[role].name for role in roles if role in self.parts))


@dataclass(frozen=True)
class Decoding:
    """How the weight is made.

    Attributes:
        shape: the weight's shape.
        dtype: what the precision is called, such as "int4".
        tensors: the stored tensors that are read.
        decode: takes them in that order, returns the weight in float32.
        stacked: they share their first axis (experts), and the weight of one entry is made of its own entries alone.
        note: what should be known, or None.
    """

    shape: tuple[int, ...]
    dtype: str
    tensors: tuple[str, ...]
    decode: Callable[..., Tensor]
    stacked: bool = False
    note: str | None = None


Plan: TypeAlias = "Callable[[Look], Decoding | str]"


@dataclass(frozen=True)
class Layout:
    """One row of the table.

    Attributes:
        name: what the field calls it.
        codes: how the tensor of codes is named; the group `stem` goes into the templates below, `{name}` is all of it.
        dtypes: the precisions that the codes may be stored in; the beginning of the name is enough.
        weight: template of the weight's name.
        needs: {role: templates of which one must be there}.
        may: {role: templates of which one may be there}.
        plan: decides how the weight is made, or says why it cannot be; a text is always the reason.
    """

    name: str
    codes: str
    dtypes: tuple[str, ...]
    weight: str
    needs: Mapping[str, tuple[str, ...]]
    plan: Plan | str
    may: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def look(self, context: Context, entry: TensorEntry) -> Look | None:
        """Tell whether a tensor holds codes of this layout.

        Args:
            context: all that planning may look at.
            entry: the tensor.

        Returns:
            The tensor with its companions, or None.
        """
        if not entry.dtype.startswith(self.dtypes):
            return None
        found = re.fullmatch(self.codes, entry.name)
        if not found:
            return None
        words = {**found.groupdict(), "name": entry.name}
        parts: dict[str, TensorEntry] = {}
        for wanted, must in ((self.needs, True), (self.may, False)):
            for role, templates in wanted.items():
                names = (template.format(**words) for template in templates)
                part = next((context.entries[name] for name in names if name in context.entries), None)
                if part is not None:
                    parts[role] = part
                elif must:
                    return None
        return Look(context, entry, parts, self.weight.format(**words))
