"""The sources' trainings: networks, data, settings, what is recorded, and what was chosen."""

from __future__ import annotations

from typing import Any

from eigentrail.data import Augmentation
from eigentrail.runs.schedules import EveryEpochs
from eigentrail.training.phase import ClassPhase
from eigentrail.training.preset import Preset, Smaller, TwoCores, When
from eigentrail.training.schedule import Exponential, Step
from eigentrail.training.settings import TrainingSettings

_SCALING = "inputs have mean 0 and variance 1 over the training set (the source names no scaling)"
_DECAY = "the source's lambda ||w||^2 is weight_decay = 2 lambda in torch, on weights and biases"
_STEPS = Step(at=(60, 100, 200), gamma=0.1)
_LARGER = "a larger decay makes up for fewer steps: ranks fall with rate x decay x steps"
_LAST = "the last batch of an epoch, which is not full, is used"


def _cifar10(name: str, title: str, source: str, network: str, **parts: Any) -> Preset:
    return Preset(
        name=name, title=title, source=source, network=network, data="cifar10", source_data="cifar10", **parts
    )


def _small(train: int, test: int, *, why: str = "", **parts: Any) -> TwoCores:
    """A size for two cores: so many images, and settings other than the source's."""
    outside = {key: parts.pop(key) for key in ("network", "layers") if key in parts}
    return TwoCores(why=why, train_samples=train, test_samples=test, settings=parts, **outside)


def _mlp256(name: str, title: str, weight_decay: float, chosen: tuple[str, ...]) -> Preset:
    return _cifar10(
        name,
        title,
        "S1 5.2",
        "mlp256",
        settings=TrainingSettings(
            lr=0.01, batch_size=32, epochs=200, schedule=Exponential(gamma=0.99), weight_decay=weight_decay
        ),
        # The studied 128 x 64 layer at every step, the network now and then.
        layers={"fc3.weight": 1, "*": 50},
        on={"digits": Smaller(epochs=100)},
        two_cores=TwoCores(settings={"epochs": 20}),
        chosen=(_SCALING, _LAST, *chosen),
    )


def _alexnet(
    name: str, title: str, chosen: tuple[str, ...] = (), phases: tuple[ClassPhase, ...] = ()
) -> Preset:
    return _cifar10(
        name,
        title,
        "S0",
        "mini-alexnet-s0",
        settings=TrainingSettings(lr=0.01, momentum=0.9, batch_size=64, epochs=100, phases=phases),
        # FC2 at every step; FC1 has five times its numbers.
        layers={"fc2.weight": 1, "*": 50},
        two_cores=_small(
            4000,
            1000,
            network="mini-alexnet-small",
            epochs=20,
            phases=[{"start": phase.start // 5, "classes": list(phase.classes)} for phase in phases],
        ),
        chosen=(
            "the source names neither rate, batch size nor momentum: 0.01, 64 and 0.9, no weight decay and a constant "
            "rate",
            _SCALING,
            _LAST,
            *chosen,
        ),
    )


def _rank(
    name: str,
    title: str,
    network: str,
    layers: dict[str, When],
    two_cores: TwoCores,
    chosen: str,
    rarer: str = "",
    *,
    lr: float,
    batch_size: int,
    epochs: int = 500,
    schedule: Step = _STEPS,
    source: str = "S4 B",
) -> Preset:
    """A training of the rank paper; `rarer` says why its whole net is recorded more rarely than every 50 steps."""
    return _cifar10(
        name,
        title,
        source,
        network,
        settings=TrainingSettings(
            lr=lr,
            weight_decay=5e-4,
            batch_size=batch_size,
            epochs=epochs,
            schedule=schedule,
            augmentation=Augmentation(rotation="range"),
        ),
        layers=layers,
        two_cores=two_cores,
        chosen=(
            f"{chosen} of those that the figures vary",
            "weight_decay is the figures' lambda, as the authors' code passes it to torch; the source's equation 1 "
            "would make it 2 lambda",
            "4 pixels are added at each edge before cropping, and images turn within 15 degrees as in the authors' "
            'code; the text\'s turns by 15 k degrees are Augmentation(rotation="steps")',
            "no momentum",
            _LAST,
            *((rarer,) if rarer else ()),
        ),
    )


def _layers(studied: str, epochs: int) -> dict[str, When]:
    """A layer at every step, the net at ends of epochs."""
    return {studied: 1, "*": EveryEpochs(every=epochs)}


def _rarer(studied: str, size: str) -> str:
    return (
        f"the source looks at all layers after each epoch and at none in particular: {studied} is recorded at every "
        f"step, at the source's own size the whole net at ends of epochs, for every 50 steps it would take {size}"
    )


_ALL = (
    Preset(
        name="mlp50",
        title="MLP 50 on the handwritten digits in scikit-learn, or on MNIST as in the source",
        source="S1 5.2",
        network="mlp50",
        data="digits",
        source_data="mnist",
        settings=TrainingSettings(lr=0.01, batch_size=32, epochs=200),
        layers={"fc2.weight": 1, "*": 50},
        on={"digits": Smaller(epochs=100)},
        chosen=(_SCALING, "biases begin at zero, as everywhere in the source", "a constant rate"),
    ),
    _mlp256("mlp256", "MLP 256 on CIFAR-10, without weight decay", 0.0, ()),
    _mlp256("mlp256-decay", "MLP 256 on CIFAR-10, with weight decay lambda = 5e-4", 1e-3, (_DECAY,)),
    _cifar10(
        "lenet",
        "LeNet on CIFAR-10 with momentum and weight decay",
        "S1 5.2",
        "lenet",
        settings=TrainingSettings(
            lr=0.005,
            momentum=0.9,
            weight_decay=2e-4,
            batch_size=64,
            epochs=100,
            schedule=Exponential(gamma=0.98),
        ),
        layers={"conv*.weight": 1, "*": 50},
        two_cores=_small(10_000, 2000, epochs=20),
        chosen=(
            _SCALING,
            _DECAY,
            "the printed final rate .00134 belongs to MLP 256: this schedule ends at 6.6e-4",
            _LAST,
        ),
    ),
    _cifar10(
        "mini-alexnet-s1",
        "miniAlexNet on CIFAR-10 with momentum, dense layers with weight decay",
        "S1 5.2",
        "mini-alexnet",
        settings=TrainingSettings(
            lr=0.01,
            momentum=0.9,
            weight_decay=2e-4,
            decay_on="dense",
            batch_size=32,
            epochs=100,
            schedule=Exponential(gamma=0.95),
        ),
        # The layers of figure 7.3.
        layers={"conv1.weight": 1, "fc3.weight": 1, "*": 50},
        two_cores=_small(2000, 500, epochs=8),
        chosen=(_SCALING, f"{_DECAY} of dense layers", _LAST),
    ),
    _cifar10(
        "resnet20",
        "ResNet 20 with projection shortcuts on CIFAR-10",
        "S1 5.2",
        "resnet20-projection",
        settings=TrainingSettings(
            lr=1e-3, momentum=0.9, weight_decay=2e-4, batch_size=128, epochs=160, schedule=Step(at=(80, 120))
        ),
        layers={"layer1.0.conv1.weight": 1, "*": 50},
        two_cores=_small(
            2000, 500, why="few steps need a larger rate and small batches", epochs=5, batch_size=32, lr=0.01
        ),
        chosen=(_SCALING, f"{_DECAY}, those of batch norm too", _LAST),
    ),
    _alexnet("minialexnet", "MiniAlexNet on CIFAR-10 without explicit regularisation"),
    _alexnet(
        "class-swap",
        "MiniAlexNet on five classes of CIFAR-10, then on the other five",
        ("the network keeps its ten outputs throughout",),
        (ClassPhase(start=0, classes=tuple(range(5))), ClassPhase(start=50, classes=tuple(range(5, 10)))),
    ),
    _cifar10(
        "batch-size",
        "MiniAlexNet on CIFAR-10 at one of the batch sizes 2 to 500",
        "S2",
        "mini-alexnet-s0",
        settings=TrainingSettings(lr=0.01, batch_size=32, epochs=100),
        layers={"fc3.weight": 1, "*": "epoch"},
        # The largest batches make 60 steps, so every 50 would be too few.
        two_cores=_small(2000, 2000, network="lenet", epochs=15, layers={"fc3.weight": 1, "*": 25}),
        chosen=(
            "the source shows spectra by batch size and names no settings: a constant rate of 0.01, neither momentum "
            "nor weight decay, the same number of epochs for all",
            "at equal epochs a smaller batch also makes more steps: the table says how many",
            "the picture shows spectra of trained networks: recorded are the last layer at every step and the net at "
            "ends of epochs (every 25 steps for two cores), for the eight batch sizes make 4.9 million steps, of which "
            "FC1 would take 31 TB (15 GB for two cores) and the whole net every 50 steps 690 GB",
            _SCALING,
            _LAST,
        ),
    ),
    Preset(
        name="deep-linear",
        title="deep linear network on orthonormal samples, by gradient descent",
        source="S3",
        network="deep-linear",
        data="orthogonal",
        source_data="orthogonal",
        settings=TrainingSettings(
            lr=30 * 0.01, batch_size=30, epochs=2000, loss="squared-error", dtype="float64"
        ),
        layers=None,
        chosen=(
            "the source gives three layers, 30 inputs and outputs, rank(Y) = 3, X X^T = I and orthogonal weights at a "
            "scale; it leaves the scale, the rate, the decay and the number of steps open: 0.1, 0.01, none and 2000",
            "its loss is the sum over the 30 samples and ours the mean: its rate eta is lr = 30 eta here, its decay "
            "lambda, W <- (1 - eta lambda) W - eta grad, is weight_decay = lambda / 30",
            "Y are labels in one-hot form: three classes of ten samples each at 30 outputs",
            "in double precision",
        ),
    ),
    _rank(
        "mlp-bn",
        "MLP-BN-10-100 on CIFAR-10 with weight decay",
        "mlp-bn-10-100",
        {"fc5.weight": 1, "*": 50},
        _small(10_000, 2000, why=_LARGER, epochs=20, weight_decay=5e-3),
        "batch size 32",
        lr=0.1,
        batch_size=32,
    ),
    _rank(
        "res-bn",
        "RES-BN-5-500 on CIFAR-10 with weight decay",
        "res-bn-5-500",
        _layers("last.weight", 2),
        _small(
            6000,
            1000,
            why=_LARGER,
            epochs=8,
            weight_decay=5e-2,
            layers={"last.weight": 1, "blocks.2.fc1.weight": 10, "*": 50},
        ),
        "rate 0.025 (0.1 diverged within 61 steps here) and batch size 32",
        _rarer("the last layer (a block's layer would take 780 GB)", "250 GB"),
        lr=0.025,
        batch_size=32,
    ),
    _rank(
        "vgg16",
        "VGG-16 with batch norm on CIFAR-10 with weight decay",
        "vgg16",
        _layers("features.0.weight", 5),
        _small(
            480,
            200,
            epochs=2,
            layers={"features.0.weight": 1, "features.7.weight": 1, "classifier.weight": 1, "*": 20},
        ),
        "batch size 16",
        _rarer("the first convolution", "1.8 TB"),
        lr=5e-3,
        batch_size=16,
    ),
    _rank(
        "resnet18",
        "ResNet-18 on CIFAR-10 with weight decay",
        "resnet18",
        _layers("conv1.weight", 5),
        _small(
            480,
            100,
            epochs=1,
            layers={"conv1.weight": 1, "layer1.0.conv1.weight": 1, "linear.weight": 1, "*": 15},
        ),
        "rate 0.1 and batch size 16",
        _rarer("the first convolution", "1.4 TB"),
        lr=0.1,
        batch_size=16,
        source="S4 5",
    ),
    _rank(
        "vit",
        "small vision transformer on CIFAR-10",
        "vit",
        {"patches.weight": 1, "*": 50},
        _small(1280, 200, epochs=3, layers={"patches.weight": 1, "blocks.2.fc1.weight": 1, "*": 40}),
        "batch size 32",
        lr=4e-2,
        batch_size=32,
        epochs=200,
        schedule=Step(at=(60, 100), gamma=0.2),
    ),
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in _ALL}
