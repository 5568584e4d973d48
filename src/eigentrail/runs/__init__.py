"""Recorded trainings: the recorder, what it leaves on disk, and runs opened again."""

from eigentrail.runs.analyses import Analyses as Analyses
from eigentrail.runs.manifest import BuildSpec as BuildSpec
from eigentrail.runs.manifest import Manifest as Manifest
from eigentrail.runs.manifest import Overhead as Overhead
from eigentrail.runs.monitor import Monitor as Monitor
from eigentrail.runs.opening import open_run as open_run
from eigentrail.runs.recorded import RecordedRun as RecordedRun
from eigentrail.runs.recorder import Recorder as Recorder
from eigentrail.runs.run import LayerInfo as LayerInfo
from eigentrail.runs.run import Run as Run
from eigentrail.runs.schedules import Schedule as Schedule
from eigentrail.runs.schedules import epochs as epochs
from eigentrail.runs.schedules import log_spaced as log_spaced
from eigentrail.runs.showing import show_run as show_run
