"""The numbers of one weight matrix. One file is one number, or a tight group of them.

A file here, or an entry point of the group `eigentrail.metrics` in another package, is all that a number takes: the
table of `inspect`, JSON, Parquet, `--fail-on`, the columns of `compare` and of an evolution, their keys of stored
results, the explanations on the page and in the docs are derived from it. `docs/metrics.md` shows how to add one.
"""

from eigentrail.metrics.framework.contract import Column as Column
from eigentrail.metrics.framework.contract import DiagnosisOptions as DiagnosisOptions
from eigentrail.metrics.framework.contract import Measured as Measured
from eigentrail.metrics.framework.contract import Metric as Metric
from eigentrail.metrics.framework.contract import metric as metric
from eigentrail.metrics.framework.contract import metric_group as metric_group
from eigentrail.metrics.framework.diagnose import Diagnosis as Diagnosis
from eigentrail.metrics.framework.diagnose import diagnose as diagnose
from eigentrail.metrics.framework.diagnose import diagnose_spectrum as diagnose_spectrum
from eigentrail.metrics.framework.registry import columns as columns
from eigentrail.metrics.framework.registry import metrics as metrics
