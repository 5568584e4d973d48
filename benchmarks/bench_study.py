"""What the default study costs: processor time of its parts, and of the whole for some numbers of workers.

Run with OMP_NUM_THREADS=1 for the parts. `--whole` runs the command for each of `--jobs` in processes of their own.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

R = TypeVar("R")


def parts(folder: Path) -> dict[str, float]:
    """Measure the parts one after the other in this process.

    Args:
        folder: where the run goes.

    Returns:
        Seconds of processor time by part.
    """
    spent = {}

    def timed(name: str, work: Callable[[], R]) -> R:
        begun = time.process_time()
        found = work()
        spent[name] = time.process_time() - begun
        return found

    def imported() -> Any:
        import eigentrail.api.study as module

        return module

    module = timed("import", imported)
    study = module.find_recipe(None)
    run = timed("training", lambda: module.run_study(study, folder, progress=False))
    for one in module.choose_analyses(None):
        timed(one.name, lambda name=one.name: module.analyze(run, name, progress=False))
    found = module.analyze(run, also=study.plan.analyses, progress=False)
    timed("report", found.report)
    return spent


def whole(folder: Path, jobs: int | None) -> tuple[float, float]:
    """Run the command once.

    Args:
        folder: where the run goes.
        jobs: workers; None for the default.

    Returns:
        Seconds of processor time, its workers' included, and of wall time.
    """
    command = [sys.executable, "-m", "eigentrail", "study", "--out", str(folder)]
    command += [] if jobs is None else ["--jobs", str(jobs)]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, time.perf_counter() - begun


def main() -> None:
    """Print a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--whole", action="store_true")
    arguments.add_argument("--jobs", type=int, nargs="*", default=[1, 2])
    chosen = arguments.parse_args()
    print(f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', '')}")
    with tempfile.TemporaryDirectory() as folder:
        if chosen.whole:
            for jobs in chosen.jobs:
                spent, wall = whole(Path(folder) / f"jobs{jobs}", jobs)
                print(f"jobs {jobs}: {spent:.1f} s of processor time, {wall:.1f} s of wall time")
            return
        spent = parts(Path(folder) / "run")
        for name, seconds in spent.items():
            print(f"{name:12s} {seconds:6.2f}")
        print(f"{'together':12s} {sum(spent.values()):6.2f}")


if __name__ == "__main__":
    main()
