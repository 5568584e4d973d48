"""What changed between two checkpoints: findings from the rows of a comparison."""

from eigentrail.checks.changes.judging import judge_changes
from eigentrail.checks.changes.moved import has_moved

__all__ = ["has_moved", "judge_changes"]
