"""`study hessian`: S1's chapter 7 and S2's level spacings, with and without weight decay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import xarray as xr

from eigentrail._arrays import to_float64
from eigentrail._progress import Progress
from eigentrail.analyses.framework.registry import find_analysis
from eigentrail.analyses.framework.rows import table_of
from eigentrail.analyses.hessian.parameter_point import WHOLE, ParameterPoint
from eigentrail.bases import singular
from eigentrail.curvature import Curvature, layer_overlaps
from eigentrail.curvature.weight_decay_shift import WeightDecayShift
from eigentrail.errors import SpectrumError
from eigentrail.evaluation import add_back
from eigentrail.recipes.experiments.decay_shift import decay_shift
from eigentrail.recipes.experiments.hessian_claims import hessian_claims
from eigentrail.recipes.framework.experiment import Experiment, Trained
from eigentrail.recipes.framework.measurement import Measurement, last_scores
from eigentrail.recipes.framework.trial import Trial
from eigentrail.spectra import Spectrum
from eigentrail.training import TrainingSettings

#: The two kinds of training that are compared.
KINDS = ("plain", "decay")
# Leading eigenvectors of a layer that are looked for in the whole network's.
_LEADING = 10


@dataclass(frozen=True, kw_only=True)
class HessianStudy(Experiment):
    """One network trained without and with weight decay, and the Hessian of its loss where the training ends.

    Attributes:
        decay: the weight decay of the second training, torch's.
        complete: a small layer that is recorded at every step too, so that its components of motion span all of it.
    """

    decay: float = 1e-3
    complete: str | None = None

    def trials(self, settings: TrainingSettings, full: bool, seeds: int = 1) -> list[Trial]:
        """Plan the two trainings.

        Args:
            settings: the study's.
            full: whether the Hessian of the decayed training is looked at in all targets, not the studied layer alone.
            seeds: not used: the study is carried out for one after the other.

        Returns:
            The trials.
        """
        del settings, seeds
        every = {name: 1 for name in (self.studied, self.complete) if name is not None}
        return [
            Trial(
                kind,
                {"weight_decay": decay},
                layers={**every, "*": 50},
                analysed=None if full or not decay else (self.studied,),
            )
            for kind, decay in zip(KINDS, (0.0, self.decay), strict=True)
        ]

    def measure(
        self, trained: Sequence[Trained], results: Mapping[str, Mapping[str, xr.DataTree]], tell: Progress
    ) -> Measurement:
        """Confront S1's and S2's claims with the Hessians.

        Args:
            trained: the trials.
            results: their analyses, with "curvature".
            tell: told about the progress.

        Returns:
            A row per training and target, and the observations of the claims.
        """
        trees = {trial.trial.name: results[trial.trial.name]["curvature"] for trial in trained}
        tables = []
        for trial in trained:
            table = table_of(find_analysis("curvature"), trees[trial.trial.name])
            scores = {key: value for key, value in last_scores(trial.runs[0]).items() if key != "gap"}
            tables.append(table.assign(training=trial.trial.name, **scores))
        tell("layer against the whole network", 0, 2)
        overlaps = _overlaps_of_layer(trained[0], self.studied)
        tell("the shift by weight decay", 1, 2)
        shift = _shift(trained[1], self.studied)
        tell("done", 2, 2)
        return Measurement(
            pd.concat(tables, ignore_index=True),
            hessian_claims(
                trees, self.studied, overlaps, shift, self.complete, _without_bulk(trained[0], self.studied)
            ),
            {"overlaps": overlaps},
        )


def _overlaps_of_layer(trained: Trained, layer: str) -> xr.Dataset:
    """Compare a layer's leading eigenvectors with those of the whole network (S1 7.4)."""
    run = trained.runs[0]
    point = ParameterPoint(run, int(run.steps[-1]), samples=5_000)
    bases: dict[str, Any] = {}
    slices = {}
    for target in (layer, WHOLE):
        curvature = Curvature(point.model, None, point.train, None if target == WHOLE else [layer])
        count = min(_LEADING, curvature.n - 1)
        bases[target] = curvature.top(count, "largest", 1e-2)
        slices[target] = dict(curvature.slices)
    found = layer_overlaps(bases[layer], bases[WHOLE], slices[layer], slices[WHOLE])
    return found.assign_attrs({"layer": layer})


def _without_bulk(trained: Trained, layer: str) -> tuple[float, float] | None:
    """Measure the test accuracy, and that with a layer cut to the singular values outside of its bulk (S1 4)."""
    run = trained.runs[0]
    point = ParameterPoint(run, int(run.steps[-1]))
    w = to_float64(dict(point.model.named_parameters())[layer])
    try:
        spikes = int(Spectrum.from_matrix(w, leading=0).marchenko_pastur().spikes)
    except SpectrumError:  # a layer too small for a bulk
        return None
    cut = singular(w, max(1, spikes))
    found = add_back(point.model, point.test, cut, [layer], counts=[cut.k], loss=point.loss)
    return float(found.attrs["accuracy_full"]), float(found["accuracy"][0])


def _shift(trained: Trained, layer: str) -> WeightDecayShift:
    """Measure how far the training's weight decay moves the leading eigenvalues of a layer at the same weights."""
    run = trained.runs[0]
    point = ParameterPoint(run, int(run.steps[-1]), samples=5_000)
    decay = float(point.setting.get("weight_decay") or 0.0) / 2.0
    return decay_shift(point.model, point.train, layer, decay, _LEADING)
