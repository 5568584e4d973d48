"""From a stored tensor to the matrices of a plan: where the numbers are, how they are turned, which rows count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from eigentrail.errors import LayerError
from eigentrail.weights.geometry import Geometry, read_geometry
from eigentrail.weights.matricize import upcast
from eigentrail.weights.split import RowPart
from eigentrail.weights.store import ModuleHint, TensorEntry

if TYPE_CHECKING:
    from torch import Tensor

    from eigentrail.weights.factored import FactoredMatrix

Read: TypeAlias = "Callable[[str], Tensor]"


@dataclass(frozen=True)
class MatrixSpec:
    """One matrix (or one pool of equally shaped matrices) of a checkpoint, planned but not read.

    Attributes:
        name: the tensor's name, with `:part` behind it for a part of a fused tensor.
        kind: what it is, such as "linear", "conv2d", "attention.q", "lstm.i", "expert.gate", "lora".
        tensors: the stored tensors that `build` reads.
        shape: the shape of the stored tensor, or of the part.
        matrices: number of matrices pooled.
        rows: rows of each, in natural orientation (outputs).
        cols: columns of each (inputs).
        dtype: the stored precision.
        aliases: the other names of the same numbers.
        note: what a reader of the results should know about how it is seen, or None.
        build: takes `read` (tensor name -> tensor) and returns [rows, cols] or [matrices, rows, cols] in at
            least float32. With `factored`, it returns the small core instead, which has the same non-zero
            singular values; the matrix itself is rows x cols all the same, and its other singular values are
            exact zeros.
        factored: the matrix is a product of two thin factors that is never multiplied out.
        factors: with `factored`: takes `read` and returns the `FactoredMatrix`.
        put: takes {tensor name: tensor} with all of `tensors`, and the matrix (or `FactoredMatrix`) that shall be
            seen there; changes these tensors so that `build` gives it, as far as their precision allows.
        fixed: why a changed matrix cannot be stored; empty where it can.
        stored: like `build`, in the precision that `read` gives; None where the numbers are computed from others.
    """

    name: str
    kind: str
    tensors: tuple[str, ...]
    shape: tuple[int, ...]
    matrices: int
    rows: int
    cols: int
    dtype: str
    aliases: tuple[str, ...]
    note: str | None
    build: Callable[[Read], Tensor] = field(repr=False)
    factored: bool = False
    factors: Callable[[Read], FactoredMatrix] | None = field(default=None, repr=False)
    put: Callable[[dict[str, Tensor], Any], None] | None = field(default=None, repr=False)
    fixed: str = ""
    stored: Callable[[Read], Tensor] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Source:
    """Where the numbers of a weight come from: one stored tensor, or several that make one together.

    Attributes:
        name: the tensor that the weight is called by.
        others: further tensors that are needed.
        combine: makes the weight of all of them, in that order; None for a single tensor.
        divide: the way back: takes the weight and the old tensors in that order, and returns the new tensors; with
            `combine` only.
        fixed: why a changed weight cannot be stored; empty where it can.
        stored: the stored tensor that the weight is made of, where that has another name; None for `name`.
        stacked: with `combine`: one entry along the first axis is made of that entry of each tensor alone.
    """

    name: str
    others: tuple[str, ...] = ()
    combine: Callable[..., Tensor] | None = None
    divide: Callable[..., tuple[Tensor, ...]] | None = None
    fixed: str = ""
    stored: str | None = None
    stacked: bool = False

    @property
    def tensors(self) -> tuple[str, ...]:
        """The stored tensors, the leading one first."""
        return (self.stored or self.name, *self.others)

    def __call__(self, read: Read) -> Tensor:
        """Read the weight.

        Args:
            read: tensor name -> tensor.

        Returns:
            The weight in its stored shape.
        """
        tensors = [read(name).detach() for name in self.tensors]
        return self.combine(*tensors) if self.combine else tensors[0]

    def leading(self, read: Read, index: int) -> Tensor:
        """Read one entry along the first axis, alone where `read` belongs to a store that can do so.

        Args:
            read: tensor name -> tensor.
            index: which entry.

        Returns:
            The weight's `index`-th entry.
        """
        rows = getattr(getattr(read, "__self__", None), "read_rows", None)
        if rows is None or (self.combine and not self.stacked):
            return self(read)[index]
        tensors = [rows(name, index, index + 1).detach() for name in self.tensors]
        return (self.combine(*tensors) if self.combine else tensors[0])[0]


@dataclass(frozen=True)
class Context:
    """All that planning may look at.

    Attributes:
        entries: the tensors by name.
        config: the settings beside the weights.
        modules: what the module says about its parameters.
        conv: how convolutions are seen.
        heads: cut queries, keys and values into heads.
        read: reads a tensor; for the few small ones that describe others. None where that is not possible.
    """

    entries: Mapping[str, TensorEntry]
    config: Mapping[str, Any]
    modules: Mapping[str, ModuleHint]
    conv: str
    heads: bool
    read: Read | None = field(default=None, repr=False)

    @cached_property
    def output_counts(self) -> Counter[int]:
        """How many tensors have so many entries along their first axis."""
        return Counter(entry.shape[0] for entry in self.entries.values() if entry.shape)

    @cached_property
    def first_kernels(self) -> dict[int, str]:
        """The first tensor of each number of axes."""
        first: dict[int, str] = {}
        for entry in self.entries.values():
            first.setdefault(len(entry.shape), entry.name)
        return first

    def geometry(self, name: str) -> Geometry:
        """The attention geometry that holds for a parameter.

        Args:
            name: the parameter.

        Returns:
            What the configuration says.
        """
        return read_geometry(self.config, name)

    def hint(self, name: str) -> ModuleHint | None:
        """What the module says about a parameter.

        Args:
            name: the parameter.

        Returns:
            The hint, or None for a bare checkpoint.
        """
        # torch's parametrisations put a module of their own between the layer and its tensors.
        return None if "parametrizations." in name else self.modules.get(name)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of a tensor that may be there.

        Args:
            name: its name.

        Returns:
            The shape, or None where there is no such tensor.
        """
        entry = self.entries.get(name)
        return entry.shape if entry else None


@dataclass(frozen=True)
class Name:
    """A parameter's name taken apart.

    Attributes:
        module: the path of the owning module, "" at the top.
        parent: the last piece of that path.
        leaf: the parameter's own name.
    """

    module: str
    parent: str
    leaf: str

    @staticmethod
    @lru_cache(maxsize=4096)
    def of(name: str) -> Name:
        """Take a name apart; wrappers that only hold the layer they wrap (`base_layer`) do not count.

        Args:
            name: the full name; pieces divided by dots or slashes.

        Returns:
            The pieces.
        """
        pieces = name.replace("/", ".").split(".")
        module = [piece for piece in pieces[:-1] if piece not in {"base_layer", "linear_layer"}]
        return Name(".".join(module), module[-1] if module else "", pieces[-1])

    @property
    def block(self) -> str:
        """The path of the module that holds the owning module, with a dot behind it unless it is empty."""
        return self.module[: len(self.module) - len(self.parent)]


@dataclass(frozen=True)
class View:
    """How one stored tensor, or one entry of a stack, is seen.

    Attributes:
        kind: see `MatrixSpec`.
        source: where the numbers come from.
        matrices: number of matrices, rows, columns in natural orientation.
        turn: brings the stored tensor to that orientation; None if it is stored so.
        tag: names an entry of a stack ("e0"), "" otherwise.
        index: the entry along the first axis that is taken before `turn`; None for the whole tensor.
        parts: the rows that are matrices of their own; none for the whole.
        note: see `MatrixSpec`.
    """

    kind: str
    source: Source
    matrices: tuple[int, int, int]
    turn: Callable[[Tensor], Tensor] | None = None
    tag: str = ""
    index: int | None = None
    parts: tuple[RowPart, ...] = ()
    note: str | None = None

    def with_note(self, note: str | None) -> View:
        """The same view with something more to say.

        Args:
            note: what to add, or None.

        Returns:
            A view whose note says both.
        """
        return replace(self, note="; ".join(piece for piece in (note, self.note) if piece) or None)

    def load(self, part: RowPart | None, read: Read) -> Tensor:
        """Read the matrix or one part of it.

        Args:
            part: the rows wanted, None for all.
            read: tensor name -> tensor.

        Returns:
            [rows, cols] or [matrices, rows, cols] in at least float32; it holds no memory but its own.
        """
        return upcast(self.stored(part, read))

    def stored(self, part: RowPart | None, read: Read) -> Tensor:
        """Like `load`, in the precision that `read` gives.

        Args:
            part: the rows wanted, None for all.
            read: tensor name -> tensor.

        Returns:
            [rows, cols] or [matrices, rows, cols]; it holds no memory but its own.
        """
        tensor = self.source(read) if self.index is None else self.source.leading(read, self.index)
        if self.turn:
            tensor = self.turn(tensor)
        if part:
            tensor = part.take(tensor)
        result = tensor.detach()
        # A slice keeps the whole stack alive; what is handed out must not.
        partial_view = result.untyped_storage().nbytes() > result.numel() * result.element_size()
        return result.clone() if partial_view else result

    def put(self, part: RowPart | None, tensors: dict[str, Tensor], matrix: Tensor) -> None:
        """Write the matrix or one part of it back: the inverse of `load`.

        Args:
            part: the rows that `matrix` stands for, None for all.
            tensors: the stored tensors by name; changed, or replaced by new ones of their shape and precision.
            matrix: as `load` gives it.

        Raises:
            LayerError: the weight is stored in a way that cannot hold the change.
        """
        if self.source.fixed:
            raise LayerError(f"`{self.source.name}` cannot be changed: {self.source.fixed}.")
        names = self.source.tensors
        stored = [tensors[name] for name in names]
        whole = self.source.combine(*stored) if self.source.combine else stored[0]
        target = whole if self.index is None else whole[self.index]
        place_back(target, matrix, self.turn, part)
        if self.source.combine and self.source.divide:
            tensors.update(zip(names, self.source.divide(whole, *stored), strict=True))

    def specs(self, entry: TensorEntry, *, heads: bool) -> list[MatrixSpec]:
        """Plan the matrices of this view.

        Args:
            entry: the stored tensor.
            heads: cut parts into attention heads where these are known.

        Returns:
            One plan per part, or one for the whole.
        """
        count, rows, cols = self.matrices
        found = []
        parts: list[RowPart | None] = [None]
        if self.parts:
            parts = [piece for part in self.parts for piece in (part.heads() if heads else [part])]
        for part in parts:
            label = ".".join(piece for piece in (self.tag, part.label if part else "") if piece)
            suffix = f":{label}" if label else ""
            height = part.rows if part else rows
            role = part.role if part else ""
            found.append(
                MatrixSpec(
                    name=entry.name + suffix,
                    kind=f"{self.kind}.{role}" if role else self.kind,
                    tensors=self.source.tensors,
                    shape=(height, cols) if suffix else entry.shape,
                    matrices=count,
                    rows=height,
                    cols=cols,
                    dtype=entry.dtype,
                    aliases=tuple(alias + suffix for alias in entry.aliases),
                    note=self.note,
                    build=partial(self.load, part),
                    put=partial(self.put, part),
                    fixed=self.source.fixed,
                    stored=None if self.source.combine else partial(self.stored, part),
                )
            )
        return found


def place_back(
    stored: Tensor, matrix: Tensor, turn: Callable[[Tensor], Tensor] | None, part: RowPart | None
) -> None:
    """Write a matrix into the stored tensor that it was seen in.

    A view only picks and reorders numbers: applied to the positions themselves it tells where each of them goes.

    Args:
        stored: the tensor, changed in place; [...] without gaps.
        matrix: what shall be seen, of the shape that `turn` and `part` give.
        turn: see `View`.
        part: see `View`.
    """
    import torch

    if turn is None and part is None:
        stored.copy_(matrix.reshape(stored.shape))
        return
    positions = torch.arange(stored.numel(), device=stored.device).reshape(stored.shape)
    if turn:
        positions = turn(positions)
    if part:
        positions = part.take(positions)
    flat = stored.view(-1)
    flat[positions.reshape(-1)] = matrix.reshape(-1).to(device=stored.device, dtype=stored.dtype)


def transpose(tensor: Tensor) -> Tensor:
    """Swap the last two axes.

    Args:
        tensor: [..., in, out].

    Returns:
        [..., out, in], a view.
    """
    return tensor.transpose(-1, -2)
