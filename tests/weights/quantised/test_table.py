"""Every packed layout gives back what its codes stand for, and no companion becomes a layer."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import eigentrail as et
from eigentrail.errors import EigentrailError
from eigentrail.weights import open_weights, plan_matrices
from eigentrail.weights.quantised.table import LAYOUTS
from eigentrail.weights.readers.memory import open_state_dict
from eigentrail.weights.view import Context

sys.path.insert(0, str(Path(__file__).parents[1]))
from packing import WRITERS, _mxfp4, fp8_tensor
from planning import noise, plan, spike

SPIKES = 3


def planted() -> torch.Tensor:
    """Noise of norm 1 with three directions far above it; neither size is a multiple of the usual blocks of 128."""
    rows, cols = 200, 384
    bulk = noise(rows, cols) / (rows**0.5 + cols**0.5)
    return 0.02 * (bulk + sum(spike(rows, cols, 4.0 + k, seed=10 + k) for k in range(SPIKES)))


def saved(folder: Path, stored, config) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in stored.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _ints(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    return torch.ones(*shape, dtype=dtype)


#: Rows of the table that no writer of whole weights reaches: stacks, and what is known and not read.
OTHERS = {
    "MXFP4 stack": {"fc_blocks": _ints(torch.uint8, 2, 8, 2, 16), "fc_scales": _ints(torch.uint8, 2, 8, 2)},
    "bitsandbytes without its state": {
        "fc.weight": _ints(torch.uint8, 32, 1),
        "fc.weight.absmax": torch.ones(1),
    },
    "torchao packed": {"fc._weight_qdata": _ints(torch.int32, 8, 8)},
    "HQQ": {"fc.W_q": _ints(torch.uint8, 8, 8), "fc.scale": torch.ones(8, 1), "fc.zero": torch.ones(8, 1)},
    "quanto packed": {"fc.weight._data": _ints(torch.uint8, 8, 8), "fc.weight._scale": torch.ones(8, 1)},
    "AQLM": {"fc.codes": _ints(torch.int16, 8, 4, 2), "fc.codebooks": torch.ones(2, 16, 1, 8)},
    "EETQ": {"fc.weight": _ints(torch.int8, 8, 8), "fc.weight_scales": torch.ones(8)},
    "float8 without scales": {"fc.weight": torch.ones(8, 8).to(torch.float8_e4m3fn)},
}


def rows_of(stored) -> set[int]:
    """The rows of the table that take the tensors of a checkpoint: of each tensor the first that fits."""
    context = open_state_dict(stored)
    planned = Context(context.entries, {}, {}, "flatten", heads=False, read=context.read)
    looks = {
        name: next((row for row, layout in enumerate(LAYOUTS) if layout.look(planned, entry)), None)
        for name, entry in context.entries.items()
    }
    return {row for row in looks.values() if row is not None}


@pytest.fixture(scope="module")
def reached() -> set[int]:
    written = [writer(planted().numpy())[0] for writer in WRITERS.values()]
    return set().union(*map(rows_of, [*written, *OTHERS.values()]))


@pytest.mark.parametrize("row", range(len(LAYOUTS)), ids=lambda row: f"{row}-{LAYOUTS[row].name}")
def test_every_row_of_the_table_has_a_case(row, reached):
    """A further layout comes with a writer in `packing`, or, where it is not read, with tensors here."""
    assert row in reached, f"no test writes {LAYOUTS[row].name} ({LAYOUTS[row].codes})"


@pytest.mark.parametrize("case", [case for case in OTHERS if case != "MXFP4 stack"])
def test_what_is_known_and_not_read_is_left_out_whole(case):
    weights = open_weights({**OTHERS[case], "free.weight": noise(4, 5)})
    assert list(weights) == ["free.weight"]
    reasons = {left.name: left.reason for left in weights.skipped}
    assert set(reasons) == set(OTHERS[case])
    assert any(LAYOUTS[row].name in reason for row in rows_of(OTHERS[case]) for reason in reasons.values())


@pytest.mark.parametrize("layout", WRITERS)
def test_the_matrix_is_the_one_that_the_codes_stand_for(layout, tmp_path):
    weight = planted()
    stored, config, truth = WRITERS[layout](weight.numpy())
    weights = open_weights(saved(tmp_path, {**stored, "free.weight": noise(4, 5)}, config))
    assert list(weights) == ["fc.weight", "free.weight"]
    assert {left.name for left in weights.skipped} == set(stored) - set(
        weights.specs["fc.weight"].tensors[:1]
    )
    again = pickle.loads(pickle.dumps(weights))["fc.weight"]
    assert again.dtype == torch.float32
    torch.testing.assert_close(again.double(), torch.as_tensor(truth), rtol=2e-6, atol=1e-9)
    assert (again.double() - weight).norm() < 0.15 * weight.norm()  # the writer itself is no nonsense


@pytest.mark.parametrize("layout", WRITERS)
def test_planted_spikes_survive_the_reading(layout):
    stored, config, _ = WRITERS[layout](planted().numpy())
    context = open_state_dict(stored)
    specs, _ = plan_matrices(context.entries, config, read=context.read)
    spectrum = et.spectra.Spectrum.from_matrix(specs[0].build(context.read))
    assert spectrum.marchenko_pastur().spikes == SPIKES
    assert (spectrum.eigenvalues[-1] * 384) ** 0.5 == pytest.approx(0.02 * 6.0, rel=0.05)
    assert "times their scales" in specs[0].note


def test_576_rows_with_five_scales_have_blocks_of_128():
    """Not 116: the last block is the short one."""
    scale = torch.arange(1.0, 21.0).reshape(5, 4)
    stored = {"l.weight": torch.ones(576, 512).to(torch.float8_e4m3fn), "l.weight_scale_inv": scale}
    weight = open_weights(stored)["l.weight"]
    assert weight[127, 0] == 1 and weight[128, 0] == 5 and weight[575, 511] == 20


def test_blocks_that_nothing_tells_are_no_guess():
    stored = {"l.weight": torch.ones(500, 512).to(torch.float8_e4m3fn), "l.weight_scale": torch.ones(7, 4)}
    specs, skipped = plan(stored)
    assert not specs
    assert "no configuration tells" in skipped["l.weight"]


def test_the_norm_of_a_comfyui_weight_is_its_own():
    weight = noise(64, 32)
    stored, _, truth = fp8_tensor(weight.numpy())
    comfy = {"fc.weight": stored["fc.weight"], "fc.scale_weight": stored["fc.weight_scale"]}
    assert open_weights(comfy)["fc.weight"].norm() == pytest.approx(
        float(torch.as_tensor(truth).norm()), rel=1e-5
    )


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("fc.weight", torch.ones(8, 8).to(torch.float8_e4m3fn)),
        ("fc.weight", torch.ones(8, 8).to(torch.float8_e5m2)),
        ("fc.weight", torch.ones(8, 8, dtype=torch.uint8)),
        ("fc.weight", torch.ones(8, 8, dtype=torch.uint32)),
        ("fc.W_q", torch.ones(8, 8, dtype=torch.uint8)),
        ("fc._weight_qdata", torch.ones(8, 8, dtype=torch.uint8)),
    ],
)
def test_codes_without_scales_are_never_seen_as_they_are(name, tensor):
    specs, skipped = plan({name: tensor, "fc.bias": torch.zeros(8)})
    assert not specs
    assert skipped[name]


@pytest.mark.parametrize("missing", ["settings", "biases"])
def test_mlx_without_its_settings_is_skipped_whole(missing):
    stored, config, _ = WRITERS["mlx"](planted().numpy())
    if missing == "biases":
        del stored["fc.biases"]
    specs, skipped = plan(stored, config if missing == "biases" else {})
    assert not specs
    assert set(skipped) == set(stored)


def test_experts_in_mxfp4_are_read_one_at_a_time(tmp_path):
    """GPT-OSS: [experts, out, groups, 16]; gate and up alternate, and the bare model is [experts, in, out]."""
    experts, width, hidden = 3, 32, 64
    names = {"gate_up_proj": (2 * width, hidden), "down_proj": (hidden, width)}
    stored, truth = {}, {}
    for name, (rows, cols) in names.items():
        packed = [_mxfp4(noise(rows, cols, seed=7 * e).numpy()) for e in range(experts)]
        stored[f"mlp.experts.{name}_blocks"] = torch.stack([p[0].unflatten(1, (-1, 16)) for p in packed])
        stored[f"mlp.experts.{name}_scales"] = torch.stack([p[1] for p in packed])
        truth[name] = [torch.as_tensor(p[2]) for p in packed]
    weights = open_weights(saved(tmp_path, stored, {"model_type": "gpt_oss"}))
    for e in range(experts):
        gate_up = truth["gate_up_proj"][e]
        assert torch.equal(weights[f"mlp.experts.gate_up_proj:e{e}.gate"].double(), gate_up[0::2])
        assert torch.equal(weights[f"mlp.experts.gate_up_proj:e{e}.up"].double(), gate_up[1::2])
        assert torch.equal(weights[f"mlp.experts.down_proj:e{e}"].double(), truth["down_proj"][e])


def test_a_fused_projection_is_cut_after_it_is_unpacked(tmp_path):
    weight = noise(384, 128)
    stored, config, truth = WRITERS["gptq"](weight.numpy())
    stored = {name.replace("fc.", "attn.qkv."): tensor for name, tensor in stored.items()}
    weights = open_weights(saved(tmp_path, stored, config))
    assert list(weights) == [f"attn.qkv.weight:{part}" for part in "qkv"]
    torch.testing.assert_close(
        weights["attn.qkv.weight:k"].double(), torch.as_tensor(truth[128:256]), rtol=1e-5, atol=1e-9
    )


@pytest.mark.parametrize("layout", WRITERS)
def test_codes_of_any_shape_end_in_a_reason_and_not_in_an_error(layout):
    """Cut each tensor in turn: the weight is read, skipped with a reason, or refused when it is read."""
    stored = WRITERS[layout](planted().numpy())[0]
    for name in stored:
        for cut in (stored[name].flatten()[:3], stored[name][:1] if stored[name].ndim else stored[name]):
            weights = open_weights({**stored, name: cut, "free.weight": noise(4, 5)})
            assert "free.weight" in weights
            try:
                weights.get("fc.weight")
            except EigentrailError:
                continue
