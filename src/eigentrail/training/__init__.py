"""Training: a small loop that records, and its settings. The sources' trainings are in `eigentrail.recipes`."""

from eigentrail.training import transfer
from eigentrail.training.accuracy import Score, score
from eigentrail.training.divergence import DivergenceError
from eigentrail.training.ensemble import train_many
from eigentrail.training.ensemble_result import Ensemble, open_ensemble
from eigentrail.training.entry import train
from eigentrail.training.phase import ClassPhase
from eigentrail.training.preset import Preset
from eigentrail.training.schedule import Constant, Cosine, Exponential, Schedule, Step
from eigentrail.training.settings import TrainingSettings

__all__ = [
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
    "open_ensemble",
    "score",
    "train",
    "train_many",
    "transfer",
]
