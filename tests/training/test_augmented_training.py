"""Training on changed images: repeatable, resumable, and judged on the images as they are."""

from __future__ import annotations

from pathlib import Path

from eigentrail.data import Augmentation, Data
from eigentrail.training import TrainingSettings, score, train


def test_it_goes_on_to_the_same_bits_and_differs_from_plain_training(few: Data, tmp_path: Path) -> None:
    settings = TrainingSettings(lr=0.1, augmentation=Augmentation(crop=1, rotation="range"))
    train("mlp50", few, tmp_path / "parts", settings, epochs=1)
    parts = train("mlp50", few, tmp_path / "parts", settings, epochs=3, resume=True)
    whole = train("mlp50", few, tmp_path / "whole", settings, epochs=3)
    plain = train(
        "mlp50", few, tmp_path / "plain", settings.model_copy(update={"augmentation": None}), epochs=3
    )
    assert (parts["fc1.weight"].values == whole["fc1.weight"].values).all()
    assert not (plain["fc1.weight"].values == whole["fc1.weight"].values).all()
    last = score(whole.model(int(whole.steps[-1])), few.train_inputs, few.train_targets)
    assert float(whole.metrics.train_accuracy.dropna("step")[-1]) == last.accuracy
