"""`study drift`: S1's drift mode, with and without weight decay, at several rates and with frozen later layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float64

from eigentrail._progress import Progress
from eigentrail.analyses.framework.memory import memory_of
from eigentrail.bases import overlap, singular
from eigentrail.errors import EigentrailError
from eigentrail.recipes.experiments.drift_claims import bend_claims, drift_claims, first_part, model_claims
from eigentrail.recipes.experiments.drift_model import Well, model_row, variances, well_at
from eigentrail.recipes.framework.experiment import Experiment, Trained, called, why_lacking
from eigentrail.recipes.framework.measurement import Measurement, last_scores
from eigentrail.recipes.framework.trial import Trial
from eigentrail.runs import Run
from eigentrail.spectra import Spectrum
from eigentrail.training import TrainingSettings
from eigentrail.trajectories import Drift, drift, variance_growth
from eigentrail.trajectories.bending import FEWEST, Bend, bend
from eigentrail.trajectories.fits import fit_line

#: The two kinds of training that are compared.
KINDS = ("plain", "decay")
# The measured stretch as a share of the training: ten epochs of the source's 200, more of a shorter training.
_SHARE_FULL, _SHARE = 0.05, 0.125
# The long stretch of figure 6.5, looked at once an epoch: the source's 600 epochs, as long as the training here.
_LONG_FULL, _LONG = 3.0, 1.0


@dataclass(frozen=True, kw_only=True)
class DriftStudy(Experiment):
    """S1 chapter 6: a network is trained to its end, then its weights are watched while it is trained on.

    Attributes:
        later: globs over the parameters behind the studied layer, which one trial freezes.
        factors: the rates at which it is watched, in units of the last rate of the training; 1 is watched anyway.
        decays: the weight decay of the trainings with one, at the source's size and at that of two cores.
    """

    later: tuple[str, ...]
    factors: tuple[float, ...] = (0.25, 0.5, 2.0, 4.0)
    decays: tuple[float, float] = (1e-3, 3e-3)

    def trials(self, settings: TrainingSettings, full: bool, seeds: int = 1) -> list[Trial]:
        """Plan the trainings: for either kind one to the end, and what is watched from there.

        Args:
            settings: the study's.
            full: True for the source's size.
            seeds: not used: the study is carried out for one after the other.

        Returns:
            The trials.
        """
        del seeds
        rate = settings.lr_in(settings.epochs - 1)
        share = _SHARE_FULL if full else _SHARE
        watched = {self.studied: 1, "*": 50}
        plan = []
        for kind, decay in zip(KINDS, (0.0, self.decays[0 if full else 1]), strict=True):
            base = {"weight_decay": decay}
            after = {**base, "schedule": "constant", "lr": rate}
            begun = f"{kind}-training"
            rates = tuple(float(f"{rate * factor:.6g}") for factor in self.factors)
            plan += [
                Trial(begun, base, layers={"*": "epoch"}, shown=False),
                Trial(kind, after, share, begins=begun, layers=watched),
                Trial(f"{kind}-rates", after, share, lr=rates, begins=begun, layers=watched, shown=False),
                Trial(f"{kind}-frozen", {**after, "frozen": self.later}, share, begins=begun, layers=watched),
                Trial(
                    f"{kind}-long",
                    after,
                    _LONG_FULL if full else _LONG,
                    begins=begun,
                    layers={self.studied: "epoch"},
                    shown=False,
                ),
            ]
        return plan

    def measure(
        self, trained: Sequence[Trained], results: Mapping[str, Mapping[str, xr.DataTree]], tell: Progress
    ) -> Measurement:
        """Measure the drift of each watched stretch.

        Args:
            trained: the trials.
            results: the analyses of those that are shown, with "add-back", "landscape" and "loss-scaling".
            tell: told about the progress.

        Returns:
            A row for each training, the claims of S1's chapter 6, and `rates`, `growth`, `first`, `long`, `bends`,
            `model` and `directions` for the figures.
        """
        rows: list[dict[str, Any]] = []
        left_out: list[tuple[str, str]] = []
        found = _Found()
        for place, one in enumerate(trained):
            tell(f"drift of {one.trial.name}", place, len(trained))
            if one.why:
                rows.append({"trial": one.trial.name, "status": "not trained", "note": one.why})
            for run, settings, wild in zip(one.runs, one.settings, one.diverged, strict=True):
                row: dict[str, Any] = {
                    "trial": one.trial.name,
                    "status": "diverged" if wild else run.status,
                    "lr": settings.lr,
                    "weight_decay": settings.weight_decay,
                    "frozen": " ".join(settings.frozen),
                    "steps": int(run.steps[-1]),
                    **last_scores(run),
                }
                if one.trial.begins is not None and not wild:
                    try:
                        row |= self._watched(one.trial, run, settings, found)
                    except EigentrailError as error:
                        row["note"] = f"{self.studied}: {error}"
                        left_out.append((called(one.trial, settings), row["note"]))
                rows.append(row)
        tell("drift measured", len(trained), len(trained))
        table = pd.DataFrame(rows)
        needed = [f"{kind}{variant}" for kind in KINDS for variant in ("", "-frozen")]
        if lacking := [name for name in needed if name not in found.drifts]:
            return Measurement(
                table, left_out=tuple(left_out), missing=why_lacking(lacking, trained, left_out)
            )
        runs = {one.trial.name: one.runs[0] for one in trained if one.runs}
        first = {kind: first_component(found.drifts[kind], runs[kind], self.studied) for kind in KINDS}
        return Measurement(
            table,
            (
                *drift_claims(table, found.drifts, found.growth, first, results, self.studied),
                *bend_claims(found.bends, found.thetas),
                *model_claims(table, found.directions),
            ),
            {
                "rates": _rates(table),
                "growth": xr.Dataset({kind: _named(found.growth[kind], kind) for kind in KINDS}),
                "first": xr.Dataset({kind: _over_singular(one, kind) for kind, one in first.items()}),
                **{f"long-{kind}": _long(found.thetas[kind], one) for kind, one in found.bends.items()},
                **{f"directions-{kind}": one for kind, one in found.directions.items()},
                "model": _predictions(table),
            },
            tuple(left_out),
        )

    def _watched(self, trial: Trial, run: Run, settings: TrainingSettings, known: _Found) -> dict[str, Any]:
        """Measure one watched stretch; what more than its row needs is kept once all of it is measured."""
        kind, _, variant = trial.name.partition("-")
        x = run[self.studied]
        # It is as long as the training was, an epoch a step.
        if variant == "long" and x.sizes["step"] < FEWEST:
            return {}
        memory = memory_of(run)
        found = drift(x, **asdict(memory))
        row = drift_row(found)
        if variant == "long":
            bent = bend(x["step"].values, found.theta.values, **asdict(memory))
            row |= {"linear_until": bent.until, "bend_percentile": bent.percentile}
            known.bends[kind], known.thetas[kind] = bent, found.theta
            return row
        how = (settings.lr, settings.momentum)
        if variant != "frozen":
            if kind not in known.wells:
                known.wells[kind] = well_at(run, self.studied, settings.weight_decay)
            p1 = np.asarray(found.components.basis.directions())[0]
            row |= model_row(known.wells[kind], p1, *how, x.sizes["step"])
        if not trial.several:
            growth = variance_growth(x)
            row["variance_exponent"] = growth.attrs["exponent"]
            row["train_loss_before"] = float(run.metrics["train_loss"].dropna("step")[0])
            if not variant:
                known.directions[kind] = variances(x, known.wells[kind], *how)
            known.drifts[trial.name], known.growth[trial.name] = found, growth
        return row


@dataclass(frozen=True)
class _Found:
    """What the claims need besides the rows: by trial, and by kind."""

    drifts: dict[str, Drift] = field(default_factory=dict)
    growth: dict[str, xr.DataArray] = field(default_factory=dict)
    wells: dict[str, Well] = field(default_factory=dict)
    thetas: dict[str, xr.DataArray] = field(default_factory=dict)
    bends: dict[str, Bend] = field(default_factory=dict)
    directions: dict[str, xr.Dataset] = field(default_factory=dict)


def drift_row(found: Drift) -> dict[str, Any]:
    """Tell a drift in a row of numbers.

    Args:
        found: the drift.

    Returns:
        The numbers of the study's table.
    """
    walk = found.walk
    theta = found.theta.values.astype(np.float64)
    times, half = found.theta["step"].values.astype(np.float64), max(3, len(theta) // 2)
    early = fit_line(times[:half], theta[:half])
    return {
        "slope": found.linear.slope,
        "slope_error": found.linear.slope_error,
        "linear_r2": found.linear.r2,
        "variance": found.variance,
        "variance_of_early_line": early.slope**2 * float(times.var()),
        "variance_beyond": walk.variance - _median(walk.variance_null),
        "displacement_beyond": walk.beyond,
        "share": found.share,
        "share_chance": _median(walk.share_null),
        "straightness": walk.straightness,
        "straightness_chance": _median(walk.null),
        "walk_percentile": walk.percentile,
        "others_straightness": walk.others_straightness,
        "others_percentile": walk.others_percentile,
        "weight_overlap": found.weight_overlap,
        "overlap_chance": found.chance_overlap,
        "overlap_walks": _median(found.end_overlap.null),
        "norm_slope": found.norm_fit.slope,
        "norm_slope_error": found.norm_fit.slope_error,
        "norm_slope_walks": _median(found.norm_walks.null),
        "growth": found.growth,
    }


def _median(drawn: Float64[np.ndarray, " d"]) -> float:
    return float(np.median(drawn)) if len(drawn) else float("nan")


def first_component(found: Drift, run: Run, layer: str) -> xr.Dataset:
    """Lay the first component over the singular matrices of the last weights.

    Args:
        found: the drift.
        run: its run.
        layer: its layer.

    Returns:
        `product` over [index], |p_1 . u_j v_j^T|; attributes `chance`, what a random direction has on average, and
        `spikes`, how many singular values lie above the Marchenko-Pastur bulk.
    """
    w = run[layer][-1].values.astype(np.float64)
    w = w.reshape(len(w), -1)
    basis = singular(w)
    product = overlap(found.components.basis.leading(1), basis)
    return xr.Dataset(
        {"product": ("index", np.asarray(product.values)[0])},
        coords={"index": np.arange(basis.k)},
        attrs={
            "chance": float(product.attrs["chance"]),
            "spikes": int(Spectrum.from_matrix(w).marchenko_pastur().spikes),
        },
    )


def _rates(table: pd.DataFrame) -> xr.Dataset:
    found = {}
    for kind in KINDS:
        rows = rates_of(table, kind)
        for column in ("slope", "slope_error", "variance"):
            found[f"{kind}_{column}"] = (f"{kind}_lr", rows[column].to_numpy(dtype=np.float64))
        found[f"{kind}_lr"] = (f"{kind}_lr", rows["lr"].to_numpy(dtype=np.float64))
    return xr.Dataset(found)


def _long(theta: xr.DataArray, found: Bend) -> xr.Dataset:
    times = theta["step"].values.astype(np.float64)
    t = times - times[0]
    curve = found.exponential
    early = first_part(len(t))
    line = np.polynomial.Polynomial.fit(t[early], theta.values[early], 1)
    return xr.Dataset(
        {
            "theta": ("step", theta.values),
            "line": ("step", line(t)),
            "exponential": ("step", curve.amplitude * np.exp(-curve.rate * t) + curve.limit),
        },
        coords={"step": times, "epoch": ("step", theta["epoch"].values)},
        attrs={"until": found.until},
    )


def _predictions(table: pd.DataFrame) -> xr.Dataset:
    found = {}
    for kind in KINDS:
        rows = rates_of(table, kind).dropna(subset=["model_variance"])
        for column in ("lr", "variance", "model_variance", "model_sum", "model_line"):
            found[f"{kind}_{column}"] = (f"{kind}_rate", rows[column].to_numpy(dtype=np.float64))
    return xr.Dataset(found)


def rates_of(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Take the stretches that differ in the rate only.

    Args:
        table: the study's.
        kind: "plain" or "decay".

    Returns:
        Their rows, by ascending rate; without those whose loss was no number any more.
    """
    rows = table[table["trial"].isin([kind, f"{kind}-rates"])]
    return rows.dropna(subset=["slope"]).sort_values("lr")


def _named(growth: xr.DataArray, kind: str) -> xr.DataArray:
    return growth.rename({"duration": f"{kind}_duration"}).rename(kind)


def _over_singular(first: xr.Dataset, kind: str) -> xr.DataArray:
    return first["product"].rename({"index": f"{kind}_index"}).assign_attrs(first.attrs)
