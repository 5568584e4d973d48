"""What a sweep is: read from a short TOML file or from keywords, and checked before anything begins."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eigentrail._names import none_such
from eigentrail.errors import OptionError
from eigentrail.sweeps.axes import values_of
from eigentrail.sweeps.measures import DEFAULT, check_measures
from eigentrail.training.settings import TrainingSettings

#: More runs than this are begun with `yes` only.
MANY = 10_000
#: Axes that are no training setting.
OTHER_AXES = ("network", "data", "augmentation", "steps", "effective_lr")
# `seed` is an axis of its own, `seeds`.
_SETTINGS = tuple(name for name in TrainingSettings.model_fields if name != "seed")
_KEYS = (
    "preset", "network", "data", "full", "epochs", "steps", "effective_lr", "seeds", "out", "measure", "spectra",
    "record", "train_samples", "test_samples", "stack", "axes", "full_axes", "slurm",
)  # fmt: skip
_MOST_STACKED = 8


@dataclass(frozen=True)
class SweepSpec:
    """A grid of trainings, and what is measured of them.

    Attributes:
        name: what it is called: the file's name.
        preset: the recipe whose network, data and settings it begins with; None for the library's defaults.
        network: the network; None for the preset's.
        data: the data set, as for `--data`; None for the preset's.
        full: True for the source's size of the preset, False for that of two cores.
        settings: settings other than the preset's, and `steps` (a number of steps instead of epochs) or
            `effective_lr` (lr / (1 - momentum)).
        axes: the values of each axis, in the file's order.
        seeds: the seeds; every point of the grid is trained for each.
        measure: what is measured of each run.
        spectra: globs over the layers whose spectra the page shows for each value of an axis.
        record: when the weights are recorded.
        train_samples: how many training samples are taken; None for all.
        test_samples: how many held-out samples; None for all.
        stack: how many runs that differ in rate, decay and seed only are trained as one program at most; 1 for none.
        out: the folder; None for `runs/NAME`.
        slurm: parameters for Slurm, as submitit takes them.
    """

    name: str
    preset: str | None = None
    network: str | None = None
    data: str | None = None
    full: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    measure: tuple[str, ...] = DEFAULT
    spectra: tuple[str, ...] = ()
    record: str | Mapping[str, Any] = "epoch"
    train_samples: int | None = None
    test_samples: int | None = None
    stack: int = _MOST_STACKED
    out: str | None = None
    slurm: Mapping[str, Any] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        """How many runs the grid has."""
        count = len(self.seeds)
        for values in self.axes.values():
            count *= len(values)
        return count

    @property
    def identity(self) -> dict[str, Any]:
        """What two sweeps in one folder must share, as plain data; what is measured and shown may change."""
        return {
            "preset": self.preset,
            "network": self.network,
            "data": self.data,
            "full": self.full,
            "settings": dict(self.settings),
            "axes": {name: list(values) for name, values in self.axes.items()},
            "seeds": list(self.seeds),
            "record": self.record if isinstance(self.record, str) else dict(self.record),
            "train_samples": self.train_samples,
            "test_samples": self.test_samples,
            "stack": self.stack,
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any], name: str = "sweep") -> SweepSpec:
        """Check what a file or a caller says.

        Args:
            given: the keys of a file.
            name: what the sweep is called.

        Returns:
            The sweep.

        Raises:
            OptionError: a key or an axis is unknown, a value cannot be used, or the grid is empty.
        """
        known = (*_KEYS, *(one for one in _SETTINGS if one not in _KEYS))
        for key in given:
            if key not in known:
                raise OptionError(none_such(key, known, "key of a sweep"))
        if given.get("preset") is None and given.get("network") is None and not _axis(given, "network"):
            raise OptionError(
                'a sweep trains something: give preset = "mlp50" or another recipe, or network = "mlp50"'
            )
        settings = {
            key: given[key]
            for key in given
            if (key in _SETTINGS or key in {"steps", "effective_lr"}) and given[key] is not None
        }
        axes = _axes(_axes_given(given), settings)
        measure = check_measures(given.get("measure", DEFAULT))
        record = given.get("record", "epoch")
        if not isinstance(record, (str, Mapping)):
            raise OptionError(
                f'record = {record!r}: give "epoch", "5 epochs", "100 steps", or a table of globs over layers'
            )
        return cls(
            name=name,
            preset=given.get("preset"),
            network=given.get("network"),
            data=given.get("data"),
            full=bool(given.get("full", False)),
            settings=settings,
            axes=axes,
            seeds=_seeds(given.get("seeds", 1)),
            measure=measure,
            spectra=_globs(given.get("spectra", ())),
            record=record,
            train_samples=_count(given, "train_samples"),
            test_samples=_count(given, "test_samples"),
            stack=_count(given, "stack") or _MOST_STACKED,
            out=given.get("out"),
            slurm=dict(given.get("slurm", {})),
        )


def read_file(path: Path) -> dict[str, Any]:
    """Read the keys of a file.

    Args:
        path: a TOML file.

    Returns:
        What it holds, unchecked.

    Raises:
        OptionError: it is no such file.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise OptionError(f"{path} cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"{path} is no TOML file: {error}") from error


def _axes_given(given: Mapping[str, Any]) -> Any:
    """The table of axes; at the source's size with those of `full_axes` in place of the same ones."""
    axes, full = given.get("axes"), given.get("full_axes")
    if full is None:
        return axes
    if not isinstance(full, Mapping) or not isinstance(axes, Mapping):
        raise OptionError("full_axes is a table, which gives other values to some of those of [axes]")
    if strange := sorted(set(full) - set(axes)):
        raise OptionError(
            f"full_axes has {strange[0]}, which [axes] has not: give it values there too, or take it out"
        )
    return {**axes, **full} if given.get("full") else axes


def _axis(given: Mapping[str, Any], name: str) -> bool:
    axes = given.get("axes")
    return isinstance(axes, Mapping) and name in axes


def _axes(given: Any, settings: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    if given is None or given == {}:
        raise OptionError(
            "the sweep has no axis: give [axes] with at least one, such as weight_decay = [0, 1e-3]"
        )
    if not isinstance(given, Mapping):
        raise OptionError(f"axes = {given!r}: give a table, such as [axes] with weight_decay = [0, 1e-3]")
    known = (*_SETTINGS, *(name for name in OTHER_AXES if name not in _SETTINGS))
    found = {}
    for name, values in given.items():
        if name in {"seed", "seeds"}:
            raise OptionError("seeds are no axis: give seeds = [0, 1, 2] beside the table of axes")
        if name not in known:
            raise OptionError(none_such(name, known, "axis"))
        if name in settings:
            raise OptionError(f"{name} is given as a setting and as an axis: leave one of them out")
        found[name] = values_of(name, values)
    both = [
        pair
        for pair in (("steps", "epochs"), ("effective_lr", "lr"))
        if all(name in found or name in settings for name in pair)
    ]
    if both:
        raise OptionError(f"{both[0][0]} decides {both[0][1]}: leave one of them out")
    return found


def _seeds(given: Any) -> tuple[int, ...]:
    if isinstance(given, bool):
        raise OptionError(f"seeds = {given!r}: give a number of seeds, or a list of them")
    if isinstance(given, int):
        if given < 1:
            raise OptionError(f"seeds = {given}: give one seed or more")
        return tuple(range(given))
    if isinstance(given, (Sequence, range)) and not isinstance(given, str):
        values = values_of("seeds", list(given))
        if all(isinstance(value, int) and not isinstance(value, bool) and value >= 0 for value in values):
            return values
    raise OptionError(f"seeds = {given!r}: give a number of seeds, or a list of whole numbers from 0 on")


def _globs(given: Any) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    if not all(isinstance(one, str) and one for one in names):
        raise OptionError(f'spectra = {given!r}: give globs over layers, such as ["fc1.weight"]')
    return names


def _count(given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise OptionError(f"{name} = {value!r}: give a whole number of at least 1")
