"""What a process may use: affinity, quotas of control groups of both versions, and the user's setting."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from eigentrail.linalg import cores
from eigentrail.linalg.cores import allowed_cores, usable_cores


@pytest.fixture
def eight(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


def group(root: Path, **files: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name.replace("__", ".")).write_text(text)
    return root


def counted(root: Path, own: str) -> int:
    (root / "own").write_text(own)
    return usable_cores(root, root / "own")


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("200000 100000", 2),
        ("max 100000", 8),
        ("50000 100000", 1),
        ("250000 100000", 2),
        ("1600000 100000", 8),
    ],
)
def test_a_container_of_version_2(eight, tmp_path, quota, expected):
    assert counted(group(tmp_path, cpu__max=quota), "0::/\n") == expected


def test_a_quota_of_a_group_above_holds_for_those_below(eight, tmp_path):
    group(tmp_path / "slurm" / "job", cpu__max="300000 100000")
    group(tmp_path / "slurm" / "job" / "step", cpu__max="max 100000")
    assert counted(tmp_path, "0::/slurm/job/step\n") == 3
    assert counted(tmp_path, "0::/slurm\n") == 8


@pytest.mark.parametrize(("quota", "expected"), [("200000", 2), ("-1", 8)])
@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize("seen", ["of its own", "of the host"])
def test_a_container_of_version_1(eight, tmp_path, quota, expected, mount, seen):
    files = {"cpu__cfs_quota_us": quota, "cpu__cfs_period_us": "100000"}
    group(tmp_path / mount if seen == "of its own" else tmp_path / mount / "docker" / "abc", **files)
    assert counted(tmp_path, f"5:memory:/docker/abc\n4:{mount}:/docker/abc\n") == expected


def test_without_control_groups_the_affinity_counts(eight, tmp_path):
    assert usable_cores(tmp_path / "none", tmp_path / "none") == 8


@pytest.mark.parametrize(
    ("setting", "expected"),
    [({}, 8), ({"OMP_NUM_THREADS": "3"}, 3), ({"OMP_NUM_THREADS": "4,2"}, 4), ({"MKL_NUM_THREADS": "2"}, 2)]
    + [({"OMP_NUM_THREADS": text}, 8) for text in ("", "0", "many", "16")],
)
def test_the_users_setting_counts(monkeypatch, setting, expected):
    monkeypatch.setattr(cores, "usable_cores", lambda: 8)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert allowed_cores(setting) == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_a_process_pinned_to_one_core_counts_one():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from eigentrail.linalg.cores import allowed_cores, usable_cores\n"
        "print(usable_cores(), allowed_cores())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["1", "1"]
