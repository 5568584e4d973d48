"""Arrays as the caller gave them: numpy in, numpy out; torch in, torch out.

torch is never imported here: a tensor can only reach this module if the caller has imported torch already.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eigentrail.errors import LayerError, SpectrumError

if TYPE_CHECKING:
    import torch

Array: TypeAlias = "NDArray[Any] | torch.Tensor"


def is_tensor(x: object) -> bool:
    """Tell whether `x` is a torch tensor.

    Args:
        x: anything.

    Returns:
        True for a torch tensor, False for anything else.
    """
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def to_numpy(x: Any) -> NDArray[Any]:
    """Bring an array to numpy, upcasting the half and eighth precisions that numpy does not have to float32.

    Args:
        x: a numpy array, a torch tensor on any device, or nested sequences of numbers.

    Returns:
        A numpy array; it shares memory with `x` where that is possible.

    Raises:
        LayerError: when it is a sparse tensor.
    """
    if is_tensor(x):
        if str(x.layout) != "torch.strided":
            raise LayerError(
                f"a tensor of layout {x.layout} cannot be analysed; make it dense with .to_dense() first"
            )
        x = x.detach().cpu()
        if x.is_floating_point() and x.element_size() < 4:
            x = x.float()
        return np.asarray(x.resolve_conj().resolve_neg().numpy())
    return np.asarray(x)


def to_float64(x: Any) -> NDArray[Any]:
    """Bring an array to float64 numpy, the precision of all statistics.

    Args:
        x: see `to_numpy`.

    Returns:
        A float64 numpy array of the same shape.

    Raises:
        SpectrumError: when the entries are complex, text or dates.
    """
    a = to_numpy(x)
    if a.dtype.kind not in "biufO":
        raise SpectrumError(f"real numbers are needed, got an array of {a.dtype}")
    return a.astype(np.float64, copy=False)


def kind_of(x: Any) -> Any:
    """Keep what `like` needs of an array, without its numbers.

    Args:
        x: an array of any kind.

    Returns:
        An empty tensor on the device of `x` if that is a tensor, else None.
    """
    return x.detach()[:0] if is_tensor(x) else None


def like(result: NDArray[Any], given: Any) -> Any:
    """Hand a numpy result back in the kind of array that the caller gave.

    Args:
        result: a numpy array.
        given: the argument that the caller passed in.

    Returns:
        A torch tensor on the device of `given` if that is a tensor, else `result` itself.
    """
    if not is_tensor(given):
        return result
    torch = sys.modules["torch"]
    return torch.from_numpy(np.ascontiguousarray(result)).to(given.device)
