"""Use the structure: edits of weights, each predicted before it is done and measured after."""

from eigentrail.interventions import anchors as anchors
from eigentrail.interventions import lora as lora
from eigentrail.interventions.anchors import SpectralAnchor as SpectralAnchor
from eigentrail.interventions.contract import Intervention as Intervention
from eigentrail.interventions.contract import intervention as intervention
from eigentrail.interventions.contract import known_interventions as known_interventions
from eigentrail.interventions.covariance import input_covariances as input_covariances
from eigentrail.interventions.denoise import denoise as denoise
from eigentrail.interventions.edit import Edit as Edit
from eigentrail.interventions.edit import edit as edit
from eigentrail.interventions.edited_matrix import EditedMatrix as EditedMatrix
from eigentrail.interventions.factored import load_factored as load_factored
from eigentrail.interventions.james_stein import james_stein as james_stein
from eigentrail.interventions.targets import geodesic_target as geodesic_target
from eigentrail.interventions.targets import leading_target as leading_target
from eigentrail.interventions.targets import random_target as random_target
from eigentrail.interventions.truncate import truncate as truncate
