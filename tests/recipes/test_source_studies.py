"""The studies of the sources' larger networks, on the digits."""

from __future__ import annotations

from pathlib import Path

import pytest

from eigentrail.cli.app import run as main
from eigentrail.recipes import Study, recipes, run_study
from eigentrail.recipes.framework.experiment import run_trials

STUDIES = recipes()

# The digits are small enough as they are.
AS_THEY_ARE = ("mlp50", "hessian")


@pytest.mark.parametrize(
    "name", [n for n, one in STUDIES.items() if isinstance(one.plan, Study) and not n.startswith(AS_THEY_ARE)]
)
def test_each_has_a_size_for_two_cores_beside_the_sources(name: str) -> None:
    found = recipes()[name]
    plan = found.plan
    full, small = plan.settings("cifar10", full=True), plan.settings("cifar10")
    assert full == plan.preset.settings
    assert small.epochs < full.epochs
    assert "full:" in found.minutes
    assert "full:" in found.disk
    small_choices, full_choices = (plan.choices("cifar10", "cifar10", size) for size in (False, True))
    assert len(small_choices) == len(full_choices) + 1


def test_the_sources_are_all_there() -> None:
    sources = {found.source.split()[0] for found in STUDIES.values()}
    assert sources == {"S0", "S1", "S2", "S3", "S4", "Radford"}
    known = {
        "lenet",
        "mini-alexnet-s0",
        "mini-alexnet-s1",
        "resnet20-projection",
        "mlp50",
        "mlp256",
        "batch-size",
    }
    assert known <= set(STUDIES)


def test_the_swap_records_as_its_preset_does_and_looks_at_every_fourth_step(tmp_path: Path) -> None:
    found = recipes()["class-swap"]
    for full in (True, False):
        plan = found.plan
        assert {trial.layers for trial in plan.trials(plan.settings("cifar10", full), full)} == {None}
    _, trained = run_trials(
        found.changed(seeds=(1, 1)), tmp_path / "runs", "digits", epochs=2, progress=False
    )
    run = trained[0].runs[0]
    steps = run[found.plan.studied].step.values.tolist()
    assert steps == [*range(int(run.steps[-1]) + 1)]
    assert found.plan._looked_at(run[found.plan.studied]).step.values.tolist() == [*steps[:-1:4], steps[-1]]


def test_the_full_size_is_the_sources_network_and_layers(tmp_path: Path) -> None:
    # On the digits, so that an epoch of the source's network takes a second.
    run = run_study(recipes()["lenet"], tmp_path / "full", "digits", epochs=1, full=True, progress=False)
    small = run_study(recipes()["lenet"], tmp_path / "small", "digits", epochs=1, progress=False)
    assert run.manifest.data["train_samples"] == small.manifest.data["train_samples"] == 1440
    assert not any(text.startswith("for two cores") for text in run.manifest.notes["chosen"])
    assert any(text.startswith("for two cores") for text in small.manifest.notes["chosen"])
    assert len(run["conv1.weight"].step) == 24


def test_the_list_tells_of_both_sizes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["study", "--list"]) == 0
    said = capsys.readouterr().out
    for name in STUDIES:
        assert name in said
    assert "full:" in said
