"""The samples of a training, where its network reaches them, and how well it does on them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from eigentrail.data import Data, black_of, in_precision
from eigentrail.training.accuracy import Score, score
from eigentrail.training.phase import ClassPhase
from eigentrail.training.settings import TrainingSettings

# Of the GPU's free memory, what samples may take; where they need more, batches are brought there one by one.
_SHARE = 0.25


@dataclass(frozen=True)
class Evaluation:
    """What is found after an epoch.

    Attributes:
        metrics: `train_loss`, `train_accuracy`, and with held-out samples `test_loss`, `test_accuracy` and
            `test_accuracy_phase1` and so on.
        last: the score of the held-out samples, of the training samples where there are none.
        wild: a loss that is no number, or None.
    """

    metrics: dict[str, float]
    last: Score
    wild: float | None

    def __str__(self) -> str:
        text = (
            f"training loss {self.metrics['train_loss']:.3g}, accuracy {self.metrics['train_accuracy']:.1%}"
        )
        if "test_accuracy" in self.metrics:
            text += f"; test {self.metrics['test_accuracy']:.1%}"
        return text


class Samples:
    """A data set in a training's precision: on its device if it fits there, else on the processor.

    Args:
        data: the data set.
        settings: the settings.
        device: where the network is.

    Attributes:
        device: where the network is.
        home: where the inputs are; numbers of samples that are looked up belong there.
        inputs: the training samples [n, ...], at home.
        targets: their classes [n] or [n, positions], on the device.
        test_inputs: the held-out samples [m, ...], at home.
        test_targets: their classes [m], on the device.
    """

    def __init__(self, data: Data, settings: TrainingSettings, device: torch.device) -> None:
        self.device = device
        dtype = settings.torch_dtype
        needed = (data.train_inputs.numel() + data.test_inputs.numel()) * dtype.itemsize
        self.home = device if needed <= _SHARE * _free(device) else torch.device("cpu")
        self.inputs = in_precision(data.train_inputs, dtype).to(self.home)
        self.targets = data.train_targets.to(device)
        self.test_inputs = in_precision(data.test_inputs, dtype).to(self.home)
        self.test_targets = data.test_targets.to(device)
        self._augmentation = settings.augmentation
        self._loss = settings.loss
        self._black = black_of(data)
        self._phases = [_of_classes(data.test_targets, phase) for phase in settings.phases]

    def take(self, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Look up training samples.

        Args:
            chosen: their numbers [batch], at home.

        Returns:
            Inputs [batch, ...] and classes [batch], on the device.
        """
        return self.inputs[chosen].to(self.device), self.targets[chosen.to(self.device)]

    def augmented(self, inputs: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
        """Change the images of a batch as the settings say.

        Args:
            inputs: images [batch, channels, height, width].
            chance: where the chance comes from.

        Returns:
            The changed images; without augmentation the same.
        """
        if self._augmentation is None:
            return inputs
        return self._augmentation.apply(inputs, chance, self._black)

    def evaluate(self, model: nn.Module) -> Evaluation:
        """Evaluate a network on all samples as they are.

        Args:
            model: the network.

        Returns:
            The scores.
        """
        last = score(model, self.inputs, self.targets, self._loss)
        metrics = {"train_loss": last.loss, "train_accuracy": last.accuracy}
        losses = [last.loss]
        if len(self.test_inputs):
            last = score(model, self.test_inputs, self.test_targets, self._loss)
            metrics |= {"test_loss": last.loss, "test_accuracy": last.accuracy}
            losses.append(last.loss)
        for number, there in enumerate(self._phases, start=1):
            if len(there):
                part = self.test_inputs[there.to(self.home)], self.test_targets[there.to(self.device)]
                metrics[f"test_accuracy_phase{number}"] = score(model, *part).accuracy
        return Evaluation(metrics, last, next((loss for loss in losses if loss - loss != 0), None))


def _of_classes(targets: torch.Tensor, phase: ClassPhase) -> torch.Tensor:
    return torch.isin(targets, torch.tensor(phase.classes)).nonzero()[:, 0]


def _free(device: torch.device) -> float:
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else float("inf")
