"""A conformance suite for an intervention: what `edit`, a table and a written file expect of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from eigentrail._arrays import to_float64
from eigentrail.interventions.contract import Intervention, as_intervention
from eigentrail.spectra import ensembles


def check_intervention(intervention: Intervention | Callable[..., Any], **options: Any) -> None:
    """Edit matrices and check that the edit keeps its contract.

    Checked: label and source; shape and precision are those given, of numpy and of torch, of one matrix and of a pool;
    what is given stays as it is; the same matrix gives the same edit; what the edit says of itself is so: its error
    |W - W'| / |W| and its rank; nothing that is not finite comes out.

    Args:
        intervention: the edit, or its function.
        options: those that it needs.

    Raises:
        AssertionError: the contract is broken; the message says where.
    """
    known = intervention if isinstance(intervention, Intervention) else as_intervention(intervention)
    assert known.label and known.source, f"{known.name} does not say what it does and where it comes from"
    for option in options:
        assert option in known.options, f"{known.name} has no option {option}"
    spiked = np.asarray(ensembles.spiked(60, 40, strengths=[6.0, 4.0, 3.0], seed=0))
    cases: dict[str, Any] = {
        "a matrix": spiked,
        "its transpose": np.ascontiguousarray(spiked.T),
        "single precision": spiked.astype(np.float32),
        "a tensor of bfloat16": torch.from_numpy(spiked).bfloat16(),
        "a pool": np.stack([spiked, 0.5 * spiked]),
    }
    for what, given in cases.items():
        where = f"{known.name} of {what}"
        before = to_float64(given).copy()
        edited = known.function(given, **options)
        made, again = edited.matrix, known.function(given, **options).matrix
        assert type(made) is type(given) and made.dtype == given.dtype, f"{where} comes in another precision"
        assert tuple(made.shape) == tuple(given.shape), f"{where} has another shape"
        assert np.array_equal(to_float64(given), before), f"{where} changes what it was given"
        after = to_float64(made)
        assert np.array_equal(after, to_float64(again)), f"{where} is another one every time"
        assert np.isfinite(after).all(), f"{where} is not finite"
        assert 0 <= edited.rank <= min(given.shape[-2:]), f"{where} has an impossible rank"
        if given.dtype == np.float64:
            error = float(np.linalg.norm(before - after) / np.linalg.norm(before))
            assert np.isclose(edited.relative_error, error, rtol=1e-6, atol=1e-9), (
                f"{where} says an error of {edited.relative_error:.6g}, which is {error:.6g}"
            )
            ranks = np.linalg.matrix_rank(after.reshape(-1, *after.shape[-2:]))
            assert int(ranks.max()) <= edited.rank, f"{where} has a larger rank than it says"
