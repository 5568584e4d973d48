from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

import eigentrail as et
from eigentrail.cli.app import run
from eigentrail.cli.findings import print_summary
from eigentrail.errors import RunError, RunWarning
from eigentrail.recipes import find_recipe, recipes, run_study
from eigentrail.runs import open_run


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """The default study of one epoch, in a folder of its own: the folder, what it prints, and what it notes."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("EIGENTRAIL_DATA", raising=False)
        patch.setenv("COLUMNS", "80")
        with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
            assert run(["study", "--epochs", "1", "--seed", "3", "--budget", "1"]) == 0
    return folder, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def finished(studied: tuple[Path, str, str]) -> Path:
    """The run of the default study."""
    return studied[0] / "runs" / "mlp50-digits-s3"


def test_study_ends_with_the_pages_path(studied: tuple[Path, str, str]) -> None:
    folder, out, err = studied
    page = out.strip().splitlines()[-1]
    assert page == str(Path("runs") / "mlp50-digits-s3" / "report.html")
    assert (folder / page).is_file()
    lines = out.rstrip().splitlines()
    assert len(lines) <= 25 and "test accuracy" in lines[0] and any(x.startswith("next: ") for x in lines)
    assert "training [1/1]" in err and "evolution" in err and "training [" not in out


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_end_fits_into_25_lines_at_any_width(finished: Path, monkeypatch, capsys, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    found = et.analyze(finished, budget=1.0, progress=False)
    steps = ["eigentrail analyze RUN --only add-back   # how few directions carry the accuracy"] * 3
    print_summary(found, Path("runs/report.html"), steps)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 25 and max(map(len, lines)) <= width
    assert lines[0].startswith("mlp50 on digits") and lines[-1] == "runs/report.html"


def test_a_second_study_in_the_folder_is_one_sentence(finished: Path, capsys) -> None:
    (finished / "report.html").touch()
    assert run(["study", "--epochs", "1", "--out", str(finished)]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1 and "--epochs" in err and "--out" in err


def test_list_says_source_what_time_and_disk(monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run(["study", "--list"]) == 0
    out = capsys.readouterr().out
    told = (
        "mlp50",
        "mlp256-decay",
        "Haink 2023, 5.2",
        "cifar10",
        "time on 2 cores",
        "disk",
        "what it shows",
        "minutes",
    )
    assert all(word in out for word in told)
    assert run(["study", "mlp50", "--list"]) == 2


def test_the_list_is_readable_at_80_columns(monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["study", "--list"]) == 0
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= 80
    words = set(out.split())
    for one in recipes().values():
        # Names stay on a line, and no word is cut.
        assert one.name in words
        assert set(one.shows.split()) <= words


@pytest.mark.parametrize(
    "call, said",
    [
        (["study", "mlp51"], "did you mean mlp50"),
        (["study", "--data", "cifar11"], "cifar10"),
        (["study", "--epochs", "0", "--out", "x"], "epochs=0"),
        (["study", "--epochs", "many"], "epochs"),
        (["analyze", "nowhere"], "nowhere is not there"),
        (["report", "nowhere"], "nowhere is not there"),
        (["study", "--jobs", "0", "--epochs", "1", "--out", "x"], "jobs must be a number of processes"),
        (["analyze", "nowhere", "--jobs", "0"], "jobs must be a number of processes"),
        (["report", "nowhere", "--jobs", "0"], "jobs must be a number of processes"),
        (["report"], "RUN"),
        (["analyze"], "Missing argument"),
    ],
)
def test_wrong_calls(tmp_path: Path, monkeypatch, capsys, call: list[str], said: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(call) == 2
    out, err = capsys.readouterr()
    assert not out and said in err and err.startswith("eigentrail: ") and err.count("\n") == 1


def test_absent_data_is_said_before_anything_is_written(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EIGENTRAIL_DATA", raising=False)
    assert run(["study", "mlp256", "--data", "cifar10", "--epochs", "20"]) == 2
    assert "cifar10 was not found" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_analyze_table_and_json(finished: Path, capsys) -> None:
    assert run(["analyze", str(finished), "--only", "evolution,pca", "-q"]) == 0
    out, err = capsys.readouterr()
    assert "1 epoch, 45 steps" in out and "fc2.weight" in out and not err
    assert (
        run(["analyze", str(finished), "--only", "evolution", "--layers", "fc2", "--format", "json", "-q"])
        == 0
    )
    document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert document["last_step"] == 45 and document["status"] == "finished"
    assert [row["name"] for row in document["evolution"]] == ["fc2.weight"]
    assert document["evolution"][0]["spikes_first"] == 0
    assert document["metrics"]["test_accuracy"] > 0.7
    assert run(["analyze", str(finished), "--only", "pca9"]) == 2
    assert "did you mean pca" in capsys.readouterr().err
    assert run(["analyze", str(finished), "--layers", "fc9"]) == 2
    assert "fc9" in capsys.readouterr().err


def test_report_of_one_run_and_of_several(finished: Path, tmp_path: Path, capsys) -> None:
    assert run(["report", str(finished), "--layers", "fc3", "-q"]) == 0
    assert capsys.readouterr().out.strip() == str(finished / "report.html")
    other = tmp_path / "other"
    shutil.copytree(finished, other)
    both = tmp_path / "both.html"
    assert run(["report", str(finished), str(other), "-o", str(both), "--layers", "fc3", "-q"]) == 0
    assert capsys.readouterr().out.strip() == str(both)
    assert "2 trainings compared" in both.read_text()


def test_a_study_that_diverges_says_when_and_keeps_the_run(tmp_path: Path, monkeypatch, capsys) -> None:
    from eigentrail.recipes import recipes

    wild = recipes()["mlp50"].changed(changes={"digits": {"lr": 1e5, "epochs": 2}}, chosen={"digits": "x"})
    monkeypatch.setitem(recipes(), "wild", wild)
    assert run(["study", "wild", "--out", str(tmp_path / "run"), "-q"]) == 1
    err = capsys.readouterr().err
    assert "at step" in err and "smaller learning rate" in err and "eigentrail report" in err
    assert open_run(tmp_path / "run").status == "interrupted"
    assert run(["report", str(tmp_path / "run"), "-q"]) == 0
    assert "diverged" in (tmp_path / "run" / "report.html").read_text()


def test_the_packages_own_warnings_are_one_line_and_others_are_pythons(monkeypatch, capsys) -> None:
    def warn(*told: object, **more: object) -> None:
        warnings.warn("seed0: the loss\nbecame nan", RunWarning, stacklevel=1)
        warnings.warn("something else", UserWarning, stacklevel=1)
        raise RunError("it ends")

    monkeypatch.setattr("eigentrail.api.study.study", warn)
    with pytest.warns(UserWarning, match="something else") as told:
        assert run(["study", "-q"]) == 2
    assert len(told) == 1
    assert capsys.readouterr().err == "note: seed0: the loss became nan\neigentrail: it ends\n"


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to a process")
def test_ctrl_c_leaves_a_run_that_the_same_command_finishes(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "eigentrail", "study", "--epochs", "400", "--out", str(folder)]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # However slow the machine is: a child that comes to nothing ends.
    while started.poll() is None and not (folder / "trajectory.zarr").is_dir():
        time.sleep(0.05)
    time.sleep(0.5)
    started.send_signal(signal.SIGINT)
    try:
        _, err = started.communicate(timeout=600)
    finally:
        started.kill()
    assert started.returncode == 1, err
    assert "the same command goes on" in err and "Traceback" not in err
    done = open_run(folder).steps[-1]
    assert open_run(folder).status == "interrupted"
    epochs = int(done // 45) + 1
    # What the same command does first; the analyses behind it are tested elsewhere.
    run_study(find_recipe(), folder, epochs=epochs, progress=False)
    assert open_run(folder).status == "finished"
    assert open_run(folder).steps[-1] == 45 * epochs


@pytest.mark.slow
def test_mlp_256_on_real_cifar(data_root: Path, tmp_path: Path, monkeypatch) -> None:
    # A short stretch of the real thing: the layer that is studied at every step, the others every 50.
    monkeypatch.setenv("EIGENTRAIL_DATA", str(data_root))
    from eigentrail.data import from_tensors, load
    from eigentrail.training import train

    images = load("cifar10")
    few = from_tensors(
        (images.train_inputs[:3200], images.train_targets[:3200]),
        (images.test_inputs[:200], images.test_targets[:200]),
    )
    folder = tmp_path / "run"
    train("mlp256", few, folder, epochs=1, layers={"fc3.weight": 1, "*": 50}, progress=False)
    assert run(["report", str(folder), "--layers", "fc3", "--layers", "fc4", "-q"]) == 0
    made = open_run(folder)
    assert len(made.layers["fc3.weight"].steps) == 101 and len(made.layers["fc1.weight"].steps) == 3
    assert (folder / "report.html").stat().st_size < 8e6


TOLD: list[tuple[str, int]] = []


def tell(numbers: dict[str, float], step: int) -> None:
    TOLD.extend((name, step) for name in numbers)


def test_several_trainings_are_shown_each_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    arguments = [
        "study",
        "--epochs",
        "1",
        "--seeds",
        "2",
        "--budget",
        "0",
        "-q",
        "--out",
        str(tmp_path / "runs"),
    ]
    TOLD.clear()
    sys.modules.setdefault("test_study_cli", sys.modules[__name__])
    assert run([*arguments, "--log-to", "test_study_cli:tell"]) == 0
    told = {name for name, _ in TOLD}
    assert {name.removesuffix("/train_loss") for name in told if name.endswith("/train_loss")} == {
        "seeds/seed0", "seeds/seed1",
    }, sorted(told)[:9]  # fmt: skip
    assert any(name.endswith("/fc1.weight/spectral_norm") for name in told), sorted(told)[:5]
    assert {step for name, step in TOLD if name.endswith("/loss")} >= {1, 45}


def test_a_study_without_runs_shows_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["study", "completion", "--log-to", "tensorboard:x", "--out", str(tmp_path)]) == 2
    assert "records no runs" in capsys.readouterr().err


def test_a_logger_that_is_not_there_is_told_before_the_trainings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, said in (("nothing", "there is no logger"), ("no_such_module:f", "no_such_module")):
        assert run(["study", "geodesic", "--log-to", name, "--out", str(tmp_path / "runs")]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
