"""One file = one experiment of a source: network, data, settings, what is analysed, questions and claims.

The files of this package are found by their place; each has one `Recipe`. Other packages add theirs through the entry
points `eigentrail.recipes`. Listing them needs no torch: what carries one out is imported when it is asked for.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

from eigentrail.recipes.framework.recipe import Recipe as Recipe
from eigentrail.recipes.framework.recipe import recipe as recipe
from eigentrail.recipes.framework.registry import find_recipe as find_recipe
from eigentrail.recipes.framework.registry import names as names
from eigentrail.recipes.framework.registry import recipes as recipes

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy as ClaimStudy
    from eigentrail.recipes.framework.experiment import Experiment as Experiment
    from eigentrail.recipes.framework.experiment import Trained as Trained
    from eigentrail.recipes.framework.experiment import run_trials as run_trials
    from eigentrail.recipes.framework.measurement import Measurement as Measurement
    from eigentrail.recipes.framework.observation import Observation as Observation
    from eigentrail.recipes.framework.run_claim import RunClaim as RunClaim
    from eigentrail.recipes.framework.running import run_study as run_study
    from eigentrail.recipes.framework.study import Study as Study
    from eigentrail.recipes.framework.swept import SweptStudy as SweptStudy
    from eigentrail.recipes.framework.training import train_recipe as train_recipe
    from eigentrail.recipes.framework.trial import Trial as Trial

_LATER = {
    "ClaimStudy": "claim_study",
    "Experiment": "experiment",
    "Measurement": "measurement",
    "Observation": "observation",
    "RunClaim": "run_claim",
    "Study": "study",
    "SweptStudy": "swept",
    "Trained": "experiment",
    "Trial": "trial",
    "run_study": "running",
    "run_trials": "experiment",
    "train_recipe": "training",
}


def __getattr__(name: str) -> _Any:
    if name in _LATER:
        return getattr(_import_module(f"eigentrail.recipes.framework.{_LATER[name]}"), name)
    raise AttributeError(f"eigentrail.recipes has no {name}")


def __dir__() -> list[str]:
    return sorted([*_LATER, "Recipe", "find_recipe", "names", "recipe", "recipes"])
