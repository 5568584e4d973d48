"""Adapters of the LyCORIS family: each update is the one that its own formula gives; factors never become layers."""

from __future__ import annotations

import torch
from planning import noise, plan
from torch import nn

from eigentrail.weights import open_weights


def dense(weights, name: str) -> torch.Tensor:
    found = weights[name]
    return found.dense() if hasattr(found, "dense") else found.double()


def test_the_core_of_a_convolution_s_adapter_counts():
    """up [out, r], mid [r, r, k, k], down [r, in]: the kernel is their contraction."""
    up, mid, down = noise(12, 3, 1, 1), noise(3, 3, 3, 3, seed=1), noise(3, 8, 1, 1, seed=2)
    stored = {
        "c.lora_up.weight": up,
        "c.lora_mid.weight": mid,
        "c.lora_down.weight": down,
        "c.alpha": torch.tensor(6.0),
    }
    kernel = torch.einsum("op,pqxy,qi->oixy", up[..., 0, 0], mid, down[..., 0, 0]) * 2.0
    weights = open_weights(stored)
    assert list(weights) == ["c:lora"]
    torch.testing.assert_close(dense(weights, "c:lora"), kernel.flatten(1), rtol=1e-5, atol=1e-5)
    slices = open_weights(stored, conv="slices")["c:lora"].dense()
    torch.testing.assert_close(slices, kernel.flatten(2).permute(2, 0, 1), rtol=1e-5, atol=1e-5)


def test_loha_is_the_entrywise_product():
    a, b, c, d = noise(10, 2), noise(2, 7, seed=1), noise(10, 2, seed=2), noise(2, 7, seed=3)
    stored = {
        "l.hada_w1_a": a,
        "l.hada_w1_b": b,
        "l.hada_w2_a": c,
        "l.hada_w2_b": d,
        "l.alpha": torch.tensor(1.0),
    }
    weights = open_weights({**stored, "free.weight": noise(4, 5)})
    assert set(weights) == {"l:loha", "free.weight"}
    truth = (a @ b) * (c @ d) / 2
    torch.testing.assert_close(dense(weights, "l:loha"), truth)
    values = torch.linalg.svdvals(truth)[:4]
    torch.testing.assert_close(weights["l:loha"].singular_values()[:4], values)


def test_lokr_is_the_kronecker_product():
    one, a, b = noise(3, 4), noise(5, 2, seed=1), noise(2, 6, seed=2)
    stored = {"l.lokr_w1": one, "l.lokr_w2_a": a, "l.lokr_w2_b": b, "l.alpha": torch.tensor(4.0)}
    weights = open_weights(stored)
    assert list(weights) == ["l:lokr"]
    torch.testing.assert_close(dense(weights, "l:lokr"), torch.kron(one, a @ b) * 2.0, rtol=1e-5, atol=1e-5)


def test_vera_is_the_shared_projection_between_the_layer_s_scales():
    """PEFT: diag(lambda_b) B[:out] diag(lambda_d) A, with B as high as the highest of the layers."""
    first, second = noise(3, 9), noise(12, 3, seed=1)
    stored = {"base_model.vera_A": first, "base_model.vera_B": second}
    scales = {}
    for layer, outputs in (("q_proj", 12), ("v_proj", 7)):
        scales[layer] = noise(outputs, 1, seed=outputs)[:, 0], noise(3, 1, seed=5)[:, 0]
        name = f"base_model.model.layers.0.self_attn.{layer}"
        stored[f"{name}.vera_lambda_b"], stored[f"{name}.vera_lambda_d"] = scales[layer]
    weights = open_weights(stored)
    assert len(weights) == 2
    for name, (rows, inner) in zip(weights, scales.values(), strict=True):
        truth = rows[:, None] * second[: len(rows)] @ (inner[:, None] * first)
        torch.testing.assert_close(dense(weights, name), truth)
    assert {left.name for left in weights.skipped} >= {"base_model.vera_A", "base_model.vera_B"}


def test_vera_without_its_projections_says_what_is_missing():
    specs, skipped = plan({"l.vera_lambda_b": noise(6, 1)[:, 0], "l.vera_lambda_d": noise(3, 1)[:, 0]})
    assert not specs
    assert all("save_projection=True" in reason for reason in skipped.values())


def test_layers_whose_names_begin_like_an_adapter_s_are_layers():
    stored = {
        name: noise(6, 4) for name in ("net.road_head.weight", "net.bone_conv.weight", "net.miss_rate.weight")
    }
    specs, skipped = plan(stored)
    assert set(specs) == set(stored)
    assert not skipped


def test_factors_of_other_families_are_no_layers():
    names = (
        "l.bone_block",
        "l.miss_block",
        "l.c3a_kernel",
        "l.road_theta",
        "l.vblora_logits_A",
        "base.vblora_vector_bank",
        "l.delora_A",
        "l.gralora_B",
        "l.oft_r",
        "l.oft_blocks",
        "l.boft_R",
        "l.vera_lambda_b",
        "base.vera_A",
        "l.hada_t1",
        "l.glora_a1",
    )
    specs, skipped = plan({name: noise(6, 4) for name in names})
    assert not specs
    assert set(skipped) == set(names)


def test_stable_diffusion_s_averaged_kernels_are_kernels():
    kernel = noise(16, 8, 3, 3)
    specs, _ = plan({"model_ema.diffusion_modelinput_blocks00weight": kernel})
    (spec,) = specs.values()
    assert (spec.kind, spec.rows, spec.cols) == ("conv2d", 16, 72)


def test_fixed_buffers_of_a_module_are_not_weights():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6, 4)
            self.register_buffer("basis", torch.eye(6))

    weights = open_weights(Net())
    assert list(weights) == ["fc.weight"]
    assert "not trained" in {left.name: left.reason for left in weights.skipped}["basis"]
