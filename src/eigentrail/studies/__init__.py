"""Named experiments, and the analyses that every run can be given."""

from eigentrail.studies.catalogue import STUDIES as STUDIES
from eigentrail.studies.catalogue import find_study as find_study
from eigentrail.studies.claims import Claim as Claim
from eigentrail.studies.claims import Measured as Measured
from eigentrail.studies.experiment import Experiment as Experiment
from eigentrail.studies.experiment import Trained as Trained
from eigentrail.studies.experiment import Trial as Trial
from eigentrail.studies.experiment import run_trials as run_trials
from eigentrail.studies.running import run_study as run_study
from eigentrail.studies.study import Study as Study
from eigentrail.studies.sweep import Sweep as Sweep
