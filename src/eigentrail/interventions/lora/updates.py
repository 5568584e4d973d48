"""What fine-tuning changed: the updates of the weights that an adapter can carry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from eigentrail.errors import SourceError
from eigentrail.weights import Skipped, TensorStore, open_store, plan_matrices

#: Kinds of weights that PEFT's LoRA puts its factors beside.
_CARRIED = ("linear", "conv1d-hf", "conv2d", "attention", "mlp")


@dataclass(frozen=True)
class Update:
    """The change of one weight.

    Attributes:
        module: the path of its module.
        change: [out, in * kernel] float64.
        shape: of the stored weight.
        turned: the weight is stored [in, out].
        dtype: in which the tuned weight is stored.
        size: root mean square of the tuned weight's entries.
    """

    module: str
    change: Tensor
    shape: tuple[int, ...]
    turned: bool
    dtype: torch.dtype
    size: float


@dataclass(frozen=True)
class Pair:
    """A base model and what was tuned from it.

    Attributes:
        base: the tensors before.
        tuned: the tensors after.
        names: the weights that an adapter can carry, in the base's order, with whether they are stored [in, out].
        skipped: what is no such weight and changed all the same.
    """

    base: TensorStore
    tuned: TensorStore
    names: dict[str, bool]
    skipped: list[Skipped]

    @property
    def modules(self) -> list[str]:
        """The paths of all modules of the base."""
        return sorted({name.rpartition(".")[0] for name in self.base.entries})

    def __iter__(self) -> Iterator[Update]:
        for name, turned in self.names.items():
            old, new = self.base.read(name), self.tuned.read(name)
            change = new.detach().double() - old.detach().double()
            change = change.T if turned else change.flatten(1)
            size = float(new.detach().double().square().mean().sqrt())
            yield Update(name.removesuffix(".weight"), change, tuple(new.shape), turned, new.dtype, size)


def paired(base: Any, tuned: Any) -> Pair:
    """Match the tensors of a base model with those of a model tuned from it.

    Args:
        base: a source of weights (see `open_store`).
        tuned: another with the same names and shapes.

    Returns:
        The pair.

    Raises:
        SourceError: the two do not match (says which tensors and why), or no weight is one that an adapter carries.
    """
    before, after = open_store(base), open_store(tuned)
    shared = [name for name in before.entries if name in after.entries]
    wrong = [name for name in shared if before.entries[name].shape != after.entries[name].shape]
    lacking = [
        name for name in before.entries if name not in after.entries and not _other(before, after, name)
    ]
    if wrong or not shared:
        if wrong:
            shapes = [list(store.entries[wrong[0]].shape) for store in (before, after)]
            what = f"`{wrong[0]}` is {shapes[0]} before and {shapes[1]} after"
        else:
            what = f"they share no tensor ({next(iter(before.entries), '-')} and {next(iter(after.entries), '-')})"
        raise SourceError(
            f"{before.source} and {after.source} do not match: {what}; give the model it was tuned from."
        )
    specs, _ = plan_matrices(before.entries, before.config, before.modules)
    kinds = {spec.tensors[0]: spec.kind for spec in specs if not spec.factored and len(spec.tensors) == 1}
    conv1d = _stored_in_out(before)
    names: dict[str, bool] = {}
    skipped = [Skipped(name, f"not in {after.source}") for name in lacking]
    for name in shared:
        kind = kinds.get(name, "")
        floating = before.entries[name].dtype.startswith(("float", "bfloat"))
        if kind.partition(".")[0] in _CARRIED and name.endswith(".weight") and floating:
            names[name] = kind == "conv1d-hf" or name in conv1d
        elif floating and not torch.equal(before.read(name), after.read(name)):
            skipped.append(
                Skipped(name, f"changed, and a low-rank adapter does not carry {kind or 'vectors'}")
            )
    if not names:
        raise SourceError(
            f"{before.source} holds no linear or convolutional weight, which an adapter could change."
        )
    return Pair(before, after, names, skipped)


def _other(before: TensorStore, after: TensorStore, name: str) -> bool:
    aliases = before.entries[name].aliases
    return any(
        alias in after.entries or any(name in e.aliases for e in after.entries.values()) for alias in aliases
    )


def _stored_in_out(store: TensorStore) -> set[str]:
    """Weights of GPT-2's kind that planning cuts into parts: their shape [in, 3 in] or [in, 4 in] tells."""
    family = str(store.config.get("model_type", ""))
    if family not in {"gpt2", "imagegpt", "openai-gpt", "decision_transformer"}:
        return {name for name, hint in store.modules.items() if hint.class_name == "Conv1D"}
    ends = ("c_attn.weight", "c_proj.weight", "c_fc.weight", "q_attn.weight")
    return {name for name in store.entries if name.endswith(ends)}
