"""What recorded weights do over the steps of a training."""

from eigentrail.trajectories.average_rank import average_rank as average_rank
from eigentrail.trajectories.bending import Bend as Bend
from eigentrail.trajectories.bending import bend as bend
from eigentrail.trajectories.crossing_null import CrossingChance as CrossingChance
from eigentrail.trajectories.crossings import Crossings as Crossings
from eigentrail.trajectories.crossings import crossings as crossings
from eigentrail.trajectories.drift import Drift as Drift
from eigentrail.trajectories.drift import drift as drift
from eigentrail.trajectories.drift import variance_growth as variance_growth
from eigentrail.trajectories.evolution import evolution as evolution
from eigentrail.trajectories.geodesic import Geodesic as Geodesic
from eigentrail.trajectories.geodesic import geodesic as geodesic
from eigentrail.trajectories.geodesic import geodesics as geodesics
from eigentrail.trajectories.geodesic import score_by_start as score_by_start
from eigentrail.trajectories.joined import joined as joined
from eigentrail.trajectories.jumps import Jumps as Jumps
from eigentrail.trajectories.jumps import jumps as jumps
from eigentrail.trajectories.pca import PrincipalComponents as PrincipalComponents
from eigentrail.trajectories.pca import pca as pca
from eigentrail.trajectories.quadratic import QuadraticModel as QuadraticModel
from eigentrail.trajectories.quadratic import quadratic_model as quadratic_model
from eigentrail.trajectories.segments import Segments as Segments
from eigentrail.trajectories.segments import segments as segments
from eigentrail.trajectories.subspaces import subspaces as subspaces
from eigentrail.trajectories.summary import evolution_table as evolution_table
