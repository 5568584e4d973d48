"""A study of several trainings that differ in one setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import xarray as xr

from eigentrail._progress import Progress
from eigentrail.errors import EigentrailError
from eigentrail.recipes.framework.experiment import Experiment, Trained
from eigentrail.recipes.framework.measurement import Measurement, last_scores
from eigentrail.recipes.framework.trial import Trial
from eigentrail.training import TrainingSettings
from eigentrail.trajectories import evolution_table

# The columns with numbers, in their order.
_NUMBERS = (
    "train_accuracy", "test_accuracy", "gap", "spectrum_step", "spikes", "alpha", "effective_rank", "phase",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sweep(Experiment):
    """Several trainings of a preset, one for each value of a setting.

    Attributes:
        setting: the setting that differs.
        values: its values.
    """

    setting: str
    values: tuple[Any, ...]

    def trials(self, settings: TrainingSettings, full: bool, seeds: int = 1) -> list[Trial]:
        """Plan a training for each value.

        Args:
            settings: not used.
            full: not used.
            seeds: not used.

        Returns:
            A trial for each.
        """
        del settings, full, seeds
        stem = self.setting.replace("_", "-")
        return [Trial(f"{stem}-{value}", {self.setting: value}) for value in self.values]

    def measure(
        self, trained: Sequence[Trained], results: Mapping[str, Mapping[str, xr.DataTree]], tell: Progress
    ) -> Measurement:
        """Put the ends of the trainings side by side.

        Args:
            trained: the trials.
            results: the analyses of each, with "evolution".
            tell: not used.

        Returns:
            A row for each run: the setting, `status`, `steps`, `train_accuracy`, `test_accuracy`, `gap` (their
            difference), and of the studied layer `spikes`, `alpha`, `effective_rank` and `phase` at its last recorded
            step, `spectrum_step`; no claims. A run that diverged has no numbers; `note` says why another one has none.
        """
        del tell
        rows: list[dict[str, Any]] = []
        left_out = []
        for one in trained:
            run = one.runs[0]
            rows.append({
                self.setting: getattr(one.settings[0], self.setting),
                "status": "diverged" if one.diverged[0] else run.status,
                "steps": int(run.steps[-1]),
                **dict.fromkeys(_NUMBERS),
            })  # fmt: skip
            if one.diverged[0]:
                continue
            scores = last_scores(run)
            rows[-1] |= {name: scores[name] for name in ("train_accuracy", "test_accuracy", "gap")}
            try:
                evolution = results[one.trial.name]["evolution"]
            except EigentrailError as error:
                rows[-1]["note"] = f"{self.studied}: {error}"
                left_out.append((one.trial.name, rows[-1]["note"]))
                continue
            table = evolution_table(evolution).set_index("name").loc[self.studied]
            rows[-1] |= {
                "spectrum_step": table["last_step"],
                "spikes": table["spikes_last"],
                "alpha": table["alpha_last"],
                "effective_rank": table["effective_rank_last"],
                "phase": table["phase_last"],
            }
        missing = ": ".join(left_out[0]) if all(row["phase"] is None for row in rows) and left_out else ""
        return Measurement(pd.DataFrame(rows), left_out=tuple(left_out), missing=missing)
