"""Calls that people type without reading: they work, or the error names the right one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import eigentrail as et
from eigentrail.errors import EigentrailError
from eigentrail.runs import Recorder

CALLS = """
f.plot()
f.figures()
f.figures
f["layer3.2.conv2.weight"]
f[0]
len(f)
list(f)[:1]
f.layers
f.flagged
f.summary()
f.summary.keys()
f.table.sort_values("alpha").head(2)[["name","alpha"]]
f.to_pandas()
f.to_csv(folder / "x.csv")
f.save(folder / "savedf")
f.report(folder / "x.html")
et.inspect(m)
et.inspect(m.state_dict())
et.inspect(W)
et.inspect({"w":W})
et.inspect(torch.randn(64,32))
et.inspect(run)
et.inspect(P)
et.inspect(run[-1])
et.inspect([R])
s.alpha
s.alpha()
s.effective_rank()
s.spikes
s.effective_rank
s.ranks()
s.singular_values
s.eigenvalues[:3]
np.asarray(s)[:3]
s.summary()
et.Spectrum.from_matrix(W)
et.Spectrum.from_matrix(torch.from_numpy(W))
et.spectrum(W)
run["fc1.weight"]
run["fc1.weight"][0]
run["fc1.weight"][-1]
run["fc1.weight"][:10]
np.asarray(run["fc1.weight"]).shape
run["fc1.weight"].values
run["fc1.weight"].to_xarray()
run["fc1.weight"].to_numpy()
run["fc1.weight"].at(7)
run["fc1.weight"][-1].spectrum()
run["fc1.weight"].sel(step=7)
run.metrics
run.metrics["loss"]
run.metrics.to_dataframe()
run.to_xarray()
run.to_datatree()
len(run)
run[0]
run[7]
run.weights(0)
run.model
run.config
run.settings
list(run)[:2]
run["fc1"]
run.fc1
an.plot()
an.figures
an.figures()
an.tables["evolution"].head(2)
an["evolution"]
an.summary
print(an)
an.results["evolution"]
an.evolution
c
c.plot()
c.table.head(2)
c.summary
c.spectra
c.figures()
et.list_studies()
et.networks.names()
et.version
et.__version__
et.study.__doc__[:50]
et.Basis
et.trajectories.pca(run["fc1.weight"])
f.alerts
f.findings
f.summary
et.inspect(run.weights(-1))
s.power_law()
s.marchenko_pastur()
an.plot("evolution")
an.findings
et.recipes.names()
et.bases.Basis
et.report_runs
dir(et)
torch.as_tensor(run["fc1.weight"][-1])
run.keys()
run.state_dict(-1)
run._repr_html_()
f._repr_html_()
an._repr_html_()
s._repr_html_()
str(f)
an.to_json()
""".strip().splitlines()

#: What does not work by that name, and a word of the answer.
ANSWERED = {
    "f.worst()": "alerts",
    "f.warnings": "alerts",
    "f.show()": "report",
    'et.inspect("gpt2")': "no such file",
    "et.Spectrum(W)": "from_matrix",
    "et.load(P)": "open_run",
    "et.open(P)": "open_run",
    "et.studies.names()": "recipes",
    "et.pca(run)": "trajectories.pca",
    "et.drift(run)": "trajectories.drift",
    "et.Trajectory": "open_run",
    "et.help()": "help",
    "et.report(run)": "report_runs",
    "s.plot()": "inspect",
    "s.name": "spectra",
    "s.power_law().plot()": 'plot."W", "tail"',
    "s.marchenko_pastur().plot()": 'plot."W", "density"',
    'run["fc1.weight"].spectrum()': "spectrum.. for the last",
    "run.plot()": "analyze",
    "run.report()": "report_runs",
    "an.crossings": "evolution",
    'an["drfit"]': "evolution",
    'f["nothing like it"]': "layer",
    'run["nothing"]': "nothing",
}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("natural")
    rng = np.random.default_rng(0)
    weights = {
        "layer3.2.conv2.weight": torch.from_numpy(rng.standard_normal((48, 32))),
        "fc.weight": torch.from_numpy(rng.standard_normal((40, 24))),
    }
    m = nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 12))
    model = nn.ModuleDict({"fc1": nn.Linear(12, 16), "fc2": nn.Linear(16, 10)})
    with Recorder(model, folder / "run", report=None) as recorder:
        for step in range(1, 13):
            with torch.no_grad():
                model["fc1"].weight += 0.1 * torch.randn(16, 12)
            recorder.step(loss=1.0 / step)
    run = et.open_run(folder / "run")
    f = et.inspect(weights)
    moved = {name: w + 0.3 * torch.randn(w.shape, dtype=w.dtype) for name, w in weights.items()}
    return {
        "et": et, "np": np, "torch": torch, "folder": folder, "P": folder / "run", "W": rng.standard_normal((24, 16)),
        "m": m, "R": torch.randn(64, 32), "run": run, "f": f, "s": f.spectra["fc.weight"],
        "c": et.compare(weights, moved), "an": et.analyze(run, only=["evolution"], progress=False),
    }  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_it_works_as_typed(call: str, names: dict[str, Any]) -> None:
    eval(call, dict(names))  # the calls stand above


@pytest.mark.parametrize("call", ANSWERED)
def test_the_answer_names_the_right_call(call: str, names: dict[str, Any]) -> None:
    with pytest.raises((AttributeError, EigentrailError), match=ANSWERED[call]):
        eval(call, dict(names))


def test_bad_names_are_no_traceback(names: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(EigentrailError):
        names["f"].plot(figure="nothing")
    with pytest.raises(EigentrailError):
        names["an"].plot("evolution/nothing")
    with pytest.raises(EigentrailError):
        names["an"].plot("evolution", "nothing")


def test_a_run_is_a_source_at_any_of_its_steps(names: dict[str, Any]) -> None:
    run, folder = names["run"], names["P"]
    for step in (0, 7, -1):
        expected = et.inspect(run.weights(step), progress=False).table
        for source in (run, folder, str(folder)):
            assert et.inspect(source, step=step, progress=False).table.equals(expected)
    moved = et.compare(folder, run.weights(0), progress=False)
    assert moved["fc1.weight"]["distance"] == pytest.approx(
        float(np.linalg.norm(run["fc1.weight"][-1].values - run["fc1.weight"][0].values))
    )
    with pytest.raises(EigentrailError, match="no steps"):
        et.inspect({"w": names["W"]}, step=1)
    with pytest.raises(EigentrailError, match="no steps"):
        et.inspect(run.weights(0), step=1)
    with pytest.raises(EigentrailError, match="999"):
        et.inspect(folder, step=999)
