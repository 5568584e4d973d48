"""`study`: a named experiment from the first step of the training to the page."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import xarray as xr

from eigentrail import data as datasets
from eigentrail._citations import cited
from eigentrail._progress import Progress, shown
from eigentrail._untrusted import file_stem
from eigentrail.analyses import AnalysisResult
from eigentrail.analyses.framework.registry import choose_analyses
from eigentrail.api.analysis import RunAnalysis, analyze
from eigentrail.api.run_report import PAGE, report_runs
from eigentrail.api.sweep import SweepDone, open_sweep
from eigentrail.errors import EigentrailError, OptionError, RunError, RunWarning
from eigentrail.findings import ClaimResult
from eigentrail.linalg.workers import most_workers
from eigentrail.recipes import (
    ClaimStudy,
    Experiment,
    Measurement,
    Observation,
    Recipe,
    Study,
    SweptStudy,
    Trained,
    find_recipe,
    run_study,
    run_trials,
)
from eigentrail.recipes.framework.measurement import joined, last_scores
from eigentrail.recipes.framework.observation import decided
from eigentrail.recipes.framework.run_claim import TRAINING
from eigentrail.recipes.framework.running import default_folder
from eigentrail.report.claim_page import claim_page
from eigentrail.report.claims import claims_section, claims_table
from eigentrail.report.experiments import experiment_sections
from eigentrail.report.origin import origin_of, refuse_another
from eigentrail.report.page import write_page
from eigentrail.runs import Run, open_run
from eigentrail.runs.loggers import LOGGERS, check_logger, opened_logger
from eigentrail.runs.manifest import FILE
from eigentrail.runs.showing import show_run
from eigentrail.sweeps.blocks import axes_of, blocks_of
from eigentrail.sweeps.driving import carry_out
from eigentrail.sweeps.driving import plan as plan_sweep


@dataclass(frozen=True)
class StudyResult:
    """One training that was carried out.

    Attributes:
        recipe: what it is.
        analysis: the run and its analyses.
        page: the path of the page.
        claims: the source's claims of such a training; one seed decides none.
    """

    recipe: Recipe
    analysis: RunAnalysis
    page: Path
    claims: list[ClaimResult]

    @property
    def run(self) -> Run:
        """The recorded training."""
        return self.analysis.run


@dataclass(frozen=True)
class TrainingsResult:
    """A study of several trainings, or seeds, that was carried out.

    Attributes:
        recipe: what it is.
        trained: its trainings.
        analyses: the runs that are shown and their analyses.
        table: a row for each run.
        claims: the source's claims, each with its verdict, interval and seeds.
        page: the path of the page that compares them; comparison.csv and claims.csv lie beside it.
        missing: why the claims, or a table with numbers, could not be had; empty where they could.
    """

    recipe: Recipe
    trained: list[Trained]
    analyses: list[RunAnalysis]
    table: pd.DataFrame
    claims: list[ClaimResult]
    page: Path
    missing: str = ""


@dataclass(frozen=True)
class SweptResult:
    """A study that is a sweep, which was carried out.

    Attributes:
        recipe: what it is.
        sweep: its table, effects and findings.
        claims: the source's claims that the sweep decides.
        page: the path of the page; claims.csv and table.parquet lie beside it.
        missing: why nothing can be said; empty where something can.
    """

    recipe: Recipe
    sweep: SweepDone
    claims: list[ClaimResult]
    page: Path
    missing: str = ""


@dataclass(frozen=True)
class ClaimStudyResult:
    """A recipe that measured claims over seeds.

    Attributes:
        recipe: what it is.
        tables: what was measured, by name.
        claims: the claims, each with its verdict, interval and seeds.
        page: the path of the page; claims.csv and a file for each table lie beside it.
    """

    recipe: Recipe
    tables: dict[str, pd.DataFrame]
    claims: list[ClaimResult]
    page: Path


@dataclass(frozen=True)
class _Call:
    """How a study is called: see `study`."""

    recipe: Recipe
    data: str | os.PathLike[str] | None
    epochs: int | None
    seed: int
    seeds: int
    full: bool
    out: str | os.PathLike[str] | None
    device: str
    jobs: int
    budget: float | None
    progress: bool | None
    log_to: str | None

    def trials(
        self, out: str | os.PathLike[str] | None, seed: int, seeds: int = 1
    ) -> tuple[Path, list[Trained]]:
        """Carry the trainings out for a seed, or for several at once."""
        folder, trained = run_trials(
            self.recipe,
            out,
            self.data,
            epochs=self.epochs,
            seed=seed,
            seeds=seeds,
            full=self.full,
            device=self.device,
            jobs=self.jobs,
            progress=self.progress,
        )
        if self.log_to is not None:
            _show(folder, trained, self.log_to)
        return folder, trained


def study(
    name: str | None = None,
    data: str | os.PathLike[str] | None = None,
    *,
    epochs: int | None = None,
    seed: int = 0,
    seeds: int | None = None,
    full: bool = False,
    out: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    log_to: str | None = None,
    jobs: int | None = None,
    budget: float | None = None,
    progress: bool | None = None,
) -> StudyResult | TrainingsResult | SweptResult | ClaimStudyResult:
    """Train, record, analyse, and write the page. With no argument it needs no files and no network.

    Args:
        name: one of `et.recipes.names()`; None for MLP 50 on the digits in scikit-learn.
        data: a data set's name or a folder; None for the study's own.
        epochs: how many; None for the study's.
        seed: of the initial weights and the order of the samples; the first one of several.
        seeds: for how many seeds it is carried out, which decides its claims; None for the study's own number.
        full: True for the source's own data and size, False for a size that two cores carry in minutes.
        out: the run's folder; None for `runs/STUDY-DATA-sSEED`. An interrupted study in it is gone on with.
        device: where to train: "cpu", "cuda", "cuda:1", or "auto" for a GPU where there is one.
        log_to: where norms, ranks, spikes and phases of the weights are shown: as a single training goes on, of several
            when they are trained, each as a run of its own. See `eigentrail.runs.loggers.opened_logger`; None for
            nowhere.
        jobs: workers that share the analyses, see `analyze`, and trainings that are not stacked.
        budget: seconds that each analysis may take on one core which the study does not name; None for a minute and a
            half.
        progress: True to show it, False for silence, None for bars on terminals.

    Returns:
        The run, its analyses and the page; of a study of several trainings all of them, and a table. What cannot be
        measured of a training is told in a warning, in its row of the table and on the page.

    Raises:
        OptionError: there is no such study, or an argument is outside what it may be.
    """
    jobs = most_workers(jobs)
    if seeds is not None and seeds < 1:
        raise OptionError(f"seeds={seeds}: give one seed or more; three decide a claim")
    recipe = find_recipe(name)
    plan = recipe.plan
    own = plan.seeds if isinstance(plan, ClaimStudy) else plan.seeds[0 if full else 1]
    call = _Call(
        recipe,
        data,
        epochs,
        seed,
        own if seeds is None else seeds,
        full,
        out,
        device,
        jobs,
        budget,
        progress,
        log_to,
    )
    if log_to is not None and isinstance(plan, ClaimStudy):
        raise OptionError(
            f"study {recipe.name} records no runs, of which log_to could show the weights: leave it out"
        )
    if log_to is not None:
        check_logger(log_to)
    if out is not None and (isinstance(plan, (ClaimStudy, Experiment, SweptStudy)) or call.seeds > 1):
        _refuse_another(Path(out), recipe)
    if isinstance(plan, ClaimStudy):
        if data is not None or epochs is not None or device != "cpu":
            raise OptionError(
                f"study {recipe.name} measures claims by itself: it takes no data, epochs or device"
            )
        return _claims_measured(call, plan)
    if isinstance(plan, SweptStudy):
        if budget is not None:
            raise OptionError(
                f"study {recipe.name} is a sweep, which makes no analyses beside its measures: leave out the budget"
            )
        return _swept(call, plan, seeds)
    if isinstance(plan, Experiment):
        return _experiment(call, plan)
    if call.seeds > 1:
        return _several_seeds(call, plan)
    with nullcontext() if log_to is None else opened_logger(log_to) as logger:
        run = run_study(
            recipe,
            out,
            data,
            epochs=epochs,
            seed=seed,
            full=full,
            device=device,
            log_to=logger,
            progress=progress,
        )
    analysis = _analysis(call, plan, run)
    claims = decided(_observed(plan, analysis))
    return StudyResult(recipe, analysis, analysis.report(), claims)


def _show(folder: Path, trained: Sequence[Trained], log_to: str) -> None:
    runs = [run for one in trained for run in one.runs]
    named = [(run.path.absolute().relative_to(folder.absolute()).as_posix(), run) for run in runs]
    _show_all(named, log_to)


def _show_all(runs: Sequence[tuple[str, Run]], log_to: str) -> None:
    """Show several runs in a logger, each as a run of its own; in a logger of one's own by what names begin with."""
    own_runs = log_to.partition(":")[0] in LOGGERS
    for name, run in runs:
        with opened_logger(log_to, name if own_runs else None) as logger:
            show_run(run, logger, prefix="" if own_runs else f"{name}/")


def _refuse_another(folder: Path, recipe: Recipe) -> None:
    if (folder / FILE).is_file():
        raise RunError(
            f"{folder} is a run itself, and the study {recipe.name} is none: choose another with --out"
        )
    refuse_another(folder / PAGE, origin_of("study", recipe.name), "give another folder (--out)")


def _analysis(call: _Call, plan: Study, run: Run) -> RunAnalysis:
    return analyze(
        run,
        plan.only,
        also=plan.analyses,
        layers=list(plan.analysed) if plan.analysed else None,
        jobs=call.jobs,
        budget=call.budget,
        progress=call.progress,
    )


def _observed(plan: Study, analysis: RunAnalysis) -> list[Observation]:
    manifest = analysis.run.manifest
    data = (manifest.data or {}).get("name") if manifest is not None else None
    scores = pd.DataFrame([{"name": "network", "data": data, **last_scores(analysis.run)}])
    tables = {**analysis.tables, TRAINING: scores}
    return [claim.observe(tables) for claim in plan.claims]


def _several_seeds(call: _Call, plan: Study) -> TrainingsResult:
    """Carry the training of a study out for several seeds, which decide the claims about one of them."""
    folder, trained = call.trials(call.out, call.seed, call.seeds)
    found: dict[str, RunAnalysis] = {}
    observations: list[Observation] = []
    rows = []
    for one in trained:
        for run, settings, wild in zip(one.runs, one.settings, one.diverged, strict=True):
            rows.append({
                "seed": settings.seed,
                "status": "diverged" if wild else run.status,
                "steps": int(run.steps[-1]),
                **last_scores(run),
            })  # fmt: skip
            if not wild:
                analysis = _analysis(call, plan, run)
                found[f"seed {settings.seed}"] = analysis
                observations += _observed(plan, analysis)
    left_out = tuple(pair for one in trained for pair in one.left_out)
    measured = Measurement(pd.DataFrame(rows), tuple(observations), left_out=left_out)
    return _compared(call, folder, trained, found, measured)


def _experiment(call: _Call, plan: Experiment) -> TrainingsResult:
    """Carry out a study of several trainings, for one seed after the other where it does not train them together."""
    numbers = [call.seed] if plan.together else [*range(call.seed, call.seed + call.seeds)]
    folder: Path | None = None
    everything: list[Trained] = []
    shown_first: dict[str, RunAnalysis] = {}
    by_seed: dict[int, Measurement] = {}
    for number in numbers:
        out = call.out if folder is None else folder / f"seed{number}"
        where, trained = call.trials(out, number, call.seeds if plan.together else 1)
        folder = folder or where
        found, by_seed[number] = _looked_at(call, plan, trained)
        shown_first = shown_first or found
        everything += trained
    return _compared(call, Path(folder or "."), everything, shown_first, joined(by_seed))


def _looked_at(
    call: _Call, plan: Experiment, trained: list[Trained]
) -> tuple[dict[str, RunAnalysis], Measurement]:
    """Analyse and measure the trainings of a seed; what cannot be measured is told in a warning."""
    found: dict[str, RunAnalysis] = {}
    made: dict[str, _Made] = {}
    left_out = [pair for one in trained for pair in one.left_out]
    for one in trained:
        if one.trial.shown and one.runs:
            name = one.trial.name
            found[name], made[name] = _analysed(plan, one, call.jobs, call.progress)
            if not one.diverged[0]:
                reasons = dict.fromkeys(made[name].why.values())
                left_out += [(name, f"{made[name].layers}: {why}") for why in reasons]
    with shown(f"{call.recipe.name}: measuring", call.progress) as tell:
        measured = _measured(plan, trained, made, tell)
    for who, why in measured.left_out:
        if (who, why) not in left_out:
            left_out.append((who, why))
    for who, why in left_out[sum(len(one.left_out) for one in trained) :]:
        warnings.warn(f"{who} is not measured: {why}", RunWarning, stacklevel=4)
    return found, replace(measured, left_out=tuple(left_out))


def _compared(
    call: _Call,
    folder: Path,
    trained: list[Trained],
    found: dict[str, RunAnalysis],
    measured: Measurement,
) -> TrainingsResult:
    """Decide the claims, and write tables and page."""
    claims = decided(measured.observations)
    measured.table.to_csv(folder / "comparison.csv", index=False)
    if claims:
        claims_table(claims).to_csv(folder / "claims.csv", index=False)
    page = report_runs(
        list(found.values()),
        folder / PAGE,
        labels=list(found),
        first=experiment_sections(call.recipe.name, measured, claims),
        origin=origin_of("study", call.recipe.name),
    )
    return TrainingsResult(
        call.recipe, trained, list(found.values()), measured.table, claims, page, measured.missing
    )


def _swept(call: _Call, plan: SweptStudy, seeds: int | None) -> SweptResult:
    """Carry out the sweep of a study, decide its claims, and write the page."""
    recipe = call.recipe
    which, _ = datasets.resolve(call.data, recipe.source_data if call.full else recipe.data)
    folder = (
        Path(call.out) if call.out is not None else default_folder(recipe.name, which, call.seed, call.full)
    )
    count = len(plan_sweep(plan.sweep).spec.seeds) if seeds is None else seeds
    planned = plan_sweep(
        plan.sweep,
        out=folder,
        seeds=range(call.seed, call.seed + count),
        data=call.data,
        epochs=call.epochs,
        full=call.full,
        device=None if call.device == "cpu" else call.device,
    )
    carry_out(planned, jobs=call.jobs, progress=call.progress)
    done = replace(open_sweep(folder), spectra=planned.spec.spectra)
    table, axes = done.table, axes_of(done.table, done.measures)
    finished = table[table["status"] == "finished"]
    missing = "" if len(finished) else f"no training finished, the first because {table['reason'].iloc[0]}"
    if call.log_to is not None:
        _show_all([(name, open_run(folder / name)) for name in finished["run"]], call.log_to)
    observed = []
    for one in plan.answers:
        if one.axis not in axes or one.measure not in done.measures:
            continue  # a variant with a file of its own
        blocks = blocks_of(table, axes, one.axis, one.measure)
        observed.append(one.observe(blocks.by_seed, blocks.levels))
    claims = decided(observed)
    if claims:
        claims_table(claims).to_csv(folder / "claims.csv", index=False)
    page = done.report(
        title=f"{recipe.name}: {recipe.shows}",
        first=[claims_section(claims)] if claims else [],
        origin=origin_of("study", recipe.name),
    )
    return SweptResult(recipe, done, claims, page, missing)


def _claims_measured(call: _Call, plan: ClaimStudy) -> ClaimStudyResult:
    """Measure the claims over seeds; tables, claims and the page are written at the end."""
    recipe, seed, last = call.recipe, call.seed, call.seed + call.seeds - 1
    folder = (
        Path(call.out) if call.out is not None else default_folder(recipe.name, "claims", seed, call.full)
    )
    with shown(recipe.name, call.progress) as tell:
        tables, results = plan.measured(range(seed, last + 1), "full" if call.full else "small", tell)
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(folder / f"{file_stem(name)}.csv", index=False)
    claims_table(results).to_csv(folder / "claims.csv", index=False)
    title, how = f"{recipe.name}: {recipe.shows}", f"{cited(recipe.source)}, seeds {seed} to {last}"
    html = claim_page(title, how, results, tables, plan.figures, origin_of("study", recipe.name))
    page = write_page(html, folder / PAGE)
    return ClaimStudyResult(recipe, dict(tables), list(results), page)


class _Made(dict[str, xr.DataTree]):
    """The analyses of a trial; asking for one that could not be made is the error that says why.

    Args:
        trial: the trial's name.
        layers: the layers that are analysed.
        results: what was made.
        why: why the others were not, by analysis.
    """

    def __init__(
        self, trial: str, layers: str, results: Mapping[str, xr.DataTree], why: Mapping[str, str]
    ) -> None:
        super().__init__(results)
        self._trial, self.layers, self.why = trial, layers, why

    def __missing__(self, name: str) -> xr.DataTree:
        raise RunError(f"{self._trial} has no {name}: {self.why[name]}")


def _analysed(study: Experiment, one: Trained, jobs: int, progress: bool | None) -> tuple[RunAnalysis, _Made]:
    """Analyse the first run of a trial; where an analysis cannot be made the others are there."""
    run, layers = one.runs[0], list(one.trial.analysed or study.analysed or [study.studied])
    found: dict[str, AnalysisResult] = {}
    why: dict[str, str] = {}
    if one.diverged[0]:
        why = dict.fromkeys(study.analyses, "the training diverged")
    # The weights of a training that diverged are worth a look, but no expensive one.
    for names in (study.only, *(() if why else ((name,) for name in study.analyses))):
        try:
            found |= analyze(run, names, layers=layers, jobs=jobs, progress=progress).found
        except EigentrailError as error:
            why |= dict.fromkeys((each.name for each in choose_analyses(names)), str(error))
    results = {name: made.tree for name, made in found.items()}
    return RunAnalysis(run, found), _Made(one.trial.name, ", ".join(layers), results, why)


def _measured(
    study: Experiment, trained: list[Trained], results: Mapping[str, _Made], tell: Progress
) -> Measurement:
    """Measure; where that fails as a whole the trainings are told without numbers."""
    try:
        return study.measure(trained, results, tell)
    except EigentrailError as error:
        rows = [
            {
                "trial": one.trial.name,
                "status": "diverged" if wild else run.status,
                "steps": int(run.steps[-1]),
            }
            for one in trained
            for run, wild in zip(one.runs, one.diverged, strict=True)
        ]
        return Measurement(pd.DataFrame(rows), missing=f"{study.studied}: {error}")
