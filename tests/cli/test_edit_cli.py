"""`eigentrail edit`: expected, written, measured; and one sentence for what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import eigentrail as et
from eigentrail.cli.app import run


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    spike = 30 * torch.outer(torch.randn(60), torch.randn(40)) / 49
    path = tmp_path / "w.safetensors"
    save_file(
        {"a.weight": torch.randn(60, 40) + spike, "b.weight": torch.randn(50, 30), "a.bias": torch.ones(60)},
        path,
    )
    return path


@pytest.mark.parametrize("way", [["--truncate", "3"], ["--energy", "0.5"], ["--shrink", "2"]])
def test_every_way_writes_what_it_expected(way, checkpoint, tmp_path, capsys) -> None:
    out = tmp_path / "new.safetensors"
    assert run(["edit", str(checkpoint), *way, "-o", str(out), "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [layer["name"] for layer in document["layers"]] == ["a.weight", "b.weight"]
    for layer in document["layers"]:
        assert layer["measured_error"] == pytest.approx(layer["relative_error"], rel=1e-5)
    assert torch.equal(load_file(out)["a.bias"], torch.ones(60))


@pytest.mark.parametrize("way", ["--spikes", "--denoise"])
def test_layers_without_spikes_are_left_as_they_are(way, checkpoint, tmp_path, capsys) -> None:
    out = tmp_path / "new.safetensors"
    assert run(["edit", str(checkpoint), way, "-o", str(out)]) == 0
    printed = capsys.readouterr()
    assert "left as it is: b.weight: nothing stands out" in printed.err
    assert "a.weight" in printed.out
    assert torch.equal(load_file(out)["b.weight"], load_file(checkpoint)["b.weight"])


def test_dry_run_writes_nothing(checkpoint, tmp_path, capsys) -> None:
    assert (
        run(["edit", str(checkpoint), "--truncate", "3", "--dry-run", "--layers", "a", "--format", "csv"])
        == 0
    )
    assert capsys.readouterr().out.startswith("name,rows")
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_a_run_is_measured_on_its_samples(tmp_path, capsys) -> None:
    et.train("mlp50", "digits", tmp_path / "run", epochs=1, progress=False)
    call = ["edit", str(tmp_path / "run"), "--truncate", "9", "--dry-run", "--format", "json"]
    accuracies = []
    for more in ([], ["--whiten"]):
        assert run([*call, *more]) == 0
        document = json.loads(capsys.readouterr().out)
        accuracies.append(document["summary"]["accuracy_after"])
        assert 0 <= document["summary"]["accuracy_before"] <= 1
        assert all((layer["output_error"] is None) == (not more) for layer in document["layers"])
    assert accuracies[1] >= accuracies[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--truncate", "3"], "-o FILE"),
        (["--truncate", "0", "--dry-run"], "no matrix could be edited"),
        (["--truncate", "41", "--dry-run"], "beyond the rank"),
        (["--truncate", "3", "--denoise", "--dry-run"], "exactly one"),
        (["--dry-run"], "exactly one"),
        (["--truncate", "3", "--whiten", "--dry-run"], "recorded run"),
        (["--truncate", "3", "-o", "SOURCE"], "never written onto"),
        (["--truncate", "3", "--layers", "c", "--dry-run"], "no weight matches"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments, said, checkpoint, capsys) -> None:
    old = checkpoint.read_bytes()
    assert run(["edit", str(checkpoint), *(str(checkpoint) if a == "SOURCE" else a for a in arguments)]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert len(printed.splitlines()) == 1
    assert checkpoint.read_bytes() == old


def test_a_checkpoint_with_network_and_samples_is_measured(tmp_path, capsys) -> None:
    trained = et.train("mlp50", "digits", tmp_path / "run", epochs=4, lr=0.3, progress=False)
    model = trained.model(int(trained.steps[-1]))
    save_file(dict(model.state_dict()), tmp_path / "w.safetensors")
    call = ["edit", str(tmp_path / "w.safetensors"), "--truncate", "8", "--layers", "fc1", "--format", "json"]
    found = {}
    for way in ("plain", "--whiten"):
        more = [] if way == "plain" else [way]
        assert (
            run(
                [
                    *call,
                    "--model",
                    "mlp50",
                    "--data",
                    "digits",
                    *more,
                    "-o",
                    str(tmp_path / f"{way}.safetensors"),
                ]
            )
            == 0
        )
        found[way] = json.loads(capsys.readouterr().out)
    summary = found["--whiten"]["summary"]
    assert summary["accuracy_before"] > 0.8
    assert summary["accuracy_after"] >= found["plain"]["summary"]["accuracy_after"]
    assert found["--whiten"]["layers"][0]["output_error"] is not None
    # What was measured is what was written.
    model.load_state_dict(load_file(tmp_path / "--whiten.safetensors"))
    data = et.data.load("digits")
    with torch.no_grad():
        right = (model(data.test_inputs).argmax(1) == data.test_targets).double().mean()
    assert float(right) == pytest.approx(summary["accuracy_after"])
    for wrong, said in (
        (["--model", "mlp50"], "together"),
        (["--model", "mlp256", "--data", "digits"], "does not fit"),
        (["--whiten"], "samples"),
    ):
        assert run([*call, *wrong, "--dry-run"]) == 2
        assert said in capsys.readouterr().err


def test_quantised_weights_are_edited_on_request_only(tmp_path, capsys) -> None:
    codes = (torch.randn(64, 128, generator=torch.Generator().manual_seed(0)) * 40).to(torch.float8_e4m3fn)
    scale = torch.full((64, 1), 0.01)
    save_file(
        {"fc.weight": codes, "fc.weight_scale": scale, "free.weight": torch.randn(20, 30)},
        tmp_path / "q.safetensors",
    )
    out = tmp_path / "new.safetensors"
    assert run(["edit", str(tmp_path / "q.safetensors"), "--truncate", "4", "-o", str(out)]) == 0
    assert "quantised" in capsys.readouterr().err
    assert load_file(out)["fc.weight"].dtype == torch.float8_e4m3fn
    out = tmp_path / "dense.safetensors"
    assert (
        run(["edit", str(tmp_path / "q.safetensors"), "--truncate", "4", "--dequantise", "-o", str(out)]) == 0
    )
    written = load_file(out)
    assert set(written) == {"fc.weight", "free.weight"}
    u, s, vt = torch.linalg.svd(codes.float() * scale, full_matrices=False)
    torch.testing.assert_close(written["fc.weight"], u[:, :4] * s[:4] @ vt[:4], rtol=1e-4, atol=1e-5)
    assert run(["edit", str(out), "--truncate", "2", "--dequantise", "--dry-run"]) == 2
    assert "no quantised weights" in capsys.readouterr().err
    source = tmp_path / "q.safetensors"
    old = source.read_bytes()
    assert run(["edit", str(source), "--truncate", "2", "--dequantise", "-o", str(source)]) == 2
    assert "never written onto" in capsys.readouterr().err
    assert source.read_bytes() == old
