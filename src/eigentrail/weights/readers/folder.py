"""Folders of weights: the Hugging Face layout, sharded or not, or any folder with one file of weights."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from eigentrail.errors import SourceError
from eigentrail.weights.readers.distributed import list_distributed
from eigentrail.weights.readers.ranks import OPTIMIZER_PARTS, folder_of_ranks
from eigentrail.weights.readers.recognise import WEIGHT_ENDINGS
from eigentrail.weights.readers.sharded import list_index, list_shards
from eigentrail.weights.readers.single import list_file
from eigentrail.weights.slots import Listing
from eigentrail.weights.store import Skipped

# What a folder of the Hugging Face layout is read from, in the order in which that library prefers them.
_PREFERRED = (
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
    "adapter_model.safetensors", "adapter_model.bin",
    "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.bin", "diffusion_pytorch_model.bin.index.json",
)  # fmt: skip
# What training leaves beside the weights.
_NO_WEIGHTS = re.compile(
    r"(training_args|optimizer|scheduler|scaler|rng_state|random_states).*", re.IGNORECASE
)
_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<ending>\.\w+)")


def list_folder(folder: Path) -> tuple[Listing, Path]:
    """List the tensors of a folder.

    Args:
        folder: the folder.

    Returns:
        Its tensors, and the file or index that they were read from.

    Raises:
        SourceError: it holds no weights, or several sets of them (says which to name).
    """
    try:
        inside = list(folder.iterdir())
        names = sorted(path.name for path in inside if path.is_file() or path.is_symlink())
    except OSError as error:
        raise SourceError(f"{folder}: cannot look into the folder: {error.strerror or error}.") from error
    if ".metadata" in names and any(name.endswith(".distcp") for name in names):
        return list_distributed(folder), folder / ".metadata"
    if "zero_to_fp32.py" in names and not any(name in names for name in _PREFERRED):
        return list_folder(_latest_of_deepspeed(folder))
    if any(name in names for name in ("_METADATA", "manifest.ocdbt", "_CHECKPOINT_METADATA")) and not any(
        name in names for name in _PREFERRED
    ):
        raise SourceError(
            f"{folder}: this is a checkpoint of Orbax, which only its own package restores; write the restored tree "
            "with safetensors.flax.save_file or flax.serialization.msgpack_serialize."
        )
    if "model_index.json" in names:
        return _pipeline(folder), folder / "model_index.json"
    for name in _PREFERRED:
        if name in names:
            return _open(folder / name), folder / name
    if why := folder_of_ranks(path.name for path in inside):
        raise SourceError(f"{folder}: {why}.")
    candidates = [name for name in names if _may_hold_weights(name)]
    indices = [name for name in names if name.endswith(".index.json")]
    if len(indices) == 1:
        return list_index(folder / indices[0]), folder / indices[0]
    if len(candidates) == 1 and not indices and not _SHARD.fullmatch(candidates[0]):
        return list_file(folder / candidates[0]), folder / candidates[0]
    if candidates and not indices and (shards := _complete_set(candidates)):
        return list_shards(folder, dict.fromkeys(shards)), folder / candidates[0]
    if candidates or indices:
        named = [*indices, *candidates]
        shown = ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
        raise SourceError(
            f"{folder}: the folder holds several files of weights ({shown}); name the one to open, such as "
            f"{folder / named[0]}."
        )
    raise SourceError(f"{folder}: {_why_nothing(folder)}")


def _latest_of_deepspeed(folder: Path) -> Path:
    """Find the step that DeepSpeed saved last: the file `latest` names its folder."""
    try:
        name = (folder / "latest").read_text(encoding="utf-8")[:255].strip()
        latest = folder / name
        found = Path(name).name == name and name not in {"", ".", ".."} and latest.is_dir()
    except (OSError, ValueError):
        found = False
    if not found:
        raise SourceError(
            f"{folder}: this is a checkpoint of DeepSpeed whose file `latest` names no folder in it; give the folder "
            "of a step, such as global_step1000."
        )
    return latest


def _pipeline(folder: Path) -> Listing:
    """The parts of a diffusers pipeline, each in a folder of its own: names get the folder's in front."""
    whole = Listing([])
    stamps = []
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        try:
            listing, _ = list_folder(part)
        except SourceError as error:
            if any(path.name.lower().endswith(WEIGHT_ENDINGS) for path in part.iterdir() if path.is_file()):
                whole.skipped.append(Skipped(part.name, str(error).rstrip(".")))
            continue
        whole.slots.extend(replace(slot, name=f"{part.name}.{slot.name}") for slot in listing.slots)
        whole.skipped.extend(Skipped(f"{part.name}.{left.name}", left.reason) for left in listing.skipped)
        whole.ties.update({f"{part.name}.{a}": f"{part.name}.{b}" for a, b in listing.ties.items()})
        stamps.append(f"{part.name}:{listing.stamp}")
    if not whole.slots:
        raise SourceError(
            f"{folder}: none of the pipeline's folders holds weights; make or download it again."
        )
    return Listing(whole.slots, whole.skipped, whole.ties, "|".join(stamps))


def _open(path: Path) -> Listing:
    return list_index(path) if path.name.endswith(".index.json") else list_file(path)


def _may_hold_weights(name: str) -> bool:
    training = _NO_WEIGHTS.fullmatch(name) or OPTIMIZER_PARTS.fullmatch(name)
    return name.lower().endswith(WEIGHT_ENDINGS) and not training


def _complete_set(candidates: list[str]) -> list[str]:
    # All shards' names if every candidate is a shard of one and the same set, missing ones included.
    found = [match for name in candidates if (match := _SHARD.fullmatch(name))]
    sets = {(match["stem"], match["count"], match["ending"]) for match in found}
    if len(found) < len(candidates) or len(sets) != 1:
        return []
    stem, count, ending = sets.pop()
    # A count far beyond what is there is no set that lacks a shard, but a name that lies.
    if not len(found) <= int(count) <= 10 * len(found) + 100:
        return []
    return [f"{stem}-{number:05d}-of-{count}{ending}" for number in range(1, int(count) + 1)]


def _why_nothing(folder: Path) -> str:
    try:
        empty = next(folder.iterdir(), None) is None
    except OSError:
        empty = False
    what = "the folder is empty" if empty else "the folder holds no file of weights"
    endings = ", ".join(WEIGHT_ENDINGS)
    return f"{what}; give a folder with model.safetensors, pytorch_model.bin or one {endings} file."
