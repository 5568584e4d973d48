"""Named experiments, and the analyses that every run can be given."""

from eigentrail.studies.analyses import ANALYSES as ANALYSES
from eigentrail.studies.analyses import Analysis as Analysis
from eigentrail.studies.analyses import choose_analyses as choose_analyses
from eigentrail.studies.catalogue import STUDIES as STUDIES
from eigentrail.studies.catalogue import find_study as find_study
from eigentrail.studies.running import run_study as run_study
from eigentrail.studies.study import Study as Study
from eigentrail.studies.sweep import Sweep as Sweep
from eigentrail.studies.sweep import compare_runs as compare_runs
from eigentrail.studies.sweep import run_sweep as run_sweep
