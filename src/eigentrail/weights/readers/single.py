"""One file, whatever its format."""

from __future__ import annotations

from pathlib import Path

from eigentrail.errors import SourceError
from eigentrail.weights.readers.gguf_file import list_gguf
from eigentrail.weights.readers.npz_file import list_npz
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
    listing = _READERS[file_kind(path)](path)
    if not listing.slots and not listing.skipped:
        raise SourceError(f"{path}: there is no tensor in it; give a file that holds weights.")
    return listing
