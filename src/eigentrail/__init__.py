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

from importlib.metadata import version as _version

from eigentrail import bases as bases
from eigentrail import curvature as curvature
from eigentrail import data as data
from eigentrail import errors as errors
from eigentrail import evaluation as evaluation
from eigentrail import features as features
from eigentrail import interventions as interventions
from eigentrail import metrics as metrics
from eigentrail import networks as networks
from eigentrail import parsimony as parsimony
from eigentrail import runs as runs
from eigentrail import spectra as spectra
from eigentrail import studies as studies
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
from eigentrail.curvature import Curvature as Curvature
from eigentrail.errors import EigentrailError as EigentrailError
from eigentrail.evaluation import landscape as landscape
from eigentrail.features import Features as Features
from eigentrail.parsimony import complete as complete
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
