"""One file, whatever its format."""

from __future__ import annotations

from pathlib import Path

from eigentrail.errors import SourceError
from eigentrail.weights.readers.gguf_file import list_gguf
from eigentrail.weights.readers.hdf5_file import list_hdf5
from eigentrail.weights.readers.msgpack_file import list_msgpack
from eigentrail.weights.readers.npz_file import list_npz
from eigentrail.weights.readers.onnx_file import list_onnx
from eigentrail.weights.readers.ranks import part_of_ranks
from eigentrail.weights.readers.recognise import file_kind
from eigentrail.weights.readers.safetensors_file import list_safetensors
from eigentrail.weights.readers.torch_file import list_torch_legacy, list_torch_zip
from eigentrail.weights.slots import Listing

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
    if why := part_of_ranks(path):
        raise SourceError(f"{path}: {why}.")
    listing = _READERS[file_kind(path)](path)
    if not listing.slots and not listing.skipped:
        raise SourceError(f"{path}: there is no tensor in it; give a file that holds weights.")
    return listing
