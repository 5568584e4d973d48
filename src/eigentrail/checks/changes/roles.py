"""Which roles of layers moved most and least: output projections, queries, keys, ..."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from eigentrail.chance import LEVEL
from eigentrail.checks.changes.moved import has_moved
from eigentrail.checks.framework.wording import percent, shown
from eigentrail.findings import Chance, Effect, Finding, Verdict
from eigentrail.weights.naming import within_block

_QUESTION = "Did some roles of layers move more than others?"
_DRAWS = 999
# Two roles whose medians differ by less, in log units, are named together where there are more than three.
_ALIKE, _ALL_TOLD = 0.1, 3
# Fewer layers of a role than this have no median of their own.
_FEWEST = 2


def moved_by_role(rows: Sequence[Mapping[str, Any]], seed: int = 0) -> Iterator[Finding]:
    """Compare the relative changes of the roles: analysis of variance of their logarithms, by permutation.

    Args:
        rows: of the table of `compare`.
        seed: of the permutations.

    Yields:
        One finding on the network; none where fewer than two layers moved.
    """
    known = [row for row in rows if has_moved(row) and math.isfinite(row["relative_change"])]
    if len(known) < 2:
        return
    changes = np.log([row["relative_change"] for row in known])
    roles = [within_block(str(row["name"])) for row in known]
    groups = [np.flatnonzero([one == name for one in roles]) for name in dict.fromkeys(roles)]
    groups = [places for places in groups if len(places) >= _FEWEST]
    if len(groups) < 2:
        yield _without_siblings(known)
        return
    together = np.concatenate(groups)
    medians = [float(np.median(changes[places])) for places in groups]
    most, least = int(np.argmax(medians)), int(np.argmin(medians))
    ratio = max(medians) - min(medians)
    sizes = [len(places) for places in groups]
    observed = float(_between(changes[together][None], sizes)[0])
    drawn = np.random.default_rng(seed).permuted(np.tile(changes[together], (_DRAWS, 1)), axis=1)
    beyond = int(np.sum(_between(drawn, sizes) >= observed * (1 - 1e-9)))
    p = (1 + beyond) / (1 + _DRAWS)
    null = float(np.median(_spread(drawn, sizes)))
    names = [shown(roles[places[0]]) for places in groups]
    yield Finding(
        subject="network",
        question=_QUESTION,
        verdict=Verdict.YES if p <= LEVEL else Verdict.NO,
        sentence=f"{_alike(names, medians, most)} moved most ({percent(math.exp(medians[most]))} of the norm), "
        f"{_alike(names, medians, least)} least ({percent(math.exp(medians[least]))})"
        + ("." if p <= LEVEL else ": no more than by chance."),
        effect=Effect("median change of the first role over that of the last", math.exp(ratio)),
        chance=Chance("the same changes shuffled among the layers", math.exp(null), _DRAWS),
        p=p,
        p_adjusted=p,
        detail="Medians over the layers of each role: "
        + ", ".join(f"{names[i]} {percent(math.exp(medians[i]))}" for i in np.argsort(medians)[::-1])
        + ".",
    )


def _alike(names: Sequence[str], medians: Sequence[float], extreme: int) -> str:
    """Name a role, and the one beside it that is as extreme."""
    near = [i for i, one in enumerate(medians) if i != extreme and abs(one - medians[extreme]) < _ALIKE]
    if len(near) != 1 or len(names) <= _ALL_TOLD:
        return names[extreme]
    return f"{names[extreme]} and {names[near[0]]}"


def _between(changes: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Sum the squares between roles in each row of changes; their total is the same for each permutation."""
    parts = np.split(changes, np.cumsum(sizes)[:-1], axis=1)
    middle = changes.mean(axis=1)
    total: np.ndarray = sum(part.shape[1] * (part.mean(axis=1) - middle) ** 2 for part in parts)
    return total


def _spread(changes: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    parts = np.split(changes, np.cumsum(sizes)[:-1], axis=1)
    medians = np.stack([np.median(part, axis=1) for part in parts])
    spread: np.ndarray = np.ptp(medians, axis=0)
    return spread


def _without_siblings(known: Sequence[Mapping[str, Any]]) -> Finding:
    order = sorted(known, key=lambda row: -row["relative_change"])
    first, last = order[0], order[-1]
    return Finding(
        subject="network",
        question=_QUESTION,
        verdict=Verdict.UNDECIDED,
        sentence=f"{shown(str(first['name']))} moved most ({percent(first['relative_change'])} of its norm), "
        f"{shown(str(last['name']))} least ({percent(last['relative_change'])}); too few layers to test this.",
        effect=Effect(
            "change of the first layer over that of the last",
            first["relative_change"] / last["relative_change"],
        ),
        detail="Too few layers have a sibling of the same role to tell this from chance.",
    )
