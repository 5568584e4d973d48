"""Quantised weights: one table of the layouts, and the weights that come out of their codes."""

from eigentrail.weights.quantised.finding import Unpacked as Unpacked
from eigentrail.weights.quantised.finding import unpack_layouts as unpack_layouts
from eigentrail.weights.quantised.settings import without_quantisation as without_quantisation
