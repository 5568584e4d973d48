"""Trainings that belong to studies of several trainings, with the sources' networks."""

from __future__ import annotations

from eigentrail.runs.schedules import EveryEpochs
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
        _SOURCES["minialexnet"].model_copy(
            update={
                "name": "geodesic",
                "title": "MiniAlexNet for many seeds and several rates, recorded after each epoch",
                "data": "digits",
                "layers": {"fc2.weight": "epoch", "*": EveryEpochs(every=50)},
                "chosen": (
                    *_SOURCES["minialexnet"].chosen,
                    "the source's paths have a point after each epoch, and so have these: sixty trainings recorded as "
                    "`minialexnet` is would take 2 TB (eighteen for two cores 3 GB)",
                ),
                "two_cores": TwoCores(
                    why="eighteen trainings of a perceptron whose FC2 is 256 x 128 take as long as one of MiniAlexNet",
                    network="mlp256",
                    train_samples=2000,
                    test_samples=500,
                    settings={"epochs": 50},
                    layers={"fc2.weight": "epoch", "*": 50},
                ),
            }
        ),
    )
}
