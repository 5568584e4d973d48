"""A small network with known structure, its table and spectra, and a hostile name in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from eigentrail.findings import Finding, Verdict
from eigentrail.metrics import diagnose
from eigentrail.spectra.spectrum import Spectrum

IMG = "<img src=x onerror=alert(1)>"
SCRIPT = "</script><script>window.pwned=1</script>\u2028=cmd|'/C calc'!A0"
KINDS = ("attention.q", "attention.out", "mlp.up", "mlp.down")


def planted(rows: int, cols: int, spikes: tuple[float, ...], seed: int) -> np.ndarray[Any, Any]:
    """Unit noise with orthogonal directions of the given strengths in units of sqrt(rows)."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((rows, cols))
    left = np.linalg.qr(rng.standard_normal((rows, max(len(spikes), 1))))[0]
    right = np.linalg.qr(rng.standard_normal((cols, max(len(spikes), 1))))[0]
    for i, strength in enumerate(spikes):
        w += strength * np.sqrt(rows) * np.outer(left[:, i], right[:, i])
    return w


def network(
    count: int, rows: int, cols: int, *, hostile: bool = True
) -> tuple[pd.DataFrame, dict[str, Spectrum]]:
    """Diagnose `count` matrices, every third with two spikes, every seventh heavy-tailed."""
    records, spectra = [], {}
    for i in range(count):
        w = planted(rows, cols, (3.0, 2.0) if i % 3 == 0 else (), seed=i)
        if i % 7 == 6:
            w = np.random.default_rng(i).standard_t(1.5, (rows, cols))
        name = f"layers.{i}.{KINDS[i % 4]}.weight"
        if hostile and i < 2:
            name = (IMG, SCRIPT)[i]
        found = diagnose(w)
        found.spectrum.forget_vectors()
        spectra[name] = found.spectrum
        head = {"name": name, "kind": KINDS[i % 4], "shape": [rows, cols], "dtype": "float32", "matrices": 1}
        warnings = found.row.pop("warnings")
        records.append({**head, **found.row, "aliases": [], "warnings": warnings})
    table = pd.DataFrame({c: pd.Series([r[c] for r in records], dtype=object) for c in records[0]})
    return table, spectra


@pytest.fixture(scope="session")
def small() -> tuple[pd.DataFrame, dict[str, Spectrum]]:
    return network(9, 160, 96)


@pytest.fixture(scope="session")
def summary(small: tuple[pd.DataFrame, dict[str, Spectrum]]) -> dict[str, Any]:
    return {
        "matrices": len(small[0]),
        "means": {"alpha": 3.25, "log_spectral_norm": None},
        "phases": {"random-like": 4},
    }


@pytest.fixture(scope="session")
def findings() -> list[Finding]:
    """A fault of one layer, and a structure of the network."""
    return [
        Finding(
            "layers.6.mlp.up.weight", "Is it well?", Verdict.NO, "layers.6.mlp.up.weight is not well.",
            needs_look=True, advice="Look at <b>it</b>.",
        ),
        Finding("network", "Is there structure?", Verdict.YES, "9 of 9 layers carry structure."),
    ]  # fmt: skip


@pytest.fixture(scope="session")
def skipped() -> list[SimpleNamespace]:
    return [
        SimpleNamespace(name="norm.weight", reason="a vector is no matrix"),
        SimpleNamespace(name="<b>packed</b>", reason="GGUF is not read"),
    ]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium, driven by Playwright; the test says why it is skipped where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser test")
    named = os.environ.get("EIGENTRAIL_CHROMIUM")
    path = named or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if not path:
        pytest.skip(
            "no chromium, chromium-browser or google-chrome on PATH, and EIGENTRAIL_CHROMIUM is not set"
        )
    flags = (
        "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
        " --disable-component-update --disable-sync"
    )
    with api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=flags.split())
        yield opened
        opened.close()
