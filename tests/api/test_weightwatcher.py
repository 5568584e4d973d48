"""Agreement with WeightWatcher 0.7.7 itself, where both compute the same thing."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import eigentrail as et

pytestmark = pytest.mark.skipif(find_spec("weightwatcher") is None, reason="needs the extra oracles")

NETWORKS = {"resnet20": "resnet20-12fca82f.th", "resnet56": "resnet56-4bfd9763.th"}


def watch(model: nn.Module, **options: bool) -> pd.DataFrame:
    import weightwatcher  # with Matplotlib and more behind it

    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            return weightwatcher.WeightWatcher(model=model).analyze(**options)
    finally:
        logging.disable(logging.NOTSET)


def modules(path: Path) -> nn.ModuleDict:
    """The checkpoint's convolutions and linear layers as modules, names without dots."""
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    found = nn.ModuleDict()
    for name, w in state.items():
        key = name.removeprefix("module.").removesuffix(".weight").replace(".", "_")
        if w.ndim == 4:
            layer: nn.Module = nn.Conv2d(w.shape[1], w.shape[0], w.shape[2], bias=False)
        elif w.ndim == 2:
            layer = nn.Linear(w.shape[1], w.shape[0])
        else:
            continue
        layer.weight.data = w  # type: ignore[assignment]
        found[key] = layer
    return found


@pytest.mark.parametrize("network", NETWORKS)
def test_alpha_xmin_distance_and_stable_rank_agree(network: str, checkpoints: Path) -> None:
    path = checkpoints / "resnet-cifar10" / NETWORKS[network]
    theirs = watch(modules(path)).set_index("longname")
    ours = et.inspect(path, conv="slices", null=False).table
    ours["key"] = [n.removeprefix("module.").removesuffix(".weight").replace(".", "_") for n in ours["name"]]
    ours = ours.set_index("key")
    compared = 0
    for key, w in theirs.iterrows():
        row = ours.loc[key]
        assert row["stable_rank"] == pytest.approx(w["stable_rank"], rel=1e-6)
        if w["num_evals"] < 20:  # its path for few eigenvalues is another method
            continue
        compared += 1
        assert row["alpha"] == pytest.approx(w["alpha"], rel=1e-6), key
        # It multiplies the eigenvalues of a Conv2d by 1/2 (its conv2d_norm=True).
        unit = row["rows"] * (0.5 if row["kind"] == "conv2d" else 1.0)
        assert row["xmin"] * unit == pytest.approx(w["xmin"], rel=1e-6), key
        assert row["ks_distance"] == pytest.approx(w["D"], rel=1e-6), key
        assert row["tail_size"] == w["num_pl_spikes"], key
    assert compared >= {"resnet20": 19, "resnet56": 55}[network]


def test_the_documented_conversions_hold() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(120, 200), nn.Linear(200, 90))
    theirs = watch(model, mp_fit=True, randomize=True)
    ours = et.inspect(model).table
    for (_, w), (_, row) in zip(theirs.iterrows(), ours.iterrows(), strict=True):
        rows, alpha = row["rows"], row["alpha"]
        pairs = {
            "N": rows, "M": row["cols"], "Q": 1 / row["q"], "num_evals": row["matrices"] * row["cols"],
            "alpha": alpha, "D": row["ks_distance"], "sigma": row["alpha_error"], "num_pl_spikes": row["tail_size"],
            "xmin": row["xmin"] * rows, "xmax": row["lambda_max"] * rows,
            "alpha_weighted": row["weighted_alpha"] + alpha * np.log10(rows),
            "log_alpha_norm": row["log_alpha_norm"] + alpha * np.log10(rows),
            "norm": row["frobenius_norm"] ** 2, "log_norm": 2 * np.log10(row["frobenius_norm"]),
            "spectral_norm": row["spectral_norm"] ** 2, "log_spectral_norm": 2 * np.log10(row["spectral_norm"]),
            "sv_max": row["spectral_norm"], "sv_min": np.sqrt(row["lambda_min"] * rows),
            "stable_rank": row["stable_rank"], "entropy": np.log(row["effective_rank"]) / np.log(row["cols"]),
            "num_spikes": row["spikes"], "rand_num_spikes": row["null_spikes"],
            "W_scale": np.sqrt(row["cols"]) / row["frobenius_norm"], "lambda_max": row["lambda_max"] * rows,
        }  # fmt: skip
        for name, value in pairs.items():
            assert value == pytest.approx(w[name], rel=1e-5), name
        unit = rows * row["cols"] / row["frobenius_norm"] ** 2
        # Both fit pure noise here, by other methods: the units must agree, the fits nearly.
        assert row["mp_sigma"] * np.sqrt(unit) == pytest.approx(w["sigma_mp"], rel=0.02)
        assert row["mp_edge_high"] * rows == pytest.approx(w["bulk_max"], rel=0.04)


def test_every_column_is_on_the_page() -> None:
    model = nn.Sequential(nn.Linear(60, 80), nn.Linear(80, 50))
    theirs = watch(model, mp_fit=True, randomize=True, detX=True)
    page = (Path(__file__).parents[2] / "docs" / "weightwatcher.md").read_text()
    ours = et.inspect(model)
    assert [c for c in theirs.columns if f"`{c}`" not in page] == []
    for (_, w), (_, row) in zip(theirs.iterrows(), ours.table.iterrows(), strict=True):
        assert row["erg_count"] == w["detX_num"] == w["num_ERG_spikes"]
        assert row["erg_count"] - row["tail_size"] == w["ERG_gap"]
        value = ours.spectra[row["name"]].eigenvalues[-row["erg_count"]] * row["rows"]
        assert value == pytest.approx(w["detX_val"], rel=1e-5)
