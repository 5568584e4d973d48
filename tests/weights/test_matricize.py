"""Convolution kernels as matrices, against loops that say what is meant."""

from __future__ import annotations

import itertools

import pytest
import torch
from planning import noise
from torch import nn

from eigentrail.errors import LayerError, OptionError
from eigentrail.weights.matricize import upcast, view_convolution

KERNELS = [(5,), (3, 2), (2, 3, 2)]


def natural(kernel: torch.Tensor, groups: int, transposed: bool) -> list[torch.Tensor]:
    """The kernels [out, in, *kernel] of each group, one by one."""
    size = kernel.shape[0] // groups
    pieces = [kernel[g * size : (g + 1) * size] for g in range(groups)]
    return [piece.transpose(0, 1) if transposed else piece for piece in pieces]


def by_loops(kernel: torch.Tensor, mode: str, groups: int, transposed: bool) -> list[torch.Tensor]:
    found = []
    for piece in natural(kernel, groups, transposed):
        out, into, *taps = piece.shape
        positions = list(itertools.product(*map(range, taps)))
        if mode == "slices":
            found += [
                torch.stack([torch.stack([piece[(o, i, *p)] for i in range(into)]) for o in range(out)])
                for p in positions
            ]
        elif mode == "spatial":
            found.append(
                torch.stack(
                    [
                        torch.stack([piece[(o, i, *p)] for i in range(into) for o in range(out)])
                        for p in positions
                    ]
                )
            )
        else:
            found.append(
                torch.stack(
                    [
                        torch.stack([piece[(o, i, *p)] for i in range(into) for p in positions])
                        for o in range(out)
                    ]
                )
            )
    return found


@pytest.mark.parametrize("mode", ["flatten", "spatial", "slices"])
@pytest.mark.parametrize("taps", KERNELS)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("transposed", [False, True])
def test_every_way_is_what_the_loops_say(mode, taps, groups, transposed) -> None:
    kernel = noise(6, 4, *taps)
    view = view_convolution(tuple(kernel.shape), mode, groups=groups, transposed=transposed)
    expected = by_loops(kernel, mode, groups, transposed)
    seen = view(kernel)
    count, rows, cols = view.matrices
    assert view.note is None
    assert count == len(expected)
    assert tuple(seen.shape) == ((rows, cols) if count == 1 else (count, rows, cols))
    for matrix, loop in zip(seen.reshape(count, rows, cols), expected, strict=True):
        assert torch.equal(matrix, loop)
        torch.testing.assert_close(torch.linalg.svdvals(matrix), torch.linalg.svdvals(loop))


def test_flatten_is_the_linear_map_on_patches() -> None:
    layer = nn.Conv2d(4, 6, (3, 2), bias=False, groups=2).double()
    image = noise(1, 4, 5, 4)
    groups = view_convolution(tuple(layer.weight.shape), "flatten", groups=2)(layer.weight.detach())
    patches = nn.functional.unfold(image, (3, 2))[0].unflatten(0, (2, -1))
    torch.testing.assert_close((groups @ patches).flatten(0, 1), layer(image)[0].flatten(1).detach())


def test_flatten_of_a_transposed_convolution_makes_the_outputs_of_one_pixel() -> None:
    layer = nn.ConvTranspose2d(4, 3, 2, stride=2, bias=False).double()
    pixel = noise(1, 4, 1, 1)
    seen = view_convolution(tuple(layer.weight.shape), "slices", transposed=True)(layer.weight.detach())
    made = layer(pixel)[0].flatten(1).T  # [position, out]
    torch.testing.assert_close((seen @ pixel[0, :, 0]).squeeze(-1), made.detach())


@pytest.mark.parametrize("mode", ["flatten", "spatial", "slices"])
@pytest.mark.parametrize("groups", [1, 8])
def test_depthwise_filters_stay_together(mode, groups) -> None:
    kernel = noise(8, 1, 3, 3)
    view = view_convolution((8, 1, 3, 3), mode, groups=groups)
    flat = kernel.reshape(8, 9)
    expected = flat.T if mode == "spatial" and groups == 1 else flat
    assert torch.equal(view(kernel), expected)
    assert (view.note is None) == (groups == 1 and mode != "slices")


def test_a_pointwise_kernel_has_no_spatial_view_and_is_seen_flat() -> None:
    kernel = noise(6, 4, 1, 1)
    view = view_convolution((6, 4, 1, 1), "spatial")
    assert torch.equal(view(kernel), kernel[:, :, 0, 0])
    assert "spatial" in view.note


def test_groups_of_single_filters_are_seen_together() -> None:
    kernel = noise(3, 4, 3)
    view = view_convolution((3, 4, 3), "flatten", groups=3)
    assert torch.equal(view(kernel), kernel.flatten(1))
    assert "3 groups" in view.note


def test_wrong_groups_and_ways_are_refused() -> None:
    with pytest.raises(LayerError, match="3 groups"):
        view_convolution((8, 2, 3, 3), groups=3)
    with pytest.raises(OptionError, match="flatten, spatial, slices"):
        view_convolution((8, 2, 3, 3), "fft")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2])
def test_small_precisions_become_float32_exactly(dtype) -> None:
    small = noise(5, 4).to(dtype)
    assert upcast(small).dtype == torch.float32
    assert torch.equal(upcast(small).to(dtype).double(), small.double())


def test_double_stays_double() -> None:
    assert upcast(noise(2, 2)).dtype == torch.float64
