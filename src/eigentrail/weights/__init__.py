"""Weights from anywhere: opened lazily, seen as matrices."""

from eigentrail.weights.dequantising import dequantised as dequantised
from eigentrail.weights.editing import EditedTensors as EditedTensors
from eigentrail.weights.factored import FactoredMatrix as FactoredMatrix
from eigentrail.weights.opening import open_store as open_store
from eigentrail.weights.plan import plan_matrices as plan_matrices
from eigentrail.weights.store import ModuleHint as ModuleHint
from eigentrail.weights.store import Skipped as Skipped
from eigentrail.weights.store import TensorEntry as TensorEntry
from eigentrail.weights.store import TensorStore as TensorStore
from eigentrail.weights.view import MatrixSpec as MatrixSpec
from eigentrail.weights.weights import Weights as Weights
from eigentrail.weights.weights import open_weights as open_weights
from eigentrail.weights.writing import Written as Written
from eigentrail.weights.writing import write_weights as write_weights
