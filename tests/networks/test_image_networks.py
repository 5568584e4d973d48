"""The networks for images: counts in figures, shapes, pooling, and what they refuse."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from eigentrail import networks
from eigentrail.errors import OptionError
from eigentrail.networks.images import max_pool_same
from eigentrail.networks.residual import Subsample

IMAGES = ("lenet", "mini-alexnet-s1", "mini-alexnet-s0", "resnet20", "resnet20-projection",
          "resnet56", "vgg16", "resnet18", "vit")  # fmt: skip


def dense(*sizes: int) -> int:
    return sum((a + 1) * b for a, b in itertools.pairwise(sizes))


def test_counts_in_figures() -> None:
    counts = {name: entry.parameters for name, entry in networks.entries().items()}
    assert counts["lenet"] == 76 * 6 + 151 * 16 + dense(1024, 120, 84, 10) == 136_886
    assert counts["mini-alexnet-s1"] == 76 * 300 + 2701 * 150 + dense(1350, 384, 192, 10) == 1_022_584
    assert counts["mini-alexnet-s0"] == 76 * 64 + 1601 * 64 + dense(4096, 384, 192, 10)
    widths = [16, *[16] * 6, *[32] * 6, *[64] * 6]
    convolutions = 27 * 16 + sum(9 * a * b for a, b in itertools.pairwise(widths))
    assert counts["resnet20"] == convolutions + 2 * sum(widths) + dense(64, 10) == 269_722
    # Two 1 x 1 shortcuts and their batch norms.
    assert counts["resnet20-projection"] == 269_722 + 16 * 32 + 64 + 32 * 64 + 128 == 272_474
    assert counts["mlp-bn-10-100"] == dense(3072, *[100] * 10, 10) + 10 * 200
    assert counts["res-bn-5-500"] == dense(3072, 500, 10) + 5 * (2 * 501 * 500 + 2 * 1000)


def test_layers_with_weights_are_as_many_as_the_thesis_says() -> None:
    # miniAlexNet: the thesis counts 8 layers, its pools and flattening among them; LeNet 7.
    for name, layers in (
        ("mlp50", 3),
        ("mlp256", 4),
        ("lenet", 5),
        ("mini-alexnet-s1", 5),
        ("resnet20-projection", 22),
    ):
        entry = networks.entries()[name]
        model = networks.build(name, entry.input_shape, 10)
        assert sum(isinstance(layer, (nn.Linear, nn.Conv2d)) for layer in model.modules()) == layers


def test_the_dense_matrices_of_s0() -> None:
    model = networks.build("mini-alexnet-s0", (3, 32, 32), 10)
    shapes = [tuple(layer.weight.shape) for layer in (model.fc1, model.fc2, model.fc3)]
    assert shapes == [(384, 4096), (192, 384), (10, 192)]


def test_a_name_of_two_networks_is_refused_and_recorded_runs_keep_theirs() -> None:
    for name in ("mini-alexnet", "MiniAlexNet"):
        with pytest.raises(OptionError, match="may be mini-alexnet-s0 or mini-alexnet-s1"):
            networks.build(name, (3, 32, 32), 10)
    # Runs recorded before the names were told apart say these.
    old = networks.build_known("mini-alexnet", (3, 32, 32), 10, seed=4)
    new = networks.build("mini-alexnet-s1", (3, 32, 32), 10, seed=4)
    assert torch.equal(old.conv2.weight, new.conv2.weight)
    assert networks.count_parameters(networks.build_known("mini-alexnet-small", (3, 32, 32), 10)) == 1_659_594


@pytest.mark.parametrize("name", [*IMAGES, "mlp-bn-10-100", "res-bn-5-500"])
def test_logits_and_gradients_of_every_parameter(name: str) -> None:
    model = networks.build(name, (3, 32, 32), 7)
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = model(images)
    assert logits.shape == (3, 7)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 3, 6])).backward()
    for parameter, values in model.named_parameters():
        assert values.grad is not None, parameter
        assert torch.isfinite(values.grad).all(), parameter


@pytest.mark.parametrize("name", [name for name in IMAGES if name != "vgg16"])
def test_grey_images_of_28_pixels(name: str) -> None:
    model = networks.build(name, (1, 28, 28), 10).eval()
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize(
    ("side", "kernel", "stride"), [(28, 3, 3), (8, 3, 3), (32, 3, 2), (7, 3, 2), (5, 2, 2)]
)
def test_same_pooling_is_tensorflows(side: int, kernel: int, stride: int) -> None:
    images = np.random.default_rng(side).standard_normal((2, 3, side, side + 1)) - 5
    ours = max_pool_same(torch.tensor(images), kernel, stride).numpy()
    for axis in (2, 3):
        n = images.shape[axis]
        out = -(-n // stride)
        first = -(max((out - 1) * stride + kernel - n, 0) // 2)
        windows = [range(max(first + i * stride, 0), min(first + i * stride + kernel, n)) for i in range(out)]
        images = np.stack([images.take(list(each), axis).max(axis) for each in windows], axis)
    np.testing.assert_array_equal(ours, images)


def test_option_a_takes_every_second_pixel_and_adds_zeros_on_both_sides() -> None:
    images = torch.randn(2, 16, 7, 8)
    out = Subsample(16, 32)(images)
    assert out.shape == (2, 32, 4, 4)
    assert torch.equal(out[:, 8:24], images[:, :, ::2, ::2])
    assert not out[:, :8].any()
    assert not out[:, 24:].any()


def test_a_residual_block_adds_after_its_last_relu_in_res_bn_and_before_it_in_resnet() -> None:
    torch.manual_seed(0)
    block = networks.build("res-bn-1-6", (6,), 3).double().eval().blocks[0]
    z = torch.randn(4, 6, dtype=torch.float64)
    scale = (1 + 1e-5) ** -0.5
    inner = ((z @ block.fc1.weight.T + block.fc1.bias) * scale).clamp(min=0)
    outer = ((inner @ block.fc2.weight.T + block.fc2.bias) * scale).clamp(min=0)
    torch.testing.assert_close(block(z), z + outer, rtol=1e-12, atol=1e-12)
    residual = networks.build("resnet20", (3, 8, 8), 10).double().eval().layer1[0]
    images = torch.randn(2, 16, 8, 8, dtype=torch.float64)
    hidden = torch.relu(residual.bn1(residual.conv1(images)))
    expected = (residual.bn2(residual.conv2(hidden)) + images).clamp(min=0)
    torch.testing.assert_close(residual(images), expected)


def test_depth_and_width_are_part_of_a_name() -> None:
    model = networks.build("MLP BN 3-20", (1, 8, 8), 10)
    assert [tuple(p.shape) for n, p in model.named_parameters() if n.startswith("fc") and p.ndim == 2] == [
        (20, 64), (20, 20), (20, 20), (10, 20),
    ]  # fmt: skip
    assert networks.resolve("RES-BN-5-500") == "res-bn-5-500"
    spec = networks.NetworkSpec(name="mlp-bn-2-7", input_shape=(4,), classes=3)
    assert spec.known
    target, arguments = spec.rebuilding()
    assert target.endswith(":build_known")
    assert networks.build_known(**arguments).fc2.weight.shape == (7, 7)
    with pytest.raises(OptionError, match=r"MLP-BN-0-5 for samples .*give positive sizes"):
        networks.build("mlp-bn-0-5", (4,), 3)


@pytest.mark.parametrize(
    ("named", "sized", "narrow"),
    [
        ("vgg16", "VGG-16-64", "vgg16-8"),
        ("resnet18", "resnet18-64", "ResNet-18-8"),
        ("vit", "ViT-6-256", "vit-6-32"),
    ],
)
def test_the_widths_of_convolutional_networks_and_the_transformer_are_part_of_a_name(
    named: str, sized: str, narrow: str
) -> None:
    one, other, small = (networks.build(name, (3, 32, 32), 10, seed=1) for name in (named, sized, narrow))
    assert [n for n, _ in one.named_parameters()] == [n for n, _ in small.named_parameters()]
    for a, b, c in zip(one.parameters(), other.parameters(), small.parameters(), strict=True):
        assert torch.equal(a, b) and c.numel() <= a.numel()
    assert small.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("lenet", (64,), r"LeNet takes images \[channels, height, width\], not samples of shape \(64,\)"),
        ("lenet", (1, 3, 9), "LeNet takes images of at least 4 x 4 pixels, not 3 x 9"),
        ("mini-alexnet-s1", (1, 8, 8), "of at least 11 x 11 pixels, not 8 x 8"),
        (
            "vgg16",
            (1, 28, 28),
            "VGG-16 takes images of at least 32 x 32 pixels, not 28 x 28: choose another network",
        ),
        ("vit", (3, 30, 32), "sides are multiples of 4, not 30 x 32"),
        ("resnet18", (3, 4, 4), "of at least 8 x 8 pixels"),
        ("resnet-20-8", (3, 32, 32), "ResNet-20-8: give a depth of 10, 18 or 26"),
        ("vgg-12-8", (3, 32, 32), "VGG-12-8: give a depth of 11, 13, 16, 19"),
        ("vit-6-20", (3, 32, 32), "ViT-6-20: .* a multiple of 8"),
    ],
)
def test_images_of_another_size_are_one_clear_sentence(name: str, shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(OptionError, match=said) as caught:
        networks.build(name, shape, 10)
    assert "\n" not in str(caught.value)


def test_the_smallest_images_pass() -> None:
    for name, side in (
        ("lenet", 4),
        ("mini-alexnet-s1", 11),
        ("mini-alexnet-s0", 1),
        ("vgg16", 32),
        ("resnet20", 4),
    ):
        model = networks.build(name, (1, side, side), 3).eval()
        assert model(torch.zeros(2, 1, side, side)).shape == (2, 3)
