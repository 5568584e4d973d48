from __future__ import annotations

import numpy as np
import pytest

from eigentrail import open_run
from eigentrail.report.sweep_spectra import spectra_section
from eigentrail.sweeps import SweepFolder
from eigentrail.sweeps.by_value import by_value
from eigentrail.sweeps.folder import table_of
from eigentrail.sweeps.spectra_of import axis_spectra, singular_values, spectra_table


def test_spectra_are_those_of_the_last_weights_of_the_first_seed(carried_out: SweepFolder) -> None:
    table = table_of(carried_out.rows())
    found, why = axis_spectra(carried_out.path, table, ["weight_decay", "batch_size"], ["fc1"])
    assert not why
    assert [(one.axis, one.value) for one in found] == [
        ("weight_decay", 0.0), ("weight_decay", 0.05), ("batch_size", 20), ("batch_size", 30),
    ]  # fmt: skip
    for one in found:
        row = table[table["run"] == one.run].iloc[0]
        assert row["seed"] == 0 and one.layer == "fc1.weight"
        last = open_run(carried_out.path / one.run)["fc1.weight"].values[-1]
        sigma = np.linalg.svd(last.astype(float), compute_uv=False)
        assert np.sqrt(one.spectrum.eigenvalues * one.spectrum.rows)[::-1] == pytest.approx(sigma, rel=1e-6)
    shares = singular_values(found[:2])
    assert (shares["share"] ** 2).groupby(shares["value"]).sum().tolist() == pytest.approx([1.0, 1.0])
    assert spectra_table(found)["phase"].notna().all()
    section = spectra_section(found)
    # For each axis a table, the singular values, and a density for each value.
    assert len(section.items) == 2 * (1 + 1 + 2)


def test_values_side_by_side_are_means_over_seeds(carried_out: SweepFolder) -> None:
    table = table_of(carried_out.rows())
    told = by_value(table, "batch_size", ["train_accuracy"])
    assert told["batch_size"].tolist() == [20, 30] and told["runs"].tolist() == ["4 of 4"] * 2
    assert told["steps"].tolist() == ["6", "4"]
    mean = table[table["batch_size"] == 20]["train_accuracy"].mean()
    assert float(told["train_accuracy"][0].split()[0]) == pytest.approx(mean, rel=1e-3)
