"""Who carries units out: processes of this machine, a Ray cluster, or Slurm; the books are the ledger's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from eigentrail.errors import OptionError
from eigentrail.sweeps.engines.contract import Ended, Engine, Task

__all__ = ["Ended", "Engine", "Task", "engine_for", "on_cluster"]
R = TypeVar("R")


def engine_for(cluster: str | None, jobs: int, options: dict[str, object]) -> Engine:
    """Choose the engine.

    Args:
        cluster: None for this machine; "slurm", or "slurm:local" for processes of this machine that submitit starts;
            "auto" for the Ray cluster that this machine belongs to, or a Ray cluster's address.
        jobs: processes on this machine.
        options: parameters for Slurm.

    Returns:
        The engine.

    Raises:
        OptionError: its package is not installed, or the cluster cannot be reached.
    """
    if cluster is None:
        if jobs == 1:
            from eigentrail.sweeps.engines.in_process import InProcess

            return InProcess()
        from eigentrail.sweeps.engines.on_joblib import OnJoblib

        return OnJoblib(jobs)
    if not cluster:
        raise OptionError('cluster is empty: give "auto", the address of a Ray cluster, or "slurm"')
    if cluster == "slurm" or cluster.startswith("slurm:"):
        from eigentrail.sweeps.engines.on_submitit import OnSubmitit

        return OnSubmitit(cluster.partition(":")[2], options)
    from eigentrail.sweeps.engines.on_ray import OnRay

    return OnRay(cluster)


def on_cluster(
    cluster: str, function: Callable[..., R], calls: Sequence[tuple[Any, ...]], logs: Path
) -> Iterator[R]:
    """Call a function many times on a cluster.

    Args:
        cluster: as for `engine_for`, but not None.
        function: it depends on its arguments alone, so that a lost call can be made again.
        calls: the arguments of each call.
        logs: a folder for the logs of Slurm's jobs, which all machines see.

    Yields:
        The results, in the order of the calls.
    """
    engine: Any = engine_for(cluster, 1, {})
    try:
        yield from engine.each(function, calls, logs)
    finally:
        engine.close()
