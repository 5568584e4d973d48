"""The sources' trainings by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from eigentrail import networks, training
from eigentrail.errors import DataError, OptionError
from eigentrail.training import Constant, Exponential


def test_the_thesis_settings() -> None:
    mlp50, mlp256, decay = (training.preset(name) for name in ("mlp50", "mlp256", "mlp256-decay"))
    s = mlp50.settings
    assert (s.lr, s.momentum, s.weight_decay, s.batch_size, s.epochs) == (0.01, 0, 0, 32, 200)
    assert s.schedule == Constant()
    assert mlp50.source_data == "mnist"
    s = mlp256.settings
    assert (s.lr, s.momentum, s.weight_decay, s.batch_size, s.epochs) == (0.01, 0, 0, 32, 200)
    assert s.schedule == Exponential(gamma=0.99)
    # lambda = 5e-4 in the source, twice that in torch.
    assert decay.settings == s.changed(weight_decay=1e-3)
    assert decay.network == "mlp256"
    assert any("2 lambda" in choice for choice in decay.chosen)


@pytest.mark.parametrize("name", training.names())
def test_every_preset_is_whole(name: str) -> None:
    preset = training.preset(name)
    assert preset.name == name
    assert preset.network in networks.names()
    assert preset.source
    assert preset.chosen
    assert training.Preset.model_validate_json(preset.model_dump_json()) == preset


def test_names_are_found_in_any_spelling_and_near_ones_offered() -> None:
    assert training.preset("MLP 256").name == "mlp256"
    with pytest.raises(OptionError, match='no preset "mlp-255": did you mean mlp256'):
        training.preset("mlp-255")


def test_the_main_job_records_every_step_of_the_digits(tmp_path: Path) -> None:
    run = training.train_preset("mlp50", tmp_path / "run", epochs=2, seed=3)
    assert len(run.steps) == 91
    assert all(len(run[layer].step) == 91 for layer in run)
    assert run.manifest.seed == 3
    assert run.manifest.notes["preset"] == "mlp50"
    assert run.manifest.notes["source"] == "S1 5.2"
    assert run.manifest.data["name"] == "digits"
    # None leaves a setting as the preset has it.
    again = training.train_preset("mlp50", tmp_path / "run", epochs=2, seed=3, lr=None, resume=True)
    assert again.manifest.run_id == run.manifest.run_id


def test_other_data_and_layers(tmp_path: Path) -> None:
    run = training.train_preset(
        "mlp256", tmp_path / "run", "digits", epochs=1, layers=["fc3.weight"], every=9
    )
    assert list(run) == ["fc3.weight"]
    assert run["fc3.weight"].step.values.tolist() == [0, 9, 18, 27, 36, 45]


def test_absent_data_is_said_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EIGENTRAIL_DATA", raising=False)
    with pytest.raises(DataError, match="cifar10 was not found"):
        training.train_preset("mlp256", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_mlp50_on_the_real_mnist(tmp_path: Path, data_root: Path) -> None:
    run = training.train_preset("mlp50", tmp_path / "run", data_root / "mnist", epochs=1, lr=0.05)
    assert run.metrics.test_accuracy.dropna("step").values[-1] > 0.94
    assert len(run["fc2.weight"].step) == 1876
    assert run["fc1.weight"].step.values.tolist() == list(range(0, 1876, 50))


@pytest.mark.slow
def test_mlp256_on_the_real_cifar10(tmp_path: Path, data_root: Path) -> None:
    run = training.train_preset("mlp256", tmp_path / "run", data_root, epochs=3)
    assert run.metrics.test_accuracy.dropna("step").values[-1] > 0.42
    assert len(run["fc3.weight"].step) == 3 * 1563 + 1
