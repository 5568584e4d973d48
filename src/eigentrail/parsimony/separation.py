"""How classes separate from layer to layer: D_l = tr Sigma_W / tr Sigma_B (Wang et al. 2023; S3, part 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigentrail._arrays import to_float64
from eigentrail.errors import OptionError


def class_separation(features: Sequence[Any], labels: Any) -> NDArray[np.float64]:
    """Measure D of the features of each layer.

    tr Sigma_W is the mean squared distance of a sample from its class's mean, tr Sigma_B the mean squared distance of
    a class's mean from the mean of all samples.

    Args:
        features: z^0, z^1, ..., each [d_l, N], a column for each sample.
        labels: [N] the class of each sample, integers.

    Returns:
        D_0, D_1, ...; smaller is further separated.

    Raises:
        OptionError: there are fewer than two classes, the labels do not fit, or the means of all classes are equal.
    """
    y = np.asarray(labels)
    classes = np.unique(y)
    if len(classes) < 2:
        raise OptionError("separation needs samples of two classes or more.")
    found = []
    for layer, given in enumerate(features):
        z = to_float64(given)
        if z.ndim != 2 or z.shape[1] != len(y):
            raise OptionError(
                f"the features of layer {layer} have shape {z.shape}: [d, {len(y)}] fits the labels."
            )
        means = np.stack([z[:, y == c].mean(axis=1) for c in classes], axis=1)
        within = float(np.square(z - means[:, np.searchsorted(classes, y)]).sum()) / len(y)
        between = float(np.square(means - z.mean(axis=1, keepdims=True)).sum()) / len(classes)
        if between == 0.0:
            raise OptionError(
                f"all classes have one mean in layer {layer}: there is no separation to measure."
            )
        found.append(within / between)
    return np.array(found)


def separation_bound(classes: int, scale: float) -> float:
    """Bound D_(l+1) / D_l of a deep linear network at a balanced global optimum, l = 0, ..., L - 2.

    Args:
        classes: K.
        scale: epsilon of the orthogonal initial weights.

    Returns:
        2 (sqrt K + 1) epsilon^2; it says nothing where it is 1 or more.
    """
    return float(2.0 * (np.sqrt(classes) + 1.0) * scale**2)
