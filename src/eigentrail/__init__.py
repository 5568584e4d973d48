"""The structure that training puts into neural-network weights: observe, explain, exploit.

import eigentrail as et

found = et.inspect("model.safetensors")   # a diagnosis per weight matrix, without data
found.table, found.spectra["fc.weight"], found.report("report.html")
et.compare("base.safetensors", "tuned.safetensors")
et.spectra.Spectrum.from_matrix(w).phase()
with et.Recorder(model, "runs/first") as recorder:   # around any training loop; recorder.step() in it
...
et.open_run("runs/first")["fc.weight"]               # the layer over steps
et.train("mlp50", "digits", "runs/digits")           # a training loop that records, for the sources' networks
et.analyze("runs/digits").report()                   # spikes, bulk, ranks and phases over steps, and their page
et.study("mlp50")                                    # all of it, from the first step to the page
"""

from __future__ import annotations

from importlib import import_module as _import_module
from importlib.metadata import version as _version
from operator import attrgetter as _attrgetter
from typing import TYPE_CHECKING
from typing import Any as _Any

if TYPE_CHECKING:
    from eigentrail import analyses as analyses
    from eigentrail import bases as bases
    from eigentrail import chance as chance
    from eigentrail import curvature as curvature
    from eigentrail import data as data
    from eigentrail import errors as errors
    from eigentrail import evaluation as evaluation
    from eigentrail import features as features
    from eigentrail import findings as findings
    from eigentrail import interventions as interventions
    from eigentrail import metrics as metrics
    from eigentrail import networks as networks
    from eigentrail import parsimony as parsimony
    from eigentrail import recipes as recipes
    from eigentrail import runs as runs
    from eigentrail import spectra as spectra
    from eigentrail import training as training
    from eigentrail import trajectories as trajectories
    from eigentrail import weights as weights
    from eigentrail.api.analysis import RunAnalysis as RunAnalysis
    from eigentrail.api.analysis import analyze as analyze
    from eigentrail.api.comparison import Comparison as Comparison
    from eigentrail.api.comparison import compare as compare
    from eigentrail.api.inspection import Inspection as Inspection
    from eigentrail.api.inspection import inspect as inspect
    from eigentrail.api.run_report import report_runs as report_runs
    from eigentrail.api.study import StudyResult as StudyResult
    from eigentrail.api.study import study as study
    from eigentrail.api.sweep import open_sweep as open_sweep
    from eigentrail.api.sweep import sweep as sweep
    from eigentrail.curvature import Curvature as Curvature
    from eigentrail.errors import EigentrailError as EigentrailError
    from eigentrail.evaluation import landscape as landscape
    from eigentrail.features import Features as Features
    from eigentrail.parsimony import complete as complete
    from eigentrail.runs import Monitor as Monitor
    from eigentrail.runs import Recorder as Recorder
    from eigentrail.runs import Run as Run
    from eigentrail.runs import open_run as open_run
    from eigentrail.spectra import Spectrum as Spectrum
    from eigentrail.training import Ensemble as Ensemble
    from eigentrail.training import TrainingSettings as TrainingSettings
    from eigentrail.training import open_ensemble as open_ensemble
    from eigentrail.training import train as train
    from eigentrail.weights import Weights as Weights
    from eigentrail.weights import open_weights as open_weights

__version__ = _version("eigentrail")

# Nothing is imported before it is asked for: torch alone takes more than a second.
_ROOMS = (
    "analyses",
    "bases",
    "chance",
    "curvature",
    "data",
    "errors",
    "evaluation",
    "features",
    "findings",
    "interventions",
    "metrics",
    "networks",
    "parsimony",
    "runs",
    "spectra",
    "recipes",
    "sweeps",
    "training",
    "trajectories",
    "weights",
)
_NAMES = {
    "Comparison": "eigentrail.api.comparison",
    "Curvature": "eigentrail.curvature",
    "EigentrailError": "eigentrail.errors",
    "Ensemble": "eigentrail.training",
    "Features": "eigentrail.features",
    "Inspection": "eigentrail.api.inspection",
    "Monitor": "eigentrail.runs",
    "Recorder": "eigentrail.runs",
    "Run": "eigentrail.runs",
    "RunAnalysis": "eigentrail.api.analysis",
    "Spectrum": "eigentrail.spectra",
    "StudyResult": "eigentrail.api.study",
    "TrainingSettings": "eigentrail.training",
    "Weights": "eigentrail.weights",
    "analyze": "eigentrail.api.analysis",
    "compare": "eigentrail.api.comparison",
    "complete": "eigentrail.parsimony",
    "inspect": "eigentrail.api.inspection",
    "landscape": "eigentrail.evaluation",
    "open_ensemble": "eigentrail.training",
    "open_run": "eigentrail.runs",
    "open_weights": "eigentrail.weights",
    "report_runs": "eigentrail.api.run_report",
    "study": "eigentrail.api.study",
    "sweep": "eigentrail.api.sweep",
    "open_sweep": "eigentrail.api.sweep",
    "train": "eigentrail.training",
}
#: Names that work besides, and what they stand for; `dir` does not list them.
_ALSO = {
    "Basis": ("eigentrail.bases", "Basis"),
    "list_studies": ("eigentrail.recipes", "names"),
    "spectrum": ("eigentrail.spectra", "Spectrum.from_matrix"),
    "version": ("eigentrail", "__version__"),
}
#: Names that people guess, and what they are called.
_CALLED = {
    "load": "open_run, open_weights",
    "open": "open_run, open_weights",
    "studies": "recipes",
    "report": "report_runs, or analyze(run).report()",
    "pca": "trajectories.pca(run[layer], k), or analyze(run, 'pca')",
    "drift": "trajectories.drift(run[layer]), or analyze(run, 'drift')",
    "geodesic": "trajectories.geodesic(run[layer]), or analyze(run, 'geodesic')",
    "Trajectory": "open_run(path)[layer]",
    "help": "help(eigentrail), or `eigentrail --help`",
}


def __getattr__(name: str) -> _Any:
    if name in _ROOMS:
        return _import_module(f"eigentrail.{name}")
    if name in _NAMES:
        found = getattr(_import_module(_NAMES[name]), name)
        globals()[name] = found
        return found
    if name in _ALSO:
        room, path = _ALSO[name]
        return _attrgetter(path)(_import_module(room))
    hint = f"; there is {_CALLED[name]}" if name in _CALLED else ""
    raise AttributeError(f"eigentrail has no {name}{hint}")


def __dir__() -> list[str]:
    return sorted([*_NAMES, *_ROOMS, "__version__"])
