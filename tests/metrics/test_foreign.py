"""A metric of another package, added by one file and an entry point, is everywhere that ours are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

METRIC = """
import numpy as np
from eigentrail.metrics import metric

@metric(label="Mean gap", meaning="Mean distance of neighbouring eigenvalues.", group="Levels and vectors",
        version={version}, over_time=True, in_compare=True, of_update=True, shown=True, averaged="mean")
def mean_gap(spectrum):
    return float(np.diff(spectrum.eigenvalues).mean())
"""

USE = """
import json, sys
import numpy as np, torch
import eigentrail as et
from eigentrail.api.compared_layer import comparison_columns
from eigentrail.cli.conditions import Condition
from eigentrail.report.glossary import lookup
from eigentrail.testing import check_metric
from my_numbers import mean_gap
from pathlib import Path

check_metric(mean_gap)
folder = Path(sys.argv[1])
w = {"a.weight": torch.randn(30, 20, generator=torch.Generator().manual_seed(0))}
found = et.inspect(w, out=folder / "out", progress=False)
row = found.to_dict()["layers"][0]
compared = et.compare(w, {"a.weight": w["a.weight"] + 1e-3}, progress=False)
if not (folder / "run").exists():
    model = torch.nn.Linear(20, 30)
    with et.Recorder(model, folder / "run") as recorder:
        for step in range(4):
            recorder.step(loss=0.0)
            with torch.no_grad():
                model.weight += 0.1 * torch.randn(30, 20)
def evolved(computed):
    return et.trajectories.evolution(
        et.open_run(folder / "run"), layers="weight", progress=lambda item, done, total: computed.append(total)
    )

computed, again = [], []
tree = evolved(computed)
evolved(again)
node = next(iter(tree.children.values()))
print(json.dumps({
    "json": row["mean_gap"],
    "right": float(np.diff(found.spectra["a.weight"].eigenvalues).mean()),
    "mean": found.summary["means"]["mean_gap"],
    "holds": Condition.parse("mean_gap > 0").holds(row),
    "compared": [c for c in comparison_columns() if "mean_gap" in c],
    "update": compared.table["update_mean_gap"][0],
    "over_time": node["diagnosis"]["mean_gap"].values.tolist(),
    "ends": [c for c in et.trajectories.evolution_table(tree) if "mean_gap" in c],
    "label": lookup("mean_gap_a").label,
    "on_page": "Mean gap" in (folder / "out/report.html").read_text(),
    "in_parquet": "mean_gap" in __import__("pandas").read_parquet(folder / "out/layers.parquet"),
    "computed": max(computed),
    "again": max(again),
}))
"""


def _package(folder: Path, version: int) -> None:
    (folder / "my_numbers.py").write_text(METRIC.format(version=version))
    info = folder / "my_numbers-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-numbers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[eigentrail.metrics]\nmean_gap = my_numbers:mean_gap\n")


def _use(folder: Path) -> dict[str, object]:
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", USE, str(folder)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_one_file_and_an_entry_point_add_a_metric_everywhere(tmp_path: Path) -> None:
    _package(tmp_path, version=1)
    found = _use(tmp_path)
    assert found["json"] == found["mean"] == pytest.approx(found["right"])
    assert found["holds"] is True and found["on_page"] and found["in_parquet"]
    assert found["compared"] == ["update_mean_gap", "mean_gap_a", "mean_gap_b", "mean_gap_change"]
    assert found["label"] == "Mean gap in A"
    assert len(found["over_time"]) == 5 and all(x > 0 for x in found["over_time"])
    assert found["ends"] == ["mean_gap_first", "mean_gap_last"]
    assert found["computed"] > 0 == found["again"]


@pytest.mark.slow
def test_what_is_stored_answers_until_the_version_of_a_metric_is_raised(tmp_path: Path) -> None:
    _package(tmp_path, version=1)
    assert _use(tmp_path)["computed"] > 0 == _use(tmp_path)["computed"]
    _package(tmp_path, version=2)
    assert _use(tmp_path)["computed"] > 0
