"""A study of several trainings that differ in one setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import xarray as xr

from eigentrail._progress import Progress
from eigentrail.studies.claims import Measured, last_scores
from eigentrail.studies.experiment import Experiment, Trained, Trial
from eigentrail.training import TrainingSettings
from eigentrail.trajectories import evolution_table


@dataclass(frozen=True, kw_only=True)
class Sweep(Experiment):
    """Several trainings of a preset, one for each value of a setting.

    Attributes:
        setting: the setting that differs.
        values: its values.
    """

    setting: str
    values: tuple[Any, ...]

    def trials(self, settings: TrainingSettings, full: bool) -> list[Trial]:
        """Plan a training for each value.

        Args:
            settings: not used.
            full: not used.

        Returns:
            A trial for each.
        """
        del settings, full
        stem = self.setting.replace("_", "-")
        return [Trial(f"{stem}-{value}", {self.setting: value}) for value in self.values]

    def measure(
        self, trained: Sequence[Trained], results: Mapping[str, Mapping[str, xr.DataTree]], tell: Progress
    ) -> Measured:
        """Put the ends of the trainings side by side.

        Args:
            trained: the trials.
            results: the analyses of each, with "evolution".
            tell: not used.

        Returns:
            A row for each run: the setting, `steps`, `train_accuracy`, `test_accuracy`, `gap` (their difference), and
            of the studied layer `spikes`, `alpha`, `effective_rank` and `phase` at its last recorded step,
            `spectrum_step`; no claims.
        """
        del tell
        rows = []
        for one in trained:
            run = one.runs[0]
            scores = last_scores(run)
            table = evolution_table(results[one.trial.name]["evolution"]).set_index("name").loc[self.studied]
            rows.append({
                self.setting: getattr(one.settings[0], self.setting),
                "steps": int(run.steps[-1]),
                **{name: scores[name] for name in ("train_accuracy", "test_accuracy", "gap")},
                "spectrum_step": table["last_step"],
                "spikes": table["spikes_last"],
                "alpha": table["alpha_last"],
                "effective_rank": table["effective_rank_last"],
                "phase": table["phase_last"],
            })  # fmt: skip
        return Measured(pd.DataFrame(rows))
