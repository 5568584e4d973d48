"""Training: it learns, records, repeats itself bit for bit, and says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eigentrail import networks
from eigentrail.data import Data
from eigentrail.errors import DataError, EigentrailError, OptionError, RunError
from eigentrail.runs import Run, open_run
from eigentrail.training import DivergenceError, TrainingSettings, train

EPOCH_METRICS = {"train_loss", "train_accuracy", "test_loss", "test_accuracy", "lr"}


def same(a: Run, b: Run) -> None:
    assert a.steps.tolist() == b.steps.tolist()
    assert set(a) == set(b)
    for layer in a:
        np.testing.assert_array_equal(a[layer].values, b[layer].values)
    assert set(a.metrics) == set(b.metrics)
    for name in a.metrics:
        np.testing.assert_array_equal(a.metrics[name].values, b.metrics[name].values)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mlp50_learns_the_digits(tmp_path: Path, digits: Data, seed: int) -> None:
    run = train("mlp50", digits, tmp_path / "run", lr=0.1, epochs=15, seed=seed, layers="fc2")
    accuracy = run.metrics.test_accuracy.dropna("step").values
    assert accuracy[0] < 0.3
    assert accuracy[-1] > 0.95
    assert run.metrics.train_loss.dropna("step").values[-1] < 0.1


def test_what_the_run_holds(tmp_path: Path, few: Data) -> None:
    run = train("mlp50", few, tmp_path / "run", batch_size=20, epochs=3, seed=4, schedule="cosine")
    assert run.status == "finished"
    assert list(run) == [f"fc{i}.{kind}" for i in (1, 2, 3) for kind in ("weight", "bias")]
    assert run.steps.tolist() == list(range(34))
    metrics = run.metrics
    assert set(metrics) == {"loss", *EPOCH_METRICS}
    assert np.isnan(metrics.loss.values[0])
    assert np.isfinite(metrics.loss.values[1:]).all()
    for name in EPOCH_METRICS:
        assert metrics.step.values[np.isfinite(metrics[name].values)].tolist() == [0, 11, 22, 33]
    np.testing.assert_allclose(metrics.epoch.values, np.arange(34) / 11)
    np.testing.assert_allclose(metrics.lr.dropna("step").values, [0.01, 0.01, 0.0075, 0.0025])
    initial = networks.build("mlp50", (1, 8, 8), 10, seed=4)
    assert np.array_equal(run["fc1.weight"].sel(step=0).values, initial.fc1.weight.detach().numpy())
    assert run.manifest.seed == 4
    assert run.manifest.data["fingerprint"] == few.fingerprint
    assert TrainingSettings(**run.manifest.notes["training"]).epochs == 3


def test_metrics_are_those_of_the_recorded_weights(tmp_path: Path, few: Data) -> None:
    run = train("mlp50", few, tmp_path / "run", lr=0.05, batch_size=20, epochs=2)
    for step in (0, 11, 22):
        model = run.model(step).double()
        at = run.metrics.sel(step=step)
        for part, inputs, targets in (
            ("train", few.train_inputs, few.train_targets),
            ("test", few.test_inputs, few.test_targets),
        ):
            logits = model(inputs.double()).detach()
            loss = nn.functional.cross_entropy(logits, targets)
            assert float(at[f"{part}_loss"]) == pytest.approx(float(loss), rel=1e-5)
            assert float(at[f"{part}_accuracy"]) == float((logits.argmax(1) == targets).double().mean())


def test_the_same_seed_gives_the_same_bits_and_disturbs_nobody(tmp_path: Path, few: Data) -> None:
    network = "training_networks:Chancy"
    torch.manual_seed(5)
    first = train(network, few, tmp_path / "a", batch_size=20, epochs=3, momentum=0.9)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), drawn)
    torch.manual_seed(99)
    again = train(network, few, tmp_path / "b", batch_size=20, epochs=3, momentum=0.9)
    same(first, again)
    other = train(network, few, tmp_path / "c", batch_size=20, epochs=3, momentum=0.9, seed=1)
    assert not np.array_equal(first["inner.weight"].values[-1], other["inner.weight"].values[-1])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_bits_do_not_depend_on_the_callers_threads(tmp_path: Path, few: Data, threads: int) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3 - threads)
        first = train("mlp256", few, tmp_path / "a", batch_size=100, epochs=1, threads=threads)
        assert torch.get_num_threads() == 3 - threads
        torch.set_num_threads(threads)
        same(first, train("mlp256", few, tmp_path / "b", batch_size=100, epochs=1, threads=threads))
    finally:
        torch.set_num_threads(before)


def test_dropout_draws_and_batch_norm_moves_only_in_training(tmp_path: Path, few: Data) -> None:
    run = train("training_networks:Chancy", few, tmp_path / "run", batch_size=20, epochs=2)
    assert run.checkpoints == (0, 11, 22)
    from safetensors.torch import load_file

    kept = [load_file(tmp_path / "run" / "checkpoints" / f"step_{step:010d}.safetensors") for step in (0, 22)]
    # Evaluations leave the running statistics alone: none before the first step, one update a step after it.
    assert not kept[0]["norm.running_mean"].any()
    assert int(kept[1]["norm.num_batches_tracked"]) == 22


def test_double_precision_begins_alike_and_stays_near(tmp_path: Path, few: Data) -> None:
    single, double = (
        train("mlp50", few, tmp_path / dtype, batch_size=20, epochs=2, lr=0.05, dtype=dtype)
        for dtype in ("float32", "float64")
    )
    assert double["fc1.weight"].dtype == np.float64
    np.testing.assert_array_equal(
        single["fc1.weight"].values[0].astype(np.float64), double["fc1.weight"].values[0]
    )
    np.testing.assert_allclose(single["fc1.weight"].values[-1], double["fc1.weight"].values[-1], atol=1e-5)


def test_what_is_recorded_does_not_change_the_training(tmp_path: Path, few: Data) -> None:
    whole = train("mlp50", few, tmp_path / "a", batch_size=20, epochs=2)
    part = train("mlp50", few, tmp_path / "b", batch_size=20, epochs=2, layers={"fc2.weight": 1, "*.bias": 5})
    np.testing.assert_array_equal(whole["fc2.weight"].values, part["fc2.weight"].values)
    assert part["fc3.bias"].step.values.tolist() == [0, 5, 10, 15, 20, 22]
    assert "fc1.weight" not in part


def test_own_network_object_is_trained_in_place(tmp_path: Path, few: Data) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    start = model[1].weight.detach().clone()
    run = train(model, few, tmp_path / "run", batch_size=20, epochs=1)
    np.testing.assert_array_equal(run["1.weight"].values[0], start.numpy())
    np.testing.assert_array_equal(run["1.weight"].values[-1], model[1].weight.detach().numpy())
    assert model.training


def test_without_test_samples(tmp_path: Path, line: tuple[torch.Tensor, torch.Tensor]) -> None:
    run = train(nn.Linear(3, 4), line, tmp_path / "run", epochs=1)
    assert set(run.metrics) == {"loss", "train_loss", "train_accuracy", "lr"}


def test_progress_goes_to_stderr_and_only_if_asked(
    tmp_path: Path, few: Data, capsys: pytest.CaptureFixture[str]
) -> None:
    train("mlp50", few, tmp_path / "a", batch_size=20, epochs=2, progress=True)
    told = capsys.readouterr()
    assert told.out == ""
    assert "training [1/2] epoch 1, training loss" in told.err
    assert "training [2/2] epoch 2, training loss" in told.err
    train("mlp50", few, tmp_path / "b", batch_size=20, epochs=2)
    assert "epoch" not in capsys.readouterr().err


@pytest.mark.parametrize("lr", [1e4, 1e30])
def test_divergence_is_said_at_its_step_and_the_run_is_kept(tmp_path: Path, few: Data, lr: float) -> None:
    with pytest.raises(
        DivergenceError, match=r"the loss became (nan|inf) at step \d+ .* take a smaller"
    ) as caught:
        train("mlp50", few, tmp_path / "run", lr=lr, batch_size=20, epochs=40)
    assert isinstance(caught.value, RunError)
    run = open_run(tmp_path / "run")
    assert run.status == "interrupted"
    assert "diverged" in run.manifest.error
    # All steps that were made are there, and the loss of each is a number.
    assert run.steps[-1] >= caught.value.step - 1
    assert np.isfinite(run.metrics.loss.values[1:]).all()


BAD_SETTINGS = {
    "lr": ([0, -1, float("nan"), float("inf"), "fast"], "lr="),
    "momentum": ([1, -0.1, 2], "momentum="),
    "weight_decay": ([-1e-4], "weight_decay="),
    "batch_size": ([0, -3, 2.5], "batch_size="),
    "epochs": ([0, -1], "epochs="),
    "seed": ([-1, "x"], "seed="),
    "dtype": (["float16", "double"], "dtype='.*' cannot be used: input should be 'float32' or 'float64'"),
    "threads": ([0], "threads="),
    "optimizer": (["adam"], "optimizer='adam' cannot be used: input should be 'sgd'"),
    "loss": (["mse"], "loss='mse'"),
    "schedule": (["linear", "step", "exponential", {"kind": "step", "at": [0]}, 3], "schedule"),
    "epoch": ([3], 'there is no training setting "epoch": did you mean epochs'),
    "batchSize": ([3], 'there is no training setting "batchSize": did you mean batch_size'),
    "learning_rate": ([0.1], 'there is no training setting "learning_rate": did you mean lr\\?$'),
}


@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n, (values, _) in BAD_SETTINGS.items() for v in values]
)
def test_bad_settings_are_one_clear_sentence(tmp_path: Path, few: Data, name: str, value: object) -> None:
    with pytest.raises(OptionError, match=BAD_SETTINGS[name][1]) as caught:
        train("mlp50", few, tmp_path / "run", **{name: value})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("network", "error", "said"),
    [
        ("mlp51", OptionError, "did you mean mlp50"),
        (
            "training_networks:wants_colour",
            DataError,
            r"does not take the samples of few digits, .*\(1, 8, 8\)",
        ),
        (
            "training_networks:three_classes",
            DataError,
            r"gives \(2, 3\) for 2 samples of few digits, which has 10",
        ),
        ("training_networks:Stack", DataError, "gives dict for 2 samples"),
        ("training_networks:frozen", OptionError, "no trainable parameter"),
        (7, OptionError, "network is a int"),
    ],
)
def test_networks_that_do_not_fit(
    tmp_path: Path, few: Data, network: object, error: type[EigentrailError], said: str
) -> None:
    with pytest.raises(error, match=said) as caught:
        train(network, few, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_no_whole_batch(tmp_path: Path, few: Data) -> None:
    with pytest.raises(OptionError, match="batch_size=211 with drop_last leaves no batch of 210 samples"):
        train("mlp50", few, tmp_path / "run", batch_size=211, drop_last=True)


def test_a_run_is_not_overwritten_unasked(tmp_path: Path, few: Data) -> None:
    train("mlp50", few, tmp_path / "run", batch_size=20, epochs=1)
    with pytest.raises(RunError, match=r"resume=True .* overwrite=True"):
        train("mlp50", few, tmp_path / "run", batch_size=20, epochs=2)
    assert len(train("mlp50", few, tmp_path / "run", batch_size=20, epochs=2, overwrite=True).steps) == 23
    with pytest.raises(OptionError, match="choose one"):
        train("mlp50", few, tmp_path / "run", overwrite=True, resume=True)


def test_settings_round_trip_through_json() -> None:
    settings = TrainingSettings(schedule={"kind": "step", "at": [5, 2]}, weight_decay=1e-3)
    assert TrainingSettings(**json.loads(settings.model_dump_json())) == settings
    assert settings.schedule.at == (2, 5)
