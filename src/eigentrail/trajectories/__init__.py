"""What recorded weights do over the steps of a training."""

from eigentrail.trajectories.evolution import evolution as evolution
from eigentrail.trajectories.summary import evolution_table as evolution_table
