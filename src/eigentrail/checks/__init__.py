"""What can be wrong with a checkpoint, judged without data. One file is one check.

Each layer is judged beside its siblings, the layers of the same role in the same network, and corrected for how many
layers were asked. A check yields findings; those that need a look are the alerts of `inspect`. A file here, or an
entry point of the group `eigentrail.checks` in another package, is all that a check takes.
"""

from eigentrail.checks.framework.contract import Check as Check
from eigentrail.checks.framework.contract import Checkpoint as Checkpoint
from eigentrail.checks.framework.contract import Layer as Layer
from eigentrail.checks.framework.contract import check as check
from eigentrail.checks.framework.judging import judge as judge
from eigentrail.checks.framework.registry import checks as checks
