"""Fixtures that every part of the tests may use."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# Two test processes share two cores: one BLAS thread each. Set before numpy and torch are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import hypothesis
import pytest

# Tests start many processes: without a cache of byte code each compiles the package again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# No test may depend on how fast the machine is.
hypothesis.settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
# For tests that are run once more with something else in mind than what their values are.
hypothesis.settings.register_profile("few", hypothesis.settings.get_profile("any-machine"), max_examples=10)
hypothesis.settings.load_profile("any-machine")

# Started in the background of a shell, all processes of the tests would ignore Ctrl-C, which some of them must feel.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow studies out unless a marker expression asks for them."""
    if config.option.markexpr:
        return
    slow = [i for i in items if i.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [i for i in items if not i.get_closest_marker("slow")]


def pytest_collection_finish() -> None:
    """Keep what all tests need out of the garbage collector's way: it would look through millions of objects again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def strict() -> Iterator[None]:
    """Sentences that are too long are errors here; a user's analysis has them cut."""
    from eigentrail.findings.finding import strict_sentences

    with strict_sentences():
        yield


@pytest.fixture(scope="session", autouse=True)
def unflushed() -> Iterator[None]:
    """No test cuts the power: waiting until the disk has what was written is a third of the time of many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


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


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str, str], None]]:
    """Install a package of one file and one entry point, as an installer leaves it: `installed(group, name, code)`."""
    modules: list[str] = []

    def install(group: str, name: str, code: str) -> None:
        module = f"of_others_{name.replace('-', '_')}"
        modules.append(module)
        (tmp_path / f"{module}.py").write_text(code)
        about = tmp_path / f"{module}-1.0.dist-info"
        about.mkdir()
        title = module.replace("_", "-")
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {title}\nVersion: 1.0\n")
        attribute = name.replace("-", "_")
        (about / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{attribute}\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    yield install
    for module in modules:
        sys.modules.pop(module, None)
