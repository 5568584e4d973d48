"""Which matrices of two sources are the same layer, where wrappers, tied weights or renaming gave them other names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from eigentrail.errors import OptionError
from eigentrail.weights import MatrixSpec, Skipped, Weights
from eigentrail.weights.name_index import NameIndex
from eigentrail.weights.naming import unwrapped

#: Names of layers whose rows are entries of a vocabulary, which grows.
_VOCABULARY = re.compile(r"(?:^|[._])(?:embed\w*|wte|tok\w*|vocab\w*|lm_head|head|output)(?:\.weight)?$")


@dataclass(frozen=True)
class Match:
    """A layer that two sources have.

    Attributes:
        a: its name in the first.
        b: its name in the second.
        rows: with shapes that differ in the size of a vocabulary only, how many rows both have; None for all.
        note: how it was found, where the names or shapes differ; empty where they do not.
    """

    a: str
    b: str
    rows: int | None = None
    note: str = ""


def match_layers(
    first: Weights, second: Weights, rename: Mapping[str, str] | None = None
) -> tuple[list[Match], list[Skipped]]:
    """Find the layers that two sources have in common.

    A name is looked for as it is, as `rename` changes it, among the names of tied weights, and at last by its end, as
    wrappers put pieces in front; there the shape must agree, and only one layer may fit.

    Args:
        first: the source before.
        second: the source after.
        rename: what to replace in the first source's names, and by what.

    Returns:
        The layers in the order of the first source, and what has no partner, with reasons.

    Raises:
        OptionError: `rename` replaces nothing.
    """
    for old in rename or {}:
        if not any(old in name for name in first):
            raise OptionError(
                f'rename: no name of {first.source} has "{old}" in it; the first is {next(iter(first), "-")}'
            )
    aliases = {alias: name for name, spec in second.specs.items() for alias in spec.aliases}
    aliases |= {plain: name for name in second if (plain := unwrapped(name)) not in second}
    index = NameIndex(second)
    matches: list[Match] = []
    skipped: list[Skipped] = []
    taken: set[str] = set()
    for name in first:
        spec = first.specs[name]
        partner, note = _partner(name, spec, second, aliases, index, rename or {})
        if partner is None:
            skipped.append(Skipped(name, f"only in {first.source}"))
            continue
        if partner in taken and partner == name:
            continue
        other = second.specs[partner]
        rows = _common_rows(spec, other)
        if other.shape != spec.shape and rows is None:
            shapes = f"{list(spec.shape)} against {list(other.shape)}"
            skipped.append(Skipped(name, f"the shapes differ: {shapes}"))
            taken.add(partner)
            continue
        if rows is not None:
            both = (
                f"compared in the first {rows} rows, which both have ({spec.shape[0]} and {other.shape[0]})"
            )
            note = "; ".join(part for part in (note, both) if part)
        taken.add(partner)
        matches.append(Match(name, partner, rows, note))
    skipped += [Skipped(name, f"only in {second.source}") for name in second if name not in taken]
    return matches, skipped


def _partner(
    name: str,
    spec: MatrixSpec,
    second: Weights,
    aliases: Mapping[str, str],
    index: NameIndex,
    rename: Mapping[str, str],
) -> tuple[str | None, str]:
    for old, new in rename.items():
        if (renamed := name.replace(old, new)) in second and renamed != name:
            return renamed, f"in B: {renamed}"
    for known in (name, *spec.aliases, unwrapped(name)):
        if known in second:
            return known, "" if known == name else f"in B: {known}"
        if known in aliases:
            return aliases[known], f"in B: {aliases[known]}"
    fitting = [one for one in _relatives(name, index) if second.specs[one].shape == spec.shape]
    return (fitting[0], f"in B: {fitting[0]}") if len(fitting) == 1 else (None, "")


def _relatives(name: str, index: NameIndex) -> Iterator[str]:
    # A bare last piece ("weight") fits every layer and says nothing.
    shortest = name.split(".")[-2:]
    for one in index.related(name):
        if len(shortest) < 2 or one.split(".")[-2:] == shortest:
            yield one


def _common_rows(a: MatrixSpec, b: MatrixSpec) -> int | None:
    """Say how many rows two vocabularies share; None where the shapes are equal or differ otherwise."""
    if a.shape == b.shape or len(a.shape) != 2 or len(b.shape) != 2 or a.matrices != 1:
        return None
    if a.shape[1] != b.shape[1] or not _VOCABULARY.search(a.name) or a.factored or b.factored:
        return None
    few, many = sorted((a.shape[0], b.shape[0]))
    # A vocabulary grows by a few entries; a layer of another width is another layer.
    return few if few >= 0.75 * many and few > a.shape[1] else None
