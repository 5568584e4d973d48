"""Settings whose mistakes are one sentence."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from eigentrail._names import none_such
from eigentrail.errors import OptionError


class Checked(BaseModel):
    """A group of settings that never changes and knows all its settings.

    Raises:
        OptionError: a setting is unknown, lacking or outside what it may be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    called: ClassVar[str] = ""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            name, said = explained(error)
            fields = type(self).model_fields
            kind = f"{self.called}{type(self).__name__}"
            if said is None:
                raise OptionError(none_such(name, fields, f"setting of {kind}")) from error
            given = name and f"{name}={error.errors()[0]['input']!r}"
            if error.errors()[0]["type"] == "missing":
                raise OptionError(f"{kind} needs {name}: give {name}=...") from error
            raise OptionError(f"{kind}({given}) cannot be used: {said}") from error


def explained(error: ValidationError) -> tuple[str, str | None]:
    """Say what is wrong first.

    Args:
        error: what pydantic found.

    Returns:
        The setting's name, with dots for what is inside it, and what is wrong with it; None where there is no such
        setting.
    """
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return name, None
    said = first["msg"].removeprefix("Value error, ")
    return name, f"{said[0].lower()}{said[1:]}"
