"""Trainings that belong to studies of several trainings, with the sources' networks."""

from __future__ import annotations

from eigentrail.training.preset import Preset, TwoCores
from eigentrail.training.sources import PRESETS as _SOURCES

STUDY_PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        _SOURCES["mlp256"].model_copy(
            update={
                "name": "drift",
                "title": "MLP 256, trained to its end and then watched",
                "data": "digits",
                "on": {},
                "two_cores": TwoCores(
                    why="a larger rate, so that the training set is learned in so few steps",
                    train_samples=4000,
                    test_samples=1000,
                    settings={"lr": 0.05, "epochs": 80},
                ),
            }
        ),
    )
}
