"""`inspect`: the diagnosis of every weight matrix of a source, one matrix in memory at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from eigentrail._names import Called
from eigentrail._progress import Progress, shown
from eigentrail._text import counted
from eigentrail.api.inspected_layer import InspectedLayer, inspect_layer, is_large, seconds_for
from eigentrail.api.layer_result import LayerResult
from eigentrail.api.partial import PartialResults
from eigentrail.api.saving import results_folder
from eigentrail.api.sources import open_matrices, origin_of_sources
from eigentrail.api.summary import attention, summarize
from eigentrail.checks import Checkpoint, Layer, judge
from eigentrail.errors import OptionError, SourceError
from eigentrail.findings import Finding
from eigentrail.linalg.workers import in_parallel, most_workers
from eigentrail.metrics.framework.contract import DiagnosisOptions
from eigentrail.metrics.framework.registry import columns, metrics, versions
from eigentrail.runs.run import Step
from eigentrail.spectra.spectrum import Spectrum
from eigentrail.weights import Skipped, Weights

if TYPE_CHECKING:
    from eigentrail.report import FigureBook


def table_columns() -> tuple[str, ...]:
    """Name the columns of `Inspection.table`.

    Returns:
        What the matrix is, the columns of the metrics, and remarks, in order.
    """
    return ("name", "kind", "shape", "dtype", "matrices", *columns(), "aliases", "note", "warnings")


@dataclass(repr=False)
class Inspection(LayerResult):
    """What `inspect` found.

    Attributes:
        table: one row a weight matrix, columns as in `table_columns`; None where a number cannot be had. With `fast`
            the column `errors` has the standard errors of the sketch by column; what is not in it is exact.
        spectra: the spectrum of each row, by name.
        skipped: tensors that were not analysed, each with its reason.
        summary: means over the layers, layers by phase, and the alerts by layer.
        source: what was inspected.
        conv: how convolution kernels were seen as matrices.
        options: how the diagnosis was made.
        not_finite: names of the tensors that hold NaN or infinite entries.
    """

    spectra: Mapping[str, Spectrum]
    source: str
    conv: str
    options: DiagnosisOptions
    not_finite: tuple[str, ...] = ()

    @cached_property
    def findings(self) -> list[Finding]:
        """What the checks found: faults first, the gravest of them at the head, then structures."""
        rows = self.table.to_dict(orient="records")
        layers = tuple(Layer(row["name"], row, self.spectra[row["name"]]) for row in rows)
        return judge(Checkpoint(self.source, layers, self.not_finite))

    @property
    def alerts(self) -> list[Finding]:
        """The findings that need a look, the gravest first; none for a healthy network."""
        return [one for one in self.findings if one.needs_look]

    @property
    def flagged(self) -> list[str]:
        """The names of the matrices that need a look, the gravest first."""
        return list(dict.fromkeys(one.subject for one in self.alerts if one.subject in self.spectra))

    def to_dict(self) -> dict[str, Any]:
        """Give the whole result as plain values, as `--format json` prints it.

        Returns:
            Where it comes from, `layers`, `findings`, `summary` and `skipped`; never NaN or infinite.
        """
        found = super().to_dict()
        return {**found, "findings": [one.to_dict() for one in self.findings]}

    def _about(self) -> dict[str, Any]:
        return {"source": self.source, "conv": self.conv, **asdict(self.options)}

    def _eigenvalues(self) -> Mapping[str, Spectrum]:
        return self.spectra

    def _page(self) -> str:
        from eigentrail.report import inspection_page

        return inspection_page(
            self.table,
            self.spectra,
            self.skipped,
            self.summary,
            self.source,
            self.findings,
            origin=self.origin,
        )

    @property
    def figures(self) -> FigureBook:
        """The page's figures: `.figures[name]["density"]` of a matrix, `.figures.overview` of the network."""
        from eigentrail.report import inspection_figures

        return inspection_figures(self.table, self.spectra)

    def __repr__(self) -> str:
        many = counted(len(self.table), "matrix", "matrices")
        return f"Inspection({self.source!r}: {many}, {len(self.skipped)} skipped)"


def inspect(
    source: Any,
    layers: str | list[str] | None = None,
    conv: str = "flatten",
    *,
    heads: bool = False,
    products: bool = False,
    base: Any = None,
    step: Step | None = None,
    bootstrap: int = 0,
    level: float = 0.01,
    seed: int = 0,
    null: bool = True,
    fast: bool = False,
    jobs: int | None = None,
    cluster: str | None = None,
    device: str = "cpu",
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: bool | Progress | None = None,
) -> Inspection:
    """Diagnose every weight matrix of a model or checkpoint, without any data.

    Args:
        source: an `nn.Module`, a state dict, a matrix, a path that `open_weights` reads, an open `Weights`, a run or
            its folder.
        layers: globs over parameter names; a module's name stands for its weight. None: all.
        conv: how convolution kernels become matrices: "flatten", "spatial" or "slices".
        heads: cut queries, keys and values into attention heads where their number is known.
        products: add the query-key and output-value products of the attention heads, on their low-rank factors.
        base: with an adapter as source, the model that it was trained on: the sum of both is inspected.
        step: which step of a run: a recorded one, -1 or "last"; None for the last.
        bootstrap: draws for the tail's goodness-of-fit p-value and the interval of alpha; 0 for none.
        level: chance that a pure noise matrix shows a spike.
        seed: seed of the shuffles and draws; the same seed gives the same numbers.
        null: decompose each matrix with shuffled entries too.
        fast: sketch matrices from order 2048 on, several times faster: the column `errors` holds the standard error of
            each number that the sketch estimates. Draws no shuffled copies.
        jobs: at most so many processes work on layers in parallel, each with one matrix in memory; -1 or None for one a
            core, None within what OMP_NUM_THREADS allows. Where most of the work is on matrices from order 2048 on, one
            process uses all cores for one matrix after the other.
        cluster: spread the layers over a cluster, as for `sweep`: "auto" or the address of a Ray cluster, or "slurm".
            Its machines read the source from the same path; what is in memory is sent to them.
        device: "cpu" or "cuda".
        out: a folder to write into; an interrupted inspection with the same folder goes on where it stopped. What was
            written there of another source is not replaced.
        overwrite: True to replace it.
        progress: True to show it, False for silence, a callable to report to, None for a bar on terminals.

    Returns:
        Table, spectra, skipped tensors and summary.

    Raises:
        SourceError: when the source cannot be read, or not one of its matrices can be analysed.
        OptionError: when an argument is outside what it may be.
    """
    options = _checked_options(bootstrap, level, seed, null, fast, device)
    jobs = most_workers(jobs)
    weights = open_matrices(source, layers, conv, heads=heads, products=products, base=base, step=step)
    origin = origin_of_sources("inspect", weights)
    partial = None
    if out is not None:
        folder = results_folder(out, origin, overwrite=overwrite)
        partial = PartialResults.open(folder, _identity(weights, options, device))
    done: dict[str, tuple[dict[str, Any], Spectrum]] = partial.load() if partial else {}
    skipped = list(weights.skipped)
    not_finite: list[str] = []
    todo = [name for name in weights if name not in done]
    if callable(progress):
        _collect(
            weights, todo, options, (jobs, cluster), device, partial, done, skipped, not_finite, progress
        )
    else:
        with shown("inspect", progress) as report:
            _collect(
                weights, todo, options, (jobs, cluster), device, partial, done, skipped, not_finite, report
            )
    if not done:
        raise SourceError(_nothing_found(weights, skipped))
    rows = [done[name][0] for name in weights if name in done]
    shown_columns = (*table_columns(), "errors") if fast else table_columns()
    table = pd.DataFrame({c: pd.Series([r[c] for r in rows], dtype=object) for c in shown_columns})
    found = Inspection(
        table=table,
        spectra={name: done[name][1] for name in weights if name in done},
        skipped=skipped,
        summary=Called(summarize(rows, options)),
        source=weights.source,
        conv=weights.conv,
        options=options,
        not_finite=tuple(not_finite),
        origin=origin,
    )
    found.summary["attention"] = attention(found.alerts)
    if partial is not None:
        found.save(partial.folder.parent, overwrite=overwrite)
        partial.remove()
    return found


def _checked_options(
    bootstrap: int, level: float, seed: int, null: bool, fast: bool, device: str
) -> DiagnosisOptions:
    if fast and bootstrap:
        raise OptionError(
            "the bootstrap draws from all eigenvalues, a sketch has not: leave bootstrap or fast out"
        )
    if fast and device != "cpu":
        raise OptionError(f"fast sketches on the CPU: leave it out for device {device}")
    if not 0 < level < 1:
        raise OptionError(f"level must lie between 0 and 1, got {level:g}; 0.01 is the usual choice")
    if bootstrap < 0:
        raise OptionError(f"bootstrap must be 0 or a number of draws, got {bootstrap}")
    if seed < 0:
        raise OptionError(f"seed must not be negative, got {seed}")
    if device not in {"cpu", "cuda"} and not device.startswith("cuda:"):
        raise OptionError(f"device must be cpu or cuda, got {device!r}")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise OptionError("no CUDA device is available to this torch; use device cpu")
    return DiagnosisOptions(level=level, bootstrap=bootstrap, seed=seed, null=null and not fast, fast=fast)


def _identity(weights: Weights, options: DiagnosisOptions, device: str) -> str:
    parts = [weights.fingerprint, weights.conv, json.dumps(asdict(options), sort_keys=True), device]
    parts.append(json.dumps(versions(metrics()), sort_keys=True))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _nothing_found(weights: Weights, skipped: list[Skipped]) -> str:
    reasons = "; ".join(f"{s.name}: {s.reason}" for s in skipped[:3])
    more = f" and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    why = f" ({reasons}{more})" if skipped else ""
    return (
        f"{weights.source}: no weight matrix could be analysed{why}; check the file and the layers asked for"
    )


def _collect(
    weights: Weights,
    todo: list[str],
    options: DiagnosisOptions,
    workers: tuple[int, str | None],
    device: str,
    partial: PartialResults | None,
    done: dict[str, tuple[dict[str, Any], Spectrum]],
    skipped: list[Skipped],
    not_finite: list[str],
    progress: Progress,
) -> None:
    total = len(weights)
    for one in _results(weights, todo, options, workers, device, progress, total):
        if one.row is None or one.spectrum is None:
            skipped.append(Skipped(one.name, one.reason or "no reason was given"))
            if not one.finite:
                not_finite.append(one.name)
            continue
        done[one.name] = (one.row, one.spectrum)
        if partial is not None:
            partial.add(one.name, one.row, one.spectrum)
    progress("done", total, total)


def _results(
    weights: Weights,
    todo: list[str],
    options: DiagnosisOptions,
    workers: tuple[int, str | None],
    device: str,
    progress: Progress,
    total: int,
) -> Iterator[InspectedLayer]:
    start = total - len(todo)
    tasks = [(weights, name, options, device) for name in todo]
    specs = [weights.specs[name] for name in todo]
    each = sum(map(seconds_for, specs))
    seconds = each * (1 + options.bootstrap)
    jobs, cluster = workers
    if sum(seconds_for(spec) for spec in specs if is_large(spec)) > each / 2:
        jobs = 1  # its BLAS has the cores, and memory one matrix
    if cluster is None:
        alone = in_parallel(inspect_layer, tasks, jobs, seconds)
    else:
        from eigentrail.sweeps.engines import on_cluster

        alone = on_cluster(cluster, inspect_layer, tasks, Path("eigentrail-jobs"))
    for i, name in enumerate(todo):
        # The one that is begun, or waited for.
        progress(name, start + i, total)
        yield next(alone)
