"""Scale intruder dimensions down: predicted before, measured after (Shuttleworth et al. 2024)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from eigentrail._numbers import whole
from eigentrail.errors import OptionError
from eigentrail.interventions.lora.left_vectors import LeftVectors
from eigentrail.interventions.lora.updates import Pair, paired
from eigentrail.linalg.leading_svd import leading_svd
from eigentrail.weights import TensorStore, open_store, write_weights


@dataclass(frozen=True)
class Repair:
    """A fine-tuned model with its intruder dimensions scaled down; nothing is written until it is saved.

    Attributes:
        tuned: the model's tensors.
        table: a row for each weight with intruders, see `repair`.
        changes: {weight: (left [out, k] scaled, right [k, in])}, what is taken off.
        turned: the weights that are stored [in, out].
    """

    tuned: TensorStore
    table: pd.DataFrame
    changes: Mapping[str, tuple[Tensor, Tensor]]
    turned: frozenset[str]

    def tensors(self) -> Mapping[str, Tensor]:
        """Give the repaired weights, each made when it is asked for.

        Returns:
            {name: tensor of the stored shape and precision}.
        """
        return _Repaired(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model with the repaired weights to a new place; everything else stays bit for bit.

        Args:
            path: a file or folder; see `write_weights`.
        """
        told = {
            "repair": "intruder dimensions",
            "weights": {name: len(b) for name, (_, b) in self.changes.items()},
        }
        write_weights(self.tuned, path, self.tensors(), told)


class _Repaired(Mapping[str, Tensor]):
    def __init__(self, repaired: Repair) -> None:
        self._of = repaired

    def __getitem__(self, name: str) -> Tensor:
        left, right = self._of.changes[name]
        stored = self._of.tuned.read(name).detach()
        lost = left @ right
        lost = lost.T if name in self._of.turned else lost
        return (stored.double() - lost.reshape(stored.shape)).to(stored.dtype)

    def __iter__(self) -> Iterator[str]:
        return iter(self._of.changes)

    def __len__(self) -> int:
        return len(self._of.changes)


def repair(base: Any, tuned: Any, *, keep: float = 0.0, top: int = 10, epsilon: float = 0.5) -> Repair:
    """Scale the intruder dimensions of a fine-tuned model down.

    A leading left singular vector u_i of the tuned weight is an intruder if its cosine with every one of the base is
    below epsilon; W' = W - (1 - keep) sum_i u_i s_i v_i^T over these.

    Args:
        base: the model before.
        tuned: the model after.
        keep: the share of an intruder's singular value that stays, 0 to 1; the source finds that scaling down gives
            back what was forgotten, at little cost for the new task.
        top: how many leading vectors are looked at.
        epsilon: the cosine below which one is an intruder.

    Returns:
        The repair, with a row for each weight that has intruders: `module`, `intruders`, `relative_change` (predicted
        |W' - W| / |W|), `measured_change` (of the stored precision), `distance_before` and `distance_predicted`
        (|W - W_base| / |W_base| and the same of W'), `distance_measured`, `intruders_left` (counted anew in W').

    Raises:
        OptionError: `keep` or `epsilon` is no share.
    """
    whole("top", top, 1)
    if not 0.0 <= keep < 1.0 or not 0.0 < epsilon <= 1.0:
        raise OptionError(f"keep is from 0 to below 1 and epsilon a cosine, not {keep} and {epsilon}.")
    pair: Pair = paired(base, tuned)
    rows: list[dict[str, Any]] = []
    changes: dict[str, tuple[Tensor, Tensor]] = {}
    for name, turned in pair.names.items():
        before, after = (_matrix(store.read(name), turned) for store in (pair.base, pair.tuned))
        if torch.equal(before, after):
            continue
        known = LeftVectors(before)
        u, s, vt = _leading(after, top)
        places = torch.nonzero(known.cosines(u) < epsilon)[:, 0]
        if not len(places):
            continue
        left, right = u[:, places] * ((1.0 - keep) * s[places]), vt[places]
        changes[name] = (left, right)
        stored = _matrix((after - left @ right).to(pair.tuned.read(name).dtype), False)
        size, size_before = float(after.norm()), float(before.norm())
        # |D - L|^2 = |D|^2 - 2 <D, L> + |L|^2 with D = W - W_base, without making W'.
        moved = after - before
        along = float(((left.T @ moved) * right).sum())
        predicted = max(0.0, float(moved.square().sum()) - 2.0 * along + float(left.square().sum())) ** 0.5
        rows.append(
            {
                "module": name.removesuffix(".weight"),
                "intruders": len(places),
                "relative_change": float(left.norm()) / size,
                "measured_change": float((after - stored).norm()) / size,
                "distance_before": float(moved.norm()) / size_before,
                "distance_predicted": predicted / size_before,
                "distance_measured": float((stored - before).norm()) / size_before,
                "intruders_left": int((known.cosines(_leading(stored, top)[0]) < epsilon).sum()),
            }
        )
    columns = [
        "module", "intruders", "relative_change", "measured_change", "distance_before", "distance_predicted",
        "distance_measured", "intruders_left",
    ]  # fmt: skip
    turned_names = frozenset(name for name in changes if pair.names[name])
    return Repair(open_store(tuned), pd.DataFrame(rows, columns=columns), changes, turned_names)


def _matrix(stored: Tensor, turned: bool) -> Tensor:
    matrix = stored.detach().cpu().double()
    return matrix.T.contiguous() if turned else matrix.flatten(1)


def _leading(matrix: Tensor, top: int) -> tuple[Tensor, Tensor, Tensor]:
    left, values, right = leading_svd(matrix.numpy(), min(top, *matrix.shape))
    return torch.from_numpy(left).T, torch.from_numpy(values), torch.from_numpy(right)
