import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from planting import record, unit

from eigentrail.errors import EigentrailError, OptionError, RunError, RunWarning, SourceError
from eigentrail.metrics import diagnose
from eigentrail.runs import Recorder, open_run
from eigentrail.spectra import spiked, tracy_widom
from eigentrail.trajectories import evolution, evolution_table

QUIET = {"progress": False}


@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in (1, 2))])
def test_a_signal_that_grows_through_the_threshold_is_born_where_it_can_be_seen(
    tmp_path: Path, seed: int
) -> None:
    n, m, count = 120, 60, 81
    rng = np.random.default_rng(seed)
    noise, u, v = rng.standard_normal((n, m)), unit(rng, n), unit(rng, m)
    strengths = np.linspace(0, 2.4, count)  # in units of sigma sqrt(N)
    weights = noise + strengths[:, None, None] * np.sqrt(n) * np.outer(u, v)
    node = evolution(record(tmp_path / "run", {"a": weights}), points=200, **QUIET)["a.weight"]
    q = m / n
    # Below the transition there is nothing to see; where the expected eigenvalue has left the threshold by four
    # standard deviations of its Gaussian fluctuation, the spike must be there.
    threshold = tracy_widom.threshold(n, m)
    expected = spiked.observed(strengths, q)
    surely = strengths[np.argmax(expected > threshold * (1 + 4 * np.sqrt(2 / n)))]
    births = [
        e
        for e in zip(node["events"]["step"].values, node["events"]["kind"].values, strict=True)
        if e[1] == "birth"
    ]
    tracks = node["spikes"]
    main = int(tracks["seen"].values.argmax())
    born = strengths[int(tracks["birth"][main])]
    assert 0.75 * spiked.bbp_threshold(q) < born <= surely
    assert int(tracks["death"][main]) == -1
    assert (int(tracks["birth"][main]), "birth") in births
    # It is followed to the end, and its value is the matrix' largest singular value.
    values = tracks["value"].isel(track=main).dropna("step")
    truth = np.linalg.svd(weights[values["step"].values], compute_uv=False)[:, 0]
    np.testing.assert_allclose(values, truth, rtol=1e-9)
    row = evolution_table(evolution(open_run(tmp_path / "run"), **QUIET)).iloc[0]
    assert (row["spikes_first"], row["spikes_last"]) == (0, 1)
    assert row["mp_ks_distance_last"] < 1.5 * row["noise_ks_high"]


@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in (1, 2))])
def test_a_crossing_is_followed_and_told_within_one_step(tmp_path: Path, seed: int) -> None:
    n, m, count = 80, 40, 61
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n, m))
    u, v = np.linalg.qr(rng.standard_normal((n, 2)))[0], np.linalg.qr(rng.standard_normal((m, 2)))[0]
    down, up = np.linspace(40, 20, count), np.linspace(19.9, 40.1, count)
    weights = noise + np.sqrt(n) * (
        down[:, None, None] * np.outer(u[:, 0], v[:, 0]) + up[:, None, None] * np.outer(u[:, 1], v[:, 1])
    )
    node = evolution(record(tmp_path / "run", {"a": weights}), **QUIET)["a.weight"]
    crossing = int(np.argmax(up > down))
    events = node["events"].to_dataset().to_dataframe()
    assert events["kind"].tolist() == ["crossing"]
    assert abs(int(events["step"][0]) - crossing) <= 1
    ranks = node["spikes"]["rank"].values
    assert ranks.shape == (count, 2)
    assert ranks[0].tolist() == [0, 1] and ranks[-1].tolist() == [1, 0]
    assert (int(events["track"][0]), int(events["other"][0])) == (1, 0)
    # Each is the planted direction all along: its value is the planted strength up to the noise.
    for track, planted in enumerate((down, up)):
        np.testing.assert_allclose(node["spikes"]["value"][:, track], planted * np.sqrt(n), rtol=0.02)


@pytest.mark.parametrize("seed", range(2))
def test_noise_that_moves_as_noise_gives_few_spikes(tmp_path: Path, seed: int) -> None:
    # Independent matrices at each step: the level is 1% per step, of which 50 have more than 4 in 1 of 600 cases.
    weights = np.random.default_rng(seed).standard_normal((50, 60, 30))
    node = evolution(record(tmp_path / "run", {"a": weights}), **QUIET)["a.weight"]
    assert float(node["diagnosis"]["spikes"].sum()) <= 4
    assert not (node["events"]["kind"] == "crossing").any()


def test_decaying_norms_have_the_exact_ratio(tmp_path: Path) -> None:
    decay = 1 - 2 * 0.05 * 0.01
    start = np.random.default_rng(0).standard_normal((20, 10))
    weights = start * decay ** np.arange(60)[:, None, None]
    run = record(tmp_path / "run", {"a": weights}, layers={"a": 7})
    every = evolution(run, **QUIET)["a.weight/every"]
    assert np.isnan(every["norm_ratio"][0])
    # The last step of the run is recorded too: 59, three steps after 56.
    assert every["steps_between"].values[1:].tolist() == [7] * 8 + [3]
    np.testing.assert_allclose(every["norm_ratio"][1:-1], decay**-7.0, rtol=1e-12)
    np.testing.assert_allclose(every["norm_ratio"][-1], decay**-3.0, rtol=1e-12)


def test_constant_weights_have_a_constant_evolution(tmp_path: Path) -> None:
    weights = np.repeat(np.random.default_rng(0).standard_normal((1, 40, 20)), 12, axis=0)
    weights[:] += 9 * np.outer(unit(np.random.default_rng(1), 40), unit(np.random.default_rng(2), 20))
    node = evolution(record(tmp_path / "run", {"a": weights}), **QUIET)["a.weight"]
    assert (node["every"]["norm_ratio"][1:] == 1).all()
    assert node["events"].sizes["event"] == 0
    assert node["spikes"]["rank"].values.tolist() == [[0]] * 12


def test_every_step_agrees_with_numpy_and_the_diagnosis_with_inspect(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).standard_normal((30, 24, 50)).cumsum(axis=0)
    run = record(tmp_path / "run", {"a": weights}, dtype=torch.float32)
    node = evolution(run, points=10, **QUIET)["a.weight"]
    truth = np.linalg.svd(weights.astype(np.float32).astype(float), compute_uv=False)
    np.testing.assert_allclose(node["every"]["singular_values"], truth, rtol=1e-9)
    np.testing.assert_allclose(
        node["every"]["frobenius_norm"], np.linalg.norm(weights, axis=(1, 2)), rtol=1e-6
    )
    assert (node.attrs["rows"], node.attrs["cols"]) == (50, 24)
    for step in node["diagnosis"]["step"].values:
        row = diagnose(weights[step].astype(np.float32)).row
        at = node["diagnosis"].sel(step=step)
        for name in (
            "mp_sigma",
            "spikes",
            "alpha",
            "effective_rank",
            "spacing_ratio",
            "spike_threshold",
            "null_spikes",
        ):
            assert float(at[name]) == pytest.approx(row[name], rel=1e-9), name
        assert str(at["phase"].values) == row["phase"]


def _same(a: xr.DataTree, b: xr.DataTree) -> None:
    assert [n.path for n in a.subtree] == [n.path for n in b.subtree]
    for one, other in zip(a.subtree, b.subtree, strict=True):
        xr.testing.assert_equal(one.to_dataset(inherit=False), other.to_dataset(inherit=False))
        assert {k: v for k, v in one.attrs.items() if k != "run"} == {
            k: v for k, v in other.attrs.items() if k != "run"
        }


def test_a_grown_run_costs_its_new_steps_only_and_equals_computing_from_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("eigentrail.trajectories.evolution")
    rng = np.random.default_rng(0)
    weights = {
        "a": rng.standard_normal((220, 16, 12)).cumsum(axis=0) + 30 * np.outer(unit(rng, 16), unit(rng, 12)),
        "b": rng.standard_normal((220, 8, 10)),
    }
    computed: list[tuple[int, int]] = []
    original = module.compute

    def counting(series, rows, close, level):
        computed.append((len(rows), int(close.sum())))
        return original(series, rows, close, level)

    monkeypatch.setattr(module, "compute", counting)
    run = record(tmp_path / "grown", {k: w[:90] for k, w in weights.items()})
    evolution(run, points=24, **QUIET)
    assert sum(n for n, _ in computed) == 2 * 90
    computed.clear()
    again = evolution(run, points=24, **QUIET)
    assert computed == []  # nothing twice
    fewer = evolution(run, points=12, **QUIET)
    assert computed == []  # a coarser grid is part of the finer one
    assert fewer["a.weight/diagnosis"].sizes["step"] <= 12 < again["a.weight/diagnosis"].sizes["step"]
    record(tmp_path / "grown", weights, first=89, resume=True)
    run = open_run(tmp_path / "grown")
    grown = evolution(run, points=24, **QUIET)
    assert sum(n for n, _ in computed) == 2 * 130
    assert sum(c for _, c in computed) < 2 * 20
    whole = record(tmp_path / "whole", weights)
    _same(grown, evolution(whole, points=24, **QUIET))
    # Steps that were taken back are not answered from old results.
    changed = {k: np.concatenate([w[:150], 2 * w[150:]]) for k, w in weights.items()}
    record(tmp_path / "grown2", {k: w[:180] for k, w in weights.items()})
    evolution(open_run(tmp_path / "grown2"), points=24, **QUIET)
    from planting import Planted

    model = Planted({k: w.shape[1:] for k, w in weights.items()})
    model.set({k: w[149] for k, w in weights.items()})
    with Recorder(model, tmp_path / "grown2", resume=149, report=None) as recorder:
        for step in range(150, 220):
            model.set({k: w[step] for k, w in changed.items()})
            recorder.step(step)
    fresh = record(tmp_path / "fresh", changed)
    _same(evolution(open_run(tmp_path / "grown2"), points=24, **QUIET), evolution(fresh, points=24, **QUIET))


@pytest.mark.slow
def test_processes_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eigentrail.linalg.workers.WORTH_PROCESSES", 0.0)
    weights = {"a": np.random.default_rng(0).standard_normal((150, 12, 8)).cumsum(axis=0)}
    alone = evolution(record(tmp_path / "a", weights), points=10, **QUIET)
    together = evolution(record(tmp_path / "b", weights), points=10, jobs=2, **QUIET)
    _same(alone, together)


def test_an_interrupted_analysis_goes_on_where_it_stopped(tmp_path: Path) -> None:
    run = record(tmp_path / "run", {"a": np.random.default_rng(0).standard_normal((400, 8, 6))})
    seen: list[int] = []

    def interrupt(item: str, done: int, total: int) -> None:
        seen.append(total)
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evolution(run, progress=interrupt)
    left: list[int] = []
    evolution(run, progress=lambda item, done, total: left.append(total))
    assert left[0] <= seen[0] - 3


def test_steps_that_are_not_finite_are_said_and_missing(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).standard_normal((12, 20, 10))
    weights[7:] = np.nan
    weights[3] = 0.0
    run = record(tmp_path / "run", {"a": weights})
    node = evolution(run, **QUIET)["a.weight"]
    assert np.isnan(node["every"]["singular_values"][7:]).all()
    assert np.isfinite(node["every"]["singular_values"][:7]).all()
    assert (node["every"]["spectral_norm"][3] == 0) and np.isnan(node["every"]["norm_ratio"][3])
    assert np.isnan(node["diagnosis"]["spikes"][7:]).all()
    assert "NaN" in str(node["diagnosis"]["missing"][8].values)
    assert (node["diagnosis"]["phase"][7:] == "").all()
    notes = " / ".join(node.attrs["notes"])
    assert "not finite at 5 of 12 steps, the first of which is 7" in notes
    assert "at 1 of 12 analysed steps, the first of which is 3: all 200 entries are zero" in notes
    row = evolution_table(evolution(run, **QUIET)).iloc[0]
    assert row["last_step"] == 6


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_steps(tmp_path: Path, count: int) -> None:
    run = record(tmp_path / "run", {"a": np.random.default_rng(0).standard_normal((count, 20, 10))})
    node = evolution(run, **QUIET)["a.weight"]
    assert node["every"].sizes["step"] == node["diagnosis"].sizes["step"] == count
    assert evolution_table(evolution(run, **QUIET)).iloc[0]["points"] == count


def test_a_small_matrix_has_singular_values_and_says_why_there_is_no_more(tmp_path: Path) -> None:
    run = record(tmp_path / "run", {"a": np.random.default_rng(0).standard_normal((5, 20, 3))})
    node = evolution(run, **QUIET)["a.weight"]
    assert np.isfinite(node["every"]["singular_values"]).all()
    assert np.isnan(node["diagnosis"]["spikes"]).all()
    assert np.isfinite(node["diagnosis"]["stable_rank"]).all()
    assert any("Marchenko-Pastur" in note for note in node.attrs["notes"])


def test_parts_convolutions_and_rates(tmp_path: Path) -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn = torch.nn.MultiheadAttention(12, 2)
            self.conv = torch.nn.Conv2d(6, 8, 3)

    torch.manual_seed(0)
    net = Net()
    with Recorder(net, tmp_path / "run", layers={"conv.*": 5, "*": 2}, report=None) as recorder:
        for _ in range(20):
            with torch.no_grad():
                for p in net.parameters():
                    p.add_(0.1 * torch.randn_like(p))
            recorder.step()
    run = open_run(tmp_path / "run")
    tree = evolution(run, **QUIET)
    names = [node.attrs["name"] for node in tree.children.values()]
    assert [n for n in names if n.startswith("attn.in_proj_weight:")] == [
        f"attn.in_proj_weight:{p}" for p in "qkv"
    ]
    q = tree["attn.in_proj_weight%3Aq/every"]
    assert q["step"].values.tolist() == list(range(0, 21, 2))
    truth = np.linalg.svd(run["attn.in_proj_weight"].values[:, :12].astype(float), compute_uv=False)
    np.testing.assert_allclose(q["singular_values"], truth, rtol=1e-6)
    assert tree["conv.weight/every"]["singular_values"].shape == (5, 8)
    pooled = evolution(run, layers="conv", conv="slices", **QUIET)["conv.weight"]
    assert pooled["every"]["singular_values"].shape == (5, 9 * 6)
    assert pooled.attrs["matrices"] == 9
    kernels = run["conv.weight"].values.astype(float).transpose(0, 3, 4, 1, 2).reshape(5, 9, 8, 6)
    np.testing.assert_allclose(
        pooled["every"]["spectral_norm"], np.linalg.svd(kernels, compute_uv=False).max(axis=(1, 2)), rtol=1e-6
    )


def test_a_spike_of_one_slice_of_a_pool_is_followed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((64, 32, 2, 2))
    kernel[:, :, 1, 0] += 3 * np.sqrt(64) * np.outer(unit(rng, 64), unit(rng, 32))
    conv = torch.nn.Sequential(torch.nn.Conv2d(32, 64, 2, bias=False)).double()
    with torch.no_grad():
        conv[0].weight.copy_(torch.from_numpy(kernel))
    with Recorder(conv, tmp_path / "run", report=None) as recorder:
        for _ in range(5):
            with torch.no_grad():
                conv[0].weight.mul_(1.01)
            recorder.step()
    node = evolution(open_run(tmp_path / "run"), conv="slices", **QUIET)["0.weight"]
    assert node["spikes"]["rank"].values.tolist() == [[0]] * 6
    assert node["events"].sizes["event"] == 0


def test_names_with_slashes(tmp_path: Path) -> None:
    model = torch.nn.ModuleDict({"in/out": torch.nn.Linear(8, 12)})
    with Recorder(model, tmp_path / "run", report=None) as recorder:
        recorder.step()
    tree = evolution(open_run(tmp_path / "run"), **QUIET)
    assert [(k, n.attrs["name"]) for k, n in tree.children.items()] == [("in%2Fout.weight", "in/out.weight")]


def test_a_folder_that_cannot_be_written_is_said_and_the_result_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = record(tmp_path / "run", {"a": np.random.default_rng(0).standard_normal((4, 20, 10))})
    (tmp_path / "file").write_text("")
    run = open_run(tmp_path / "run", analyses=tmp_path / "file" / "analyses")
    with pytest.warns(RunWarning, match="is not kept"):
        tree = evolution(run, **QUIET)
    assert tree["a.weight/every"].sizes["step"] == 4


@pytest.mark.parametrize(
    "options, said",
    [
        ({"points": 2}, "points=2"),
        ({"level": 0.0}, "between 0 and 1"),
        ({"jobs": 0}, "jobs must be"),
        ({"conv": "rows"}, "rows"),
    ],
)
def test_bad_arguments(tmp_path: Path, options: dict, said: str) -> None:
    run = record(tmp_path / "run", {"a": np.ones((2, 5, 6))})
    with pytest.raises(OptionError, match=said):
        evolution(run, **QUIET, **options)


def test_a_damaged_file_ends_the_evolution_of_its_matrix_alone(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(12, 12), torch.nn.Linear(12, 12))
    with Recorder(model, tmp_path / "run", ["0", "1"], report=None) as recorder:
        for _ in range(5):
            recorder.step()
    (tmp_path / "run/trajectory.zarr/0.weight/weights/c.0.0.0").write_bytes(b"torn")
    tree = evolution(open_run(tmp_path / "run"), progress=False)
    assert set(tree.children) == {"1.weight"}
    assert [one["name"] for one in tree.attrs["skipped"]] == ["0.weight"]
    assert "is cut off; the run's folder is damaged" in tree.attrs["skipped"][0]["reason"]
    (tmp_path / "run/trajectory.zarr/1.weight/weights/c.0.0.0").write_bytes(b"torn")
    # What was computed before is still answered; without it no matrix is left.
    with pytest.raises(RunError, match="is cut off"):
        evolution(open_run(tmp_path / "run", analyses=tmp_path / "new"), progress=False)


def test_what_is_not_there(tmp_path: Path) -> None:
    run = record(tmp_path / "run", {"a": np.ones((2, 5, 6))})
    with pytest.raises((SourceError, RunError), match=r"mean .*a\.weight"):
        evolution(run, layers="a.weigth", **QUIET)
    norm = torch.nn.LayerNorm(4)
    with Recorder(norm, tmp_path / "flat", report=None) as recorder:
        recorder.step()
    with pytest.raises(EigentrailError, match="no weight matrix"):
        evolution(open_run(tmp_path / "flat"), **QUIET)


def test_the_real_folder_of_checkpoints(checkpoints: Path) -> None:
    run = open_run(checkpoints / "mlp-trajectory")
    tree = evolution(run, points=12, progress=False)
    first = next(iter(tree.children.values()))
    assert first["every"].sizes["step"] == 250
    step = int(first["diagnosis"]["step"][-1])
    matrix = run.weights(step)[first.attrs["name"]].numpy().astype(float)
    np.testing.assert_allclose(
        first["every"]["singular_values"].sel(step=step), np.linalg.svd(matrix, compute_uv=False), rtol=1e-8
    )
    table = evolution_table(tree)
    assert (table["points"] <= 12).all()
    assert table["spikes_last"].notna().any()
