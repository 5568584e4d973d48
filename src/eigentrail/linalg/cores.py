"""How many processor cores this process may use: its affinity, its container's quota, and what the user set."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

_CGROUPS, _OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def usable_cores(cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUPS) -> int:
    """Count the cores that the system lets this process use.

    Args:
        cgroups: where control groups are mounted.
        own: the file that tells which groups this process is in.

    Returns:
        At least 1: the cores of the process's affinity mask, or fewer where the CPU quota of its control group, or of
        one above it, pays for fewer (of either version; parts of a core count for nothing).
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # a system without affinity
        cores = os.cpu_count() or 1
    return max(1, min(cores, *(int(quota) for quota in _quotas(cgroups, own)), cores))


def allowed_cores(environment: Mapping[str, str] | None = None) -> int:
    """Count the cores that the system and the user let this process use.

    Args:
        environment: the process's variables; None for those that it has.

    Returns:
        `usable_cores`, or fewer where OMP_NUM_THREADS, OPENBLAS_NUM_THREADS or MKL_NUM_THREADS say so, or where torch
        is in use and has been given fewer threads.
    """
    found = usable_cores()
    for name in _SETTINGS:
        # OpenMP takes a list, with a number for each level of nesting.
        first = (os.environ if environment is None else environment).get(name, "").split(",")[0].strip()
        if first.isdigit() and int(first) > 0:
            found = min(found, int(first))
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_num_threads"):
        found = min(found, torch.get_num_threads())
    return found


def _quotas(cgroups: Path, own: Path) -> Iterator[float]:
    """Give the quotas, in cores, of the groups of this process and of all above them."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    # What a container sees of its own group is often the root alone.
    yield from _quota_of(cgroups)
    for name in ("cpu", "cpu,cpuacct"):
        yield from _quota_of(cgroups / name)
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = cgroups / controllers if controllers else cgroups
        parts = [part for part in path.split("/") if part]
        if ".." in parts:
            continue
        for depth in range(1, len(parts) + 1):
            folder = Path(*parts[:depth])
            yield from _quota_of(root / folder)
            if controllers:
                yield from _quota_of(cgroups / "cpu" / folder)


def _quota_of(folder: Path) -> Iterator[float]:
    """Read one group's quota: microseconds of processor time in each period."""
    version2, version1 = _words(folder / "cpu.max"), _words(folder / "cpu.cfs_quota_us")
    if len(version2) == 2 and version2[0] != "max":
        yield float(version2[0]) / float(version2[1])
    period = _words(folder / "cpu.cfs_period_us")
    if len(version1) == len(period) == 1 and float(version1[0]) > 0:
        yield float(version1[0]) / float(period[0])


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return []
