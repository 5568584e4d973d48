"""One training of a study, or several that are trained as one program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eigentrail.runs.schedules import Every


@dataclass(frozen=True)
class Trial:
    """One training of a study, or several that differ in seeds or rates and are trained as one program.

    Attributes:
        name: the name of its folder.
        changes: settings other than the study's.
        share: its number of epochs, as a share of the study's; at least one epoch.
        seeds: for how many seeds, from the study's own on.
        lr: several learning rates; none for that of the settings.
        begins: the trial whose last weights it begins with; None for initial weights.
        layers: what is recorded; None for what the study records.
        shown: whether its first run is analysed and shown on the page.
        analysed: globs over the layers that are analysed; None for those of the study.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    share: float = 1.0
    seeds: int = 1
    lr: tuple[float, ...] = ()
    begins: str | None = None
    layers: Mapping[str, Every] | None = None
    shown: bool = True
    analysed: tuple[str, ...] | None = None

    @property
    def several(self) -> bool:
        """Whether it is more than one training."""
        return self.seeds > 1 or bool(self.lr)
