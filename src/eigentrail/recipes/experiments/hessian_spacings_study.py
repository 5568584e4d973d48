"""`study hessian-spacings`: are a Hessian's levels those of a random matrix? S2 says for small networks, S1 says no."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import nn

from eigentrail._arrays import to_float64
from eigentrail._progress import Progress
from eigentrail.analyses.hessian.place import Place
from eigentrail.curvature import Curvature, hessian_levels, hessian_spacings
from eigentrail.errors import EigentrailError
from eigentrail.findings import equals
from eigentrail.recipes.framework.experiment import Experiment, Trained
from eigentrail.recipes.framework.measurement import Measurement, last_scores
from eigentrail.recipes.framework.observation import Observation, observe
from eigentrail.recipes.framework.trial import Trial
from eigentrail.spectra.spacing_laws import GOE_RATIO, POISSON_RATIO
from eigentrail.training import TrainingSettings

#: S2's mini-batch.
BATCH = 64
# A mean ratio of spacings as near as this to the random matrices' is theirs; that of independent levels is .14 away.
_NEAR = 0.5 * (GOE_RATIO - POISSON_RATIO)
_STEPS = 200
_SIGNS: tuple[Literal["positive", "both"], ...] = ("positive", "both")


@dataclass(frozen=True)
class _Case:
    """A loss whose Hessian is looked at."""

    name: str
    samples: str
    model: nn.Module
    data: tuple[torch.Tensor, torch.Tensor]
    layers: list[str] | None


@dataclass(frozen=True, kw_only=True)
class SpacingsStudy(Experiment):
    """A small network, and logistic regression on the features that it has learned (S2 application 1)."""

    def trials(self, settings: TrainingSettings, full: bool, seeds: int = 1) -> list[Trial]:
        """Plan the one training.

        Args:
            settings: the study's.
            full: not used.
            seeds: not used: the study is carried out for one after the other.

        Returns:
            The trial.
        """
        del settings, full, seeds
        return [Trial("network", layers={"*": "epoch"})]

    def measure(
        self, trained: Sequence[Trained], results: Mapping[str, Mapping[str, xr.DataTree]], tell: Progress
    ) -> Measurement:
        """Compute the level statistics of each Hessian under one unfolding.

        Args:
            trained: the training.
            results: not used.
            tell: told about the progress.

        Returns:
            A row per Hessian, and the claims.
        """
        del results
        run = trained[0].runs[0]
        place = Place(run, int(run.steps[-1]))
        cases = list(_cases(place, self.studied))
        rows = []
        for done, case in enumerate(cases):
            tell(f"{case.name}, {case.samples}", done, len(cases))
            rows.append({**_row(case), "step": place.step, **last_scores(run)})
        tell("done", len(cases), len(cases))
        table = pd.DataFrame(rows)
        return Measurement(table, tuple(_claims(table)), {"ratios": table.to_xarray()})


def _cases(place: Place, layer: str) -> Iterator[_Case]:
    everything = place.train
    few = tuple(part[:BATCH] for part in everything)
    regression, features = _regression(place.model, everything)
    for samples, part in (("all training samples", slice(None)), (f"one batch of {BATCH}", slice(0, BATCH))):
        data = everything if part == slice(None) else (few[0], few[1])
        yield _Case(f"network, {layer}", samples, place.model, data, [layer])
        yield _Case(
            "logistic regression on its features",
            samples,
            regression,
            (features[part], everything[1][part]),
            None,
        )


def _regression(model: nn.Module, data: tuple[torch.Tensor, torch.Tensor]) -> tuple[nn.Linear, torch.Tensor]:
    """Fit logistic regression on what comes into the network's last linear layer, with a trace of ridge."""
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    seen: list[torch.Tensor] = []
    handle = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    with torch.no_grad():
        model(data[0])
    handle.remove()
    features = seen[0].double()
    fitted = nn.Linear(last.in_features, last.out_features).double()
    with torch.no_grad():
        fitted.weight.copy_(last.weight)
        fitted.bias.copy_(last.bias if last.bias is not None else torch.zeros(last.out_features))
    optimizer = torch.optim.LBFGS(fitted.parameters(), max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        # Without a ridge separable classes have no minimum at finite weights.
        ridge = 1e-4 * sum(p.square().sum() for p in fitted.parameters())
        loss = nn.functional.cross_entropy(fitted(features), data[1]) + ridge
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return fitted, features


def _row(case: _Case) -> dict[str, Any]:
    curvature = Curvature(case.model, None, case.data, case.layers, dtype=torch.float64)
    values = np.linalg.eigvalsh(to_float64(curvature.matrix()))
    levels = hessian_levels(values)
    row: dict[str, Any] = {
        "hessian": case.name,
        "samples": case.samples,
        "n": len(values),
        "null": levels.null,
        "levels": len(levels.levels),
        "negative": levels.negative,
        "largest": float(values[-1]),
    }
    for sign in _SIGNS:
        try:
            found = hessian_spacings(values, sign=sign)
        except EigentrailError as error:
            row |= {f"note_{sign}": str(error)}
            continue
        row |= {
            f"ratio_{sign}": found.ratio_mean,
            f"ratio_error_{sign}": found.ratio_error,
            f"p_wigner_{sign}": found.p_wigner,
            f"p_poisson_{sign}": found.p_poisson,
        }
    return row


def _claims(table: pd.DataFrame) -> Iterator[Observation]:
    for row in table.to_dict(orient="records"):
        ratio, error, p = (row.get(f"{key}_positive") for key in ("ratio", "ratio_error", "p_wigner"))
        where = f"{row['hessian']}, {row['samples']}"
        # Of a handful of levels a ratio is known, and neither its error nor how well a law fits.
        known = all(number is not None and np.isfinite(number) for number in (ratio, error, p)) and bool(
            error
        )
        yield observe(
            f"s2-spacings-{'-'.join(re.findall(r'[a-z0-9]+', where.lower()))}",
            "S2, against S1 7.5",
            f"neighbouring levels are spaced as those of a random matrix: {where}",
            equals(GOE_RATIO, within=_NEAR),
            "mean ratio of neighbouring spacings of positive levels",
            ratio if known else None,
            None,
            f"{ratio:.3f} ± {error:.3f}; independent levels have {POISSON_RATIO:.3f}; Wigner surmise after unfolding "
            f"p = {p:.2g}; {row['null']} of {row['n']} eigenvalues are zero"
            if known
            else "not measured: too few levels",
        )
