"""The points of a grid as trainings: settings, network and data of each, and which of them are trained together."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from eigentrail import data as datasets
from eigentrail.data import Augmentation, Data
from eigentrail.errors import OptionError
from eigentrail.linalg.workers import most_workers
from eigentrail.recipes.framework.registry import find_recipe
from eigentrail.recipes.framework.study import Study, study_of
from eigentrail.runs.schedules import Every, EveryEpochs
from eigentrail.sweeps.spec import SweepSpec
from eigentrail.training.ensemble import train_members
from eigentrail.training.ensemble_fitness import why_not_stacked, why_not_worth_it
from eigentrail.training.ensemble_members import Member
from eigentrail.training.preparing import build_network, check_fits, freeze, place
from eigentrail.training.settings import TrainingSettings

#: What runs that are trained as one program may differ in.
STACKED = ("lr", "weight_decay", "effective_lr", "seed")
_EVERY = re.compile(r"every\s+|\s+")
# The letters of a value in a folder's name.
_LONGEST = 32


@dataclass(frozen=True)
class Point:
    """One training of a sweep.

    Attributes:
        name: the name of its run's folder, within its unit.
        axes: the value of each axis, as the file gives it.
        settings: its settings, the seed among them.
        network: its network.
        data: its data set, as for `--data`.
    """

    name: str
    axes: Mapping[str, Any]
    settings: TrainingSettings
    network: str
    data: str | None

    @property
    def key(self) -> str:
        """What names it for good: the same training has the same key in every process and on every machine."""
        return _digest({
            "settings": self.settings.model_dump(mode="json"), "network": self.network, "data": self.data,
            "axes": {name: _plain(value) for name, value in self.axes.items()},
        })  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """What is claimed and done as a whole: one training, or several that are one program.

    Attributes:
        name: the name of its folder.
        points: its trainings.
    """

    name: str
    points: tuple[Point, ...]


def points_of(spec: SweepSpec) -> list[Point]:
    """List the trainings of a sweep.

    Args:
        spec: the sweep.

    Returns:
        Every point of the grid for every seed, seeds fastest.

    Raises:
        OptionError: a value of an axis cannot be used.
    """
    study = None if spec.preset is None else study_of(find_recipe(spec.preset))
    found = []
    names = list(spec.axes)
    for values in itertools.product(*spec.axes.values()):
        axes = dict(zip(names, values, strict=True))
        data = axes.get("data", spec.data)
        network = axes.get("network", spec.network) or _network_of(spec.preset, spec.full)
        base = _base(spec, study, axes, data)
        label = "-".join(f"{name}{_word(value)}" for name, value in axes.items())
        found += [
            Point(f"{label}-seed{seed}", axes, base.changed(seed=seed), network, data) for seed in spec.seeds
        ]
    return found


def units_of(spec: SweepSpec, points: Sequence[Point], *, stack: bool | None = None) -> list[Unit]:
    """Put together what is trained as one program.

    Args:
        spec: the sweep.
        points: its trainings.
        stack: True or False to stack whatever differs in rate, decay and seed only, or nothing; None to try the
            networks and stack those for which it saves time.

    Returns:
        The units. How trainings are put together depends on the sweep and the kind of network only, so that every
        engine does the same arithmetic.
    """
    alike: dict[str, list[Point]] = {}
    for one in points:
        alike.setdefault(_kind(one), []).append(one)
    units = []
    for members in alike.values():
        together = 1
        if spec.stack > 1 and len(members) > 1 and (stack or (stack is None and _worth_it(spec, members))):
            groups = -(-len(members) // spec.stack)
            together = -(-len(members) // groups)
        for first in range(0, len(members), together):
            chosen = tuple(members[first : first + together])
            fixed = {k: v for k, v in chosen[0].axes.items() if k not in STACKED} if together > 1 else {}
            told = "-".join(f"{name}{_word(value)}" for name, value in fixed.items())
            word = told if together > 1 else chosen[0].name
            units.append(Unit("-".join(filter(None, (word, _digest([p.key for p in chosen])))), chosen))
    return units


def samples_of(spec: SweepSpec, data: str | None) -> Data:
    """Load the samples of a point; those that were loaded last are kept.

    Args:
        spec: the sweep.
        data: the point's data set.

    Returns:
        The samples, as many as the sweep asks for.
    """
    return _loaded(spec.preset, data, spec.full, spec.train_samples, spec.test_samples)


def train_unit(spec: SweepSpec, unit: Unit, folder: Any, progress: Any = False) -> None:
    """Train what is missing of a unit; a training that diverges keeps its run, and the others go on.

    Args:
        spec: the sweep.
        unit: the unit.
        folder: its folder.
        progress: as for `train_many`.
    """
    first = unit.points[0]
    notes = {"sweep": spec.name} | ({} if spec.preset is None else {"study": find_recipe(spec.preset).name})
    members = [
        Member(one.name, one.settings, {**notes, "axes": {k: _plain(v) for k, v in one.axes.items()}})
        for one in unit.points
    ]
    train_members(
        first.network,
        samples_of(spec, first.data),
        folder,
        members,
        how="stack" if len(members) > 1 else "processes",
        layers=recorded(spec.record),
        resume=True,
        progress=progress,
    )


def recorded(record: str | Mapping[str, Any]) -> dict[str, Every]:
    """Read when weights are recorded.

    Args:
        record: "epoch", "5 epochs", "100 steps", or {glob over layers: one of these}.

    Returns:
        What a recorder takes for its layers.

    Raises:
        OptionError: it is none of these.
    """
    if isinstance(record, Mapping):
        return {glob: _when(value) for glob, value in record.items()}
    return {"*": _when(record)}


def _when(given: Any) -> Every:
    if isinstance(given, int) and not isinstance(given, bool) and given >= 1:
        return given
    words = [] if not isinstance(given, str) else [word for word in _EVERY.split(given.strip()) if word]
    count = int(words[0]) if words and words[0].isdigit() else 1
    if len(words) in {1, 2} and count >= 1 and (len(words) == 1) != words[0].isdigit():
        if words[-1] in {"epoch", "epochs"}:
            return "epoch" if count == 1 else EveryEpochs(every=count)
        if words[-1] in {"step", "steps"}:
            return count
    raise OptionError(f'record = {given!r}: give "epoch", "5 epochs", "100 steps", or a table of globs')


def _base(
    spec: SweepSpec, study: Study | None, axes: Mapping[str, Any], data: str | None
) -> TrainingSettings:
    """The settings of a point but for its seed."""
    if study is None:
        settings = TrainingSettings()
    else:
        recipe = find_recipe(spec.preset)
        # Those of the first data set for all: a recipe may have others for each, which would be another axis.
        given = spec.axes["data"][0] if "data" in spec.axes else spec.data
        which, _ = datasets.resolve(given, recipe.source_data if spec.full else recipe.data)
        settings = study.settings(which, spec.full, spec.settings.get("epochs"))
    changes = {**spec.settings, **{k: v for k, v in axes.items() if k not in {"network", "data"}}}
    steps, effective = changes.pop("steps", None), changes.pop("effective_lr", None)
    if "augmentation" in changes:
        changes["augmentation"] = _augmentation(changes["augmentation"])
    if effective is not None:
        changes["lr"] = effective * (1.0 - changes.get("momentum", settings.momentum))
    if steps is not None:
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise OptionError(f"steps = {steps!r}: give a whole number of optimizer steps")
        drop = changes.get("drop_last", settings.drop_last)
        sized = settings.changed(batch_size=changes.get("batch_size"), drop_last=drop)
        each = sized.steps_per_epoch(len(samples_of(spec, data).train_targets))
        changes["epochs"] = max(1, round(steps / each))
    made = settings.model_dump() | changes
    return TrainingSettings(**made)


def _network_of(preset: str | None, full: bool) -> str:
    recipe = find_recipe(preset)
    return study_of(recipe).preset.network_for(recipe.network, full)


def _augmentation(given: Any) -> Augmentation | None:
    if isinstance(given, Augmentation) or given in (False, "none", None):
        return None if given in (False, "none") else given
    if given is True:
        return Augmentation()
    if isinstance(given, Mapping):
        return Augmentation(**given)
    if given in {"steps", "range"}:
        return Augmentation(rotation=given)
    raise OptionError(
        f'augmentation = {given!r}: give false, true, "range" or "steps" for rotations too, or a table of crop, flip '
        "and rotation"
    )


def _kind(point: Point) -> str:
    """What runs of one program share."""
    settings = point.settings.changed(lr=1.0, weight_decay=0.0, seed=0).model_dump(mode="json")
    other = {k: _plain(v) for k, v in point.axes.items() if k not in STACKED}
    return json.dumps([settings, point.network, point.data, other], sort_keys=True)


def _worth_it(spec: SweepSpec, points: Sequence[Point]) -> bool:
    """Try whether the networks can be stacked and are small enough to gain by it."""
    data = samples_of(spec, points[0].data)
    some = []
    for one in (points[0], points[-1]):
        settings = one.settings.changed(device="cpu")
        model, _ = build_network(one.network, data, settings)
        freeze(model, settings.frozen)
        some.append(place(model, settings, _cpu()))
    check_fits(some[0], data, points[0].settings.changed(device="cpu"))
    shared = points[0].settings
    return (
        why_not_stacked(some, data, shared.changed(device="cpu")) is None
        and why_not_worth_it(some[0], data, shared, most_workers(-1) // shared.threads) is None
    )


def _cpu() -> Any:
    import torch

    return torch.device("cpu")


@lru_cache(maxsize=2)
def _loaded(preset: str | None, data: str | None, full: bool, train: int | None, test: int | None) -> Data:
    recipe = None if preset is None else find_recipe(preset)
    default = None if recipe is None else recipe.source_data if full else recipe.data
    if data is None and default is None:
        raise OptionError('the sweep has no data: give data = "digits", a folder or "package.module:name"')
    samples = datasets.load(*datasets.resolve(data, default))
    if train is not None or test is not None:
        return datasets.take(samples, train, test)
    return samples if recipe is None else study_of(recipe).preset.samples_for(samples, full)


def _word(value: Any) -> str:
    """Write a value so that it can be part of a folder's name."""
    text = re.sub(r"[^\w.+-]+", "_", str(_plain(value))).strip("_")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}-{_digest(text)}"


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
