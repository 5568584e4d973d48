"""The sources' trainings: networks, data, settings, what is recorded, and what was chosen."""

from __future__ import annotations

from eigentrail.data import Augmentation
from eigentrail.runs.schedules import EveryEpochs
from eigentrail.training.phase import ClassPhase
from eigentrail.training.preset import Preset, Smaller, TwoCores
from eigentrail.training.schedule import Exponential, Step
from eigentrail.training.settings import TrainingSettings

_SCALING = "inputs have mean 0 and variance 1 over the training set (the source names no scaling)"
_DECAY = "the source's lambda ||w||^2 is weight_decay = 2 lambda in torch, on weights and biases"
_LAST = "the last batch of an epoch, which is not full, is used"

_MLP256 = Preset(
    name="mlp256",
    title="MLP 256 on CIFAR-10, without weight decay",
    source="S1 5.2",
    network="mlp256",
    data="cifar10",
    source_data="cifar10",
    settings=TrainingSettings(lr=0.01, batch_size=32, epochs=200, schedule=Exponential(gamma=0.99)),
    # The studied 128 x 64 layer at every step, the network now and then.
    layers={"fc3.weight": 1, "*": 50},
    on={"digits": Smaller(epochs=100)},
    chosen=(_SCALING, "the last batch of an epoch, of 16 images, is used"),
)

_S4_STEPS = Step(at=(60, 100, 200), gamma=0.1)
_S4_CHOSEN = (
    "weight_decay is the figures' lambda, as the authors' code passes it to torch; the source's equation 1 would make "
    "it 2 lambda",
    "4 pixels are added at each edge before cropping, and images turn within 15 degrees as in the authors' code; the "
    'text\'s turns by 15 k degrees are Augmentation(rotation="steps")',
    "no momentum",
    _LAST,
)

_SWAP = (ClassPhase(start=0, classes=(0, 1, 2, 3, 4)), ClassPhase(start=50, classes=(5, 6, 7, 8, 9)))

_S0_SMALL = TwoCores(
    why="16 and 64 filters instead of 64 and 64, 4000 training and 1000 test images, 20 epochs instead of 100",
    network="mini-alexnet-small",
    train_samples=4000,
    test_samples=1000,
    settings={"epochs": 20},
)
_S0 = Preset(
    name="minialexnet",
    title="MiniAlexNet on CIFAR-10 without explicit regularisation",
    source="S0",
    network="mini-alexnet-s0",
    data="cifar10",
    source_data="cifar10",
    settings=TrainingSettings(lr=0.01, momentum=0.9, batch_size=64, epochs=100),
    # FC2 at every step; FC1 has five times its numbers.
    layers={"fc2.weight": 1, "*": 50},
    two_cores=_S0_SMALL,
    chosen=(
        "the source names neither rate, batch size nor momentum: 0.01, 64 and 0.9, no weight decay and a constant rate",
        _SCALING,
        _LAST,
    ),
)

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
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
        _MLP256,
        _MLP256.model_copy(
            update={
                "name": "mlp256-decay",
                "title": "MLP 256 on CIFAR-10, with weight decay lambda = 5e-4",
                "settings": _MLP256.settings.changed(weight_decay=1e-3),
                "chosen": (*_MLP256.chosen, _DECAY),
            }
        ),
        Preset(
            name="lenet",
            title="LeNet on CIFAR-10 with momentum and weight decay",
            source="S1 5.2",
            network="lenet",
            data="cifar10",
            source_data="cifar10",
            settings=TrainingSettings(
                lr=0.005,
                momentum=0.9,
                weight_decay=2e-4,
                batch_size=64,
                epochs=100,
                schedule=Exponential(gamma=0.98),
            ),
            layers={"conv*.weight": 1, "*": 50},
            two_cores=TwoCores(
                why="10,000 training and 2000 test images, 20 epochs instead of 100",
                train_samples=10_000,
                test_samples=2000,
                settings={"epochs": 20},
            ),
            chosen=(
                _SCALING,
                _DECAY,
                "the printed final rate .00134 belongs to MLP 256: this schedule ends at 6.6e-4",
                _LAST,
            ),
        ),
        Preset(
            name="mini-alexnet-s1",
            title="miniAlexNet on CIFAR-10 with momentum, dense layers with weight decay",
            source="S1 5.2",
            network="mini-alexnet",
            data="cifar10",
            source_data="cifar10",
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
            two_cores=TwoCores(
                why="2000 training and 500 test images, 8 epochs instead of 100",
                train_samples=2000,
                test_samples=500,
                settings={"epochs": 8},
            ),
            chosen=(_SCALING, f"{_DECAY} of dense layers", _LAST),
        ),
        Preset(
            name="resnet20",
            title="ResNet 20 with projection shortcuts on CIFAR-10",
            source="S1 5.2",
            network="resnet20-projection",
            data="cifar10",
            source_data="cifar10",
            settings=TrainingSettings(
                lr=1e-3,
                momentum=0.9,
                weight_decay=2e-4,
                batch_size=128,
                epochs=160,
                schedule=Step(at=(80, 120)),
            ),
            layers={"layer1.0.conv1.weight": 1, "*": 50},
            two_cores=TwoCores(
                why="2000 training and 500 test images, batches of 32 instead of 128, rate 0.01 instead of 0.001, "
                "5 epochs instead of 160",
                train_samples=2000,
                test_samples=500,
                settings={"epochs": 5, "batch_size": 32, "lr": 0.01},
            ),
            chosen=(_SCALING, f"{_DECAY}, those of batch norm too", _LAST),
        ),
        _S0,
        _S0.model_copy(
            update={
                "name": "class-swap",
                "title": "MiniAlexNet on five classes of CIFAR-10, then on the other five",
                "settings": _S0.settings.changed(phases=_SWAP),
                "two_cores": _S0_SMALL.model_copy(
                    update={
                        "why": f"{_S0_SMALL.why}; classes are swapped at epoch 10 instead of 50",
                        "settings": {
                            **_S0_SMALL.settings,
                            "phases": [
                                {"start": phase.start // 5, "classes": list(phase.classes)} for phase in _SWAP
                            ],
                        },
                    }
                ),
                "chosen": (*_S0.chosen, "the network keeps its ten outputs throughout"),
            }
        ),
        Preset(
            name="batch-size",
            title="MiniAlexNet on CIFAR-10 at one of the batch sizes 2 to 500",
            source="S2",
            network="mini-alexnet-s0",
            data="cifar10",
            source_data="cifar10",
            settings=TrainingSettings(lr=0.01, batch_size=32, epochs=100),
            layers={"*.weight": "epoch"},
            two_cores=TwoCores(
                why="LeNet instead of MiniAlexNet, 2000 training and 2000 test images, 15 epochs instead of 100",
                network="lenet",
                train_samples=2000,
                test_samples=2000,
                settings={"epochs": 15},
                layers={"fc*.weight": EveryEpochs(every=3), "*": EveryEpochs(every=15)},
            ),
            chosen=(
                "the source shows spectra by batch size and names no settings: a constant rate of 0.01, neither "
                "momentum nor weight decay, the same number of epochs for all",
                "at equal epochs a smaller batch also makes more steps: the table says how many",
                _SCALING,
                _LAST,
            ),
        ),
        Preset(
            name="mlp-bn",
            title="MLP-BN-10-100 on CIFAR-10 with weight decay",
            source="S4 B",
            network="mlp-bn-10-100",
            data="cifar10",
            source_data="cifar10",
            settings=TrainingSettings(
                lr=0.1,
                weight_decay=5e-4,
                batch_size=32,
                epochs=500,
                schedule=_S4_STEPS,
                augmentation=Augmentation(rotation="range"),
            ),
            layers={"fc5.weight": 1, "*": 50},
            two_cores=TwoCores(
                why="10,000 training and 2000 test images, 10 epochs instead of 500, weight decay 5e-3 instead of 5e-4 "
                "so that rate x decay x steps comes to 1.6",
                train_samples=10_000,
                test_samples=2000,
                settings={"epochs": 10, "weight_decay": 5e-3},
            ),
            chosen=("batch size 32 of those that the figures vary", *_S4_CHOSEN),
        ),
        Preset(
            name="res-bn",
            title="RES-BN-5-500 on CIFAR-10 with weight decay",
            source="S4 B",
            network="res-bn-5-500",
            data="cifar10",
            source_data="cifar10",
            settings=TrainingSettings(
                lr=0.1,
                weight_decay=5e-4,
                batch_size=32,
                epochs=500,
                schedule=_S4_STEPS,
                augmentation=Augmentation(rotation="range"),
            ),
            layers={"*.weight": EveryEpochs(every=5), "*": EveryEpochs(every=5)},
            two_cores=TwoCores(
                why="4000 training and 1000 test images, 6 epochs instead of 500",
                train_samples=4000,
                test_samples=1000,
                settings={"epochs": 6},
                layers={"blocks.2.fc1.weight": 10, "*": 200},
            ),
            chosen=("rate 0.1 and batch size 32 of those that the figures vary", *_S4_CHOSEN),
        ),
        Preset(
            name="vgg16",
            title="VGG-16 with batch norm on CIFAR-10 with weight decay",
            source="S4 B",
            network="vgg16",
            data="cifar10",
            source_data="cifar10",
            settings=TrainingSettings(
                lr=5e-3,
                weight_decay=5e-4,
                batch_size=16,
                epochs=500,
                schedule=_S4_STEPS,
                augmentation=Augmentation(rotation="range"),
            ),
            layers={"*.weight": EveryEpochs(every=25), "*": EveryEpochs(every=25)},
            two_cores=TwoCores(
                why="480 training and 200 test images, 2 epochs instead of 500",
                train_samples=480,
                test_samples=200,
                settings={"epochs": 2},
                layers={"features.7.weight": 1, "classifier.weight": 1, "*": 20},
            ),
            chosen=("batch size 16 of those that the figures vary", *_S4_CHOSEN),
        ),
        Preset(
            name="resnet18",
            title="ResNet-18 on CIFAR-10 with weight decay",
            source="S4 5",
            network="resnet18",
            data="cifar10",
            source_data="cifar10",
            settings=TrainingSettings(
                lr=0.1,
                weight_decay=5e-4,
                batch_size=16,
                epochs=500,
                schedule=_S4_STEPS,
                augmentation=Augmentation(rotation="range"),
            ),
            layers={"*.weight": EveryEpochs(every=25), "*": EveryEpochs(every=25)},
            two_cores=TwoCores(
                why="480 training and 100 test images, 1 epoch of 30 steps instead of 500 epochs",
                train_samples=480,
                test_samples=100,
                settings={"epochs": 1},
                layers={"layer1.0.conv1.weight": 1, "linear.weight": 1, "*": 15},
            ),
            chosen=("rate 0.1 and batch size 16 of those that the figures vary", *_S4_CHOSEN),
        ),
        Preset(
            name="vit",
            title="small vision transformer on CIFAR-10",
            source="S4 B",
            network="vit",
            data="cifar10",
            source_data="cifar10",
            settings=TrainingSettings(
                lr=4e-2,
                weight_decay=5e-4,
                batch_size=32,
                epochs=200,
                schedule=Step(at=(60, 100), gamma=0.2),
                augmentation=Augmentation(rotation="range"),
            ),
            layers={"*.weight": EveryEpochs(every=10), "*": EveryEpochs(every=10)},
            two_cores=TwoCores(
                why="640 training and 200 test images, 1 epoch of 20 steps instead of 200 epochs",
                train_samples=640,
                test_samples=200,
                settings={"epochs": 1},
                layers={"blocks.2.fc1.weight": 1, "*": 10},
            ),
            chosen=("batch size 32 of those that the figures vary", *_S4_CHOSEN),
        ),
    )
}
