"""What a sweep will take, told before it begins: runs, time on one core, disk."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from eigentrail._text import counted
from eigentrail.linalg.threads import within_cores
from eigentrail.runs.estimate import human
from eigentrail.sweeps.driving import SweepPlan, said
from eigentrail.sweeps.grid import Point, points_of, recorded, samples_of, units_of
from eigentrail.sweeps.spec import SweepSpec
from eigentrail.training.disk import bytes_of_training
from eigentrail.training.losses import losses_of
from eigentrail.training.preparing import build_network, check_fits, place

# Steps that are timed, after one that is not.
_STEPS = 3
# Of networks that learn alike the costs are taken from the first.
_MOST_KINDS = 12


@dataclass(frozen=True)
class Cost:
    """What a sweep takes.

    Attributes:
        runs: trainings.
        units: what is claimed and done as a whole.
        steps: optimizer steps of all runs.
        seconds: of training on one core, were each run trained alone; stacks take less.
        nbytes: on disk.
    """

    runs: int
    units: int
    steps: int
    seconds: float
    nbytes: int

    @property
    def sentence(self) -> str:
        """The cost in words."""
        return (
            f"{counted(self.runs, 'run')} in {counted(self.units, 'unit')}, {self.steps:,} steps: at most about "
            f"{said(self.seconds)} on one core, and {human(self.nbytes)} of disk"
        )


def estimate(planned: SweepPlan) -> Cost:
    """Estimate what a sweep takes; nothing is written.

    Args:
        planned: the plan.

    Returns:
        The cost.
    """
    spec = planned.spec
    points = points_of(spec)
    kinds: dict[tuple[str, str | None, int], list[Point]] = {}
    for one in points:
        kinds.setdefault((one.network, one.data, one.settings.batch_size), []).append(one)
    steps, seconds, nbytes = 0, 0.0, 0
    each = 0.0
    for number, ((_, data, batch), members) in enumerate(kinds.items()):
        count = len(samples_of(spec, data).train_targets)
        made = sum(one.settings.epochs * -(-count // batch) for one in members)
        if number < _MOST_KINDS:
            each = _seconds_of_a_step(spec, members[0])
        steps += made
        seconds += made * each
        nbytes += len(members) * _bytes(spec, members[0])
    return Cost(len(points), len(units_of(spec, points)), steps, seconds, nbytes)


def _seconds_of_a_step(spec: SweepSpec, point: Point) -> float:
    settings = point.settings.changed(device="cpu")
    data = samples_of(spec, point.data)
    model, _ = build_network(point.network, data, settings)
    model = place(model, settings, torch.device("cpu"))
    check_fits(model, data, settings)
    inputs = data.train_inputs[: settings.batch_size].to(settings.torch_dtype)
    targets = data.train_targets[: settings.batch_size]
    loss_of_each = losses_of(settings.loss)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with within_cores(1), torch.random.fork_rng():
        taken = []
        for _ in range(_STEPS + 1):
            began = time.process_time()
            optimizer.zero_grad()
            torch.autograd.backward(loss_of_each(model(inputs), targets).mean())
            optimizer.step()
            taken.append(time.process_time() - began)
    return min(taken[1:])


def _bytes(spec: SweepSpec, point: Point) -> int:
    data = samples_of(spec, point.data)
    model, _ = build_network(point.network, data, point.settings)
    return bytes_of_training(model, data, point.settings, recorded(spec.record))
