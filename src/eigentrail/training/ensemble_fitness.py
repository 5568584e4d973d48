"""Whether networks can be trained as one stack, and how many of them at once."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from eigentrail._names import first_line
from eigentrail.data import Data, in_precision
from eigentrail.training.device import random_state, set_random_state
from eigentrail.training.ensemble_gradients import gradients_of
from eigentrail.training.ensemble_stack import Stack
from eigentrail.training.losses import loss_of
from eigentrail.training.settings import TrainingSettings

# What stacks, gradients and activations of one group may take.
MEMORY = 2 * 2**30
_SAMPLES = 8
# What is wrong is wrong by far more; rounding in float32 by far less.
_ROUNDING = 1e-3
_DESCRIPTORS = 512
# Measured: up to 12 million floating point operations a step a stack took 0.16 to 0.68 of the time, from 25 million on
# 1.1 to 1.7 times as long.
_OPERATIONS = 10e6


def why_not_stacked(models: Sequence[nn.Module], data: Data, settings: TrainingSettings) -> str | None:
    """Try a step of some networks as a stack, and compare it with the steps of each alone.

    Args:
        models: some networks of the ensemble, which are left as they are.
        data: the samples.
        settings: the settings.

    Returns:
        None if the stack does what each network does alone; else the reason why it does not, in words.
    """
    if settings.optimizer != "sgd":
        return f"its optimizer is {settings.optimizer}, and stacks step by stochastic gradient descent"
    alone, stacked = ([copy.deepcopy(model).train() for model in models] for _ in range(2))
    device = next(models[0].parameters()).device
    inputs = in_precision(data.train_inputs[:_SAMPLES], settings.torch_dtype).to(device)
    targets = data.train_targets[:_SAMPLES].to(device)
    before = random_state(device)
    try:
        expected = [_alone(model, inputs, targets, settings.loss) for model in alone]
        after = random_state(device)
        if not all(torch.equal(state, after[name]) for name, state in before.items()):
            return "it draws random numbers while it trains"
        kinds = {tuple((n, tuple(p.shape)) for n, p in model.named_parameters()) for model in stacked}
        if len(kinds) > 1:
            return "its parameters are not the same for every seed"
        stack = Stack(stacked, [torch.optim.SGD(model.parameters(), lr=1.0) for model in stacked])
        order = torch.arange(len(inputs), device=device).expand(len(models), -1)
        losses, found = gradients_of(stack, inputs, targets, settings.loss)(order)
        if not _agree(expected, losses, found, alone, stack):
            return "a step of the stack is not that of each network alone"
    except Exception as error:
        # Whatever a network does that torch.func refuses; alone it will train, or say itself what is wrong.
        return f"torch.func cannot map it ({first_line(error)})"
    finally:
        set_random_state(before, device)
    return None


def why_not_worth_it(model: nn.Module, data: Data, settings: TrainingSettings, processes: int) -> str | None:
    """Say whether processes train networks sooner than a stack does.

    Stacking saves the time that Python and torch spend around the arithmetic of a step. On a processor core networks
    with more arithmetic than that keep it busy by themselves; a stack of them is slower than they are alone, because
    what it moves leaves the core's caches.

    Args:
        model: one of the networks, which is left as it is.
        data: the samples.
        settings: the settings.
        processes: how many may train at a time.

    Returns:
        None if a stack is worth it; else why not, in words.
    """
    device = next(model.parameters()).device
    if device.type != "cpu" or processes < 2:
        return None
    model = copy.deepcopy(model).train()
    inputs = in_precision(data.train_inputs[:_SAMPLES], settings.torch_dtype)
    with FlopCounterMode(display=False) as counter:
        _alone(model, inputs, data.train_targets[:_SAMPLES], settings.loss)
    batch = min(settings.batch_size, len(data.train_inputs))
    operations = counter.get_total_flops() * batch / len(inputs)
    if operations <= _OPERATIONS:
        return None
    return (
        f"a step of one network takes {operations / 1e6:.0f} million operations, with which it keeps a processor core "
        "busy by itself"
    )


def members_at_once(
    model: nn.Module, data: Data, settings: TrainingSettings, memory: int | None = None
) -> int:
    """Count the networks whose stacks, gradients and activations fit into memory, and whose runs the system opens.

    Args:
        model: one of the networks, which is left as it is.
        data: the samples.
        settings: the settings.
        memory: the bytes that they may take; None for 2 GiB, on a GPU for half of what is free there.

    Returns:
        The number, at least 1.
    """
    device = next(model.parameters()).device
    if memory is None:
        memory = torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else MEMORY
    model = copy.deepcopy(model).train()
    inputs = in_precision(data.train_inputs[:2], settings.torch_dtype).to(device)
    own = sum(p.numel() * p.element_size() for p in [*model.parameters(), *model.buffers()])
    seen = {p.untyped_storage().data_ptr() for p in model.parameters()}
    saved = 0

    def note(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal saved
        if tensor.untyped_storage().data_ptr() not in seen:
            saved += tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        model(inputs)
    batch = min(settings.batch_size, len(data.train_inputs))
    activations = batch * (saved + inputs.numel() * inputs.element_size()) // len(inputs)
    # Weights, velocities, gradients and what an update passes through; activations forwards and backwards.
    each = 4 * own + 2 * activations
    tensors = len(list(model.parameters()))
    # Three arrays a tensor, some ten of metrics, the lock; a recorder keeps no more than 128 of them open.
    files = min(3 * tensors + 10, 128) + 1
    return max(1, min(memory // max(each, 1), _descriptors() // files))


def _descriptors() -> int:
    """The files that may be opened, some left for everything else."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return _DESCRIPTORS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(soft - 100, 1) if soft != resource.RLIM_INFINITY else 2**20


def _alone(
    model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, name: str
) -> tuple[float, list[torch.Tensor | None]]:
    loss = loss_of(name)(model(inputs), targets)
    parameters = list(model.parameters())
    found = iter(torch.autograd.grad(loss, [p for p in parameters if p.requires_grad], allow_unused=True))
    return float(loss.detach()), [next(found) if p.requires_grad else None for p in parameters]


def _agree(
    expected: Sequence[tuple[float, list[torch.Tensor | None]]],
    losses: torch.Tensor,
    found: Sequence[torch.Tensor | None],
    alone: Sequence[nn.Module],
    stack: Stack,
) -> bool:
    for k, (loss, gradients) in enumerate(expected):
        if not torch.allclose(torch.tensor(loss).double(), losses[k].double(), rtol=_ROUNDING, atol=1e-6):
            return False
        if [one is None for one in gradients] != [many is None for many in found]:
            return False
        pairs = [(a, b[k]) for a, b in zip(gradients, found, strict=True) if a is not None and b is not None]
        # Some gradients vanish but for rounding (a bias before batch norm), which is that of the others.
        scale = max((float(a.abs().max()) for a, _ in pairs if a.numel()), default=0.0)
        buffers = dict(alone[k].named_buffers())
        own = [(buffers[name], stacked[k]) for name, stacked in stack.buffers.items()]
        for kept, floor in ((pairs, _ROUNDING * scale), (own, _ROUNDING)):
            if not all(torch.allclose(a.double(), b.double(), rtol=_ROUNDING, atol=floor) for a, b in kept):
                return False
    return True
