"""Anchors: keep what a first task needs while a second one is learned."""

from eigentrail.interventions.anchors.fisher import FISHERS as FISHERS
from eigentrail.interventions.anchors.fisher import fisher_anchor as fisher_anchor
from eigentrail.interventions.anchors.flatness import flatness as flatness
from eigentrail.interventions.anchors.gradient_memory import gradient_memory as gradient_memory
from eigentrail.interventions.anchors.orthogonal_subspace import SingularSubspaces as SingularSubspaces
from eigentrail.interventions.anchors.orthogonal_subspace import orthogonal_subspace as orthogonal_subspace
from eigentrail.interventions.anchors.protected import Importance as Importance
from eigentrail.interventions.anchors.protected import InputSubspace as InputSubspace
from eigentrail.interventions.anchors.protected import ParameterDirections as ParameterDirections
from eigentrail.interventions.anchors.protected import Protected as Protected
from eigentrail.interventions.anchors.protected import SingularPairs as SingularPairs
from eigentrail.interventions.anchors.quadratic_forgetting import Forgetting as Forgetting
from eigentrail.interventions.anchors.quadratic_forgetting import forgetting as forgetting
from eigentrail.interventions.anchors.spectral_anchor import Anchor as Anchor
from eigentrail.interventions.anchors.spectral_anchor import SpectralAnchor as SpectralAnchor
from eigentrail.interventions.anchors.spectral_anchor import plain_anchor as plain_anchor
from eigentrail.interventions.anchors.synaptic_intelligence import (
    SynapticIntelligence as SynapticIntelligence,
)
