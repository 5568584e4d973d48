"""What a call that only tells something leaves unloaded: torch alone takes more than a second."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "pandas", "xarray", "scipy", "sklearn", "plotly")


@pytest.mark.parametrize(
    "call", [["study", "--list"], ["--help"], ["--version"], ["study", "--help"]], ids=" ".join
)
def test_a_call_that_only_tells_loads_nothing_heavy(call: list[str]) -> None:
    code = (
        "import json, sys\n"
        "from eigentrail.cli.app import run\n"
        f"code = run({call!r})\n"
        f"print(json.dumps([code, [name for name in {HEAVY!r} if name in sys.modules]]), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr.splitlines()[-1]) == [0, []]
    assert done.stdout.strip()


def test_listing_recipes_in_python_loads_none_of_them() -> None:
    code = (
        "import sys, eigentrail as et\n"
        "assert len(et.recipes.names()) > 20 and 'torch' not in sys.modules\n"
        "et.recipes.find_recipe('lenet').plan\n"
        "assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
