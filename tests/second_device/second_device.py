"""A second device made of the processor's memory: what is meant for a GPU computes there where there is none."""

from __future__ import annotations

import shutil
import types
from contextlib import nullcontext
from pathlib import Path

import torch

NAME = "second"


def lacking() -> str | None:
    """Say what the device cannot be built without, or None."""
    missing = [tool for tool in ("c++", "ninja") if shutil.which(tool) is None]
    return f"the second device is compiled, and there is no {' and no '.join(missing)}" if missing else None


def begin(folder: Path) -> None:
    """Compile the device in a folder and tell torch of it, for as long as the process lives."""
    from torch.utils import cpp_extension

    source = Path(__file__).with_name("second_device.cpp")
    built = cpp_extension.load(
        "second_device", [str(source)], build_directory=str(folder), extra_cflags=["-O1"]
    )
    torch.utils.rename_privateuse1_backend(NAME)
    module = types.ModuleType(f"torch.{NAME}")
    parts = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "manual_seed_all": lambda seed: None,
        "_is_in_bad_fork": lambda: False,
        "get_amp_supported_dtype": lambda: [torch.float16],
        "device": nullcontext,
        "_DeviceGuard": nullcontext,
    }
    for name, part in parts.items():
        setattr(module, name, part)
    torch._register_device_module(NAME, module)
    built.begin()
