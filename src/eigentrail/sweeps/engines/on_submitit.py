"""Units as jobs of Slurm, handed in by submitit; with its local executor, as processes of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from eigentrail._names import first_line
from eigentrail._progress import Progress
from eigentrail.errors import EigentrailError, OptionError
from eigentrail.sweeps.engines.contract import Ended, Task
from eigentrail.sweeps.work import State, do_unit

R = TypeVar("R")
_POLL_SECONDS = 1.0
_LOCAL_POLL_SECONDS = 0.1


class OnSubmitit:
    """Calls as jobs.

    Args:
        kind: "" for Slurm, "local" for processes of this machine.
        options: parameters as submitit takes them, such as `slurm_partition` and `timeout_min`.

    Attributes:
        name: what it is called.

    Raises:
        OptionError: submitit is not installed, or there is no Slurm here.
    """

    def __init__(self, kind: str, options: Mapping[str, Any]) -> None:
        if kind not in {"", "local"}:
            raise OptionError(f'--cluster slurm:{kind} is unknown: give "slurm" or "slurm:local"')
        try:
            import submitit
        except ImportError as error:
            raise OptionError('--cluster slurm needs submitit: pip install "eigentrail[slurm]"') from error
        self.name = f"slurm ({kind})" if kind else "slurm"
        self._kind, self._options, self._submitit = kind or "slurm", dict(options), submitit
        self._jobs: list[Any] = []
        if self._kind == "slurm":
            import shutil

            if shutil.which("srun") is None:
                raise OptionError(
                    "there is no Slurm here (no srun): call it where jobs are handed in, or leave --cluster out"
                )

    def run(self, tasks: Sequence[Task], progress: Progress) -> Iterator[Ended]:
        """Call `do_unit` for each unit, see `Engine`.

        Args:
            tasks: the calls.
            progress: not used: what happens within a job is not seen.

        Yields:
            How each call ended.

        Raises:
            OptionError: submitit does not take the parameters.
        """
        del progress
        logs = Path(tasks[0].path) / "jobs"
        executor = self._submitit.AutoExecutor(folder=logs, cluster=self._kind)
        usual = {"timeout_min": 24 * 60, "cpus_per_task": max(task.threads for task in tasks)}
        try:
            executor.update_parameters(**(usual | self._options))
        except (TypeError, ValueError, NameError) as error:
            raise OptionError(
                f"[slurm] cannot be used: {first_line(error)}; give what submitit takes, such as slurm_partition"
            ) from error
        with executor.batch():
            jobs = {task.unit: executor.submit(UnitJob(), task) for task in tasks}
        self._jobs = list(jobs.values())
        while jobs:
            for unit, job in [*jobs.items()]:
                if not job.done():
                    continue
                del jobs[unit]
                yield _ended(unit, job)
            time.sleep(_POLL_SECONDS if self._kind == "slurm" else _LOCAL_POLL_SECONDS)
        self._jobs = []

    def each(self, function: Callable[..., R], calls: Sequence[tuple[Any, ...]], logs: Path) -> Iterator[R]:
        """Call a function many times, each call a job of one array.

        Args:
            function: it depends on its arguments alone.
            calls: the arguments of each call.
            logs: a folder for what submitit writes, which all machines see.

        Yields:
            The results, in the order of the calls.

        Raises:
            EigentrailError: that of a call, or one that names the job that failed.
        """
        executor = self._submitit.AutoExecutor(folder=logs, cluster=self._kind)
        executor.update_parameters(**({"timeout_min": 24 * 60, "cpus_per_task": 1} | self._options))
        with executor.batch():
            self._jobs = [executor.submit(function, *call) for call in calls]
        for job in self._jobs:
            while not job.done():
                time.sleep(_POLL_SECONDS if self._kind == "slurm" else _LOCAL_POLL_SECONDS)
            error = job.exception()
            if error is not None:
                _raise_known(error)
                raise EigentrailError(f"job {job.job_id} failed ({first_line(error)}): its log is in {logs}")
            yield job.result()
        self._jobs = []

    def close(self) -> None:
        """End the jobs that still run."""
        for job in self._jobs:
            if not job.done():
                job.cancel(check=False)


class UnitJob:
    """The call as a job: one that Slurm preempts, or whose time is over, is handed in again and goes on."""

    def __call__(self, task: Task) -> State:
        """Do a unit.

        Args:
            task: the call.

        Returns:
            What became of it.
        """
        return do_unit(task.path, task.unit, task.measure)

    def checkpoint(self, task: Task) -> Any:
        """Say how the job goes on; called by submitit when Slurm ends it early.

        Args:
            task: the call.

        Returns:
            The same call: what is trained so far is kept by its run.
        """
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, task)


def _ended(unit: str, job: Any) -> Ended:
    error = job.exception()
    if error is None:
        return Ended(unit, job.result())
    _raise_known(error)
    return Ended(unit, "lost", first_line(error))


def _raise_known(error: BaseException) -> None:
    # The job's error comes as text, with the worker's traceback before it.
    said = str(error)
    for known in _errors():
        mark = f"{known.__name__}: "
        if f".{mark}" in said:
            raise known(said.rpartition(mark)[2].strip().splitlines()[0])


def _errors() -> list[type[EigentrailError]]:
    from eigentrail import errors

    plain = (errors.RunError, errors.OptionError, errors.DataError)
    return list(plain)
