"""Shapes and dtypes that the signatures of `eigentrail.spectra` state are those of what its functions take and give.

Checking them at each call makes the spectra several times slower, and with them every test that asks for one. So they
are checked in a process of their own, by the quick tests of the room; behind the marker `slow`, by all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
QUICK = (
    "energy", "ranks",
)  # fmt: skip
WRONG = """
import numpy as np
import pytest
from jaxtyping import TypeCheckError
from eigentrail.spectra.energy import energy_shares

def test_a_matrix_is_no_list_of_eigenvalues():
    with pytest.raises(TypeCheckError):
        energy_shares(np.ones((2, 3)))
"""


def checked(*arguments: str, modules: str = "eigentrail.spectra") -> str:
    """Run tests with shapes and dtypes of each call to some modules checked, and give what they print."""
    hook = f"--jaxtyping-packages={modules},beartype.beartype"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-x", "-p", "no:cacheprovider", hook, *arguments],
        capture_output=True, text=True, check=False, cwd=HERE.parents[1],
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def test_quick_tests_keep_to_the_signatures_and_a_wrong_shape_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "test_wrong_shape.py"
    wrong.write_text(WRONG)
    # Checks are built when a module is loaded: those of the modules that are tested are enough here.
    modules = ",".join(f"eigentrail.spectra.{name}" for name in QUICK)
    tests = (str(HERE / f"test_{name}.py") for name in QUICK)
    assert " passed" in checked(str(wrong), *tests, "--hypothesis-profile=few", modules=modules)


@pytest.mark.slow
def test_all_tests_of_the_room_keep_to_its_signatures() -> None:
    assert " passed" in checked(str(HERE), "-m", "slow or not slow", f"--ignore={__file__}")
