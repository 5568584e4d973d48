"""Tell what a file is by its first bytes; names and endings only help to say what is wrong."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path
from typing import Literal

from eigentrail.errors import SourceError

Kind = Literal["safetensors", "torch-zip", "torch-legacy", "npz", "gguf", "hdf5", "msgpack", "onnx"]

#: The endings of files that may hold weights.
WEIGHT_ENDINGS = (
    ".safetensors",
    ".pt",
    ".pth",
    ".th",
    ".bin",
    ".ckpt",
    ".npz",
    ".gguf",
    ".h5",
    ".keras",
    ".onnx",
    ".msgpack",
)

_ACCEPTED = (
    "Give a .safetensors, .pt, .pth, .th, .bin, .ckpt, .npz or .gguf file, or a folder that holds one."
)
# The integer 0x1950a86a20f9469cfc6c as a pickle of any protocol: how torch.save began before its zip format.
_TORCH_LEGACY = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_FOREIGN = (
    (b"\x93NUMPY", "a single numpy array", "Save it by name: numpy.savez(path, weight=array)."),
    (b"\xff\xd8\xff", "a JPEG picture", _ACCEPTED),
    (b"\x89PNG", "a PNG picture", _ACCEPTED),
    (b"%PDF", "a PDF document", _ACCEPTED),
    (b"\x1f\x8b", "compressed with gzip", "Unpack it first: gunzip FILE."),
    (b"\xfd7zXZ", "compressed with xz", "Unpack it first: unxz FILE."),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "Unpack it first: unzstd FILE."),
    (b"version https://git-lfs", "a Git LFS pointer, not the weights", "Fetch them: git lfs pull."),
)


def regular_file(path: Path) -> int:
    """Make sure that a path names a file with content.

    Args:
        path: the path.

    Returns:
        The file's size in bytes.

    Raises:
        SourceError: it is missing, empty, no regular file or may not be read.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        if path.is_symlink():
            raise SourceError(f"{path}: the link points to {path.readlink()}, which is not there.") from error
        raise SourceError(f"{path}: there is no such file.") from error
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{path}: this is no regular file. {_ACCEPTED}")
    if status.st_size == 0:
        raise SourceError(f"{path}: the file is empty; make or download it again.")
    return status.st_size


def file_kind(path: Path) -> Kind:
    """Tell the format of a file of weights.

    Args:
        path: the file.

    Returns:
        The format.

    Raises:
        SourceError: the file cannot be read or holds something else; says what it is where that is known.
    """
    size = regular_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise SourceError(f"{path}: cannot read the file: {error.strerror or error}.") from error
    if head.startswith(b"GGUF"):
        return "gguf"
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if path.suffix in {".onnx", ".msgpack"}:  # neither format begins with a mark
        return "onnx" if path.suffix == ".onnx" else "msgpack"
    for magic, what, mend in _FOREIGN:
        if head.startswith(magic):
            raise SourceError(f"{path}: this is {what}. {mend}")
    if path.suffix == ".distcp" or path.name == ".metadata":
        raise SourceError(
            f"{path}: this is one part of a distributed checkpoint of torch; give its folder, {path.parent}."
        )
    if head.startswith(b"PK\x03\x04"):
        return _zip_kind(path)
    if head[:1] == b"\x80" and _TORCH_LEGACY in head[:24]:
        return "torch-legacy"
    # A header of 640, 896, ... bytes begins as a pickle does, but no pickle goes on with zeros.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8:
        return "safetensors"
    if head[:1] == b"\x80" and head[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}:
        raise SourceError(
            f"{path}: this is a plain pickle, which can run code when it is opened, and is not read. Save "
            f"the weights "
            "with torch.save(model.state_dict(), path), safetensors or numpy.savez."
        )
    if path.suffix.lower() == ".safetensors" or head[8:9] == b"{":
        return "safetensors"
    if path.suffix.lower() in WEIGHT_ENDINGS:
        raise SourceError(
            f"{path}: the content is not what the ending {path.suffix} promises ({size} bytes that begin "
            f"with "
            f"{head[:8]!r}); make or download it again."
        )
    raise SourceError(f"{path}: this is no file of weights that eigentrail knows. {_ACCEPTED}")


def _zip_kind(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise SourceError(
            f"{path}: the archive is cut or damaged ({error}); make or download it again."
        ) from error
    parts = {name.rpartition("/")[2] for name in names}
    if "data.pkl" in parts:
        return "torch-zip"
    if {"policy.pth", "data"} <= parts:
        raise SourceError(
            f"{path}: this is a Stable-Baselines3 archive; unpack it (unzip) and give its policy.pth."
        )
    if "model.weights.h5" in names:
        return "hdf5"
    if any(name.endswith(".npy") for name in names):
        return "npz"
    raise SourceError(
        f"{path}: this zip archive holds neither a torch checkpoint nor numpy arrays. {_ACCEPTED}"
    )
