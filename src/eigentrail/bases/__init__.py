"""Sets of unit directions in a parameter space, each with a value: arrays in, arrays out.

A basis is dense, [k, n], or made of rank-one matrices u v^T that are kept as u and v and never flattened. Overlaps,
coordinates, partial sums, participation and concentration are the same few verbs on either kind.
"""

from eigentrail.bases.basis import Basis as Basis
from eigentrail.bases.factored import FactoredBasis as FactoredBasis
from eigentrail.bases.overlaps import overlap as overlap
from eigentrail.bases.random_directions import random as random
from eigentrail.bases.singular_matrices import singular as singular
