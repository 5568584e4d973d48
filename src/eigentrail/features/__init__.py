"""Features of layers with class labels: neural collapse, and how separation progresses with depth."""

from eigentrail.features.class_moments import ClassMoments as ClassMoments
from eigentrail.features.collapse import Collapse as Collapse
from eigentrail.features.collapse import collapse_of as collapse_of
from eigentrail.features.features import Features as Features
from eigentrail.features.head import Head as Head
from eigentrail.features.over_steps import collapse_over_steps as collapse_over_steps
from eigentrail.features.separation import Fit as Fit
from eigentrail.features.separation import Separation as Separation
from eigentrail.features.separation import fit_law as fit_law
from eigentrail.features.within import WithinClass as WithinClass
