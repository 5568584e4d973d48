from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny_sweeps import TINY

from eigentrail.errors import EigentrailError, OptionError, RunError
from eigentrail.sweeps import SweepFolder, SweepSpec, carry_out, plan
from eigentrail.sweeps.files import about, file_of, sweep_names
from eigentrail.sweeps.grid import points_of, recorded, units_of
from eigentrail.sweeps.measures import check_measures


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "decay.toml"
    file.write_text(
        """
        preset = "mlp50"
        epochs = 3
        seeds = [4, 5]
        out = "here"
        momentum = 0.9
        measure = ["rank_1e-2", "alpha"]
        [axes]
        weight_decay = [0, 1e-3]
        lr = {from = 0.01, to = 0.1, count = 2, log = true}
        augmentation = [false]
        """
    )
    found = plan(file)
    assert found.path == Path("here") and found.spec.name == "decay"
    assert found.spec.runs == 2 * 2 * 2
    points = points_of(found.spec)
    assert [p.settings.seed for p in points[:2]] == [4, 5]
    assert {
        (p.settings.weight_decay, p.settings.lr, p.settings.momentum, p.settings.epochs) for p in points
    } == {(decay, lr, 0.9, 3) for decay in (0.0, 1e-3) for lr in (0.01, 0.1)}
    assert len({p.key for p in points}) == 8


def test_keys_do_not_depend_on_process_or_order() -> None:
    one, other = (SweepSpec.from_dict(TINY | {"seeds": seeds}) for seeds in ([0, 1], [1, 0]))
    assert {p.key for p in points_of(one)} == {p.key for p in points_of(other)}


def test_what_differs_in_rate_decay_and_seed_is_one_unit() -> None:
    spec = SweepSpec.from_dict(TINY | {"stack": 4})
    units = units_of(spec, points_of(spec), stack=True)
    assert [len(unit.points) for unit in units] == [4, 4]
    for unit in units:
        assert len({p.settings.batch_size for p in unit.points}) == 1
    alone = units_of(spec, points_of(spec), stack=False)
    assert len(alone) == spec.runs
    assert len({unit.name for unit in (*units, *alone)}) == 10


def test_fixed_steps_and_an_effective_rate() -> None:
    given = {k: v for k, v in TINY.items() if k not in {"epochs", "lr"}}
    axes = {"batch_size": [10, 30], "momentum": [0.0, 0.5]}
    spec = SweepSpec.from_dict(given | {"steps": 24, "effective_lr": 0.2, "axes": axes})
    for one in points_of(spec):
        made = one.settings
        assert made.epochs * made.steps_per_epoch(60) == 24
        assert made.lr / (1.0 - made.momentum) == pytest.approx(0.2)


def test_axes_have_other_values_at_the_source_s_size() -> None:
    given = TINY | {"full_axes": {"weight_decay": [0.0, 1e-4]}}
    found = [SweepSpec.from_dict(given | {"full": full}).axes["weight_decay"] for full in (False, True)]
    assert found == [(0.0, 0.05), (0.0, 1e-4)]


def test_augmentation_is_an_axis() -> None:
    spec = SweepSpec.from_dict(TINY | {"axes": {"augmentation": [False, True, "range", {"crop": 2}]}})
    found = [one.settings.augmentation for one in points_of(spec)[::2]]
    assert found[0] is None and [a.rotation for a in found[1:] if a] == ["none", "range", "none"]
    assert found[3] is not None and found[3].crop == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"axes": {"weight_decai": [0, 1]}}, "weight_decay"),
        ({"axes": {}}, "no axis"),
        ({"axes": {"momentum": []}}, "empty"),
        ({"axes": {"seed": [1]}}, "beside the table"),
        ({"axes": {"epochs": [1, 2]}}, "as a setting and as an axis"),
        ({"steps": 5}, "steps decides epochs"),
        ({"momentun": 0.5}, "momentum"),
        ({"seeds": 0}, "one seed"),
        ({"seeds": []}, "empty"),
        ({"seeds": [-1]}, "whole numbers"),
        ({"seeds": range(20_000)}, "--yes"),
        ({"measure": ["rang"]}, "rank"),
        ({"measure": []}, "give a list"),
        ({"network": None}, "a sweep trains something"),
        ({"train_samples": 0}, "at least 1"),
        ({"record": 5.0}, "epoch"),
        ({"axes": {"momentum": [0.5, 2.0]}}, "momentum=2.0"),
        ({"axes": {"augmentation": ["flop"]}}, "augmentation"),
        ({"network": "mlp51"}, "mlp50"),
        ({"data": "digitz"}, "digits"),
        ({"preset": "mlp5000"}, "mlp50"),
        ({"full_axes": {"lr": [0.1]}}, "full_axes has lr, which"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(EigentrailError, match=said) as caught:
        carry_out(plan(TINY | changes, out=tmp_path / "x"), jobs=1, progress=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "x").exists()


def test_what_is_recorded() -> None:
    assert recorded("epoch") == {"*": "epoch"} and recorded("100 steps") == {"*": 100}
    assert recorded({"fc1": "every step", "*": 7}) == {"fc1": 1, "*": 7}
    for bad in ("often", "5", "0 epochs", ""):
        with pytest.raises(OptionError, match="record"):
            recorded(bad)


def test_measures() -> None:
    assert check_measures("gap") == ("gap",)
    assert check_measures(["rank_0.05_spectral@fc1", "alpha"]) == ("rank_0.05_spectral@fc1", "alpha")
    for bad in (["rank_2"], ["rank_0"], [3], ["phase"]):
        with pytest.raises(OptionError):
            check_measures(bad)


def test_another_sweep_in_the_folder_is_refused(carried_out: SweepFolder) -> None:
    before = (carried_out.path / "sweep.json").read_bytes()
    with pytest.raises(OptionError, match="holds another sweep"):
        carry_out(plan(TINY | {"lr": 0.2}, out=carried_out.path), jobs=1, progress=False)
    assert (carried_out.path / "sweep.json").read_bytes() == before


def test_a_sweep_is_called_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert file_of("Batch Size") == file_of("batch-size") != file_of("batch-size-steps")
    with pytest.raises(OptionError, match="did you mean"):
        file_of("batch-sise")
    # A file of one's own goes before one that comes along, and a path is taken as one.
    monkeypatch.chdir(tmp_path)
    Path("decay").write_text("")
    assert file_of("decay") == Path("decay") and file_of("x/decay.toml") == Path("x/decay.toml")


def test_a_sweep_grows_by_seeds_and_by_values(carried_out: SweepFolder, tmp_path: Path) -> None:
    path = shutil.copytree(carried_out.path, tmp_path / "grown")
    marks = {mark: mark.stat().st_mtime_ns for mark in path.glob("runs/*/done.json")}
    more = TINY | {"seeds": 3, "axes": {"weight_decay": [0.0, 0.02, 0.05], "batch_size": [20, 30]}}
    for _ in range(2):
        grown = carry_out(plan(more, out=path), jobs=1, progress=False)
    assert {mark: mark.stat().st_mtime_ns for mark in marks} == marks
    table = pd.read_parquet(path / "table.parquet")
    assert len(table) == 18 == grown.spec.runs and table["status"].eq("finished").all()
    assert not table[["weight_decay", "batch_size", "seed"]].duplicated().any()
    assert not (path / "sweep.3.json").exists()
    # The runs that were added are those that a sweep of their own would have made, and what is smaller is another one.
    assert SweepFolder.open(path).spec.seeds == (0, 1, 2)
    for less, said in ((TINY, "8 of its runs|10 of its runs"), (more | {"epochs": 3}, "epochs differ")):
        with pytest.raises(OptionError, match=said):
            carry_out(plan(less, out=path), jobs=1, progress=False)
    other = TINY | {"axes": {"weight_decay": [0.0, 0.05], "lr": [0.1]}, "lr": None, "batch_size": 20}
    with pytest.raises(OptionError, match="axes differ"):
        carry_out(plan(other, out=path), jobs=1, progress=False)


def test_another_version_is_refused(carried_out: SweepFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eigentrail.sweeps.folder.VERSION", "99")
    with pytest.raises(RunError, match="and this is 99"):
        SweepFolder.open(carried_out.path)


@pytest.mark.parametrize("name", sweep_names())
def test_the_sweeps_that_come_along_can_be_planned(name: str) -> None:
    planned = plan(name)
    assert planned.spec.name == name and about(name).endswith((".", "?"))
    if "steps" in planned.spec.settings:
        pytest.skip("it counts the samples of a data set that may not be here")
    points = points_of(planned.spec)
    assert len(points) == planned.spec.runs and len({one.key for one in points}) == len(points)
    recorded(planned.spec.record)
