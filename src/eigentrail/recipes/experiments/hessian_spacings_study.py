"""`study hessian-spacings`: are a Hessian's levels those of a random matrix? S2 says for small networks, S1 says no."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import nn

from eigentrail._arrays import to_float64
from eigentrail._progress import Progress
from eigentrail.analyses.hessian.parameter_point import ParameterPoint
from eigentrail.curvature import Curvature, hessian_levels, hessian_spacings
from eigentrail.errors import EigentrailError, SpectrumError
from eigentrail.findings import equals, greater_than_chance
from eigentrail.recipes.framework.experiment import Experiment, Trained
from eigentrail.recipes.framework.measurement import Measurement, last_scores
from eigentrail.recipes.framework.observation import Observation, observe
from eigentrail.recipes.framework.trial import Trial
from eigentrail.spectra.classical_laws import classical_laws
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
        point = ParameterPoint(run, int(run.steps[-1]))
        cases = list(_cases(point, self.studied))
        rows, drawn = [], {}
        for done, case in enumerate(cases):
            tell(f"{case.name}, {case.samples}", done, len(cases))
            row, levels = _row(case)
            rows.append({**row, "step": point.step, **last_scores(run)})
            drawn[f"levels-{done}"] = levels.assign_attrs(hessian=case.name, samples=case.samples)
        tell("done", len(cases), len(cases))
        table = pd.DataFrame(rows)
        return Measurement(table, tuple(_claims(table)), {"ratios": table.to_xarray(), **drawn})


def _cases(point: ParameterPoint, layer: str) -> Iterator[_Case]:
    train, test = point.train, point.test
    regression, features = _regression(point.model, train)
    every = {
        "all training samples": (train, features),
        f"one batch of {BATCH}": ((train[0][:BATCH], train[1][:BATCH]), features[:BATCH]),
        "the test set": (test, _features(point.model, test[0])),
    }
    for samples, (data, seen) in every.items():
        yield _Case(f"network, {layer}", samples, point.model, data, [layer])
        yield _Case("logistic regression on its features", samples, regression, (seen, data[1]), None)


def _regression(model: nn.Module, data: tuple[torch.Tensor, torch.Tensor]) -> tuple[nn.Linear, torch.Tensor]:
    """Fit logistic regression on what comes into the network's last linear layer, with a trace of ridge."""
    last, features = _last_linear(model), _features(model, data[0])
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


def _last_linear(model: nn.Module) -> nn.Linear:
    return [module for module in model.modules() if isinstance(module, nn.Linear)][-1]


def _features(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Give what comes into the network's last linear layer, in double precision."""
    seen: list[torch.Tensor] = []
    handle = _last_linear(model).register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    with torch.no_grad():
        model(inputs)
    handle.remove()
    return seen[0].double()


def _row(case: _Case) -> tuple[dict[str, Any], xr.Dataset]:
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
    drawn: dict[str, Any] = {}
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
        if sign == "positive":
            drawn["spacing"] = ("s", to_float64(found.unfolded).ravel())
    positive = levels.levels[levels.levels > 0.0]
    drawn["level"] = ("i", positive)
    try:
        laws = classical_laws(positive)
    except SpectrumError as error:
        row["note_density"] = str(error)
    else:
        row |= {
            "semicircle_distance": laws.semicircle,
            "marchenko_pastur_distance": laws.marchenko_pastur,
            "laws_chance": laws.chance,
            "semicircle_centre": laws.centre,
            "semicircle_radius": laws.radius,
            "marchenko_pastur_q": laws.q,
            "marchenko_pastur_sigma": laws.sigma,
        }
    return row, xr.Dataset(drawn)


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
    for row in table.to_dict(orient="records"):
        nearest, where = _nearest(row), f"{row['hessian']}, {row['samples']}"
        yield observe(
            f"s2-density-{'-'.join(re.findall(r'[a-z0-9]+', where.lower()))}",
            "S2 application 1",
            f"the density of the eigenvalues is neither a semicircle nor a Marchenko-Pastur law: {where}",
            greater_than_chance(),
            "Kolmogorov-Smirnov distance of the positive levels to the nearer of both laws, each fitted, against that "
            "of random matrices to their own",
            nearest,
            None if nearest is None else row["laws_chance"],
            f"{row['semicircle_distance']:.3f} from the nearest semicircle, {row['marchenko_pastur_distance']:.3f} "
            f"from the nearest Marchenko-Pastur law; random matrices {row['laws_chance']:.3f} from theirs"
            if nearest is not None
            else "not measured: too few levels",
        )


def _nearest(row: Mapping[Hashable, Any]) -> float | None:
    found = [row.get(f"{law}_distance") for law in ("semicircle", "marchenko_pastur")]
    known = [float(one) for one in found if one is not None and np.isfinite(one)]
    return min(known) if known else None
