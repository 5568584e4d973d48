"""All checks of a checkpoint, and their findings in order."""

from __future__ import annotations

from eigentrail.checks.framework.contract import Checkpoint
from eigentrail.checks.framework.registry import checks
from eigentrail.findings import Finding


def judge(checkpoint: Checkpoint) -> list[Finding]:
    """Ask every check.

    Args:
        checkpoint: the layers, with their rows and spectra.

    Returns:
        What was found: that which needs a look first, by the gravity of its check, then the rest.
    """
    found = [one for asked in checks() for one in asked(checkpoint)]
    return sorted(found, key=lambda one: not one.needs_look)
