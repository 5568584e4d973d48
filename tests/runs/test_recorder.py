"""What the recorder keeps of a training, against copies that the training makes itself."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from eigentrail.errors import OptionError, RunError, RunWarning
from eigentrail.runs import Recorder, epochs, log_spaced, open_run
from eigentrail.runs import recorder as recorder_module


class Net(nn.Module):
    """A small network with a convolution, batch norm, a tied and a slashed name."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.up = nn.ConvTranspose2d(3, 2, 2)
        self.head = nn.Linear(2, width)
        self.again = nn.Linear(2, width)
        self.again.weight = self.head.weight
        self.add_module("a/b", nn.Linear(width, 2))
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.up(torch.relu(self.norm(self.conv(x)))).mean((2, 3))
        return self.get_submodule("a/b")(self.head(x) + self.again(x)) * self.scale


def train(model: nn.Module, recorder: Recorder, steps: int, seed: int = 0) -> list[dict[str, torch.Tensor]]:
    """Train, and keep a copy of the weights at every step, the initial ones first."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    kept = [{n: p.detach().clone() for n, p in model.named_parameters()}]
    for _ in range(steps):
        loss = (model(torch.randn(8, 1, 6, 6, generator=generator)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.step(loss=loss)
        kept.append({n: p.detach().clone() for n, p in model.named_parameters()})
    return kept


def stack(kept: list[dict[str, torch.Tensor]], name: str, steps: list[int]) -> np.ndarray:
    return np.stack([kept[step][name].float().numpy() for step in steps])


def test_every_parameter_at_every_step(tmp_path: Path) -> None:
    model = Net()
    with Recorder(model, tmp_path / "run", report=None) as recorder:
        kept = train(model, recorder, 20)
    run = open_run(tmp_path / "run")
    assert run.status == "finished"
    assert list(run.layers) == [name for name, _ in model.named_parameters()]
    for name in run.layers:
        assert np.array_equal(run[name].values, stack(kept, name, list(range(21))))
    assert run["conv.weight"].dims == ("step", "out", "in", "kh", "kw")
    assert run["up.weight"].dims == ("step", "in", "out", "kh", "kw")
    assert run["head.bias"].dims == ("step", "out")
    assert run["scale"].dims == ("step",)
    assert run.layers["head.weight"].aliases == ("again.weight",)
    assert np.array_equal(run["again"].values, run["head.weight"].values)
    assert np.array_equal(run.steps, np.arange(21))


RARELY = {"conv": 1, "head": 4, "a/b": [1, 3], "scale": "epoch", "*": log_spaced(1)}


def test_the_last_step_is_recorded_of_every_layer(tmp_path: Path) -> None:
    model = Net()
    with Recorder(model, tmp_path / "run", RARELY, report=None) as recorder:
        kept = train(model, recorder, 6)
    run = open_run(tmp_path / "run")
    steps = {"head.weight": [0, 4, 6], "a/b.weight": [0, 1, 3, 6], "scale": [0, 6], "conv.bias": [0, 1, 6]}
    for name, expected in steps.items():
        assert run[name].step.values.tolist() == expected
        assert np.array_equal(run[name].values, stack(kept, name, expected))
    assert run.steps.tolist() == list(range(7))
    assert run.metrics.sizes["step"] == 7
    # A longer training keeps the step that was recorded out of turn.
    with Recorder(model, tmp_path / "run", RARELY, resume=True, report=None) as recorder:
        kept += train(model, recorder, 5, seed=1)[1:]
    run = open_run(tmp_path / "run")
    assert run["head.weight"].step.values.tolist() == [0, 4, 6, 8, 11]
    assert np.array_equal(run["head.weight"].values, stack(kept, "head.weight", [0, 4, 6, 8, 11]))
    # Taken back to before it, and gone on with.
    model.load_state_dict(kept[4], strict=False)
    with Recorder(model, tmp_path / "run", RARELY, resume=4, report=None) as recorder:
        train(model, recorder, 1)
    assert open_run(tmp_path / "run")["head.weight"].step.values.tolist() == [0, 4, 5]


def test_a_loop_that_ends_with_other_weights_or_an_error_adds_no_last_step(tmp_path: Path) -> None:
    model = Net()
    best = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with Recorder(model, tmp_path / "best", RARELY, report=None) as recorder:
        train(model, recorder, 6)
        # As trainers do that end with the best weights.
        model.load_state_dict(best)
    assert open_run(tmp_path / "best")["head.weight"].step.values.tolist() == [0, 4]
    with pytest.raises(KeyError), Recorder(model, tmp_path / "error", RARELY, report=None) as recorder:
        train(model, recorder, 6)
        raise KeyError
    assert open_run(tmp_path / "error")["head.weight"].step.values.tolist() == [0, 4]
    with Recorder(model, tmp_path / "replaced", RARELY, report=None) as recorder:
        train(model, recorder, 6)
        model.head = nn.Linear(3, 3)
    run = open_run(tmp_path / "replaced")
    assert run.status == "finished"
    assert run["head.bias"].step.values.tolist() == [0, 1]
    assert run["a/b.weight"].step.values.tolist() == [0, 1, 3, 6]


def test_opens_with_plain_xarray_and_zarr(tmp_path: Path) -> None:
    import zarr

    model = Net()
    with Recorder(model, tmp_path / "run", {"conv": 1, "head": 3, "a/b": 4}, report=None) as recorder:
        kept = train(model, recorder, 9)
    for consolidated in (None, False):
        with xr.open_datatree(
            tmp_path / "run/trajectory.zarr", engine="zarr", consolidated=consolidated
        ) as tree:
            assert not tree.sizes
            assert tree["head.weight"].attrs["parameter"] == "head.weight"
            assert np.array_equal(
                tree["head.weight"]["weights"].values, stack(kept, "head.weight", [0, 3, 6, 9])
            )
            assert np.array_equal(
                tree["conv.weight"]["weights"].values, stack(kept, "conv.weight", list(range(10)))
            )
            assert np.array_equal(
                tree["metrics"]["loss"].values[1:], open_run(tmp_path / "run").metrics["loss"][1:]
            )
            slashed = next(
                node for node in tree.children.values() if node.attrs.get("parameter") == "a/b.weight"
            )
            assert np.array_equal(slashed["weights"].values, stack(kept, "a/b.weight", [0, 4, 8, 9]))
            assert slashed["weights"].coords["epoch"].dims == ("step",)
    group = zarr.open_group(tmp_path / "run/trajectory.zarr", mode="r")
    assert group.metadata.zarr_format == 3
    assert group["conv.weight/weights"].compressors == ()


def test_schedules(tmp_path: Path) -> None:
    model = nn.Sequential(*[nn.Linear(2, 2) for _ in range(5)])
    layers = {"0": 1, "1": "epoch", "2": epochs(2), "3": log_spaced(2), "4": [5, 0, 17], "*.bias": 10}
    with Recorder(model, tmp_path / "run", layers, report=None) as recorder:
        for step in range(1, 41):
            recorder.step()
            if step % 8 == 0:
                recorder.epoch()
    run = open_run(tmp_path / "run")
    assert run["0"].step.values.tolist() == list(range(41))
    assert run["1"].step.values.tolist() == [0, 8, 16, 24, 32, 40]
    assert run["1"].epoch.values.tolist() == [0, 1, 2, 3, 4, 5]
    assert run["2"].step.values.tolist() == [0, 16, 32, 40]
    assert run["3"].step.values.tolist() == [0, 1, 3, 10, 32, 40]
    assert run["4"].step.values.tolist() == [0, 5, 17, 40]
    assert run["3.bias"].step.values.tolist() == [0, 10, 20, 30, 40]
    assert run["0"].epoch.values.tolist() == [
        *([0.0] * 8),
        *([1.0] * 8),
        *([2.0] * 8),
        *([3.0] * 8),
        *([4.0] * 8),
        5.0,
    ]


def test_steps_and_epochs_that_are_told(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with Recorder(model, tmp_path / "run", {"0": 10, "1": "epoch"}, report=None) as recorder:
        for step in (3, 9, 12, 25, 26, 60):
            recorder.step(step, epoch=step / 25)
    run = open_run(tmp_path / "run")
    # A step that jumps over a scheduled one is recorded in its place.
    assert run["0"].step.values.tolist() == [0, 12, 25, 60]
    assert run["1"].step.values.tolist() == [0, 25, 60]
    assert run.metrics.step.values.tolist() == [0, 3, 9, 12, 25, 26, 60]
    assert run.metrics.epoch.values.tolist() == [s / 25 for s in (0, 3, 9, 12, 25, 26, 60)]


def test_start_of_a_training_that_goes_on(tmp_path: Path) -> None:
    with Recorder(nn.Linear(2, 2), tmp_path / "run", start=100, report=None) as recorder:
        recorder.step()
    assert open_run(tmp_path / "run").steps.tolist() == [100, 101]


def test_metrics(tmp_path: Path) -> None:
    with Recorder(nn.Linear(2, 2), tmp_path / "run", report=None) as recorder:
        recorder.step(loss=torch.tensor(1.5, requires_grad=True), accuracy=np.float32(0.25))
        recorder.step(loss=torch.tensor([2.5]), **{"val/loss": 7})
        recorder.flush()
        recorder.log(late=True)
        recorder.epoch(late=3, loss=4)
        recorder.step()
    metrics = open_run(tmp_path / "run").metrics
    expected = {
        "loss": [np.nan, 1.5, 4, np.nan],
        "accuracy": [np.nan, 0.25, np.nan, np.nan],
        "val/loss": [np.nan, np.nan, 7, np.nan],
        "late": [np.nan, np.nan, 3, np.nan],
    }
    assert set(metrics.data_vars) == set(expected)
    for name, values in expected.items():
        assert np.array_equal(metrics[name].values, values, equal_nan=True)
    assert metrics.epoch.values.tolist() == [0, 0, 1, 1]
    assert metrics["val/loss"].dims == ("step",)
    tree = open_run(tmp_path / "run").to_datatree()
    assert set(tree["metrics"].data_vars) == {"loss", "accuracy", "late", "val%2Floss"}
    assert tree["weight"]["weights"].shape == (4, 2, 2)


def test_a_metric_that_comes_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Later than a whole chunk, whose rows then have no file.
    monkeypatch.setattr("eigentrail.runs.layout.CHUNK_ROWS", 8)
    monkeypatch.setattr(
        "eigentrail.runs.trajectory._METRIC", recorder_module.trajectory.ArraySpec.of("float64")
    )
    with Recorder(nn.Linear(2, 2), tmp_path / "run", report=None) as recorder:
        for _ in range(20):
            recorder.step()
        recorder.step(late=1.0)
    values = open_run(tmp_path / "run").metrics["late"].values
    assert np.isnan(values[:21]).all()
    assert values[21] == 1
    with xr.open_datatree(tmp_path / "run/trajectory.zarr", engine="zarr") as tree:
        assert np.array_equal(tree["metrics"]["late"].values, values, equal_nan=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("loss", [1, 2]), ("loss", "high"), ("loss", torch.zeros(2)), ("loss", None), ("", 1.0)],
)
def test_metrics_that_are_no_numbers(tmp_path: Path, name: str, value: object) -> None:
    with Recorder(nn.Linear(2, 2), tmp_path / "run", report=None) as recorder:
        recorder.step(loss=1)
        with pytest.raises(OptionError, match=r"metric|cannot be the name"):
            recorder.step(**{name: value})
        with pytest.raises(OptionError, match="cannot be the name"):
            recorder.log(step=1)
        # The refused step was not told.
        recorder.step(loss=2)
    assert open_run(tmp_path / "run").steps.tolist() == [0, 1, 2]


def test_losses_that_are_not_finite(tmp_path: Path) -> None:
    with Recorder(nn.Linear(2, 2), tmp_path / "run", report=None) as recorder:
        recorder.step(loss=1)
        with pytest.warns(RunWarning, match="loss is nan at step 2") as told:
            recorder.step(loss=float("nan"))
            recorder.step(loss=float("nan"))
        assert len(told) == 1
        with pytest.warns(RunWarning, match="other is inf at step 4"):
            recorder.step(loss=float("nan"), other=float("inf"))
    metrics = open_run(tmp_path / "run").metrics
    assert np.isnan(metrics["loss"].values[2:]).all()
    assert metrics["other"].values[4] == np.inf


def test_precisions(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.ParameterDict(
        {
            "in_double": nn.Parameter(torch.randn(3, 4, dtype=torch.float64)),
            "in_half": nn.Parameter(torch.randn(3, 4).half()),
            "in_brain": nn.Parameter(torch.randn(3, 4).bfloat16()),
            "in_eighth": nn.Parameter(torch.randn(3, 4).to(torch.float8_e4m3fn), requires_grad=False),
            "in_turned": nn.Parameter(torch.randn(4, 3).t()),
            "in_whole": nn.Parameter(torch.ones(2, dtype=torch.int64), requires_grad=False),
        }
    )
    with Recorder(model, tmp_path / "run", report=None):
        pass
    run = open_run(tmp_path / "run")
    assert set(run.layers) == {"in_double", "in_half", "in_brain", "in_eighth", "in_turned"}
    stored = {
        "double": "float64",
        "half": "float16",
        "brain": "float32",
        "eighth": "float32",
        "turned": "float32",
    }
    stored = {f"in_{name}": dtype for name, dtype in stored.items()}
    for name, dtype in stored.items():
        assert run[name].dtype == dtype
        assert np.array_equal(run[name].values[0], model[name].detach().to(getattr(torch, dtype)).numpy())
        back = run.store(0).read(name)
        assert back.dtype == model[name].dtype
        assert torch.equal(back.float(), model[name].detach().float())
    with pytest.raises(OptionError, match=r"in_whole is torch\.int64"):
        Recorder(model, tmp_path / "other", ["in_whole"])


def test_amp_keeps_the_master_weights(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Recorder(model, tmp_path / "run", ["0"], report=None) as recorder:
        for _ in range(3):
            with torch.autocast("cpu", torch.bfloat16):
                output = model(torch.randn(5, 4))
                assert output.dtype == torch.bfloat16
                loss = output.float().square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss)
    weights = open_run(tmp_path / "run")["0"]
    assert weights.dtype == "float32"
    assert np.array_equal(weights.values[-1], model[0].weight.detach().numpy())


@pytest.mark.parametrize("wrap", ["compile", "compile inside", "data parallel", "both"])
def test_wrapped_models(tmp_path: Path, wrap: str) -> None:
    plain = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    model: nn.Module = plain
    if wrap in ("compile", "both"):
        model = torch.compile(model, backend="eager")
    if wrap in ("data parallel", "both"):
        model = nn.DataParallel(model)
    if wrap == "compile inside":
        plain[0] = torch.compile(plain[0], backend="eager")
    with Recorder(model, tmp_path / "run", ["0", "1.bias"], checkpoints="end", report=None) as recorder:
        model(torch.randn(2, 4)).sum().backward()
        torch.optim.SGD(model.parameters(), lr=0.1).step()
        recorder.step()
    run = open_run(tmp_path / "run")
    assert list(run.layers) == ["0.weight", "1.bias"]
    assert np.array_equal(run["0"].values[1], plain[0].weight.detach().numpy())
    assert not np.array_equal(run["0"].values[0], run["0"].values[1])
    fresh = run.model(1, into=nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)))
    assert torch.equal(fresh[1].weight, plain[1].weight)


def test_selection(tmp_path: Path) -> None:
    model = Net()

    def chosen(layers: object) -> list[str]:
        return [source.spec.name for source in Recorder(model, tmp_path, layers)._sources]

    assert chosen("head") == ["head.weight"]
    assert chosen("again.weight") == ["head.weight"]
    assert chosen(["*.weight"]) == ["conv.weight", "norm.weight", "up.weight", "head.weight", "a/b.weight"]
    assert chosen(["norm.*"]) == ["norm.weight", "norm.bias"]
    assert chosen(["norm.*", "norm.running_*"]) == [
        "norm.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
    ]
    with pytest.raises(OptionError, match=r'no layer is named "haed": there are head'):
        chosen(["conv", "haed"])
    with pytest.raises(OptionError, match="layers is empty"):
        chosen([])
    with pytest.raises(OptionError, match=r"norm\.num_batches_tracked is torch\.int64"):
        chosen(["norm.num_batches_tracked"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"every": 0}, "every=0 is no schedule"),
        ({"every": "often"}, "is no schedule"),
        ({"every": [1, -2]}, "is no schedule"),
        ({"every": True}, "is no schedule"),
        ({"every": 1.5}, "is no schedule"),
        ({"resume": True, "overwrite": True}, "choose one"),
        ({"resume": -1}, "counted from 0"),
        ({"start": -1}, "counted from 0"),
        ({"rebuild": "nowhere"}, "no import path"),
        ({"rebuild": lambda: nn.Linear(2, 2)}, "top level"),
        ({"rebuild": functools.partial(nn.Linear, object())}, "a file cannot keep"),
        ({"notes": {"x": object()}}, "a file cannot keep"),
    ],
)
def test_arguments_that_cannot_be(tmp_path: Path, arguments: dict, sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        Recorder(nn.Linear(2, 2), tmp_path / "run", **arguments)
    assert not (tmp_path / "run").exists()


def test_models_that_cannot_be_recorded(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"takes an nn\.Module first, not a str"):
        Recorder("model", tmp_path)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="has no floating parameters"):
        Recorder(nn.ReLU(), tmp_path)
    with pytest.raises(OptionError, match="weight has no shape yet"):
        Recorder(nn.LazyLinear(3), tmp_path)
    with pytest.raises(OptionError, match="meta device"):
        Recorder(nn.Linear(2, 2, device="meta"), tmp_path)


def test_a_layer_that_changes(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with Recorder(model, tmp_path / "run", ["0"], report=None) as recorder:
        recorder.step()
        model[0].weight = nn.Parameter(torch.full((2, 2), 5.0))
        recorder.step()
        model[0].weight = nn.Parameter(torch.zeros(3, 2))
        with pytest.raises(RunError, match=r"0\.weight now has shape \(3, 2\), recorded was \(2, 2\)"):
            recorder.step()
        model[0].weight = nn.Parameter(torch.zeros(2, 2).double())
        with pytest.raises(RunError, match=r"0\.weight is now torch\.float64"):
            recorder.step()
        model[0] = nn.ReLU()
        with pytest.raises(RunError, match=r"0\.weight is no longer a tensor of the model"):
            recorder.step()
    run = open_run(tmp_path / "run")
    assert run["0"].step.values.tolist() == [0, 1, 2]
    assert (run["0"].values[2] == 5).all()


def test_steps_only_go_forward(tmp_path: Path) -> None:
    with Recorder(nn.Linear(2, 2), tmp_path / "run", report=None) as recorder:
        recorder.step(5, epoch=1)
        for step in (5, 4, -1):
            with pytest.raises(RunError, match=f"step {step} was told after step 5"):
                recorder.step(step)
        with pytest.raises(RunError, match="epochs only go forward"):
            recorder.step(epoch=0.5)
        with pytest.raises(RunError, match="epochs only go forward"):
            recorder.epoch(float("nan"))
        recorder.step(6)
    assert open_run(tmp_path / "run").steps.tolist() == [0, 5, 6]


def test_a_recorder_is_used_once(tmp_path: Path) -> None:
    recorder = Recorder(nn.Linear(2, 2), tmp_path / "run", report=None)
    with pytest.raises(RunError, match="is not open yet"):
        recorder.step()
    with recorder:
        recorder.step()
    with pytest.raises(RunError, match="is closed"):
        recorder.step()
    with pytest.raises(RunError, match="used once"), recorder:
        pass


def test_what_an_exception_leaves(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    with (
        pytest.raises(KeyboardInterrupt),
        Recorder(model, tmp_path / "run", checkpoints="end", report=None) as recorder,
    ):
        recorder.step(loss=1)
        raise KeyboardInterrupt
    run = open_run(tmp_path / "run")
    assert run.status == "interrupted"
    assert run.manifest is not None
    assert run.manifest.error == "KeyboardInterrupt"
    assert run.steps.tolist() == [0, 1]
    # The weights may be those of half a step, so no checkpoint of this step is made.
    assert run.checkpoints == ()


def test_the_manifest(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25, momentum=0.9)
    with Recorder(
        model,
        tmp_path / "run",
        optimizer=optimizer,
        data={"name": "digits", "classes": 3},
        seed=11,
        notes={"path": tmp_path, "rate": np.float64(0.5), "nan": float("nan")},
        rebuild=functools.partial(nn.Linear, 2, 2, bias=True),
        report=None,
    ) as recorder:
        recorder.step()
    told = json.loads((tmp_path / "run/run.json").read_text())
    assert told["status"] == "finished"
    assert told["seed"] == 11
    assert told["data"] == {"name": "digits", "classes": 3}
    assert told["optimizer"]["class"] == "torch.optim.sgd:SGD"
    assert told["optimizer"]["groups"][0]["lr"] == 0.25
    assert told["notes"] == {"path": str(tmp_path), "rate": 0.5, "nan": "nan"}
    assert told["packages"]["torch"] == torch.__version__
    assert told["model"]["build"]["kwargs"] == {"bias": True}
    assert told["layers"][0]["shape"] == [2, 2]
    assert told["overhead"]["steps"] == 1
    rebuilt = open_run(tmp_path / "run").model(1)
    assert torch.equal(rebuilt.weight, model.weight)


@pytest.mark.filterwarnings("ignore:.*cannot keep up")
def test_disk_use_is_told_before_the_first_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = nn.Linear(100, 250)
    lines: list[str] = []
    with Recorder(model, tmp_path / "a", ["weight"], 10, steps=5000, report=lines.append) as recorder:
        assert len(lines) == 1
        assert "recording 1 tensor (100 kB in all)" in lines[0]
        # 501 records of 100,016 bytes, 5,000 rows of metrics of 32.
        assert "about 50.3 MB for 5,000 steps" in lines[0]
        assert "of disk are free" in lines[0]
        for _ in range(5000):
            recorder.step(loss=1.0, accuracy=0.5)
    used = sum(f.stat().st_blocks * 512 for f in (tmp_path / "a").rglob("*") if f.is_file())
    assert used == pytest.approx(50.3e6, rel=0.02)
    with Recorder(model, tmp_path / "b", {"weight": "epoch", "bias": 1}):
        pass
    assert "1,000 steps and 100 kB an epoch" in capsys.readouterr().err
    with pytest.warns(RunWarning, match="too few; the recording will stop when the disk is full"):
        Recorder(model, tmp_path / "c", steps=10**13, report=None).__enter__().close()


def test_overhead_is_measured(tmp_path: Path) -> None:
    with Recorder(nn.Linear(200, 200), tmp_path / "run", report=None) as recorder:
        for _ in range(50):
            torch.randn(100, 100) @ torch.randn(100, 100)
            recorder.step(loss=1.0)
    told = open_run(tmp_path / "run").overhead
    assert told.steps == 50
    assert 0 < told.recorder_seconds < told.loop_seconds
    # The thread that writes is counted, and the CPU time of the loop is that of all threads.
    assert told.cpu_seconds > 0 and told.loop_cpu_seconds > 0
    # The writer may go on after the last step: a short loop has no share to tell.
    rest = told.loop_cpu_seconds - told.cpu_seconds
    assert told.fraction == (pytest.approx(told.cpu_seconds / rest) if rest > 0 else None)


def test_a_network_larger_than_the_ring(tmp_path: Path) -> None:
    # The tensors of one step pass through in parts; steps stay whole.
    model = nn.Sequential(*[nn.Linear(64, 64, bias=False) for _ in range(9)])
    with Recorder(model, tmp_path / "run", report=None, ring_bytes=1) as recorder:
        assert recorder._ring.size < 3 * 64 * 64 * 4
        for step in range(1, 40):
            with torch.no_grad():
                for i, layer in enumerate(model):
                    layer.weight.fill_(step + 100 * i)
            recorder.step()
    run = open_run(tmp_path / "run")
    for i in range(9):
        assert np.array_equal(run[str(i)].values[1:, 3, 5], np.arange(1, 40) + 100.0 * i)


def test_a_step_that_is_begun_and_not_ended(tmp_path: Path) -> None:
    model = nn.Sequential(*[nn.Linear(64, 64, bias=False) for _ in range(9)])
    with Recorder(model, tmp_path / "run", report=None, ring_bytes=1) as recorder:
        recorder.step(loss=1)
        last, model[8] = model[8], nn.Linear(64, 32, bias=False)
        with pytest.raises(RunError, match="now has shape"):
            recorder.step(loss=2)
        model[8] = last
        copy, count = recorder._ring.copy, 0

        def interrupted(*args: object) -> None:
            nonlocal count
            count += 1
            if count == 6:
                raise KeyboardInterrupt
            copy(*args)

        recorder._ring.copy = interrupted  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            recorder.step(loss=2)
        recorder._ring.copy = copy  # type: ignore[method-assign]
        with torch.no_grad():
            model[0].weight.fill_(7)
        recorder.step(5, loss=3)
    run = open_run(tmp_path / "run")
    for name in run.layers:
        assert run[name].step.values.tolist() == [0, 1, 5]
    assert (run["0"].values[2] == 7).all()
    assert run.metrics["loss"].values[1:].tolist() == [1, 3]


def test_other_ranks_do_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    with Recorder(nn.Linear(2, 2), tmp_path / "run") as recorder:
        recorder.step(loss=1)
        recorder.epoch()
        recorder.log(x=1)
        recorder.checkpoint()
        recorder.flush()
    assert not (tmp_path / "run").exists()


def test_checkpoints(tmp_path: Path) -> None:
    model = Net()
    with Recorder(model, tmp_path / "run", ["conv"], 5, checkpoints=[4, 8], report=None) as recorder:
        kept = train(model, recorder, 9)
        recorder.checkpoint(training={"optimizer": {"lr": 0.1}, "rng": torch.arange(3)})
    run = open_run(tmp_path / "run")
    assert run.checkpoints == (0, 4, 8, 9)
    entries = run.store(8).entries
    assert {"conv.weight", "norm.running_mean", "norm.num_batches_tracked", "a/b.bias"} <= set(entries)
    assert entries["head.weight"].aliases == ("again.weight",)
    assert torch.equal(run.store(4).read("a/b.weight"), kept[4]["a/b.weight"])
    fresh = run.model(9, into=Net())
    for name, value in model.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name])
    assert torch.equal(run.training_state(9)["rng"], torch.arange(3))
    with pytest.raises(RunError, match="keeps no state of the training at step 4"):
        run.training_state(4)
    with pytest.raises(
        RunError,
        match=r"cannot be built at step 5: scale, conv\.bias, .* more are not recorded then; choose step 4",
    ):
        run.model(5, into=Net())
