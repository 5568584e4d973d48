"""The contract of a check: a question, and a function from a whole checkpoint to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eigentrail.findings import Finding
from eigentrail.spectra.spectrum import Spectrum
from eigentrail.weights.naming import role

#: Fewer siblings say nothing about a layer.
FEWEST_SIBLINGS = 3


@dataclass(frozen=True)
class Layer:
    """One weight matrix of a checkpoint.

    Attributes:
        name: of the parameter.
        row: its row of the table of `inspect`.
        spectrum: its spectrum.
    """

    name: str
    row: Mapping[str, Any]
    spectrum: Spectrum

    @property
    def kind(self) -> str:
        """What sort of weight it is."""
        return str(self.row.get("kind", ""))

    @cached_property
    def role(self) -> str:
        """Its name without numbers: layers of one role do the same in different blocks."""
        return role(self.name)

    @property
    def product(self) -> bool:
        """Whether it is a product of thin factors, an adapter's update: of low rank by construction."""
        return self.spectrum.entries is None

    def number(self, column: str) -> float | None:
        """Give a number of the table.

        Args:
            column: its name.

        Returns:
            The number; None where it is missing.
        """
        value = self.row.get(column)
        return None if value is None else float(value)


@dataclass(frozen=True)
class Checkpoint:
    """What a check is given.

    Attributes:
        source: what was inspected, in words.
        layers: its weight matrices, in the order of the network.
        not_finite: names of the tensors that hold NaN or infinite entries.
    """

    source: str
    layers: tuple[Layer, ...]
    not_finite: tuple[str, ...] = ()

    @cached_property
    def dense(self) -> tuple[Layer, ...]:
        """The layers that are no products of thin factors."""
        return tuple(layer for layer in self.layers if not layer.product)

    @cached_property
    def _roles(self) -> dict[tuple[str, bool], list[Layer]]:
        found: dict[tuple[str, bool], list[Layer]] = {}
        for layer in self.layers:
            found.setdefault((layer.role, layer.product), []).append(layer)
        return found

    @cached_property
    def _kinds(self) -> dict[tuple[str, bool], list[Layer]]:
        found: dict[tuple[str, bool], list[Layer]] = {}
        for layer in self.layers:
            found.setdefault((layer.kind, layer.product), []).append(layer)
        return found

    def siblings(self, layer: Layer) -> list[Layer]:
        """Give the layers that a layer can be judged beside.

        Args:
            layer: one of the checkpoint's.

        Returns:
            The other layers of its role; where these are fewer than three, of its kind; none where these are, too.
        """
        for group in (self._roles[layer.role, layer.product], self._kinds[layer.kind, layer.product]):
            others = [one for one in group if one is not layer]
            if len(others) >= FEWEST_SIBLINGS:
                return others
        return []


@dataclass(frozen=True)
class Check:
    """One check of a checkpoint.

    Attributes:
        question: what is asked of every layer, or of the network.
        find: from a checkpoint, its findings: what was found only, with `asked` and, where there is one, the
            p-value corrected for how many were asked.
        order: its gravity among the others, small numbers first.
    """

    question: str
    find: Callable[[Checkpoint], Iterable[Finding]]
    order: int = 1000

    @property
    def name(self) -> str:
        """The name of its function."""
        return self.find.__name__

    @property
    def module(self) -> str:
        """The module that it stands in."""
        return self.find.__module__

    def __call__(self, checkpoint: Checkpoint) -> list[Finding]:
        """Ask it of a checkpoint."""
        return list(self.find(checkpoint))


def check(
    *, question: str, order: int = 1000
) -> Callable[[Callable[[Checkpoint], Iterable[Finding]]], Check]:
    """Turn a function into a check.

    Args:
        question: what is asked.
        order: its gravity among the others, small numbers first.

    Returns:
        A decorator of the function.
    """

    def made(find: Callable[[Checkpoint], Iterable[Finding]]) -> Check:
        return Check(question, find, order)

    return made
