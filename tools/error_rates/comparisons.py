"""Verdicts of a comparison of two checkpoints."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from error_rates.noise import noise_of
from error_rates.row import Row

_COMPARED = {"q": (48, 32), "up": (64, 32)}


def _compared(change: Callable[[Any, np.random.Generator], Any], question: str, seed: int) -> bool:
    """Compare a network of six layers of noise with a changed one; give whether a question is answered by yes."""
    import torch

    import eigentrail as et

    rng = np.random.default_rng([seed, 17])
    before = {
        f"h.{block}.{role}.weight": torch.from_numpy(rng.standard_normal(shape)).float()
        for block in range(3)
        for role, shape in _COMPARED.items()
    }
    found = et.compare(before, {name: change(w, rng) for name, w in before.items()}, progress=False)
    return any(str(one.verdict) == "yes" for one in found.findings if question in one.question)


def _rounded(how: str, w: Any, rng: np.random.Generator) -> Any:
    import torch

    if how == "bfloat16, cut off":
        return (w.view(torch.int32) & -65536).view(torch.float32)
    return w.to({"bfloat16": torch.bfloat16, "float16": torch.float16}[how]).float()


def _updated(kind: str, rank: int, w: Any, rng: np.random.Generator) -> Any:
    import torch

    update = noise_of(kind, tuple(w.shape), int(rng.integers(2**31)))
    update = 0.05 * update * float(w.norm()) / np.linalg.norm(update)
    if rank:
        low = rng.standard_normal((w.shape[0], rank)) @ rng.standard_normal((rank, w.shape[1]))
        update += 0.05 * low * float(w.norm()) / np.linalg.norm(low)
    return w + torch.from_numpy(update).float()


def _roles(ratio: float, seed: int) -> bool:
    """Tell whether roles differ, for six layers each of four roles whose changes spread by a factor e^0.5."""
    from eigentrail.checks.changes.roles import moved_by_role

    rng = np.random.default_rng([seed, 18])
    rows = [
        {
            "name": f"h.{block}.{role}.weight",
            "relative_change": 0.05
            * np.exp(0.5 * rng.standard_normal())
            * (ratio if role == "attn.o" else 1.0),
            "rounding": 1e-7,
            "rows": 64,
            "cols": 32,
        }
        for block in range(6)
        for role in ("attn.q", "attn.k", "attn.o", "mlp.up")
    ]
    return any(str(one.verdict) == "yes" for one in moved_by_role(rows))


def rows() -> Iterator[Row]:
    """List the rows of this subject."""
    moved = "layers moved beyond rounding"
    for how in ("bfloat16", "float16", "bfloat16, cut off"):
        change = functools.partial(_rounded, how)
        yield Row(
            "comparisons",
            moved,
            f"the same numbers rounded to {how}",
            0.01,
            functools.partial(_compared, change, "more than rounding"),
        )
    roles = "some roles of layers moved more than others"
    yield Row(
        "comparisons",
        roles,
        "six layers each of four roles, changes lognormal(.5), alike for all roles",
        0.05,
        functools.partial(_roles, 1.0),
        draws=400,
    )
    for ratio, least in ((1.5, 0.1), (2.0, 0.5), (3.0, 0.95)):
        yield Row(
            "comparisons",
            roles,
            f"six layers each of four roles, changes lognormal(.5), one role {ratio:g} times the others",
            least,
            functools.partial(_roles, ratio),
            power=True,
            draws=200,
        )
    low = "the updates are of low rank"
    for kind in ("Gaussian", "Laplace"):
        yield Row(
            "comparisons",
            low,
            f"updates of {kind} entries, six layers",
            0.05,
            functools.partial(_compared, functools.partial(_updated, kind, 0), "low rank"),
        )
    yield Row(
        "comparisons",
        low,
        "updates of rank 2 and noise of the same norm, six layers",
        0.95,
        functools.partial(_compared, functools.partial(_updated, "Gaussian", 2), "low rank"),
        power=True,
        draws=20,
    )
