"""How much memory there is."""

from __future__ import annotations

from pathlib import Path

import torch

from eigentrail.errors import CurvatureError

#: Bytes that are taken without looking at what there is.
ENOUGH = 2**31


def available(device: torch.device) -> int:
    """Give the memory that can be had now.

    Args:
        device: where.

    Returns:
        Bytes: what a GPU has free; else what the operating system says is available, within the limit of a container.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    found = [_meminfo(), _container()]
    known = [one for one in found if one is not None]
    # Where the system does not say, 8 GiB stand in.
    return min(known, default=2**33)


def allowance(wanted: int, device: torch.device) -> int:
    """Say how much memory may be taken where nobody said.

    What is available at the moment decides only above 2 GiB: the same call takes the same, and gives the same numbers,
    on machines that differ, as long as they have it.

    Args:
        wanted: bytes that the work takes at its best.
        device: where.

    Returns:
        2 GiB; for work that wants more, as much as it wants within half of what is available.
    """
    return ENOUGH if wanted <= ENOUGH else max(ENOUGH, min(wanted, available(device) // 2))


def refuse_above(needed: int, limit: int | None, n: int, dtype: torch.dtype, device: torch.device) -> None:
    """Refuse a matrix that does not fit.

    Args:
        needed: bytes that the matrix and the work on it take.
        limit: bytes allowed; None for half of what is available.
        n: side of the matrix.
        dtype: its precision.
        device: where it is to be.

    Raises:
        CurvatureError: `needed` is above the limit.
    """
    allowed = available(device) // 2 if limit is None else limit
    if needed > allowed:
        ways = "choose fewer layers, or ask for leading eigenpairs"
        if dtype == torch.float64:
            ways += ", or take float32"
        raise CurvatureError(
            f"the exact matrix of {n} parameters ({n} x {n}, {str(dtype).removeprefix('torch.')}) needs"
            f" {_size(needed)} of memory and {_size(allowed)} are allowed: {ways}, or raise limit= (bytes)."
        )


def _size(number: int) -> str:
    """Write a number of bytes for people."""
    return f"{number / 2**30:.2f} GiB" if number >= 2**30 else f"{number / 2**20:.1f} MiB"


def _meminfo() -> int | None:
    """Read Linux's own estimate."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def _container() -> int | None:
    """Read what a container's limit leaves."""
    folder = Path("/sys/fs/cgroup")
    try:
        most = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = (folder / "memory.current").read_text(encoding="ascii").strip()
    except OSError:
        return None
    return None if most == "max" else max(int(most) - int(used), 0)
