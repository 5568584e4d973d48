"""Feature vectors [n, D] and their labels [n], out of what a module gave for a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from eigentrail.errors import FeatureError

_FEATURES_LAST = (
    nn.Linear, nn.Bilinear, nn.LayerNorm, nn.Embedding, nn.EmbeddingBag, nn.RNNBase, nn.MultiheadAttention,
    nn.TransformerEncoderLayer, nn.TransformerDecoderLayer, nn.TransformerEncoder, nn.TransformerDecoder,
)  # fmt: skip
_CHANNELS_FIRST = (
    nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.GroupNorm,
    nn.modules.pooling._MaxPoolNd, nn.modules.pooling._AvgPoolNd, nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """How outputs with positions (pixels, tokens) become feature vectors.

    Attributes:
        reduce: "pool" for the mean over positions, "flatten" for all of them side by side; of no account where each
            position has a label.
        token: the one position of a sequence that is taken instead; None for `reduce`.
        ignore: the label of what is left out.
        shift: how many positions later the label of a position stands (1 for models that shift labels themselves).
    """

    reduce: Literal["pool", "flatten"] = "pool"
    token: int | None = None
    ignore: int = -100
    shift: int = 0

    def rows(
        self, value: torch.Tensor, labels: torch.Tensor, module: nn.Module, where: str
    ) -> tuple[torch.Tensor, torch.Tensor, str]:
        """Make feature vectors.

        Args:
            value: what the module gave, samples first.
            labels: [batch], or [batch, ...] for each position.
            module: tells where the channels are.
            where: the layer's name, for errors.

        Returns:
            Features [n, D], labels [n], and what was done in words.

        Raises:
            FeatureError: features and labels do not belong together.
        """
        if not value.ndim or len(value) != len(labels):
            if labels.ndim > 1 and value.ndim == 2 and len(value) == labels.numel() and not self.shift:
                return self._kept(value, labels.reshape(-1), "each position")
            first = len(value) if value.ndim else "no side"
            raise FeatureError(
                f"{where} gives {tuple(value.shape)} for a batch of {len(labels)} samples, {first} where these come "
                "first: choose other layers, or batch_first=True for recurrent ones and attention"
            )
        last = features_last(value, module)
        if labels.ndim > 1:
            return self._by_position(value, labels, last, where)
        if value.ndim <= 2:
            return self._kept(value.reshape(len(value), -1), labels, "as it is")
        if last and self.token is not None:
            if not -value.shape[1] <= self.token < value.shape[1]:
                raise FeatureError(f"{where} has {value.shape[1]} positions and no position {self.token}")
            return self._kept(value[:, self.token].flatten(1), labels, f"position {self.token}")
        sides = " x ".join(map(str, value.shape[1:]))
        if self.reduce == "flatten":
            return self._kept(value.flatten(1), labels, f"{sides} flattened")
        told = " x ".join(str(side) for side in (value.shape[1:-1] if last else value.shape[2:]))
        return self._kept(pooled(value, last), labels, f"mean over {told} positions")

    def logits(self, outputs: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Bring the outputs of a network beside the labels.

        Args:
            outputs: [*labels, classes].
            labels: [batch], or [batch, ...] for each position.

        Returns:
            Logits [n, classes] and labels [n].
        """
        if labels.ndim > 1:
            return self._by_position(outputs, labels, True, "the network")[:2]
        return self._kept(outputs, labels, "")[:2]

    def _by_position(
        self, value: torch.Tensor, labels: torch.Tensor, last: bool, where: str
    ) -> tuple[torch.Tensor, torch.Tensor, str]:
        if not last and value.ndim > 2:
            value = value.movedim(1, -1)
        if value.shape[1:-1] != labels.shape[1:]:
            raise FeatureError(
                f"{where} has positions {tuple(value.shape[1:-1])} and a sample's labels {tuple(labels.shape[1:])}: "
                "choose layers with a feature vector for each label"
            )
        if self.shift:
            value, labels = value[:, : -self.shift], labels[:, self.shift :]
        return self._kept(value.reshape(-1, value.shape[-1]), labels.reshape(-1), "each position")

    def _kept(
        self, rows: torch.Tensor, labels: torch.Tensor, told: str
    ) -> tuple[torch.Tensor, torch.Tensor, str]:
        kept = labels != self.ignore
        if not bool(kept.all()):
            rows, labels = rows[kept], labels[kept]
        if len(labels) and int(labels.min()) < 0:
            raise FeatureError(
                f"there is a label {int(labels.min())}: classes count from 0, and ignore_index= names the number "
                "that is left out"
            )
        return rows, labels, told


def features_last(value: torch.Tensor, module: nn.Module) -> bool:
    """Tell where the features of an output are.

    Args:
        value: what a module gives or is given, samples first.
        module: the module.

    Returns:
        True for the last axis (dense layers, tokens), False for the second (convolutions).
    """
    return isinstance(module, _FEATURES_LAST) or (value.ndim == 3 and not isinstance(module, _CHANNELS_FIRST))


def classes_last(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Bring logits [batch, classes, positions], as torch's cross-entropy takes them, to [batch, positions, classes].

    Args:
        outputs: what a network gives.
        labels: [batch, ...].

    Returns:
        The same numbers; as they are where they have classes last already, or one label for each sample.
    """
    fits = outputs.ndim == labels.ndim + 1 > 2
    if fits and outputs.shape[:-1] != labels.shape and (outputs.shape[0], *outputs.shape[2:]) == labels.shape:
        return outputs.movedim(1, -1)
    return outputs


def pooled(value: torch.Tensor, last: bool) -> torch.Tensor:
    """Take the mean over positions.

    Args:
        value: [n, ..., D] or [n, D, ...].
        last: whether features are last.

    Returns:
        [n, D], half precisions in float32.
    """
    if value.ndim <= 2:
        return value.reshape(len(value), -1)
    exact = torch.float32 if value.dtype in (torch.float16, torch.bfloat16) else None
    return value.mean(tuple(range(1, value.ndim - 1) if last else range(2, value.ndim)), dtype=exact)


def first_tensor(value: Any) -> torch.Tensor | None:
    """Find the features among what a module gives or takes.

    Args:
        value: a tensor, or tuples and mappings that hold some.

    Returns:
        The first floating tensor (`last_hidden_state` or `logits` of a mapping that has one); None without any.
    """
    if isinstance(value, torch.Tensor):
        return value if value.is_floating_point() and value.layout == torch.strided else None
    if isinstance(value, Mapping):
        named = [value[key] for key in ("last_hidden_state", "logits") if key in value]
        parts: list[Any] = [*named, *value.values()]
    elif isinstance(value, (tuple, list)):
        parts = list(value)
    elif isinstance(getattr(value, "logits", None), torch.Tensor):
        parts = [value.logits]
    else:
        return None
    return next((found for part in parts if (found := first_tensor(part)) is not None), None)
