"""Recording goes on in a run as if it had never stopped, or is refused in one clear sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from run_children import kill, start, wait_until
from torch import nn

from eigentrail.errors import RunError
from eigentrail.runs import Recorder, Run, open_run


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))


def train(path: str, upto: int, resume: bool | int = False, pause_at: int | None = None) -> None:
    """Train with momentum from the beginning, or from a checkpoint with all that it needs."""
    torch.set_num_threads(1)
    torch.manual_seed(3)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    first = 0
    if resume is not False:
        run = open_run(path)
        first = run.checkpoints[-1] if resume is True else resume
        run.model(first, into=model)
        state = run.training_state(first)
        optimizer.load_state_dict(state["optimizer"])
        resume = first
    layers = {"0.*": 1, "*": 4}
    with Recorder(model, path, layers, resume=resume, report=None) as recorder:
        for step in range(first + 1, upto + 1):
            inputs = torch.randn(16, 5, generator=torch.Generator().manual_seed(step))
            loss = model(inputs).square().mean() - model(inputs)[:, 0].mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss)
            if step % 10 == 0:
                recorder.epoch()
                recorder.checkpoint(training={"optimizer": optimizer.state_dict()})
            if step == pause_at:
                recorder.flush()
                Path(path, "paused").touch()
                torch.multiprocessing.Event().wait()


def check_equal(first: Run, second: Run) -> None:
    assert list(first.layers) == list(second.layers)
    for name in first.layers:
        assert np.array_equal(first[name].step.values, second[name].step.values)
        assert np.array_equal(first[name].epoch.values, second[name].epoch.values)
        assert np.array_equal(first[name].values, second[name].values)
    assert first.metrics.equals(second.metrics)
    assert first.checkpoints == second.checkpoints


@pytest.mark.parametrize(
    "killed_at", [pytest.param(27, marks=pytest.mark.slow), 30, pytest.param(39, marks=pytest.mark.slow)]
)
def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path, killed_at: int) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(str(whole), 60)
    process = start(train, str(broken), 60, False, killed_at)
    wait_until((broken / "paused").exists, process)
    kill(process)
    (broken / "paused").unlink()
    run = open_run(broken)
    assert run.status == "interrupted"
    assert run.steps[-1] == killed_at
    before = run.generation
    train(str(broken), 60, resume=True)
    check_equal(open_run(whole), open_run(broken))
    assert open_run(broken).status == "finished"
    # Taking steps back is noticed by those who keep results.
    assert (open_run(broken).generation == before) == (killed_at == 30)
    assert [session.from_step for session in open_run(broken).manifest.sessions] == [0, killed_at // 10 * 10]


def test_a_finished_run_is_trained_longer(tmp_path: Path) -> None:
    train(str(tmp_path / "whole"), 60)
    train(str(tmp_path / "two"), 40)
    train(str(tmp_path / "two"), 60, resume=True)
    check_equal(open_run(tmp_path / "whole"), open_run(tmp_path / "two"))


def test_steps_are_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "run"
    train(str(tmp_path / "whole"), 50)
    train(str(path), 60)
    run = open_run(path)
    run.analyses.put("norms", run.metrics)
    follower = open_run(path)
    train(str(path), 50, resume=20)
    assert follower.refresh()
    check_equal(open_run(tmp_path / "whole"), follower)
    # Results of steps that are no more are gone.
    assert follower.analyses.get("norms") is None
    assert follower.generation != run.generation


def test_resume_where_there_is_no_run(tmp_path: Path) -> None:
    with Recorder(network(), tmp_path / "run", resume=True, report=None) as recorder:
        recorder.step()
    assert open_run(tmp_path / "run").steps.tolist() == [0, 1]
    with pytest.raises(RunError, match=r"resume=7: there is no run in .* pass start=7"):
        Recorder(network(), tmp_path / "other", resume=7, report=None).__enter__()


def test_a_run_is_not_overwritten_unasked(tmp_path: Path) -> None:
    model = network()
    for finished in (True, False):
        path = tmp_path / str(finished)
        try:
            with Recorder(model, path, report=None) as recorder:
                recorder.step()
                if not finished:
                    raise ValueError
        except ValueError:
            pass
        kind = "a finished run" if finished else "an interrupted run"
        with pytest.raises(RunError, match=f"holds {kind} up to step 1: pass resume=True to go on"):
            Recorder(model, path, report=None).__enter__()
        assert open_run(path).steps.tolist() == [0, 1]
        (path / "mine.txt").write_text("kept")
        with Recorder(model, path, overwrite=True, report=None):
            pass
        assert open_run(path).steps.tolist() == [0]
        assert (path / "mine.txt").read_text() == "kept"


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/mine.pt").write_text("precious")
    for how in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(RunError, match=r"holds other files \(checkpoints, \.\.\.\) and no run"):
            Recorder(network(), tmp_path, report=None, **how).__enter__()
    (tmp_path / "run.json").write_text('{"tool": "another"}')
    for how in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(RunError, match=r"run\.json is no manifest of a run"):
            Recorder(network(), tmp_path, report=None, **how).__enter__()
    assert (tmp_path / "checkpoints/mine.pt").read_text() == "precious"


def test_runs_of_other_models(tmp_path: Path) -> None:
    path = tmp_path / "run"
    model = network()
    with Recorder(model, path, ["0", "3"], report=None) as recorder:
        recorder.step(loss=1)

    def refused(other: nn.Module, sentence: str, layers: object = ("0", "3"), **how: object) -> None:
        with pytest.raises(RunError, match=sentence):
            Recorder(other, path, layers, report=None, **{"resume": True, **how}).__enter__()

    refused(
        nn.Sequential(*network(), nn.Linear(3, 3)),
        r"another model \(4\.weight is in the model, not in the run\)",
    )
    refused(network()[:1], r"another model \(1\.weight is in the run, not in the model\)", ["0"])
    wider = nn.Sequential(nn.Linear(5, 9), nn.BatchNorm1d(9), nn.Tanh(), nn.Linear(9, 3))
    refused(wider, r"0\.weight of shape \(8, 5\), now it is \(9, 5\)")
    refused(model, r"the layer 3\.weight is not asked for now", ["0"])
    refused(model, r"the layer 0\.bias is not in the run", ["0", "0.bias", "3"])
    refused(model, r"the schedule of 0\.weight was every step and is now every 2 steps", every=2)
    refused(network(), r"the model's 0\.weight is not the one recorded at step 1")
    refused(model, "holds steps 0 to 1, of which one must be given", resume=9)
    assert open_run(path).status == "finished"
    assert open_run(path).steps.tolist() == [0, 1]
    with Recorder(model, path, ["0", "3"], resume=True, report=None) as recorder:
        recorder.step(loss=2)
    assert open_run(path).metrics["loss"].values[1:].tolist() == [1, 2]


def test_resume_with_weights_that_are_nan(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.fill_(float("nan"))
    with Recorder(model, tmp_path / "run", report=None):
        pass
    with Recorder(model, tmp_path / "run", resume=True, report=None) as recorder:
        recorder.step()
    assert np.isnan(open_run(tmp_path / "run")["weight"].values).all()
