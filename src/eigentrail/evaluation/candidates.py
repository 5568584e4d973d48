"""A network evaluated at many candidate weights in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import nn
from torch.func import functional_call, vmap
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_leaves
from torch.utils.data import DataLoader, Dataset

from eigentrail._arrays import to_numpy
from eigentrail._numbers import written
from eigentrail.data import Data
from eigentrail.data.own import read_pair
from eigentrail.errors import DataError, OptionError
from eigentrail.runs.selection import match, no_match

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
# Numbers that the candidates of one batch may take.
_NUMBERS = 2**24
_CANDIDATES, _SAMPLES = 64, 1000
# Numbers of the largest activation of all candidates and samples at once: on a CPU what its caches hold, for a
# network of large activations is slower in large batches; on an accelerator what keeps it busy.
_CPU_ACTIVATION, _ACTIVATION = 2**20, 2**26
# Samples below which a candidate more in a batch gains nothing.
_FEW_SAMPLES = 64
# What torch raises where shapes, types or devices do not fit, and a target that its cross-entropy leaves out.
_REFUSALS = (RuntimeError, ValueError, IndexError, TypeError)
_IGNORED = -100


class Candidates:
    """A network whose chosen parameters are replaced by candidates, several in one vectorised pass.

    The network is in eval mode while it is evaluated and each of its modules is put back as it was; its own parameters
    never change.

    Args:
        model: gives outputs [batch, ...] for inputs.
        data: (inputs, targets), with targets as class numbers for accuracies; or a torch Dataset or DataLoader of such
            pairs, which is read once, or a `Data` set (its training part).
        layers: globs over parameter names, where a module's name stands for its weight; None for all. Candidates are
            their values one behind the other, row-major, in the order of `named_parameters`.
        loss: loss(outputs, targets), a mean over samples; None for the cross-entropy.

    Raises:
        DataError: the data are no pairs, there are no samples, or not as many targets.
        OptionError: no parameter is chosen, or a glob fits none.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        layers: str | Sequence[str] | None = None,
        loss: Loss | None = None,
    ) -> None:
        inputs, targets = _pair(data)
        if not len(inputs) or len(inputs) != len(targets):
            raise DataError(
                f"{len(inputs)} inputs and {len(targets)} targets do not make a data set: give as many."
            )
        named = self._parameters = dict(model.named_parameters())
        globs = [layers] if isinstance(layers, str) else layers
        self.names = list(named) if globs is None else _chosen(globs, list(named))
        if not self.names:
            raise OptionError("no parameter is chosen: the model has none.")
        self._model, self._loss = model, loss
        self._inputs, self._targets = inputs, targets
        self._values = {name: value.detach() for name, value in named.items()}
        self._sizes = [self._values[name].numel() for name in self.names]
        self._batch: tuple[int, int] | None = None

    @property
    def n(self) -> int:
        """Number of parameters of a candidate."""
        return sum(self._sizes)

    @property
    def weights(self) -> Float64[np.ndarray, " n"]:
        """The model's own values of the chosen parameters."""
        return np.concatenate(
            [to_numpy(self._values[name]).astype(np.float64).ravel() for name in self.names]
        )

    def evaluate(
        self, candidates: Iterable[Float64[np.ndarray, " n"]]
    ) -> tuple[Float64[np.ndarray, " c"], Float64[np.ndarray, " c"]]:
        """Compute loss and accuracy of each candidate, over all samples.

        Args:
            candidates: vectors of n numbers; they are taken a batch at a time, so a generator needs little memory.

        Returns:
            Losses [c], and accuracies [c] from 0 to 1; NaN where targets are no class numbers.

        Raises:
            DataError: the network does not take the inputs, or the loss not its outputs and the targets.
            OptionError: a candidate has another length.
        """
        losses: list[float] = []
        accuracies: list[float] = []
        for loss, right in self._each(candidates):
            losses += loss.tolist()
            accuracies += right.double().mean(dim=1).tolist()
        return np.array(losses), np.array(accuracies)

    def correct(self, candidates: Iterable[Float64[np.ndarray, " n"]]) -> Bool[np.ndarray, "c samples"]:
        """Tell which samples each candidate classifies rightly, for tests on the same samples.

        Where each position of a sample has its class, positions count as samples.

        Args:
            candidates: as for `evaluate`.

        Returns:
            [c, samples], or [c, samples x positions].

        Raises:
            DataError: targets are no class numbers, or as for `evaluate`.
            OptionError: a candidate has another length.
        """
        if self._targets.is_floating_point():
            raise DataError(
                "targets are no class numbers, so that no sample is classified rightly or wrongly."
            )
        found = [right.numpy() for _, right in self._each(candidates)]
        if any(np.isnan(right).any() for right in found):
            raise DataError("the network's outputs are no logits of the targets' classes.")
        empty = np.zeros((0, self._targets.numel()), dtype=bool)
        return np.concatenate(found).astype(bool) if found else empty

    def _each(
        self, candidates: Iterable[Float64[np.ndarray, " n"]]
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Losses [b] and rights [b, samples] of batches of candidates, in eval mode."""
        # A module in eval mode inside a network in train mode, such as a frozen BatchNorm, stays so.
        modes = [(module, module.training) for module in self._model.modules()]
        self._model.eval()
        try:
            # Of attention's kernels this one takes many candidates at once.
            with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
                for batch in self._batches(candidates):
                    yield self._evaluate(batch)
        finally:
            for module, training in modes:
                module.training = training

    def _batches(
        self, candidates: Iterable[Float64[np.ndarray, " n"]]
    ) -> Iterator[Float64[np.ndarray, "b n"]]:
        size, _ = self._sized()
        held: list[Float64[np.ndarray, " n"]] = []
        for one in candidates:
            if np.shape(one) != (self.n,):
                raise OptionError(f"a candidate has {self.n} numbers here, not shape {np.shape(one)}.")
            held.append(np.array(one))
            if len(held) == size:
                yield np.stack(held)
                held = []
        if held:
            yield np.stack(held)

    def _sized(self) -> tuple[int, int]:
        """Choose how many candidates and how many samples make a batch."""
        if self._batch is None:
            cpu = self._inputs.device.type == "cpu"
            outputs, before, behind = self._first_call()
            self._check_classes(outputs)
            most = _CPU_ACTIVATION if cpu else _ACTIVATION
            room = most // behind
            candidates = int(np.clip(min(_NUMBERS // self.n, room // _FEW_SAMPLES), 1, _CANDIDATES))
            self._batch = candidates, int(np.clip(min(room // candidates, most // before), 1, _SAMPLES))
        return self._batch

    def _first_call(self) -> tuple[Any, int, int]:
        """Call the network with one sample.

        Returns:
            Its outputs, and how many numbers the largest output of a module holds: before the first of the chosen
            parameters is used, where it is computed once for all candidates, and behind it, where it is once for each.

        Raises:
            DataError: the network does not take the inputs.
        """
        largest = {False: 1, True: 1}
        chosen = {id(self._parameters[name]) for name in self.names}
        reached = False

        def reach(module: nn.Module, inputs: Any) -> None:
            nonlocal reached
            reached = True

        def note(module: nn.Module, inputs: Any, output: Any) -> None:
            sizes = [leaf.numel() for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)]
            largest[reached] = max(largest[reached], *sizes, 1)

        modules = list(self._model.modules())
        owners = [
            module for module in modules if any(id(one) in chosen for one in module.parameters(recurse=False))
        ]
        handles = [module.register_forward_hook(note) for module in modules]
        handles += [module.register_forward_pre_hook(reach) for module in owners]
        try:
            outputs = self._model(self._inputs[:1])
        except _REFUSALS as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise DataError(
                f"the network does not take inputs {_described(self._inputs)}: {_said(error)}; give data of the "
                "width and type that it was made for."
            ) from error
        finally:
            for handle in handles:
                handle.remove()
        # Parameters that another module uses than the one that holds them: nothing is known to be before them.
        return outputs, largest[False], largest[True] if reached else max(largest.values())

    def _check_classes(self, outputs: Any) -> None:
        # Before the loss is called: on an accelerator an index out of range ends the whole process's use of it.
        targets = self._targets
        if self._loss is not None or targets.is_floating_point() or not isinstance(outputs, torch.Tensor):
            return
        classes = outputs.shape[1] if outputs.ndim > 1 else 0
        wrong = targets[((targets < 0) | (targets >= classes)) & (targets != _IGNORED)]
        if wrong.numel() and classes:
            raise DataError(
                f"a target is class {int(wrong[0])} and the network has outputs for {classes} classes, 0 to "
                f"{classes - 1}: number the classes from 0, or give the last layer more outputs."
            )

    def _value(self, outputs: Any, targets: torch.Tensor) -> float:
        loss = F.cross_entropy if self._loss is None else self._loss
        try:
            return float(loss(outputs, targets))
        except _REFUSALS as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise DataError(
                f"the loss does not take outputs {_described(outputs)} with targets {_described(targets)}: "
                f"{_said(error)}; give targets that fit the loss, or another loss(outputs, targets)."
            ) from error

    def _evaluate(self, batch: Float64[np.ndarray, "b n"]) -> tuple[torch.Tensor, torch.Tensor]:
        stacked = {}
        for name, part in zip(self.names, np.split(batch, np.cumsum(self._sizes)[:-1], axis=1), strict=True):
            like = self._values[name]
            stacked[name] = (
                torch.from_numpy(np.ascontiguousarray(part)).to(like).reshape(len(batch), *like.shape)
            )
        rest = {name: value for name, value in self._values.items() if name not in stacked}

        def outputs(changed: dict[str, torch.Tensor], inputs: torch.Tensor) -> Any:
            return functional_call(self._model, {**rest, **changed}, (inputs,))

        total = torch.zeros(len(batch), dtype=torch.float64)
        # NaN where targets are no class numbers.
        correct = torch.full((len(batch), *self._targets.shape), torch.nan)
        classes = not self._targets.is_floating_point()
        _, size = self._sized()
        for start in range(0, len(self._inputs), size):
            inputs = self._inputs[start : start + size]
            targets = self._targets[start : start + size]
            found = vmap(outputs, in_dims=(0, None))(stacked, inputs)
            for place, one in enumerate(found):
                total[place] += self._value(one, targets) * len(inputs)
            if classes and (*found.shape[:2], *found.shape[3:]) == (len(batch), *targets.shape):
                correct[:, start : start + size] = (found.argmax(dim=2) == targets).float().cpu()
        return total / len(self._inputs), correct.flatten(1)


def _pair(data: Any) -> tuple[torch.Tensor, torch.Tensor]:
    if isinstance(data, Data):
        return data.train_inputs, data.train_targets
    if isinstance(data, (Dataset, DataLoader)):
        return read_pair(data)
    try:
        inputs, targets = (one if isinstance(one, torch.Tensor) else torch.as_tensor(one) for one in data)
        if not inputs.ndim or not targets.ndim:
            raise ValueError
    except (TypeError, ValueError, RuntimeError):
        raise DataError(
            "data are a pair (inputs, targets) of arrays or tensors, a Dataset or a DataLoader of such pairs, not "
            f"{written(data)}."
        ) from None
    return inputs, targets


def _described(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        return f"of type {type(value).__name__}"
    return f"of shape {tuple(value.shape)} and type {str(value.dtype).removeprefix('torch.')}"


def _said(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".;: ")


def _chosen(globs: Sequence[str], names: list[str]) -> list[str]:
    found: set[str] = set()
    for glob in globs:
        fitting = match(glob, names)
        if not fitting:
            raise OptionError(no_match(glob, names))
        found.update(fitting)
    return [name for name in names if name in found]
