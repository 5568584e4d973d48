"""Named weight matrices, read one at a time."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eigentrail._text import counted
from eigentrail.errors import SourceError
from eigentrail.weights.factored import FactoredMatrix
from eigentrail.weights.head_products import head_products
from eigentrail.weights.matricize import upcast
from eigentrail.weights.merge import merge_adapter
from eigentrail.weights.opening import Source, open_store
from eigentrail.weights.plan import plan_matrices
from eigentrail.weights.store import Skipped, TensorStore

if TYPE_CHECKING:
    from eigentrail.weights.view import MatrixSpec


class Weights(Mapping[str, Tensor | FactoredMatrix]):
    """The weight matrices of a source, by name; a matrix is read when it is asked for and not kept.

    Iterating gives names, indexing gives matrices as float32 (float64 stays), [n, m], or [k, n, m] where one
    weight stands for k independent matrices. The update B A of an adapter is a `FactoredMatrix`, which is
    never multiplied out.

    Attributes:
        store: the tensors that the matrices are made of.
        specs: {name: how the matrix is made}.
        skipped: what is no matrix or cannot be read, each with its reason.
        conv: how convolutions are seen: "flatten", "spatial" or "slices".

    Args:
        store: where the tensors are.
        specs: the matrices.
        skipped: what the plan and the store leave out.
        conv: how convolutions are seen.
    """

    def __init__(
        self,
        store: TensorStore,
        specs: Iterable[MatrixSpec],
        skipped: Iterable[Skipped],
        conv: str = "flatten",
    ) -> None:
        self.store = store
        self.specs: dict[str, MatrixSpec] = {spec.name: spec for spec in specs}
        self.skipped = list(skipped)
        self.conv = conv

    @property
    def source(self) -> str:
        """What people call the source: its path, or what kind of object it is."""
        return self.store.source

    @property
    def fingerprint(self) -> str:
        """A stable identity of the content; see `TensorStore.fingerprint`."""
        return self.store.fingerprint

    def __getitem__(self, name: str) -> Tensor | FactoredMatrix:
        spec = self.specs[name]
        return spec.factors(self._read) if spec.factors is not None else spec.build(self._read)

    def as_stored(self, name: str) -> Tensor | FactoredMatrix:
        """Read a matrix in the precision in which it is stored: float16 and bfloat16 take half of the memory.

        Args:
            name: which matrix.

        Returns:
            What indexing gives; numbers that are not computed from others stay float16 or bfloat16, on the CPU.
        """
        spec = self.specs[name]
        if spec.stored is None:
            return self[name]
        tensor = spec.stored(self.tensor)
        kept = tensor.dtype in {torch.float16, torch.bfloat16} and tensor.device.type == "cpu"
        return tensor if kept else upcast(_widen(tensor))

    def __iter__(self) -> Iterator[str]:
        return iter(self.specs)

    def __len__(self) -> int:
        return len(self.specs)

    def __contains__(self, name: object) -> bool:
        # Mapping's own would read the matrix to find out.
        return name in self.specs

    def __repr__(self) -> str:
        many = counted(len(self), "matrix", "matrices")
        return f"Weights({self.source!r}, {many}, conv={self.conv!r}, {len(self.skipped)} skipped)"

    def tensor(self, name: str) -> Tensor:
        """Read a tensor as it is stored.

        Args:
            name: a parameter's name; any tensor of the source, matrix or not.

        Returns:
            The tensor in its own shape and precision.

        Raises:
            SourceError: there is no tensor of that name, or it cannot be read.
        """
        try:
            return self.store.read(name)
        except KeyError:
            near = _near(name, self.store.entries)
            raise SourceError(f"{self.source}: there is no tensor `{name}`{near}.") from None

    def read_rows(self, name: str, start: int, stop: int) -> Tensor:
        """Read a part of a tensor along its first axis, such as one expert of a stack.

        Args:
            name: one of the source's tensors.
            start: the first entry.
            stop: one past the last.

        Returns:
            [stop - start, ...] on the CPU, as float32 (float64 stays).

        Raises:
            KeyError: there is no tensor of that name.
            SourceError: its numbers cannot be read.
        """
        return _widen(self.store.read_rows(name, start, stop))

    def _read(self, name: str) -> Tensor:
        return _widen(self.tensor(name))


def _widen(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    narrow = tensor.is_floating_point() and tensor.element_size() < 4
    return tensor.to(device="cpu", dtype=torch.float32 if narrow else tensor.dtype)


def open_weights(
    source: Source,
    layers: str | Sequence[str] | None = None,
    conv: str = "flatten",
    *,
    heads: bool = False,
    products: bool = False,
    base: Source | None = None,
) -> Weights:
    """Open the weight matrices of a source; the numbers are read one matrix at a time.

    Args:
        source: see `open_store`.
        layers: globs over parameter names (`"fc2.weight"`, `"*.attn.*"`), case-sensitive; a module's name
            stands for
            its weights, a fused tensor's name for all its parts. None: every weight.
        conv: how a convolution [out, in, kh, kw] is seen: "flatten" [out, in kh kw], "spatial" [kh kw, in
            out] or
            "slices" (kh kw matrices [out, in]).
        heads: cut queries, keys and values into attention heads where their number is known.
        products: add the query-key and output-value products of the attention heads, as `FactoredMatrix`.
        base: with an adapter as source, the model that it was trained on: the matrices are then those of the sum.
            None: an adapter's own updates B A.

    Returns:
        The matrices.

    Raises:
        SourceError: the source cannot be read, a glob names no weight, or products are asked for and no heads known.
    """
    store = open_store(source)
    if base is not None:
        store = merge_adapter(open_store(base), store)
    specs, unseen = plan_matrices(
        store.entries, store.config, store.modules, conv=conv, heads=heads, read=store.read
    )
    if products:
        by_head, _ = plan_matrices(store.entries, store.config, store.modules, heads=True, read=store.read)
        found = head_products(by_head, specs if not heads else by_head)
        if not found:
            raise SourceError(
                f"{store.source}: no attention heads are known whose products could be seen; their number stands in "
                "config.json."
            )
        specs += found
    skipped = [*store.skipped, *unseen]
    globs = [layers] if isinstance(layers, str) else list(layers or [])
    if not globs:
        return Weights(store, specs, skipped, conv)
    for glob in globs:
        if not any(_matches(_names(spec), glob) for spec in specs):
            raise SourceError(_no_match(store, glob, specs, skipped))
    return Weights(
        store,
        [spec for spec in specs if any(_matches(_names(spec), glob) for glob in globs)],
        [left for left in skipped if any(_matches(_with_module([left.name]), glob) for glob in globs)],
        conv,
    )


def _names(spec: MatrixSpec) -> set[str]:
    # All names that a glob may mean by one matrix.
    return _with_module([spec.name, spec.name.partition(":")[0], *spec.tensors, *spec.aliases])


def _with_module(names: Iterable[str]) -> set[str]:
    names = set(names)
    return names | {module for name in names if (module := name.rpartition(".")[0])}


def _matches(names: Iterable[str], glob: str) -> bool:
    return any(fnmatchcase(name, glob) for name in names)


def _no_match(store: TensorStore, glob: str, specs: Sequence[MatrixSpec], skipped: Sequence[Skipped]) -> str:
    start = f"{store.source}: no weight matches the layer `{glob}`"
    for left in skipped:
        if _matches([left.name], glob):
            return f"{start}: `{left.name}` is skipped ({left.reason})."
    for entry in store.entries.values():
        if _matches([entry.name, *entry.aliases], glob):
            return f"{start}: `{entry.name}` of shape {list(entry.shape)} is no matrix."
    known = sorted({name for spec in specs for name in _names(spec)})
    near = _near(glob, known)
    if near or not specs:
        return f"{start}{near or '; there are no weight matrices at all'}."
    return f"{start}; there are {len(known)} names, such as `{specs[0].name}`."


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"; perhaps you mean {' or '.join(f'`{other}`' for other in near)}" if near else ""
