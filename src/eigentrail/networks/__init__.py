"""The sources' networks by name, with their initialisations."""

from eigentrail.networks.entry import Entry
from eigentrail.networks.initialization import glorot_normal, glorot_uniform, he_normal
from eigentrail.networks.mlp import MLP
from eigentrail.networks.registry import build, build_known, entries, names, resolve
from eigentrail.networks.spec import NetworkSpec, count_parameters

__all__ = [
    "MLP",
    "Entry",
    "NetworkSpec",
    "build",
    "build_known",
    "count_parameters",
    "entries",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "names",
    "resolve",
]
