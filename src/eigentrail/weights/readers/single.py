"""One file, whatever its format."""

from __future__ import annotations

import re
from pathlib import Path

from eigentrail.errors import SourceError
from eigentrail.weights.readers.gguf_file import list_gguf
from eigentrail.weights.readers.hdf5_file import list_hdf5
from eigentrail.weights.readers.msgpack_file import list_msgpack
from eigentrail.weights.readers.npz_file import list_npz
from eigentrail.weights.readers.onnx_file import list_onnx
from eigentrail.weights.readers.recognise import file_kind
from eigentrail.weights.readers.safetensors_file import list_safetensors
from eigentrail.weights.readers.torch_file import list_torch_legacy, list_torch_zip
from eigentrail.weights.slots import Listing

_RANK = re.compile(r"consolidated\.(?P<number>\d{2})\.pth")  # as Llama is distributed: one file a rank
_READERS = {
    "safetensors": list_safetensors,
    "torch-zip": list_torch_zip,
    "torch-legacy": list_torch_legacy,
    "npz": list_npz,
    "gguf": list_gguf,
    "hdf5": list_hdf5,
    "msgpack": list_msgpack,
    "onnx": list_onnx,
}


def list_file(path: Path) -> Listing:
    """List the tensors of one file; the content, not the name's ending, tells the format.

    Args:
        path: the file.

    Returns:
        Its tensors.

    Raises:
        SourceError: it is no readable file of weights, or there is nothing in it.
    """
    if rank := _RANK.fullmatch(path.name):
        others = [
            other.name for other in path.parent.glob(path.name.replace(rank["number"], "*")) if other != path
        ]
        if any(_RANK.fullmatch(other) for other in others):
            raise SourceError(
                f"{path}: this is the part of one of {len(others) + 1} ranks, not the whole; join them first with the "
                "tool of the model's authors (for Llama: transformers' convert_llama_weights_to_hf.py)."
            )
    listing = _READERS[file_kind(path)](path)
    if not listing.slots and not listing.skipped:
        raise SourceError(f"{path}: there is no tensor in it; give a file that holds weights.")
    return listing
