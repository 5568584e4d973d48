"""What recorded weights do over the steps of a training."""

from eigentrail.trajectories.evolution import evolution as evolution
from eigentrail.trajectories.joined import joined as joined
from eigentrail.trajectories.pca import PrincipalComponents as PrincipalComponents
from eigentrail.trajectories.pca import pca as pca
from eigentrail.trajectories.summary import evolution_table as evolution_table
