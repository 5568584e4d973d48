"""Units on the nodes of a Ray cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from eigentrail._names import first_line
from eigentrail._progress import Progress
from eigentrail.errors import EigentrailError, OptionError
from eigentrail.sweeps.engines.contract import Ended, Task
from eigentrail.sweeps.work import State, do_unit

# What a worker must share with whoever began the sweep.
# How often Ray repeats a call whose worker is lost.
_AGAIN = 3
R = TypeVar("R")
_VARIABLES = ("EIGENTRAIL_DATA", "PYTHONPATH")


class OnRay:
    """Calls on a Ray cluster, one thread of a node each unless the settings ask for more.

    Args:
        address: "auto" for the cluster that this machine belongs to, "HOST:PORT", or "ray://HOST:PORT".

    Attributes:
        name: what it is called.

    Raises:
        OptionError: Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(self, address: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Ray's own answer to an address where nobody listens is to try for minutes.
        _check_listens(address)
        try:
            import ray
        except ImportError as error:
            raise OptionError('--cluster needs Ray: pip install "eigentrail[cluster]"') from error
        self.name = f"Ray at {address}"
        self._ray = ray
        self._ours = not ray.is_initialized()
        variables = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
        if self._ours:
            try:
                ray.init(
                    address=address,
                    runtime_env={"env_vars": variables | {"OMP_NUM_THREADS": "1"}},
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
            except Exception as error:  # Ray has no base class for what may go wrong here
                raise OptionError(
                    f"the Ray cluster at {address} cannot be reached ({first_line(error)}): start one with "
                    "`ray start --head`, or leave --cluster out"
                ) from error

    def run(self, tasks: Sequence[Task], progress: Progress) -> Iterator[Ended]:
        """Call `do_unit` for each unit, see `Engine`.

        Args:
            tasks: the calls.
            progress: not used: what happens on a node is not seen.

        Yields:
            How each call ended.

        Raises:
            EigentrailError: that of a call.
        """
        del progress
        ray = self._ray
        # Ray would begin a lost call again by itself; the sweep does, which knows what is done.
        remote = ray.remote(max_retries=0)(_do)
        calls = {remote.options(num_cpus=task.threads).remote(task): task.unit for task in tasks}
        try:
            while calls:
                ready, _ = ray.wait(list(calls), num_returns=1)
                for call in ready:
                    unit = calls.pop(call)
                    try:
                        yield Ended(unit, ray.get(call))
                    except ray.exceptions.RayTaskError as error:
                        if isinstance(error.cause, EigentrailError):
                            raise error.cause from error
                        yield Ended(unit, "lost", first_line(error.cause))
                    except ray.exceptions.RayError as error:
                        yield Ended(unit, "lost", f"a worker was lost ({type(error).__name__})")
        finally:
            for call in calls:
                ray.cancel(call, force=True)

    def each(self, function: Callable[..., R], calls: Sequence[tuple[Any, ...]], logs: Path) -> Iterator[R]:
        """Call a function many times; a call whose worker or node is lost is made again.

        Args:
            function: it depends on its arguments alone.
            calls: the arguments of each call; what many calls share is sent once.
            logs: not used.

        Yields:
            The results, in the order of the calls.

        Raises:
            EigentrailError: that of a call, or one that says that workers were lost again and again.
        """
        del logs
        ray = self._ray
        sent: dict[int, Any] = {}
        for one in (value for call in calls for value in call):
            if id(one) not in sent:
                sent[id(one)] = ray.put(one)
        remote = ray.remote(max_retries=_AGAIN)(function)
        made = [remote.remote(*(sent[id(one)] for one in call)) for call in calls]
        try:
            for one in made:
                yield ray.get(one)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, EigentrailError):
                raise error.cause from error
            raise
        except ray.exceptions.RayError as error:
            raise EigentrailError(
                f"a worker was lost {_AGAIN + 1} times ({type(error).__name__}), perhaps for want of memory: the same "
                "call goes on with what is missing where it writes into a folder"
            ) from error
        finally:
            for one in made:
                ray.cancel(one, force=True)

    def close(self) -> None:
        """Leave the cluster, which goes on."""
        if self._ours:
            self._ray.shutdown()


def _do(task: Task) -> State:
    return do_unit(task.path, task.unit, task.measure)


def _check_listens(address: str) -> None:
    import socket

    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdigit():
        raise OptionError(f'--cluster {address}: give "auto", HOST:PORT, ray://HOST:PORT, or "slurm"')
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise OptionError(
            f"the Ray cluster at {address} cannot be reached ({error.strerror or error}): start one with "
            "`ray start --head`, or leave --cluster out"
        ) from error


def nodes(engine: Any) -> int:
    """Count the nodes of an engine's cluster.

    Args:
        engine: an `OnRay`.

    Returns:
        Those that are alive.
    """
    return sum(bool(node["Alive"]) for node in engine._ray.nodes())
