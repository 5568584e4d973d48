"""Grids of trainings: from a short file to a table and to what each axis changes, on one machine or on a cluster."""

from eigentrail.sweeps.driving import SweepPlan as SweepPlan
from eigentrail.sweeps.driving import carry_out as carry_out
from eigentrail.sweeps.driving import plan as plan
from eigentrail.sweeps.folder import SweepFolder as SweepFolder
from eigentrail.sweeps.spec import SweepSpec as SweepSpec
