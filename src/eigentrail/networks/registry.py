"""The sources' networks by name, and anybody's own by import path."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from eigentrail._names import FOREIGN, first_line, import_object, look_up
from eigentrail._numbers import seed_of, whole, written
from eigentrail.errors import OptionError
from eigentrail.networks.batch_norm_mlp import BatchNormMLP, BatchNormResidual
from eigentrail.networks.deep_linear import DeepLinear
from eigentrail.networks.equal_width import DeepLinearStack, deep_mlp
from eigentrail.networks.lenet import lenet
from eigentrail.networks.mini_alexnet import mini_alexnet, mini_alexnet_s0, mini_alexnet_small
from eigentrail.networks.mlp import mlp50, mlp256
from eigentrail.networks.residual import resnet18, resnet20, resnet20_projection, resnet56
from eigentrail.networks.vgg import VGG16
from eigentrail.networks.vit import vit

Factory = Callable[[Sequence[int], int], nn.Module]


@dataclass(frozen=True)
class Entry:
    """A network that is known by name.

    Attributes:
        factory: builds it from the shape of one sample and the number of classes, drawing its weights from torch's
            global random generator.
        title: the name that the source gives it.
        source: where it comes from.
        input_shape: the shape of one sample in the source, [channels, height, width].
        classes: the number of classes in the source.
        parameters: the number of parameters for these.
        initialization: the law of its weights.
        chosen: what the source leaves open or contradicts itself in, and what was chosen.
    """

    factory: Factory
    title: str
    source: str
    input_shape: tuple[int, ...]
    classes: int
    parameters: int
    initialization: str = "glorot-uniform"
    chosen: str = ""


_COLOUR = (3, 32, 32)
_TORCH = "torch's own initialisation, U(-1/sqrt n_in, 1/sqrt n_in)"

ENTRIES: dict[str, Entry] = {
    "mlp50": Entry(mlp50, "MLP 50", "S1 5.2", (1, 28, 28), 10, 42_310),
    "mlp256": Entry(mlp256, "MLP 256", "S1 5.2", _COLOUR, 10, 828_490),
    "lenet": Entry(
        lenet, "LeNet", "S1 5.2", _COLOUR, 10, 136_886, "glorot-normal",
        "the second convolution keeps the image's size (`valid` would give 83,126 parameters); the pools take maxima",
    ),
    "mini-alexnet": Entry(
        mini_alexnet, "miniAlexNet", "S1 5.2", _COLOUR, 10, 1_022_584, "glorot-uniform",
        "the second kernel is 3 x 3 (the text's 5 x 5 would give 1,125,150 parameters), convolutions `valid`, pools of "
        "stride 3 reach over the edges; the pools take maxima",
    ),
    "mini-alexnet-s0": Entry(
        mini_alexnet_s0, "MiniAlexNet", "S0", _COLOUR, 10, 1_756_426, "glorot-uniform",
        "64 filters of 5 x 5 in both convolutions, `same`, pools of 3 x 3 and stride 2: they leave the 4096 numbers of "
        "the source's 4096 x 384; Glorot uniform",
    ),
    "mini-alexnet-small": Entry(
        mini_alexnet_small, "MiniAlexNet, small", "S0", _COLOUR, 10, 1_659_594, "glorot-uniform",
        "the dense layers of the source, 16 filters of 5 x 5 and 64 of 3 x 3 before them: for two cores",
    ),
    "resnet20": Entry(
        resnet20, "ResNet-20, option A", "He et al. 2016", _COLOUR, 10, 269_722, "he-normal",
        "shortcuts without parameters: the form of the public checkpoints",
    ),
    "resnet20-projection": Entry(
        resnet20_projection, "ResNet 20", "S1 5.2", _COLOUR, 10, 272_474, "glorot-normal",
        "two 1 x 1 shortcuts with batch norm make the table's 22 layers; convolutions without biases make its 272k",
    ),
    "resnet56": Entry(
        resnet56, "ResNet-56, option A", "He et al. 2016", _COLOUR, 10, 853_018, "he-normal",
        "shortcuts without parameters: the form of the public checkpoints",
    ),
    "mlp-bn-10-100": Entry(
        partial(BatchNormMLP, depth=10, width=100), "MLP-BN-10-100", "S4 B.1", _COLOUR, 10, 401_210, "torch",
        f"any L and H by name; {_TORCH}; dense layers have biases",
    ),
    "res-bn-5-500": Entry(
        partial(BatchNormResidual, depth=5, width=500), "RES-BN-5-500", "S4 B.1", _COLOUR, 10, 4_056_510, "torch",
        f"any L and H by name; {_TORCH}; dense layers have biases; no batch norm before the blocks",
    ),
    "vgg16": Entry(
        VGG16, "VGG-16 with batch norm", "S4 B.1", _COLOUR, 10, 14_728_266, "torch",
        f"{_TORCH}; convolutions have biases",
    ),
    "resnet18": Entry(
        resnet18, "ResNet-18", "S4 5", _COLOUR, 10, 11_173_962, "torch",
        f"the form for small images: first convolution 3 x 3, no pool behind it; {_TORCH}",
    ),
    "vit": Entry(
        vit, "small ViT", "S4 B.1", _COLOUR, 10, 3_195_146, "torch",
        f"width 256 (32 for each of the 8 heads), 512 between the dense layers; {_TORCH}, positions N(0, 0.02^2)",
    ),
    "deep-linear": Entry(
        partial(DeepLinear, depth=3, scale=0.1), "deep linear network", "S3", (30,), 30, 2700, "orthogonal",
        "three layers and 30 inputs and outputs as in the figures, scale 0.1, which the source leaves open",
    ),
    "mlp-8-100": Entry(
        partial(deep_mlp, depth=8, width=100), "MLP-8-100", "S3, part 3", (1, 28, 28), 10, 150_210, "he-normal",
        "any L and H by name: L hidden layers of width H with ReLU; the source names neither, nor the initialisation",
    ),
    "linear-8-100": Entry(
        partial(DeepLinearStack, depth=8, width=100), "LINEAR-8-100", "S3, part 3", (1, 28, 28), 10, 149_400,
        "glorot-normal", "any L and H by name: MLP-L-H without ReLU and biases",
    ),
}  # fmt: skip

_SIZED: dict[str, Callable[..., nn.Module]] = {
    "mlp-bn": BatchNormMLP,
    "res-bn": BatchNormResidual,
    "mlp": deep_mlp,
    "linear": DeepLinearStack,
}
_SIZED_NAME = re.compile(r"(?:(mlp|res)[\s_-]*(bn)|(mlp|linear))[\s_-]*(\d{1,6})[\s_-]+(\d{1,6})", re.I)


def names() -> tuple[str, ...]:
    """List the networks that are known by name.

    Returns:
        Their names, for `build`.
    """
    return tuple(ENTRIES)


def resolve(name: str) -> str:
    """Find the network that a name or an import path means.

    Args:
        name: a known name in any spelling ("MLP 50"), MLP-BN-L-H, RES-BN-L-H, MLP-L-H or LINEAR-L-H with any
            numbers for L and H, or "package.module:factory".

    Returns:
        The known name, or the import path as it is.

    Raises:
        OptionError: there is none such; the nearest names are offered.
    """
    if not isinstance(name, str):
        raise OptionError(f"a network is given by its name, not {written(name)}")
    if ":" in name:
        return name
    if (sized := _SIZED_NAME.fullmatch(name.strip())) is not None:
        *kind, depth, width = (part for part in sized.groups() if part is not None)
        return "-".join([*kind, str(int(depth)), str(int(width))]).lower()
    return look_up(
        name, ENTRIES, "network", OptionError, more='; your own is given as "package.module:factory"'
    )


def build(name: str, input_shape: Sequence[int], classes: int, seed: int = 0) -> nn.Module:
    """Build a network with freshly drawn weights, in float32.

    The same name, shape, number of classes and seed give the same weights. torch's global random generator is seeded
    for the drawing and put back afterwards.

    Args:
        name: one of `names()`, or the import path "package.module:factory" of a class or function. A factory is
            called with those of the arguments `input_shape` and `classes` that it takes.
        input_shape: the shape of one sample.
        classes: the number of classes.
        seed: of the weights, from 0 to 2^63 - 1.

    Returns:
        The network, in training mode.

    Raises:
        OptionError: there is no such network, the factory builds none from these arguments, or they are no numbers of
            the kind.
    """
    known = resolve(name)
    if ":" not in known:
        return build_known(known, input_shape, classes, seed)
    (shape, count), seed = _sizes(input_shape, classes), seed_of(seed)
    with torch.random.fork_rng(devices=[]):
        # The processor's alone: `torch.manual_seed` would change the generators of GPUs as well.
        torch.default_generator.manual_seed(seed)
        return _build_own(known, shape, count)


def build_known(name: str, input_shape: Sequence[int], classes: int, seed: int = 0) -> nn.Module:
    """Build a network that is known by name, as `build` does, and nothing that would have to be imported.

    Recorded runs name this function, because a run may come from somebody else.

    Args:
        name: one of `names()`.
        input_shape: the shape of one sample.
        classes: the number of classes.
        seed: of the weights, from 0 to 2^63 - 1.

    Returns:
        The network, in training mode.

    Raises:
        OptionError: there is no such network, or it cannot be built from these arguments.
    """
    known = resolve(name)
    if ":" in known:
        # An import path is an unknown name here.
        known = look_up(name, ENTRIES, "network", OptionError)
    (shape, count), seed = _sizes(input_shape, classes), seed_of(seed)
    if not shape:
        raise OptionError(
            f"{known} takes samples of one side or more, not single numbers: give inputs [n, 1]"
        )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _factory(known)(shape, count)


def accepted_arguments(factory: Any, input_shape: Sequence[int], classes: int) -> dict[str, Any]:
    """Choose what somebody's factory is called with.

    Args:
        factory: a class or function.
        input_shape: the shape of one sample.
        classes: the number of classes.

    Returns:
        Those of the keyword arguments `input_shape` and `classes` that it takes.
    """
    offered: dict[str, Any] = {"input_shape": tuple(input_shape), "classes": classes}
    if inspect.isclass(factory) and factory.__init__ is nn.Module.__init__:
        # It takes anything by its signature, and then refuses it.
        return {}
    try:
        taken = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in taken.values()):
        return offered
    return {key: value for key, value in offered.items() if key in taken}


def _factory(known: str) -> Factory:
    if known in ENTRIES:
        return ENTRIES[known].factory
    kind, depth, width = known.rsplit("-", 2)
    return partial(_SIZED[kind], depth=int(depth), width=int(width))


def _sizes(input_shape: Sequence[int], classes: int) -> tuple[tuple[int, ...], int]:
    try:
        sides = None if isinstance(input_shape, (str, bytes)) else list(input_shape)
    except TypeError:
        sides = None
    if sides is None:
        raise OptionError(
            f"input_shape is the shape of one sample, such as (3, 32, 32), not {written(input_shape)}"
        )
    shape = tuple(whole("a side of input_shape", side, 1) for side in sides)
    return shape, whole("classes", classes, 1)


def _build_own(path: str, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    factory = import_factory(path)
    arguments = accepted_arguments(factory, input_shape, classes)
    try:
        built = factory(**arguments)
    except FOREIGN as error:
        told = ", ".join(f"{key}={value}" for key, value in arguments.items())
        raise OptionError(
            f"{path}({told}) does not build a network: {type(error).__name__}: {first_line(error)}"
        ) from error
    if not isinstance(built, nn.Module):
        raise OptionError(
            f"{path} gives a {type(built).__name__}, not an nn.Module: name a factory that does"
        )
    return built


def import_factory(path: str) -> Any:
    """Import somebody's own class or function that builds a network.

    Args:
        path: "package.module:factory".

    Returns:
        The class or function.

    Raises:
        OptionError: it cannot be imported or called.
    """
    found = import_object(path, "network", OptionError)
    if not callable(found):
        raise OptionError(
            f'"{path}" is a {type(found).__name__}: name a class or function that builds a network'
        )
    return found
