"""One file = one experiment of a source: network, data, settings, what is analysed, questions and claims.

The files of this package are found by their place; each has a `RECIPE`. Other packages add theirs through the entry
points `eigentrail.recipes`.
"""

from eigentrail.recipes.framework.claim_study import ClaimStudy as ClaimStudy
from eigentrail.recipes.framework.claims import Claim as Claim
from eigentrail.recipes.framework.claims import Measured as Measured
from eigentrail.recipes.framework.experiment import Experiment as Experiment
from eigentrail.recipes.framework.experiment import Trained as Trained
from eigentrail.recipes.framework.experiment import Trial as Trial
from eigentrail.recipes.framework.experiment import run_trials as run_trials
from eigentrail.recipes.framework.registry import find_study as find_study
from eigentrail.recipes.framework.registry import names as names
from eigentrail.recipes.framework.registry import recipes as recipes
from eigentrail.recipes.framework.running import run_study as run_study
from eigentrail.recipes.framework.study import Study as Study
from eigentrail.recipes.framework.sweep import Sweep as Sweep
