"""What a model's configuration says about its attention heads, under the names that the model families use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "decoder_attention_heads")
_KV_HEADS = (
    "num_key_value_heads", "num_kv_heads", "n_head_kv", "kv_n_heads", "multi_query_group_num", "num_query_groups",
)  # fmt: skip
_HEAD_DIM = ("head_dim", "kv_channels", "attention_head_size", "d_head", "d_kv")
_HIDDEN = ("hidden_size", "n_embd", "d_model", "embed_dim", "dim")
_TOWERS = (
    (re.compile(r"vision|visual|image"), ("vision_config", "vit_config")),
    (re.compile(r"audio|speech"), ("audio_config", "speech_config")),
    (re.compile(r""), ("text_config", "llm_config", "language_config")),
)


@dataclass(frozen=True)
class Geometry:
    """The attention geometry of one tower of a model; None for what its configuration does not say.

    Attributes:
        model_type: the family's name in the configuration, "" if it gives none.
        heads: number of query heads.
        kv_heads: number of key and value heads.
        head_dim: rows of one head.
        config: the settings of this tower.
    """

    model_type: str
    heads: int | None
    kv_heads: int | None
    head_dim: int | None
    config: Mapping[str, Any]


def tower(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Choose the settings of the tower (text, vision, audio) that a parameter belongs to.

    Args:
        config: the model's configuration.
        name: the parameter's name.

    Returns:
        The nested settings for that tower, or `config` itself where it has none.
    """
    for pattern, keys in _TOWERS:
        if pattern.search(name):
            for key in keys:
                if isinstance(config.get(key), Mapping):
                    return config[key]  # type: ignore[no-any-return]
    return config


def read_geometry(config: Mapping[str, Any], name: str) -> Geometry:
    """Read the attention geometry that holds for a parameter.

    Args:
        config: the model's configuration; {} if there is none.
        name: the parameter's name.

    Returns:
        What the configuration says; values that are no positive whole numbers count as not said.
    """
    if not config:
        return Geometry("", None, None, None, config)
    config = tower(config, name)
    nested = config.get("attn_config")
    where = [config, *([nested] if isinstance(nested, Mapping) else [])]

    def first(keys: tuple[str, ...]) -> int | None:
        for settings in where:
            for key in keys:
                value = settings.get(key)
                if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                    return value
        return None

    heads, head_dim, hidden = first(_HEADS), first(_HEAD_DIM), first(_HIDDEN)
    if head_dim is None and heads and hidden and hidden % heads == 0:
        head_dim = hidden // heads
    return Geometry(str(config.get("model_type", "")), heads, first(_KV_HEADS), head_dim, config)
