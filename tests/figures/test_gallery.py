"""Every registered figure has its picture in the gallery."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import eigentrail as et

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 1_500_000


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    pytest.importorskip("PIL", reason="the gallery is drawn with Pillow")
    spec = importlib.util.spec_from_file_location("make_gallery", ROOT / "tools" / "make_gallery.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_each_figure_has_its_picture_and_no_other_is_there(tool: ModuleType) -> None:
    page = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert page == tool.page()  # the registry as it is now
    shown = set(re.findall(r"\]\((pictures/gallery/[^)]+)\)", page))
    kept = {str(path.relative_to(ROOT / "docs")) for path in tool.PICTURES.glob("*")}
    assert shown == kept
    assert sum((ROOT / "docs" / name).stat().st_size for name in kept) < MOST_BYTES


def test_the_figures_of_matrices_are_all_listed(tool: ModuleType) -> None:
    rng = np.random.default_rng(0)
    weights = {f"h.{block}.q.weight": rng.standard_normal((40, 24)) for block in range(2)}
    moved = {name: w + 0.1 * rng.standard_normal(w.shape) for name, w in weights.items()}
    for name, result in {
        "inspect": et.inspect(weights, progress=False), "compare": et.compare(weights, moved, progress=False)
    }.items():  # fmt: skip
        book = result.figures
        assert set(tool.MATRIX[name]) == {*book[result.layers[0]], *book.overview}
