"""How much of a network comes back as directions are added one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64, Int64
from torch import nn

from eigentrail._numbers import whole
from eigentrail.bases import Basis
from eigentrail.bases.basis import Order, check_basis
from eigentrail.errors import BasisError, OptionError
from eigentrail.evaluation.candidates import Candidates, Loss


def add_back(
    model: nn.Module,
    data: Any,
    basis: Basis,
    layers: str | Sequence[str] | None = None,
    *,
    counts: Sequence[int] | None = None,
    by: Order = "value",
    loss: Loss | None = None,
) -> xr.Dataset:
    """Evaluate w_k = sum_{j <= k} (w . b_j) b_j in place of the weights of some layers; the others stay.

    Args:
        model: the network with the weights w.
        data: (inputs, targets), or a torch Dataset or DataLoader of such pairs, which is read once.
        basis: directions in the space of those layers.
        layers: globs over parameter names; None for the whole network.
        counts: numbers k of directions; None for every k from 0 (zeros) to all.
        by: the order in which directions are added: largest value, largest absolute value ("magnitude"), or largest
            weight product |w . b_j| ("product") first.
        loss: loss(outputs, targets), a mean over samples; None for the cross-entropy.

    Returns:
        `loss` and `accuracy` over [k], and `norm`, the share ||w_k|| / ||w||. Attributes `loss_full` and
        `accuracy_full` are those of the network itself.

    Raises:
        BasisError: it is no basis, or lives in another space.
        DataError: the data are no pairs of as many inputs and targets, the network does not take the inputs, or the
            loss not its outputs and the targets.
        OptionError: a count is no number from 0 to that of the directions, or `layers` or `by` is no choice.
    """
    check_basis(basis, "what is added back is a basis")
    candidates = Candidates(model, data, layers, loss)
    if basis.n != candidates.n:
        raise BasisError(
            f"the basis lives in {basis.n} dimensions and the layers have {candidates.n} parameters: "
            "give the layers that it was made of."
        )
    try:
        given = (
            range(basis.k + 1) if counts is None else [whole("a count", one, 0, basis.k) for one in counts]
        )
    except (TypeError, OptionError):
        given = []
    if not given:
        raise OptionError(f"counts are whole numbers of directions from 0 to {basis.k}.")
    wanted = np.unique(given)
    w = candidates.weights
    norms: list[float] = []

    def sums() -> Iterator[Float64[np.ndarray, " n"]]:
        for found in _partial_sums(basis, w, wanted, by):
            norms.append(float(np.linalg.norm(found)))
            yield found

    losses, accuracies = candidates.evaluate(sums())
    full = candidates.evaluate([w])
    return xr.Dataset(
        {
            "loss": ("k", losses),
            "accuracy": ("k", accuracies),
            "norm": ("k", np.array(norms) / max(float(np.linalg.norm(w)), 1e-300)),
        },
        coords={"k": wanted},
        attrs={"loss_full": float(full[0][0]), "accuracy_full": float(full[1][0])},
    )


def alike(
    model: nn.Module,
    data: Any,
    direction: Float64[np.ndarray, " n"],
    layers: str | Sequence[str] | None = None,
    *,
    draws: int = 20,
    seed: int = 0,
    loss: Loss | None = None,
) -> Float64[np.ndarray, " d"]:
    """Evaluate the network with one random direction added back that has a given direction's overlap with the weights.

    A direction that lies along the weights brings a share of them back whatever else it is; a random direction of the
    same size of overlap says how much of the accuracy that share makes.

    Args:
        model: as of `add_back`.
        data: as of `add_back`.
        direction: a unit direction in the space of those layers.
        layers: as of `add_back`.
        draws: how many random directions.
        seed: of their directions beside the weights.
        loss: as of `add_back`.

    Returns:
        [draws] the accuracies.

    Raises:
        BasisError: it lives in another space.
    """
    candidates = Candidates(model, data, layers, loss)
    w = candidates.weights
    if direction.shape != w.shape:
        raise BasisError(f"the direction has {direction.size} entries and the layers {w.size} parameters.")
    length = float(np.linalg.norm(w))
    cosine = float(direction @ w) / max(length, 1e-300)
    rng = np.random.default_rng([seed, 5])

    def drawn() -> Iterator[Float64[np.ndarray, " n"]]:
        for _ in range(draws):
            beside = rng.standard_normal(len(w))
            beside -= (beside @ w) / max(length, 1e-300) ** 2 * w
            beside /= np.linalg.norm(beside)
            # (w . d) d of the unit direction d = cosine w / |w| + sine beside.
            yield cosine**2 * w + cosine * np.sqrt(max(0.0, 1.0 - cosine**2)) * length * beside

    return candidates.evaluate(drawn())[1]


def _partial_sums(
    basis: Basis, w: Float64[np.ndarray, " n"], counts: Int64[np.ndarray, " c"], by: Order
) -> Iterator[Float64[np.ndarray, " n"]]:
    coordinates = np.asarray(basis.coordinates(w))
    places = basis.order(by, w)
    total, done = np.zeros(basis.n), 0
    for count in counts:
        if count > done:
            total = total + basis.combine(coordinates[places[done:count]], places[done:count])
            done = int(count)
        yield total
