"""`eigentrail study [NAME]`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eigentrail.cli import options as opt
from eigentrail.cli.analyze import Budget, Jobs, Verbose
from eigentrail.errors import OptionError

if TYPE_CHECKING:
    from eigentrail.api.analysis import RunAnalysis


def study(
    name: Annotated[str | None, typer.Argument(help="Which study; MLP 50 on digits by default.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="NAME|PATH|MODULE:NAME",
            help="Another data set, the folder that holds its files, or your own by its import path.",
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", metavar="N", help="How many epochs to train.")
    ] = None,
    seed: opt.Seed = 0,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds", metavar="N", help="For how many seeds, from --seed on; three decide a claim."
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="The source's own data and size, not the one for two cores.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The run's folder; runs/STUDY-DATA-sSEED by default."),
    ] = None,
    device: Annotated[
        str, typer.Option("--device", help="Where to train: cpu, cuda, cuda:1, or auto for a GPU if any.")
    ] = "cpu",
    log_to: opt.LogTo = None,
    list_: Annotated[bool, typer.Option("--list", help="Describe the studies and do nothing.")] = False,
    jobs: Jobs = None,
    budget: Budget = None,
    verbose: Verbose = False,
    quiet: opt.Quiet = False,
) -> int:
    """Train a network, record it, analyse it and write the page: MLP 50 on digits needs no network and no files."""
    if list_:
        # Nothing else is imported for it: torch alone takes more than a second.
        from eigentrail.cli.recipe_list import print_recipes

        if name is not None:
            raise OptionError(f'--list describes all studies: leave out "{name}"')
        print_recipes()
        return 0
    from eigentrail.api.study import ClaimStudyResult, SweptResult, TrainingsResult
    from eigentrail.api.study import study as run_study
    from eigentrail.cli.findings import print_summary
    from eigentrail.cli.run_tables import print_analysis, print_claim_results
    from eigentrail.cli.tables import note, print_frame
    from eigentrail.report.claims import counted_verdicts
    from eigentrail.training import DivergenceError

    if any(one is not None and ":" in one for one in (data, log_to)):
        opt.import_from_here()
    try:
        done = run_study(
            name,
            data,
            epochs=epochs,
            seed=seed,
            seeds=seeds,
            full=full,
            out=out,
            device=device,
            log_to=log_to,
            jobs=jobs,
            budget=budget,
            progress=not quiet,
        )
    except DivergenceError as error:
        note(f"{error}; `eigentrail report {error.path}` shows it")
        return 1
    except KeyboardInterrupt:
        note("interrupted: the same command goes on with it")
        return 1
    if isinstance(done, ClaimStudyResult):
        print_claim_results(done.claims, done.page, verbose=verbose)
        return 0
    if isinstance(done, SweptResult):
        from eigentrail.cli.sweep import print_sweep

        if done.missing:
            note(f"study {done.recipe.name}: nothing can be said, because {done.missing.rstrip('.')}")
            typer.echo(str(done.page))
            return 1
        if done.claims:
            typer.echo(counted_verdicts(done.claims))
        return print_sweep(done.sweep)
    if isinstance(done, TrainingsResult):
        if done.missing:
            why = done.missing.rstrip(".")
            note(
                f"study {done.recipe.name}: nothing can be said, because {why}; the page shows how the trainings "
                "went: if they did not learn, give inputs of mean 0 and variance 1, or train longer"
            )
            typer.echo(str(done.page))
            return 1
        if len(done.claims):
            note(f"{done.page.with_name('comparison.csv')} and claims.csv beside it hold all numbers")
            print_claim_results(done.claims, done.page, verbose=verbose)
            return 0
        print_frame(done.table, elsewhere="comparison.csv beside the page")
    else:
        if verbose:
            print_analysis(done.analysis, verbose=True)
        print_summary(
            done.analysis, done.page, _next_steps(done.analysis, done.recipe.name, len(done.claims))
        )
        return 0
    typer.echo(str(done.page))
    return 0


def _next_steps(found: RunAnalysis, name: str, claims: int) -> list[str]:
    path = shlex.quote(str(found.run.path))
    grown = [one.subject for one in found.findings if one.subject in found.run.layers]
    layer = shlex.quote(grown[0]) if grown else "LAYER"
    decides = (
        f"eigentrail study {name} --seeds 3   # decides {claims} claims of the source, which one seed cannot"
    )
    return [
        *([decides] if claims else []),
        f"eigentrail analyze {path} --only curvature --layers {layer}   # which directions the loss cares about",
        f"eigentrail analyze {path} --only add-back   # how few directions carry the accuracy",
        "eigentrail study --list   # other networks, rates, weight decays",
    ]
