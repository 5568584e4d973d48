"""Interrupted trainings: real signals to real processes, and the same bits in the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from eigentrail import data
from eigentrail.data import Data
from eigentrail.errors import RunError
from eigentrail.runs import Recorder, Run, open_run
from eigentrail.training import TrainingSettings, train
from eigentrail.training.interruption import Interruption

NETWORK = "training_networks:Chancy"
SETTINGS = TrainingSettings(
    lr=0.05,
    momentum=0.9,
    weight_decay=1e-3,
    batch_size=20,
    epochs=30,
    schedule={"kind": "exponential", "gamma": 0.97},
)

CHILD = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the tests' own parent ignores
from eigentrail import data
from eigentrail.training import TrainingSettings, train
d = data.load("digits")
few = data.from_tensors((d.train_inputs[:210], d.train_targets[:210]), (d.test_inputs[:50], d.test_targets[:50]))
settings = TrainingSettings.model_validate_json(sys.argv[2])
train("training_networks:Chancy", few, sys.argv[1], settings, resume=True)
"""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, few: Data) -> Run:
    return train(NETWORK, few, tmp_path_factory.mktemp("whole") / "run", SETTINGS)


def same(a: Run, b: Run) -> None:
    assert a.steps.tolist() == b.steps.tolist()
    for layer in a:
        np.testing.assert_array_equal(a[layer].values, b[layer].values)
    assert set(a.metrics) == set(b.metrics)
    for name in a.metrics:
        np.testing.assert_array_equal(a.metrics[name].values, b.metrics[name].values)
    last = int(a.steps[-1])
    states = [run.model(last, trust=True).state_dict() for run in (a, b)]
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name])


def committed(path: Path) -> int:
    try:
        return int(open_run(path).steps[-1])
    except RunError:
        return -1


def child_until(path: Path, step: int, number: int) -> subprocess.CompletedProcess[str]:
    """Train in a process of its own and send it a signal after a step is on disk."""
    environment = os.environ | {"EIGENTRAIL_TEST_DELAY": "0.01", "PYTHONPATH": str(Path(__file__).parent)}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), SETTINGS.model_dump_json()],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 600
    while committed(path) < step and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(number)
    _, err = child.communicate(timeout=600)
    return subprocess.CompletedProcess(child.args, child.returncode, "", err)


@pytest.mark.slow
def test_ctrl_c_leaves_a_valid_run_that_goes_on_to_the_same_bits(
    tmp_path: Path, few: Data, uninterrupted: Run
) -> None:
    path = tmp_path / "run"
    done = child_until(path, 40, signal.SIGINT)
    assert done.returncode != 0
    assert "KeyboardInterrupt" in done.stderr
    assert "interrupted: keeping the state after this step" in done.stderr
    run = open_run(path)
    assert run.status == "interrupted"
    stopped = int(run.steps[-1])
    assert 40 <= stopped < 330
    # The state of the very last step is kept, in mid-epoch or not.
    assert run.checkpoints[-1] == stopped
    np.testing.assert_array_equal(
        run["inner.weight"].values, uninterrupted["inner.weight"].values[: stopped + 1]
    )
    resumed = train(NETWORK, few, path, SETTINGS, resume=True)
    assert resumed.status == "finished"
    assert [session.from_step for session in resumed.manifest.sessions] == [0, stopped]
    same(uninterrupted, resumed)


def test_kill_9_goes_on_from_the_last_kept_state_to_the_same_bits(
    tmp_path: Path, few: Data, uninterrupted: Run
) -> None:
    path = tmp_path / "run"
    done = child_until(path, 60, signal.SIGKILL)
    assert done.returncode == -signal.SIGKILL
    run = open_run(path)
    assert run.status == "interrupted"
    resumed = train(NETWORK, few, path, SETTINGS, resume=True)
    assert resumed.manifest.sessions[-1].from_step in run.checkpoints
    same(uninterrupted, resumed)


def test_many_interruptions_at_any_step(tmp_path: Path, few: Data, uninterrupted: Run) -> None:
    rng = np.random.default_rng(0)
    stops = sorted(rng.choice(np.arange(1, 330), 4, replace=False).tolist())
    make_step = Recorder.step
    for stop in stops:

        def step(self: Recorder, number: int, *, stop: int = stop, **told: float) -> None:
            make_step(self, number, **told)
            if number == stop:
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Recorder, "step", step)
            train(NETWORK, few, tmp_path / "run", SETTINGS, resume=True)
        assert open_run(tmp_path / "run").steps[-1] == stop
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed = train(NETWORK, few, tmp_path / "run", SETTINGS, resume=True)
    assert len(resumed.manifest.sessions) == 5
    same(uninterrupted, resumed)


def test_ctrl_c_in_the_last_step_finishes_the_run(tmp_path: Path, few: Data) -> None:
    make_step = Recorder.step

    def step(self: Recorder, number: int, **told: float) -> None:
        make_step(self, number, **told)
        if number == 11:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Recorder, "step", step)
        train("mlp50", few, tmp_path / "run", batch_size=20, epochs=1)
    run = open_run(tmp_path / "run")
    assert run.status == "finished"
    assert "test_accuracy" in run.metrics


def test_a_second_ctrl_c_interrupts_at_once() -> None:
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGINT)
            assert not interruption.requested
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_finished_training_is_handed_back_as_it_is(tmp_path: Path, few: Data) -> None:
    first = train("mlp50", few, tmp_path / "run", batch_size=20, epochs=2)
    again = train("mlp50", few, tmp_path / "run", batch_size=20, epochs=2, resume=True)
    assert len(again.manifest.sessions) == 1
    same(first, again)


def test_resuming_where_there_is_nothing_begins(tmp_path: Path, few: Data) -> None:
    assert len(train("mlp50", few, tmp_path / "run", batch_size=20, epochs=1, resume=True).steps) == 12


def test_more_epochs_go_on_as_if_they_had_been_asked_for_at_first(tmp_path: Path, few: Data) -> None:
    whole = train("mlp50", few, tmp_path / "whole", batch_size=20, epochs=5, momentum=0.9)
    train("mlp50", few, tmp_path / "run", batch_size=20, epochs=2, momentum=0.9)
    same(whole, train("mlp50", few, tmp_path / "run", batch_size=20, epochs=5, momentum=0.9, resume=True))
    with pytest.raises(RunError, match="is trained for 55 steps already, more than 44"):
        train("mlp50", few, tmp_path / "run", batch_size=20, epochs=4, momentum=0.9, resume=True)


def test_own_network_object_is_resumed_into(tmp_path: Path, few: Data) -> None:
    def build() -> torch.nn.Module:
        torch.manual_seed(2)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))

    whole = train(build(), few, tmp_path / "whole", batch_size=20, epochs=4)
    train(build(), few, tmp_path / "run", batch_size=20, epochs=2)
    model = build()
    resumed = train(model, few, tmp_path / "run", batch_size=20, epochs=4, resume=True)
    np.testing.assert_array_equal(whole["1.weight"].values, resumed["1.weight"].values)
    np.testing.assert_array_equal(model[1].weight.detach().numpy(), whole["1.weight"].values[-1])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lr": 0.5}, "was trained with lr=0.01, now it is 0.5"),
        ({"seed": 3}, "was trained with seed=0, now it is 3"),
        ({"batch_size": 21}, "was trained with batch_size=20"),
        ({"schedule": "cosine"}, "was trained with schedule="),
        ({"network": "mlp256"}, "is the run of another network"),
        ({"data": "flipped"}, r"on other samples \(few digits\) than flipped"),
    ],
)
def test_resuming_another_training_is_refused(tmp_path: Path, few: Data, changes: dict, said: str) -> None:
    train("mlp50", few, tmp_path / "run", batch_size=20, epochs=1)
    flipped = data.from_tensors(
        (few.train_inputs.flip(0), few.train_targets.flip(0)), few.test, name="flipped"
    )
    asked = {"network": "mlp50", "batch_size": 20, "epochs": 2, **changes}
    samples = flipped if asked.pop("data", None) else few
    with pytest.raises(RunError, match=said):
        train(asked.pop("network"), samples, tmp_path / "run", resume=True, **asked)
    assert open_run(tmp_path / "run").steps[-1] == 11


def test_cosine_counts_on_the_epochs(tmp_path: Path, few: Data) -> None:
    train("mlp50", few, tmp_path / "run", batch_size=20, epochs=1, schedule="cosine")
    with pytest.raises(RunError, match="was trained with epochs=1, now it is 2"):
        train("mlp50", few, tmp_path / "run", batch_size=20, epochs=2, schedule="cosine", resume=True)


def test_a_run_of_another_loop_is_refused(tmp_path: Path, few: Data) -> None:
    model = torch.nn.Linear(3, 2)
    with Recorder(model, tmp_path / "run") as recorder:
        recorder.step(loss=1.0)
    with pytest.raises(RunError, match="a run of another training loop"):
        train("mlp50", few, tmp_path / "run", resume=True)


def test_a_damaged_state_is_said(tmp_path: Path, few: Data) -> None:
    train("mlp50", few, tmp_path / "run", batch_size=20, epochs=1)
    state = tmp_path / "run" / "checkpoints" / "step_0000000011.training.pt"
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(RunError, match="cannot be read"):
        train("mlp50", few, tmp_path / "run", batch_size=20, epochs=2, resume=True)
