"""`train`: one training, or many at once, from the network's name to the recorded run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from torch import nn

from eigentrail._progress import Progress
from eigentrail.data import as_data
from eigentrail.errors import OptionError
from eigentrail.networks import NetworkSpec
from eigentrail.runs import Run, open_run
from eigentrail.runs.estimate import human
from eigentrail.runs.schedules import Every
from eigentrail.training.anchoring import ANCHOR, Anchored, check_same_anchor
from eigentrail.training.device import find_device, undisturbed
from eigentrail.training.disk import bytes_of_states
from eigentrail.training.ensemble_members import is_several
from eigentrail.training.ensemble_result import Ensemble
from eigentrail.training.interruption import Interruption
from eigentrail.training.loop import Loop
from eigentrail.training.preparing import Recording, build_network, check_fits, frozen, place, prepare
from eigentrail.training.samples import Samples
from eigentrail.training.settings import TrainingSettings


@overload
def train(
    network: str | NetworkSpec | nn.Module,
    data: Any,
    path: str | os.PathLike[str],
    settings: TrainingSettings | None = None,
    *,
    seeds: Iterable[int],
    **arguments: Any,
) -> Ensemble: ...
@overload
def train(
    network: str | NetworkSpec | nn.Module,
    data: Any,
    path: str | os.PathLike[str],
    settings: TrainingSettings | None = None,
    *,
    lr: Sequence[float],
    **arguments: Any,
) -> Ensemble: ...
@overload
def train(
    network: str | NetworkSpec | nn.Module,
    data: Any,
    path: str | os.PathLike[str],
    settings: TrainingSettings | None = None,
    *,
    weight_decay: Sequence[float],
    **arguments: Any,
) -> Ensemble: ...
@overload
def train(
    network: str | NetworkSpec | nn.Module,
    data: Any,
    path: str | os.PathLike[str],
    settings: TrainingSettings | None = None,
    *,
    seeds: None = None,
    lr: float | None = None,
    weight_decay: float | None = None,
    layers: str | Sequence[str] | Mapping[str, Every] | None = None,
    every: Every = 1,
    rebuild: Any = None,
    resume: bool = False,
    overwrite: bool = False,
    notes: Mapping[str, Any] | None = None,
    log_to: Any = None,
    anchor: Anchored | None = None,
    progress: Progress | bool | None = None,
    **changes: Any,
) -> Run: ...
def train(
    network: str | NetworkSpec | nn.Module,
    data: Any,
    path: str | os.PathLike[str],
    settings: TrainingSettings | None = None,
    *,
    seeds: Iterable[int] | None = None,
    lr: float | Sequence[float] | None = None,
    weight_decay: float | Sequence[float] | None = None,
    layers: str | Sequence[str] | Mapping[str, Every] | None = None,
    every: Every = 1,
    rebuild: Any = None,
    resume: bool = False,
    overwrite: bool = False,
    notes: Mapping[str, Any] | None = None,
    log_to: Any = None,
    anchor: Anchored | None = None,
    progress: Progress | bool | None = None,
    **changes: Any,
) -> Run | Ensemble:
    """Train a network and record how its weights move; or many at once, for several seeds or settings.

    Metrics of the run: `loss` of every step, that of its batch before the update; and at step 0 and after each epoch
    `train_loss`, `train_accuracy`, `test_loss`, `test_accuracy` over all samples and `lr`, the rate of the epoch; with
    phases of classes also `test_accuracy_phase1` and so on over the held-out samples of each phase's classes. The
    full state is kept at the start, at the end and at about twenty ends of epochs in between.

    Ctrl-C ends the training after the running step with its state kept (a second one at once); the run is valid and
    its status "interrupted". With `resume=True` it goes on, also after a crash, and its weights become bit for bit
    those of a training that was never interrupted: the same seed on the same machine gives the same weights.

    Args:
        network: a known name ("mlp50"), "package.module:factory", a `NetworkSpec`, or a network, which is trained in
            place from the weights it has (and stays on the device where it was trained).
        data: a known name, a folder, a `Data`, a pair of tensors (inputs, targets), a torch Dataset, a pair (train,
            test) of either, or the import path "package.module:name" of one of these or of what gives one when it is
            called without arguments.
        path: the run's folder.
        settings: the settings; defaults for None.
        seeds: several seeds, which are trained as one program with every value of the two settings below, as
            `train_many` says; `path` is then the folder of their runs, and the arguments of `train_many` are taken.
        lr: the learning rate, or several; None for that of the settings.
        weight_decay: the weight decay, or several; None for that of the settings.
        layers: which layers to record, as for `Recorder`.
        every: when to record them, as for `Recorder`.
        rebuild: how `Run.model` builds a network again that was given as such, as for `Recorder`.
        resume: True to go on with the training in the folder, or to begin it where there is none. All must be as it
            was; only the number of epochs may grow, if the schedule does not depend on it.
        overwrite: True to replace the run in the folder.
        notes: what else the run shall keep, as plain data.
        log_to: what shows norms, ranks, spikes and phases of the weights as one training goes on, see
            `Recorder.log_to`.
        anchor: what holds the weights back between backward and step, such as an `interventions.SpectralAnchor` of the
            network that is given (its parameters must be those that are trained); the run keeps what it says of itself
            among its notes.
        progress: True for a bar or lines on stderr, False for nothing, None for a bar where stderr is a terminal; or a
            callable to report to.
        changes: single settings, which go before those of `settings`: `epochs=5, lr=0.1, device="cuda"`.

    Returns:
        The run; for several, an `Ensemble`: a sequence of the runs, with `.settings` of each and a `.table`.

    Raises:
        OptionError: the settings or the network's name cannot be used.
        KeyboardInterrupt: Ctrl-C was pressed; the run is closed by then.
    """
    if seeds is not None or is_several(lr) or is_several(weight_decay):
        from eigentrail.training.ensemble import train_many

        if log_to is not None:
            raise OptionError("log_to shows one training: leave it out with several seeds or settings")
        if anchor is not None:
            raise OptionError("an anchor holds one network: leave it out with several seeds or settings")

        return train_many(
            network,
            data,
            path,
            settings,
            seeds=seeds,
            lr=lr,
            weight_decay=weight_decay,
            layers=layers,
            every=every,
            rebuild=rebuild,
            resume=resume,
            overwrite=overwrite,
            notes=notes,
            progress=progress,
            **changes,
        )
    chosen = (settings or TrainingSettings()).changed(lr=lr, weight_decay=weight_decay, **changes)
    device = find_device(chosen.device)
    chosen = chosen.changed(device=str(device))
    if resume and overwrite:
        raise OptionError("resume goes on with the run in the folder, overwrite replaces it: choose one")
    samples = as_data(data)
    model, spec = build_network(network, samples, chosen)
    check_fits(place(model, chosen, device), samples, chosen)
    folder = Path(path)
    states = human(bytes_of_states(model, chosen))

    def report(line: str) -> None:
        if progress is not False and not callable(progress) and sys.stderr is not None:
            sys.stderr.write(f"{line}; the states that are kept take {states}\n")

    held = None if anchor is None else anchor.describe()
    if resume:
        check_same_anchor(folder, held)
    told = notes if held is None else {**(notes or {}), ANCHOR: held}
    recording = Recording(layers, every, rebuild, told, overwrite, report)
    with undisturbed(device, chosen.threads), frozen(model, chosen.frozen):
        prepared = prepare(model, spec, samples, folder, chosen, recording, resume)
        if prepared is None:
            return open_run(folder)
        with Interruption() as interruption:
            with prepared.recorder:
                if log_to is not None:
                    prepared.recorder.log_to(log_to)
                detach = None if anchor is None else anchor.attach(prepared.optimizer)
                try:
                    Loop(prepared, Samples(samples, chosen, device), interruption).run(progress)
                finally:
                    if detach is not None:
                        detach()
            if interruption.requested:
                # In the last step: the run is finished, but whoever asked for an end does not want what follows.
                raise KeyboardInterrupt
    return open_run(folder)
