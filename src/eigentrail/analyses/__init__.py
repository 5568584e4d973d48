"""One file = one analysis of a run: what is asked, which numbers answer it, how they are drawn.

The files of this package are found by their place; `eigentrail.analyses.framework` makes command line, cache, table,
findings, page and JSON of them. Other packages add theirs through the entry points `eigentrail.analyses`.
"""

from eigentrail.analyses.framework.contract import Analysis as Analysis
from eigentrail.analyses.framework.contract import Figure as Figure
from eigentrail.analyses.framework.contract import Needs as Needs
from eigentrail.analyses.framework.contract import Overview as Overview
from eigentrail.analyses.framework.contract import Quantity as Quantity
from eigentrail.analyses.framework.contract import analysis as analysis
from eigentrail.analyses.framework.rows import Row as Row
from eigentrail.analyses.framework.runner import AnalysisResult as AnalysisResult
from eigentrail.analyses.framework.runner import Context as Context
from eigentrail.analyses.framework.runner import run_analysis as run_analysis
from eigentrail.analyses.framework.subjects import Probed as Probed
from eigentrail.analyses.framework.subjects import Size as Size
from eigentrail.analyses.framework.subjects import Trajectory as Trajectory
