"""Which matrices a checkpoint holds: plain layers, convolutions, tables, and what is skipped and why."""

from __future__ import annotations

import pytest
import torch
from planning import assert_partition, noise, plan
from torch import nn
from torch.nn.utils import prune

from eigentrail.errors import OptionError
from eigentrail.weights import open_store, plan_matrices


def module_plan(module: nn.Module, **options):
    store = open_store(module)
    tensors = {name: store.read(name) for name in store.entries}
    return plan(tensors, store.config, store.modules, **options)


def test_linear_and_embedding_are_seen_as_stored() -> None:
    tensors = {
        "fc.weight": noise(5, 7, dtype=torch.float32),
        "fc.bias": noise(5),
        "tok_embed.weight": noise(9, 4),
    }
    specs, skipped = plan(tensors)
    assert [(s.name, s.kind, s.rows, s.cols) for s in specs.values()] == [
        ("fc.weight", "linear", 5, 7),
        ("tok_embed.weight", "embedding", 9, 4),
    ]
    assert torch.equal(specs["fc.weight"].build(tensors.__getitem__), tensors["fc.weight"])
    assert skipped == {"fc.bias": "a vector, not a matrix"}


@pytest.mark.parametrize("depth", [20, 56])
@pytest.mark.parametrize("conv", ["flatten", "spatial", "slices"])
def test_resnets_give_exactly_their_convolutions_and_the_last_layer(checkpoints, depth, conv) -> None:
    (path,) = (checkpoints / "resnet-cifar10").glob(f"resnet{depth}-*.th")
    store = open_store(path)
    specs, skipped = plan_matrices(store.entries, store.config, store.modules, conv=conv)
    expected = {n for n, e in store.entries.items() if len(e.shape) == 4} | {"linear.weight"}
    assert {spec.name for spec in specs} == expected
    assert len(specs) == depth
    assert len(skipped) == len(store.entries) - depth
    assert all(spec.note is None for spec in specs)
    first = next(spec for spec in specs if spec.name == "layer2.0.conv1.weight")
    assert (first.matrices, first.rows, first.cols) == {
        "flatten": (1, 32, 144),
        "spatial": (1, 9, 512),
        "slices": (9, 32, 16),
    }[conv]


@pytest.mark.parametrize("file", ["low_precision_mod_addition.pth", "wd_10-1_mod_addition_loss_curve.pth"])
def test_grokking_transformers_give_all_their_weights_and_no_mask(checkpoints, file) -> None:
    store = open_store(checkpoints / "grokking-mod-addition" / file)
    specs, skipped = plan_matrices(store.entries, store.config, store.modules)
    shapes = {spec.name: (spec.rows, spec.cols) for spec in specs}
    block = "blocks.0."
    assert shapes == {
        "embed.W_E": (128, 114), "pos_embed.W_pos": (3, 128), "unembed.W_U": (128, 114),
        **{f"{block}attn.W_{x}": (128, 128) for x in "QKVO"},
        f"{block}mlp.W_in": (512, 128), f"{block}mlp.W_out": (128, 512),
    }  # fmt: skip
    assert {s.name: s.reason for s in skipped} == {
        f"{block}attn.mask": "an attention mask, not a trained weight",
        f"{block}mlp.b_in": "a vector, not a matrix",
        f"{block}mlp.b_out": "a vector, not a matrix",
    }
    apart, _ = plan_matrices(store.entries, store.config, store.modules, heads=True)
    query = {spec.name: spec for spec in apart}[f"{block}attn.W_Q:h2"]
    assert torch.equal(query.build(store.read), store.read(f"{block}attn.W_Q")[2])


def test_convolutions_of_a_module_know_their_groups_and_direction() -> None:
    net = nn.Sequential(
        nn.Conv1d(4, 6, 3, groups=2),
        nn.ConvTranspose2d(6, 8, 2, groups=2),
        nn.Conv3d(8, 8, 2, groups=8),
        nn.Conv2d(3, 4, 3),
    )
    specs, _ = module_plan(net)
    assert [(s.kind, s.matrices, s.rows, s.cols) for s in specs.values()] == [
        ("conv1d", 2, 3, 6),
        ("conv2d-transposed", 2, 4, 12),
        ("conv3d", 1, 8, 8),
        ("conv2d", 1, 4, 27),
    ]
    notes = [s.note for s in specs.values()]
    assert notes[0] == notes[1] == "2 groups: a matrix each"
    assert "depthwise" in notes[2]
    assert notes[3] is None
    store = open_store(net)
    for spec in specs.values():
        assert_partition([spec], {n: store.read(n) for n in store.entries}, spec.name)


def test_a_bare_checkpoint_says_where_groups_may_hide() -> None:
    tensors = {
        "stem.weight": noise(8, 3, 3, 3),
        "a.weight": noise(16, 8, 1, 1),
        "b.weight": noise(16, 4, 3, 3),
    }
    specs, _ = plan(tensors)
    assert [s.note is None for s in specs.values()] == [True, True, False]
    assert "perhaps grouped" in specs["b.weight"].note
    assert (specs["b.weight"].rows, specs["b.weight"].cols) == (16, 36)


def test_a_transposed_convolution_is_told_by_its_name() -> None:
    tensors = {"up.deconv1.weight": noise(4, 6, 2, 2)}
    spec = plan(tensors)[0]["up.deconv1.weight"]
    assert (spec.kind, spec.rows, spec.cols) == ("conv2d-transposed", 6, 16)
    assert "name" in spec.note


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (lambda: nn.utils.weight_norm(nn.Conv1d(4, 6, 3)), "conv1d"),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 6, 3)), "conv2d"),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(4, 6)), "linear"),
        (lambda: nn.utils.spectral_norm(nn.Linear(4, 6)), "linear"),
        (lambda: nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 6, 3)), "conv2d"),
    ],
    ids=["old conv", "conv", "linear", "old spectral", "spectral"],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("bare", [True, False])
def test_normalised_weights_are_put_together(layer, kind, bare) -> None:
    layer = layer().double()
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.endswith(("weight_g", "original0")):
                parameter.mul_(3)
    layer.eval()
    layer(noise(1, 4, *[5] * {"conv1d": 1, "conv2d": 2}.get(kind, 0)))
    tensors = layer.state_dict()
    modules = None if bare else open_store(layer).modules
    specs, skipped = plan(tensors, None, modules)
    (spec,) = specs.values()
    assert spec.kind == kind
    torch.testing.assert_close(
        spec.build(tensors.__getitem__), layer.weight.detach().flatten(1), rtol=1e-10, atol=1e-12
    )
    assert sum("already in" in reason for reason in skipped.values()) == len(spec.tensors) - 1


def test_a_pruned_weight_is_seen_pruned() -> None:
    layer = nn.Linear(6, 5)
    prune.l1_unstructured(layer, "weight", 0.5)
    tensors = layer.state_dict()
    (spec,) = plan(tensors)[0].values()
    assert torch.equal(spec.build(tensors.__getitem__), layer.weight.detach())


@pytest.mark.parametrize(
    ("scale", "full"), [((), (3, 5)), ((5,), (5, 3)), ((5, 1), (5, 3)), ((2, 2), (200, 150))]
)
def test_eighth_precision_is_multiplied_by_its_scales(scale, full) -> None:
    stored = noise(*full).to(torch.float8_e4m3fn)
    factors = noise(*scale, seed=3).abs() + 1
    tensors = {"l.weight": stored, "l.weight_scale_inv": factors.float()}
    config = {"quantization_config": {"weight_block_size": [128, 128]}}
    (spec,) = plan(tensors, config)[0].values()
    expected = stored.double().clone()
    for r in range(full[0]):
        for c in range(full[1]):
            s = (
                factors.reshape(())
                if not scale
                else factors.flatten()[r]
                if len(scale) == 1 or scale[1] == 1
                else factors[r // 128, c // 128]
            )
            expected[r, c] *= s
    torch.testing.assert_close(spec.build(tensors.__getitem__).double(), expected, rtol=1e-6, atol=0)


def test_scales_that_do_not_fit_are_no_guess() -> None:
    tensors = {"l.weight": noise(6, 5).to(torch.float8_e5m2), "l.weight_scale": noise(4, 3, 2)}
    specs, skipped = plan(tensors)
    assert not any(spec.name == "l.weight" for spec in specs.values())
    assert "do not fit" in skipped["l.weight"]


@pytest.mark.parametrize(
    ("name", "tensor", "reason"),
    [
        ("fc.weight", noise(1, 7), "one row only"),
        ("fc.weight", noise(7, 1), "one column only"),
        ("fc.weight", torch.zeros(0, 7), "empty"),
        ("scale", noise(1)[0], "a single number"),
        ("cls_token", noise(1, 1, 8), "a vector"),
        ("conv.weight", noise(1, 3, 3, 3), "one row only"),
        ("bn.running_mean", noise(8), "running statistic"),
        ("bn.num_batches_tracked", torch.tensor(3), "a counter"),
        ("attn.bias", torch.ones(1, 1, 8, 8, dtype=torch.bool), "mask"),
        ("embeddings.position_ids", torch.arange(8)[None], "positions"),
        ("attn.relative_position_index", torch.zeros(9, 9, dtype=torch.long), "positions"),
        ("rotary.cos_cached", noise(16, 4), "rotary"),
        ("codes", torch.ones(4, 4, dtype=torch.int8), "dequantised"),
        ("fft.weight", torch.ones(4, 4, dtype=torch.complex64), "real and the imaginary"),
        ("optimizer.state.0.exp_avg", noise(4, 4), "optimiser"),
        ("state.3.exp_avg_sq", noise(4, 4), "optimiser"),
        ("experts.gate_up_proj_bias", noise(4, 8), "biases"),
        ("block.norm.weight", noise(4, 5, 5), "normalisation"),
        ("l.input_scale", noise(1), "activations"),
    ],
)
def test_what_is_no_weight_matrix_is_skipped_with_its_reason(name, tensor, reason) -> None:
    specs, skipped = plan({name: tensor})
    assert not specs
    assert reason in skipped[name]


def test_layer_norms_of_a_module_are_no_matrices_whatever_their_shape() -> None:
    specs, skipped = module_plan(nn.Sequential(nn.LayerNorm([4, 5])))
    assert not specs
    assert all("normalisation" in reason for reason in skipped.values())


PACKED = {
    "GPTQ or AWQ": {
        "l.qweight": torch.int32,
        "l.qzeros": torch.int32,
        "l.scales": torch.float16,
        "l.g_idx": torch.int32,
    },
    "bitsandbytes 4-bit": {
        "l.weight": torch.uint8,
        "l.weight.absmax": torch.float32,
        "l.weight.quant_map": torch.float32,
        "l.weight.quant_state.bitsandbytes__nf4": torch.uint8,
    },
    "bitsandbytes 8-bit": {"l.weight": torch.int8, "l.SCB": torch.float32, "l.weight_format": torch.uint8},
    "compressed-tensors": {
        "l.weight_packed": torch.int32,
        "l.weight_scale": torch.float16,
        "l.weight_shape": torch.int64,
    },
    "MXFP4": {"e.gate_up_proj_blocks": torch.uint8, "e.gate_up_proj_scales": torch.uint8},
    "HQQ": {"l.W_q": torch.uint8},
    "quanto": {"l.weight._data": torch.uint8, "l.weight._scale": torch.float32},
    "AQLM": {"l.codes": torch.int8, "l.codebooks": torch.float16, "l.scales": torch.float16},
}


@pytest.mark.parametrize("packing", PACKED)
def test_packed_formats_that_cannot_be_read_are_named_and_skipped_whole(packing) -> None:
    tensors = {n: torch.ones((4, 8), dtype=dtype) for n, dtype in PACKED[packing].items()}
    specs, skipped = plan({**tensors, "free.weight": noise(4, 5)})
    assert list(specs) == ["free.weight"]
    assert set(skipped) == set(tensors)
    assert all(f"({packing})" in reason for reason in skipped.values())


def test_tables_of_positions_and_unknown_tensors_are_not_lost() -> None:
    tensors = {
        "pos_embed": noise(1, 6, 4),
        "grid_embed": noise(1, 3, 2, 4),
        "mystery": noise(3, 4, 5),
        "odd": noise(2, 3, 4, 5),
    }
    specs, _ = plan(tensors)
    assert {n: (s.kind, s.matrices, s.rows, s.cols) for n, s in specs.items()} == {
        "pos_embed": ("embedding", 1, 6, 4),
        "grid_embed": ("embedding", 1, 6, 4),
        "mystery": ("stack", 3, 4, 5),
        "odd": ("stack", 6, 4, 5),
    }
    assert "no known kind" in specs["mystery"].note


def test_flax_kernels_are_turned() -> None:
    tensors = {
        "Dense_0/kernel": noise(7, 5),
        "Conv_0/kernel": noise(3, 3, 4, 6),
        "attention/query/kernel": noise(8, 2, 4),
    }
    specs, _ = plan(tensors, heads=True)
    assert (specs["Dense_0/kernel"].rows, specs["Dense_0/kernel"].cols) == (5, 7)
    torch_kernel = tensors["Conv_0/kernel"].permute(3, 2, 0, 1)
    assert torch.equal(specs["Conv_0/kernel"].build(tensors.__getitem__), torch_kernel.flatten(1))
    head = specs["attention/query/kernel:h1"].build(tensors.__getitem__)
    assert torch.equal(head, tensors["attention/query/kernel"][:, 1].T)


@pytest.mark.parametrize("shape", [(4, 8, 32), (4, 32, 8)])
def test_stacks_of_heads_in_either_order_make_one_matrix_or_one_per_head(shape) -> None:
    tensors = {"attn.W_Q": noise(*shape), "attn.W_O": noise(4, 8, 32)}
    whole = plan(tensors)[0]["attn.W_Q"]
    assert (whole.kind, whole.rows, whole.cols) == ("attention.q", 32, 32)
    apart, _ = plan(tensors, heads=True)
    stored = tensors["attn.W_Q"][3]
    expected = stored if shape[1] < shape[2] else stored.T
    assert torch.equal(apart["attn.W_Q:h3"].build(tensors.__getitem__), expected)
    output = apart["attn.W_O"].build(tensors.__getitem__)
    z = noise(4, 8, seed=5)
    torch.testing.assert_close(output @ z.flatten(), torch.einsum("hd,hdm->m", z, tensors["attn.W_O"]))


def test_a_bilinear_layer_is_a_pool() -> None:
    specs, _ = module_plan(nn.Bilinear(4, 5, 3))
    assert [(s.kind, s.matrices, s.rows, s.cols) for s in specs.values()] == [("bilinear", 3, 4, 5)]


def test_aliases_go_with_the_matrix_and_its_parts() -> None:
    store = open_store(torch.nn.Linear(3, 4))
    entry = store.entries["weight"]
    renamed = type(entry)("a.qkv.weight", (12, 4), "float32", 192, ("b.qkv.weight",))
    specs, _ = plan_matrices({"a.qkv.weight": renamed})
    assert [s.aliases for s in specs] == [("b.qkv.weight:q",), ("b.qkv.weight:k",), ("b.qkv.weight:v",)]


def test_a_part_holds_no_memory_but_its_own() -> None:
    tensors = {"a.qkv.weight": noise(3000, 1000, dtype=torch.float32)}
    part = plan(tensors)[0]["a.qkv.weight:k"].build(tensors.__getitem__)
    assert part.untyped_storage().nbytes() == 4 * 1000 * 1000


def test_an_unknown_way_for_convolutions_is_refused() -> None:
    with pytest.raises(OptionError, match="conv='fourier'"):
        plan_matrices({}, conv="fourier")
