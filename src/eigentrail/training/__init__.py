"""Training: a small loop that records, settings, and the sources' trainings by name."""

from eigentrail.training import transfer
from eigentrail.training.accuracy import Score, score
from eigentrail.training.divergence import DivergenceError
from eigentrail.training.ensemble import train_many
from eigentrail.training.ensemble_result import Ensemble, open_ensemble
from eigentrail.training.entry import train
from eigentrail.training.phase import ClassPhase
from eigentrail.training.presets import PRESETS, Preset, names, preset, train_preset
from eigentrail.training.schedule import Constant, Cosine, Exponential, Schedule, Step
from eigentrail.training.settings import TrainingSettings

__all__ = [
    "PRESETS",
    "ClassPhase",
    "Constant",
    "Cosine",
    "DivergenceError",
    "Ensemble",
    "Exponential",
    "Preset",
    "Schedule",
    "Score",
    "Step",
    "TrainingSettings",
    "names",
    "open_ensemble",
    "preset",
    "score",
    "train",
    "train_many",
    "train_preset",
    "transfer",
]
