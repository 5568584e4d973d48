"""Weights from anywhere: opened lazily, seen as matrices."""

from eigentrail.weights.opening import open_store as open_store
from eigentrail.weights.store import ModuleHint as ModuleHint
from eigentrail.weights.store import Skipped as Skipped
from eigentrail.weights.store import TensorEntry as TensorEntry
from eigentrail.weights.store import TensorStore as TensorStore
