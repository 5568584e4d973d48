"""What a run keeps of its optimizers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eigentrail.errors import OptionError
from eigentrail.runs.manifest import import_path, plain


def describe_optimizer(optimizer: Any) -> dict[str, Any] | None:
    """Say what an optimizer is.

    Args:
        optimizer: an optimizer, a wrapper or a schedule of one (with the attribute `optimizer`), anything with
            `param_groups`, several of these, or a description as plain data.

    Returns:
        Its class and the settings of its groups as plain data, for a schedule its own class and settings as well; for
        several the groups of all, each with its class. None for None and for an empty list.

    Raises:
        OptionError: it is none of these.
    """
    if optimizer is None:
        return None
    if isinstance(optimizer, Mapping):
        return dict(plain(dict(optimizer), "optimizer"))
    if isinstance(optimizer, Sequence) and not isinstance(optimizer, str):
        several = [told for one in optimizer if (told := describe_optimizer(one)) is not None]
        if len(several) < 2:
            return several[0] if several else None
        groups = [
            {"class": told.get("class"), **group} for told in several for group in told.get("groups", [{}])
        ]
        return {"class": ", ".join(str(told.get("class")) for told in several), "groups": groups}
    groups_of = getattr(optimizer, "param_groups", None)
    inner = getattr(optimizer, "optimizer", None)
    if hasattr(inner, "param_groups"):
        told = describe_optimizer(inner) or {}
        if not hasattr(optimizer, "get_last_lr"):
            return told
        settings = {k: v for k, v in vars(optimizer).items() if not k.startswith("_") and k != "optimizer"}
        schedule = {key: _plain_or_text(value) for key, value in settings.items()}
        return {**told, "schedule": {"class": import_path(type(optimizer)), **schedule}}
    if not isinstance(groups_of, Sequence) or not all(isinstance(group, Mapping) for group in groups_of):
        raise OptionError(
            f"optimizer is a {type(optimizer).__name__}: give an optimizer (something with param_groups), a list of "
            "them, or its description as plain data"
        )
    groups = [{k: _plain_or_text(v) for k, v in group.items() if k != "params"} for group in groups_of]
    return {"class": import_path(type(optimizer)), "groups": groups}


def _plain_or_text(value: Any) -> Any:
    try:
        return plain(value, "")
    except OptionError:
        return f"{type(value).__module__}:{type(value).__qualname__}"
