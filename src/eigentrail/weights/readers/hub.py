"""Repositories of the Hugging Face hub, `hf://org/name[@revision]`, through the package `huggingface_hub`.

Nothing is fetched unless such an address is given. What the local cache holds is not fetched again.
"""

from __future__ import annotations

import re
from pathlib import Path

from eigentrail._names import first_line
from eigentrail.errors import SourceError

#: How an address starts.
PREFIX = "hf://"
_ADDRESS = re.compile(r"hf://(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?/?")
_ENDINGS = (("*.safetensors",), ("*.bin", "*.pt", "*.pth"), ("*.gguf",), ("*.h5", "*.msgpack", "*.onnx"))
_LEFT_OUT = [
    "onnx/*",
    "openvino/*",
    "coreml/*",
    "original/*",
    "training_args.bin",
    "optimizer.*",
    "scheduler.*",
]


def hub_folder(address: str) -> Path:
    """Give the local folder of a repository; its weights are fetched where the cache lacks them.

    Of several formats the first of safetensors, torch, GGUF and others is taken, so that no weight comes twice.

    Args:
        address: "hf://org/name", with "@" and a branch, tag or commit behind it for another revision than the default.

    Returns:
        The snapshot's folder in the cache of `huggingface_hub` (HF_HOME).

    Raises:
        SourceError: the address is none, the package is not installed, the repository cannot be had, is not in the
            cache while there is no network, or holds no weights.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise SourceError(
            f"{address[:200]!r} is no address of a repository; write hf://org/name or hf://org/name@revision."
        )
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            EntryNotFoundError,
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
        )
    except ImportError as error:
        raise SourceError(
            f"{address}: repositories are read through the package huggingface_hub; pip install 'eigentrail[hub]'."
        ) from error
    for endings in _ENDINGS:
        try:
            folder = Path(
                snapshot_download(
                    found["name"],
                    revision=found["revision"],
                    allow_patterns=[*endings, "*.json"],
                    ignore_patterns=_LEFT_OUT,
                )
            )
        except LocalEntryNotFoundError as error:
            raise SourceError(
                f"{address}: it is not in the local cache and the hub cannot be reached; connect once, or give the "
                "folder of a copy."
            ) from error
        except (HfHubHTTPError, HFValidationError, EntryNotFoundError) as error:
            raise SourceError(f"{address}: the hub does not give it: {first_line(error)}") from error
        if any(path for ending in endings for path in folder.rglob(ending)):
            return folder
    raise SourceError(f"{address}: the repository holds no file of weights that is read here.")
