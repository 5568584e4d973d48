"""Fixtures that every part of the tests may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data and checkpoints, named by EIGENTRAIL_DATA."""
    folder = os.environ.get("EIGENTRAIL_DATA")
    if not folder:
        pytest.skip("EIGENTRAIL_DATA is not set: this test reads real data")
    root = Path(folder)
    assert root.is_dir(), f"EIGENTRAIL_DATA names {folder}, which is no folder"
    return root


@pytest.fixture(scope="session")
def checkpoints(data_root: Path) -> Path:
    """The folder of real checkpoints."""
    return data_root / "checkpoints"
