"""Where a training computes: on the processor or on a GPU."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from eigentrail.errors import OptionError

_NAME = re.compile(r"cpu|auto|cuda(:\d+)?")


def checked_name(name: str) -> str:
    """Make sure that a device is named as it can be; whether it is there is asked when a training begins.

    Args:
        name: "cpu", "cuda", "cuda:1" or "auto".

    Returns:
        The name.

    Raises:
        ValueError: it is none of these.
    """
    if not _NAME.fullmatch(name):
        raise ValueError('give "cpu", "cuda", "cuda:1" and so on, or "auto"')
    return name


def find_device(name: str) -> torch.device:
    """Find the device that is asked for.

    Args:
        name: "cpu"; "cuda" or "cuda:1" for a GPU; "auto" for a GPU where torch has one, else the processor.

    Returns:
        The device.

    Raises:
        OptionError: there is no such GPU; the text says why.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    mend = 'take device="cpu", or "auto" for a GPU only where there is one'
    if torch.version.cuda is None and torch.version.hip is None:
        raise OptionError(f'device="{name}": this torch ({torch.__version__}) is built without CUDA; {mend}')
    if not torch.cuda.is_available():
        raise OptionError(f'device="{name}": torch sees no CUDA device on this machine; {mend}')
    found = torch.device(name)
    count = torch.cuda.device_count()
    if found.index is not None and found.index >= count:
        raise OptionError(f'device="{name}": torch sees {count}, numbered from 0; {mend}')
    return torch.device("cuda", torch.cuda.current_device() if found.index is None else found.index)


@contextmanager
def undisturbed(device: torch.device, threads: int) -> Iterator[None]:
    """Compute with some threads and the same way each time; what the caller draws and has set is left as it was.

    On a GPU convolutions are computed by algorithms that repeat their bits, and in full single precision: its shorter
    products (TF32) have three digits only, fewer than the equality of stacked and single trainings needs.

    Args:
        device: where the training computes.
        threads: the processor threads that torch may use.

    Yields:
        Nothing.
    """
    before = torch.get_num_threads()
    precision = torch.get_float32_matmul_precision()
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[device] if device.type == "cuda" else []))
        stack.callback(torch.set_num_threads, before)
        torch.set_num_threads(threads)
        if device.type == "cuda":
            flags = torch.backends.cudnn.flags(
                enabled=True, benchmark=False, deterministic=True, allow_tf32=False
            )
            stack.enter_context(flags)
            stack.callback(torch.set_float32_matmul_precision, precision)
            torch.set_float32_matmul_precision("highest")
        yield


def seed_random(seed: int, device: torch.device) -> None:
    """Seed the random generators that a training draws from, and no others.

    Args:
        seed: the seed.
        device: where it computes.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Take down the state of torch's random generators that a training draws from.

    Args:
        device: where it computes.

    Returns:
        `random`, the processor's; and `random_device`, the GPU's, if it computes there.
    """
    state = {"random": torch.get_rng_state()}
    if device.type == "cuda":
        state["random_device"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Put the random generators back.

    Args:
        state: what `random_state` gave, or a dict that holds it.
        device: where the training computes.
    """
    torch.set_rng_state(state["random"])
    if device.type == "cuda" and "random_device" in state:
        torch.cuda.set_rng_state(state["random_device"], device)
