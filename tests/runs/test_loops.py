"""Loops as people write them: without steps, with threads, interrupted, in notebooks, in forked children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from run_children import Counting, start, value_at, wait_until
from torch import nn

from eigentrail.errors import OptionError, RunError, RunWarning
from eigentrail.runs import Recorder, open_run


def values(run: object, steps: list[int]) -> bool:
    """Whether the counting network's weights are those of the given steps."""
    return np.array_equal(run["fc.weight"].values, np.stack([value_at(s) for s in steps]))  # type: ignore[index]


# Epochs without steps, and changes that nobody told -----------------------------------------------------------


@pytest.mark.parametrize("when", ["epoch", 1, 2])
def test_a_loop_that_tells_epochs_only_makes_a_step_of_each(tmp_path: Path, when: str | int) -> None:
    model = Counting()
    with Recorder(model, tmp_path / "run", every=when, report=None) as recorder:
        for epoch in range(1, 5):
            model.at(epoch)
            recorder.epoch(loss=1 / epoch)
    run = open_run(tmp_path / "run")
    assert run.status == "finished"
    steps = [0, 2, 4] if when == 2 else [0, 1, 2, 3, 4]
    assert run["fc"].step.values.tolist() == steps
    assert values(run, steps)
    assert run["fc"].epoch.values.tolist() == steps
    assert np.array_equal(run.metrics["loss"].values[1:], 1 / np.arange(1, 5))


def test_updates_past_autograd_are_steps_too(tmp_path: Path) -> None:
    # `p.data` has a count of changes of its own: only the values tell.
    model = Counting()
    with Recorder(model, tmp_path / "run", report=None) as recorder:
        for _ in range(3):
            for p in model.parameters():
                p.data += 1.0
            recorder.epoch()
    assert open_run(tmp_path / "run")["fc.bias"].values[:, 0].tolist() == [0, 1, 2, 3]


def test_an_evaluation_before_training_is_no_step(tmp_path: Path) -> None:
    model = Counting()
    with Recorder(model, tmp_path / "run", report=None) as recorder:
        recorder.epoch(0, accuracy=0.1)
        for step in (1, 2):
            model.at(step)
            recorder.step(step)
        recorder.epoch(accuracy=0.5)
        # No batch of this epoch made a step.
        recorder.epoch()
        model.at(3)
        recorder.step(3)
    run = open_run(tmp_path / "run")
    assert run.steps.tolist() == [0, 1, 2, 3]
    assert values(run, [0, 1, 2, 3])
    assert run.metrics["accuracy"].dropna("step").to_series().to_dict() == {0: 0.1, 2: 0.5}


def test_weights_that_change_and_are_never_told_are_an_error(tmp_path: Path) -> None:
    for name, change in (("in place", lambda m: m.at(7)), ("data", lambda m: m.fc.weight.data.add_(1.0))):
        model = Counting()
        with (
            pytest.raises(
                RunError, match=r"fc\.weight.* changed and no step was told.*call recorder\.step\(\)"
            ),
            Recorder(model, tmp_path / name, report=None),
        ):
            change(model)
        run = open_run(tmp_path / name)
        assert run.status == "interrupted"
        assert run.steps.tolist() == [0]
    with Recorder(Counting(), tmp_path / "still", report=None):
        pass
    assert open_run(tmp_path / "still").status == "finished"


def test_weights_that_change_after_the_last_step_are_told(tmp_path: Path) -> None:
    model = Counting()
    recorder = Recorder(model, tmp_path / "run", report=None).open()
    for step in (1, 2, 3):
        model.at(step)
        recorder.step()
    model.at(9)
    with pytest.warns(RunWarning, match=r"fc\.weight and 1 more changed since step 3"):
        recorder.close()
    run = open_run(tmp_path / "run")
    assert run.status == "interrupted"
    assert values(run, [0, 1, 2, 3])


# Threads --------------------------------------------------------------------------------------------------------


def test_threads_tell_whole_steps(tmp_path: Path) -> None:
    model = Counting()
    with Recorder(model, tmp_path / "run", report=None) as recorder:

        def tell() -> None:
            for _ in range(50):
                recorder.step(loss=1.0)

        threads = [threading.Thread(target=tell) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    run = open_run(tmp_path / "run")
    assert run.steps.tolist() == list(range(151))
    for name in run.layers:
        assert run[name].step.values.tolist() == list(range(151))
    assert run.metrics["loss"].values[1:].tolist() == [1.0] * 150


# Ctrl-C and SIGTERM ---------------------------------------------------------------------------------------------

MIXED = {"fc.weight": 1, "fc.bias": 100}


def test_ctrl_c_records_all_layers_that_are_whole(tmp_path: Path) -> None:
    model = Counting()
    with pytest.raises(KeyboardInterrupt), Recorder(model, tmp_path / "run", MIXED, report=None) as recorder:
        for step in range(1, 8):
            model.at(step)
            recorder.step()
        raise KeyboardInterrupt
    run = open_run(tmp_path / "run")
    assert run.status == "interrupted"
    assert run["fc.bias"].step.values.tolist() == [0, 7]
    assert run.last_complete == 7
    assert torch.equal(run.model("last", into=Counting()).fc.bias, model.fc.bias)


def test_ctrl_c_amid_an_update_leaves_out_what_it_changed(tmp_path: Path) -> None:
    model = Counting()
    with pytest.raises(KeyboardInterrupt), Recorder(model, tmp_path / "run", MIXED, report=None) as recorder:
        model.at(1)
        recorder.step()
        with torch.no_grad():
            model.fc.bias.add_(1)
        raise KeyboardInterrupt
    run = open_run(tmp_path / "run")
    assert run["fc.bias"].step.values.tolist() == [0]
    assert run.last_complete == 0


def train_until_killed(path: str, ready: str, own: bool) -> None:
    """Record with mixed schedules until a signal ends the process."""
    torch.set_num_threads(1)
    if own:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(3))
    model = Counting()
    with Recorder(model, path, MIXED, report=None) as recorder:
        for step in range(1, 10**9):
            model.at(step)
            recorder.step()
            if step == 20:
                # Between two updates, where it is not the signal that decides what is whole.
                Path(ready).touch()
                time.sleep(600)


@pytest.mark.parametrize("own", [False, True])
def test_sigterm_records_all_layers(tmp_path: Path, own: bool) -> None:
    process = start(train_until_killed, str(tmp_path / "run"), str(tmp_path / "ready"), own)
    wait_until((tmp_path / "ready").exists, process)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    process.join(600)
    # A handler of the program's own stays.
    assert process.exitcode == (3 if own else 128 + signal.SIGTERM)
    run = open_run(tmp_path / "run")
    assert run.status == "interrupted"
    if not own:
        assert run["fc.bias"].step.values[-1] == run["fc.weight"].step.values[-1] == run.last_complete == 20
        assert "SystemExit" in run.manifest.error  # type: ignore[union-attr, operator]


GIVEN_BACK = """
import signal, sys
from torch import nn
from eigentrail.runs import Recorder

default = lambda: signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
assert default()
first = Recorder(nn.Linear(2, 2), sys.argv[1] + "/first", report=None).__enter__()
assert not default()
second = Recorder(nn.Linear(2, 2), sys.argv[1] + "/second", report=None).__enter__()
first.close()
assert not default(), "the second one is still recording"
second.close()
assert default()
"""


def test_sigterm_is_given_back_by_the_last_recorder(tmp_path: Path) -> None:
    # In a process of its own: another test of this one may have left a recorder open on purpose.
    subprocess.run([sys.executable, "-c", GIVEN_BACK, str(tmp_path)], check=True)


# Notebooks --------------------------------------------------------------------------------------------------------


def test_open_beside_close_and_a_lost_handle(tmp_path: Path) -> None:
    model = Counting()
    lost = Recorder(model, tmp_path / "run", report=None).open()
    model.at(1)
    lost.step()
    with pytest.raises(RunError, match=rf"by this process \({os.getpid()}\).* pass takeover=True"):
        Recorder(model, tmp_path / "run", overwrite=True, report=None).open()
    again = Recorder(model, tmp_path / "run", resume=True, takeover=True, report=None).open()
    assert not lost.is_open
    with pytest.raises(RunError, match="is closed"):
        lost.step()
    model.at(2)
    again.step()
    again.close()
    run = open_run(tmp_path / "run")
    assert run.status == "finished"
    assert values(run, [0, 1, 2])


def test_no_folder_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        with Recorder(Counting(), report=None) as recorder:
            recorder.step()
        assert recorder.path == Path(f"runs/counting-{number}")
        assert open_run(recorder.path).steps.tolist() == [0, 1]
    with pytest.raises(OptionError, match="path=3: give the folder of the run"):
        Recorder(Counting(), 3)  # type: ignore[arg-type]


def test_modules_and_tensors_as_layers(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1)))

    def chosen(layers: object) -> list[str]:
        return [source.spec.name for source in Recorder(model, tmp_path, layers)._sources]  # type: ignore[arg-type]

    assert chosen([model[0]]) == chosen(model[0]) == ["0.weight", "0.bias"]
    assert chosen([model[1], "0"]) == ["0.weight", "1.0.weight", "1.0.bias", "1.1.weight", "1.1.bias"]
    assert chosen([model[0].bias]) == ["0.bias"]
    assert chosen({"0": 1}) == ["0.weight"]
    with pytest.raises(OptionError, match="the module Linear, of which the network has no parameter"):
        chosen([nn.Linear(2, 3)])
    with pytest.raises(OptionError, match="layers holds a int"):
        chosen([3])
    with pytest.raises(OptionError, match="layers=3: give globs"):
        chosen(3)


class Sophia:
    """An optimizer that is none of torch's."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self.param_groups = [{"params": parameters, "lr": 0.25, "inner": self}]


def test_optimizers_of_every_kind(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    sgd = torch.optim.SGD([model.weight], lr=0.5)
    adam = torch.optim.Adam([model.bias], lr=0.125)
    schedule = torch.optim.lr_scheduler.StepLR(sgd, step_size=4)

    def told(optimizer: object) -> dict:
        return Recorder(model, tmp_path, optimizer=optimizer)._about["optimizer"]

    both = told([sgd, adam])
    assert both["class"] == "torch.optim.sgd:SGD, torch.optim.adam:Adam"
    assert [group["lr"] for group in both["groups"]] == [0.5, 0.125]
    assert told([sgd]) == told(sgd)
    assert told([]) is told(None) is None
    with_schedule = told(schedule)
    assert with_schedule["schedule"]["class"] == "torch.optim.lr_scheduler:StepLR"
    assert with_schedule["schedule"]["step_size"] == 4
    assert with_schedule["groups"][0]["lr"] == 0.5
    own = told(Sophia(list(model.parameters())))
    assert own["groups"][0]["lr"] == 0.25
    assert own["groups"][0]["inner"].endswith(":Sophia")
    with pytest.raises(
        OptionError, match=r"optimizer is a float: give an optimizer \(something with param_groups"
    ):
        told(0.1)


def test_modules_that_come_later_are_told(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    with Recorder(model, tmp_path / "run", report=None) as recorder:
        recorder.step()
        model.append(nn.Linear(2, 2))
        with pytest.warns(RunWarning, match=r"new parameters .*1\.weight and 1 more.*not recorded"):
            recorder.epoch()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            recorder.epoch()
    assert open_run(tmp_path / "run").status == "finished"


def test_a_forked_child_is_told_that_the_run_is_its_parents(tmp_path: Path) -> None:
    with Recorder(Counting(), tmp_path / "run", report=None) as recorder:
        recorder.step()
        child = os.fork()
        if child == 0:
            try:
                recorder.step()
            except RunError as error:
                (tmp_path / "said").write_text(str(error))
            finally:
                recorder.close()
                os._exit(0)
        os.waitpid(child, 0)
        assert (
            f"is recorded by process {os.getpid()}, of which this is a forked child"
            in (tmp_path / "said").read_text()
        )
        recorder.step()
    run = open_run(tmp_path / "run")
    assert run.status == "finished"
    assert run.steps.tolist() == [0, 1, 2]
