"""A folder of adapter weights as PEFT writes and reads it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eigentrail._files import drafted
from eigentrail.errors import EigentrailError, OptionError
from eigentrail.weights import open_store, write_weights

PREFIX = "base_model.model."


def write_adapter(
    path: str | os.PathLike[str],
    factors: Mapping[str, tuple[Tensor, Tensor]],
    *,
    modules: Collection[str] = (),
    base: str = "",
    fan_in_fan_out: bool = False,
    task: str | None = None,
    others: Mapping[str, Tensor] | None = None,
    settings: Mapping[str, Any] | None = None,
    provenance: Any = None,
) -> None:
    """Write low-rank updates as an adapter that PEFT loads.

    The strengths lie in the factors: alpha equals the rank of each module (`alpha_pattern`), so that its scale is 1.

    Args:
        path: a new folder.
        factors: {module's path in the base: (B [out, r], A [r, in] or [r, in, kh, kw])}.
        modules: the paths of all modules of the base, so that the names chosen fit no other module.
        base: what the base model is called.
        fan_in_fan_out: the base stores these weights [in, out], as GPT-2's Conv1D does.
        task: PEFT's task type, such as "CAUSAL_LM".
        others: further tensors, by their full names.
        settings: of an existing adapter, which stay where nothing here replaces them.
        provenance: what happened, as plain values.

    Raises:
        OptionError: the folder exists and is not empty, or there is no update.
        EigentrailError: the system refuses to write.
    """
    folder = Path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OptionError(f"{folder} exists already and is not empty; give a new folder.")
    if not factors:
        raise OptionError("there is no update to write as an adapter: no layer changed by more than noise.")
    tensors: dict[str, Tensor] = {}
    ranks: dict[str, int] = {}
    for module, (left, right) in factors.items():
        ranks[module] = right.shape[0]
        second = left if right.ndim == 2 else left.reshape(*left.shape, *[1] * (right.ndim - 2))
        tensors[f"{PREFIX}{module}.lora_A.weight"] = right.contiguous()
        tensors[f"{PREFIX}{module}.lora_B.weight"] = second.contiguous()
    # PEFT takes the first pattern that fits the end of a path: the longer names first.
    by_length = sorted(ranks, key=lambda module: (-len(module), module))
    most = max(ranks.values())
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": base,
        "bias": "none",
        "fan_in_fan_out": fan_in_fan_out,
        "inference_mode": True,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "task_type": task,
        "use_dora": False,
        **(settings or {}),
        "r": most,
        "lora_alpha": most,
        "use_rslora": False,
        "init_lora_weights": True,
        "target_modules": _targets(list(ranks), modules),
        "rank_pattern": {re.escape(module): ranks[module] for module in by_length if ranks[module] != most},
        "alpha_pattern": {re.escape(module): ranks[module] for module in by_length if ranks[module] != most},
    }
    if len(set(ranks.values())) > 1 and any(_shadowed(module, ranks) for module in ranks):
        # One path is the end of another: every module says its own, the longest first.
        config["rank_pattern"] = {re.escape(module): ranks[module] for module in by_length}
        config["alpha_pattern"] = dict(config["rank_pattern"])
    try:
        with drafted(folder) as partial:
            partial.mkdir(parents=True)
            store = open_store({**tensors, **(others or {})})
            write_weights(store, partial / "adapter_model.safetensors", {}, provenance)
            (partial / "adapter_config.json").write_text(
                json.dumps(config, indent=2) + "\n", encoding="utf-8"
            )
    except OSError as error:
        raise EigentrailError(
            f"cannot write {folder}: {error.strerror or error}; give a place that has room"
        ) from error


def balanced(left: Tensor, values: Tensor, right: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Share the singular values evenly between the two factors.

    Args:
        left: [out, r] orthonormal columns.
        values: [r] singular values.
        right: [r, in] orthonormal rows.
        dtype: of the factors.

    Returns:
        B = U sqrt(S) [out, r] and A = sqrt(S) V^T [r, in].
    """
    root = values.sqrt()
    return (left * root).to(dtype), (root[:, None] * right).to(dtype)


def _targets(chosen: list[str], modules: Collection[str]) -> list[str] | str:
    """The modules as PEFT names them: a list, or one expression where a name would fit further modules as well."""
    wanted = set(chosen)
    caught = {module for module in modules if any(module == c or module.endswith(f".{c}") for c in chosen)}
    if caught <= wanted:
        return sorted(chosen)
    return "|".join(re.escape(module) for module in sorted(chosen))


def _shadowed(module: str, others: Iterable[str]) -> bool:
    return any(other != module and module.endswith(f".{other}") for other in others)
