"""The settings that lie beside weights: `config.json`, or `adapter_config.json` of an adapter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eigentrail.weights.store import Skipped

_LARGEST = 16 * 2**20


def read_config(folder: Path, *, adapter: bool) -> tuple[dict[str, Any], list[Skipped]]:
    """Read the settings beside a file of weights.

    Args:
        folder: where the weights lie.
        adapter: whether the weights are an adapter's, whose own settings then come first.

    Returns:
        The settings, {} if there are none; and a file that is there but cannot be read, with its reason.
    """
    names = ["adapter_config.json", "config.json"] if adapter else ["config.json", "adapter_config.json"]
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        return {}, []
    try:
        if path.stat().st_size > _LARGEST:
            return {}, [
                Skipped(path.name, f"larger than any settings ({path.stat().st_size} bytes); read without it")
            ]
        config = json.loads(path.read_bytes().decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return {}, [
            Skipped(path.name, f"is not valid JSON ({str(error)[:100]}); the weights are read without it")
        ]
    if not isinstance(config, dict):
        return {}, [Skipped(path.name, "is no JSON object; the weights are read without it")]
    return config, []


def tied_head(config: dict[str, Any], names: set[str]) -> dict[str, str]:
    """Name the output layer that a language model shares with its input embedding.

    Args:
        config: the settings.
        names: the names of the tensors that are there.

    Returns:
        {"lm_head.weight": the embedding} if the settings say that they are tied, the file leaves the output
        layer out (as tied weights are saved) and exactly one tensor is the token embedding; else {}.
    """
    if config.get("tie_word_embeddings") is not True or "lm_head.weight" in names:
        return {}
    endings = (
        "embed_tokens.weight",
        "wte.weight",
        "word_embeddings.weight",
        "embed_in.weight",
        "shared.weight",
    )
    embeddings = [name for name in sorted(names) if name.endswith(endings)]
    return {"lm_head.weight": embeddings[0]} if len(embeddings) == 1 else {}
