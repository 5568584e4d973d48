"""Matrices whose entries tie, repeat or vanish: every file is written, without NaN and infinity."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

import eigentrail as et


def _noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


ODD = {
    "clamped": _noise(64, 32).clamp(-0.01, 0.01),
    "signs": _noise(64, 32).sign(),
    "ternary": _noise(64, 32).clamp(-1, 1).round(),
    "int4": (_noise(64, 32) * 3).round().clamp(-8, 7),
    "one_hot": torch.eye(32)[torch.arange(64) % 32],
    "eye": torch.eye(32),
    "one_entry": torch.zeros(32, 16).index_put((torch.tensor(3), torch.tensor(4)), torch.tensor(1.0)),
    "rank_one": torch.outer(torch.arange(1.0, 33.0), torch.arange(1.0, 17.0)),
    "huge": _noise(32, 16) * 1e30,
    "tiny": _noise(32, 16) * 1e-30,
    "two_rows": _noise(2, 40),
    "equal_columns": _noise(32, 1).expand(32, 16).clone(),
}


def _only_finite(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_only_finite, value.values()))
    if isinstance(value, list):
        return all(map(_only_finite, value))
    return not isinstance(value, float) or bool(np.isfinite(value))


@pytest.fixture(scope="module")
def inspected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    return folder, et.inspect({f"{name}.weight": w for name, w in ODD.items()}, out=folder, progress=False)


def test_every_file_is_written(inspected):
    folder, found = inspected
    assert len(found.table) == len(ODD)
    assert not (folder / ".partial").exists()
    assert _only_finite(json.loads((folder / "summary.json").read_text()))
    assert _only_finite(json.loads(found.to_json()))
    table = pd.read_parquet(folder / "layers.parquet")
    numbers = table.select_dtypes("number")
    assert not np.isinf(numbers.to_numpy(float, na_value=0.0)).any()


def test_an_interrupted_inspection_goes_on_with_the_same_numbers(inspected, tmp_path, monkeypatch):
    """What is kept of a finished layer comes back whole, an infinite tail index too."""
    from eigentrail.api import inspection

    tensors = {f"{name}.weight": w for name, w in ODD.items()}
    first, calls = inspection.inspect_layer, []

    def stopping(weights, name, *rest):
        if len(calls) == 5:
            raise KeyboardInterrupt
        calls.append(name)
        return first(weights, name, *rest)

    monkeypatch.setattr(inspection, "inspect_layer", stopping)
    with pytest.raises(KeyboardInterrupt):
        et.inspect(tensors, out=tmp_path, progress=False)
    monkeypatch.setattr(inspection, "inspect_layer", first)
    again = et.inspect(tensors, out=tmp_path, progress=False)
    pd.testing.assert_frame_equal(again.table, inspected[1].table)
    for name, spectrum in inspected[1].spectra.items():
        assert again.spectra[name].entries == spectrum.entries


def test_a_comparison_of_odd_matrices_is_written(tmp_path):
    before = {f"{name}.weight": w for name, w in ODD.items()}
    after = {name: w + 0.01 * _noise(*w.shape) for name, w in before.items()}
    found = et.compare(before, after, progress=False)
    found.save(tmp_path)
    assert _only_finite(json.loads(found.to_json()))
