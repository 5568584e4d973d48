"""How spectra change while a network learns: singular values, bulk, spikes, tail, ranks and phase over steps."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Int64

from eigentrail._numbers import written
from eigentrail._progress import Progress, shown
from eigentrail.errors import DiskError, OptionError, RunError, RunWarning
from eigentrail.linalg.threads import threads_for
from eigentrail.linalg.workers import in_parallel, most_workers
from eigentrail.metrics.framework.registry import metrics_over_time, versions
from eigentrail.runs import Run
from eigentrail.runs.layout import node_name
from eigentrail.trajectories.assembly import assemble
from eigentrail.trajectories.computed import Computed, compute, merge
from eigentrail.trajectories.leading_vectors import FOLLOWED, Follow
from eigentrail.trajectories.series import MatrixSeries, matrix_series
from eigentrail.trajectories.steps import FEWEST_POINTS, nested_log_steps
from eigentrail.weights import Skipped

NAME = "evolution"
VERSION = 1
# The work between two reports of progress, and the memory that one process takes for it (a few times that).
_CHUNK_BYTES = 32 * 2**20
_CHUNK_STEPS = 64
# Floating-point operations that a core does in a second, and seconds that a diagnosis takes beside its decomposition.
_SPEED, _DIAGNOSIS = 1e10, 0.02


def evolution(
    run: Run,
    layers: str | list[str] | None = None,
    conv: str = "flatten",
    points: int = 200,
    level: float = 0.01,
    follow: Follow = "overlap",
    jobs: int | None = None,
    progress: Progress | bool | None = None,
) -> xr.DataTree:
    """Follow the spectra of all weight matrices of a run over its steps.

    Singular values and norms are computed at every recorded step; everything else at up to `points` log-spaced ones.
    Results of single steps are stored in the run: they are computed once, and a run that has grown costs its new
    steps only.

    Args:
        run: from `open_run`.
        layers: globs over parameter names, a module's name stands for its weight; None for all matrices.
        conv: how convolutions become matrices: "flatten", "spatial" or "slices".
        points: the largest number of steps to look at closely, at least 3; the first and the last are among them.
        level: chance that a pure noise matrix shows a spike.
        follow: "overlap" for spikes that keep their names through crossings, "rank" for the spike of a rank at every
            step, as S0 follows it: its vectors jump where values cross, and there are no crossings among its events.
        jobs: at most so many processes work on steps in parallel; None for one a core, see `most_workers`.
        progress: True to show it, False for silence, a callable to report to, None for a bar on terminals.

    Returns:
        A node per matrix, named as the run's nodes are (slashes percent-encoded; `attrs["name"]` is the true name),
        with the shape N x M of the matrix, N >= M, and `notes` on what is missing and why. The tree's attribute
        `run_end` is the run's last step, at which a layer need not be recorded. The children of a node are

        - `every` [step, value]: `singular_values`, largest first; `frobenius_norm`, `spectral_norm`; `norm_ratio`
          ||W_s|| / ||W_t|| of the recorded step s before t (S4's ||W_{T-1}|| / ||W_T|| where every step is
          recorded; NaN at the first), `steps_between` t - s;
        - `diagnosis` [step]: the columns of `inspect` over steps, NaN where there is none, and `missing`, the reason.
          Attributes: what pure noise of the shape gives for `mp_ks_distance` (`noise_ks_mean`, and `noise_ks_high`,
          its 95% quantile);
        - `spikes` [step, track]: spikes followed by the overlap |u_i . u_j| |v_i . v_j| of their singular vectors:
          singular `value` (NaN while it is none) and `rank` (0 the largest, -1 while it is none), steps of `birth`
          and `death` (-1: alive at the end), number of analysed steps where it is `seen`. Attributes: the
          smallest overlap that counts, and what chance gives;
        - `events` [event]: `step`, `kind` ("birth", "death", "crossing": `track` goes above `other`). What is there
          at the first step has no birth event.
        The tree's attribute `follow` says how spikes are followed.

    Raises:
        OptionError: an argument is outside what it may be.
        RunError: no matrix can be read; where some can, those that cannot are named in the tree's attribute `skipped`.
    """
    if not isinstance(points, (int, np.integer)) or points < FEWEST_POINTS:
        raise OptionError(f"points={points}: give a number of steps, at least {FEWEST_POINTS}")
    if not 0 < level < 1:
        raise OptionError(f"level must lie between 0 and 1, got {level:g}; 0.01 is the usual choice")
    if follow not in FOLLOWED:
        raise OptionError(f'follow is "overlap" or "rank", not {written(follow)}.')
    jobs = most_workers(jobs)
    found, skipped = matrix_series(run, layers, conv)
    works = [_Work(run, series, conv, int(points), level) for series in found]
    total = sum(len(work.chunks) for work in works)
    if callable(progress):
        _do(works, jobs, total, progress)
    else:
        with shown(NAME, progress) as report:
            _do(works, jobs, total, _calmed(report))
    damaged = [(work.series.name, work.damage) for work in works if work.damage is not None]
    if damaged and len(damaged) == len(works):
        raise RunError(str(damaged[0][1])) from damaged[0][1]
    skipped = [*skipped, *(Skipped(name, str(error)) for name, error in damaged)]
    nodes = {}
    for work in [work for work in works if work.damage is None]:
        node = assemble(work.series, work.close, work.computed(), level, follow)
        nodes[f"/{node_name(work.series.name)}"] = node
    tree = xr.DataTree(name=NAME)
    tree = tree.assign({path[1:]: node for path, node in nodes.items()})
    tree.attrs = {
        "run": str(run.path),
        "points": int(points),
        "level": level,
        "follow": follow,
        "conv": conv,
        "skipped": [{"name": one.name, "reason": one.reason} for one in skipped],
        "run_end": int(run.steps[-1]),
    }
    return tree


@dataclass
class _Chunk:
    """Steps that are read and computed together."""

    series: MatrixSeries
    rows: Int64[np.ndarray, " b"]
    close: Int64[np.ndarray, " n"]
    level: float

    @property
    def seconds(self) -> float:
        """About how long it takes on one core."""
        count, n, m = self.series.shape
        each = count * (2.0 * n * m**2 + 4.0 * m**3) / _SPEED
        return len(self.rows) * each + int(np.isin(self.rows, self.close).sum()) * (each + _DIAGNOSIS)

    def compute(self) -> Computed | RunError:
        try:
            with threads_for(self.series.shape[2]):
                return compute(self.series, self.rows, np.isin(self.rows, self.close), self.level)
        except RunError as error:
            # What is damaged of one matrix does not end the others.
            return error


class _Work:
    """One matrix: what is stored of it, and what is still to do."""

    def __init__(self, run: Run, series: MatrixSeries, conv: str, points: int, level: float):
        self.series = series
        self._analyses = run.analyses
        self._generation = run.generation
        self._arguments = {
            "matrix": series.name,
            "conv": conv,
            "level": level,
            "metrics": versions(metrics_over_time()),
        }
        self.close = nested_log_steps(series.steps, points)
        self._parts = self._stored()
        have_every, have_close = (
            np.concatenate([getattr(p, name)["step"].values for p in self._parts] or [np.zeros(0, np.int64)])
            for name in ("every", "diagnosis")
        )
        close = self.close[~np.isin(series.steps[self.close], have_close)]
        every = np.flatnonzero(~np.isin(series.steps, have_every))
        rows = np.union1d(close, every)
        size = int(np.clip(_CHUNK_BYTES // series.nbytes, 1, _CHUNK_STEPS))
        self.chunks = [
            _Chunk(series, rows[start : start + size], close, level) for start in range(0, len(rows), size)
        ]
        self._left = len(self.chunks)
        self.damage: RunError | None = None

    def _stored(self) -> list[Computed]:
        tree = self._analyses.get(NAME, self._arguments, VERSION)
        if not isinstance(tree, xr.DataTree) or tree.attrs.get("generation") != self._generation:
            return []
        return [Computed.from_tree(tree)]

    def add(self, part: Computed | RunError) -> None:
        if isinstance(part, RunError):
            self.damage = self.damage or part
        else:
            self._parts.append(part)
        self._left -= 1
        if not self._left:
            self.keep()

    def keep(self) -> None:
        """Store what there is."""
        if not self._parts:
            return
        self._parts = [merge(self._parts)]
        try:
            tree = self._parts[0].to_tree({"generation": self._generation, "name": self.series.name})
            self._analyses.put(NAME, tree, self._arguments, VERSION)
        except DiskError as error:
            warnings.warn(
                f"the evolution of {self.series.name} is not kept: {error}", RunWarning, stacklevel=2
            )

    def computed(self) -> Computed:
        return self._parts[0] if len(self._parts) == 1 else merge(self._parts)


def _do(works: list[_Work], jobs: int, total: int, progress: Progress) -> None:
    tasks = [(work, chunk) for work in works for chunk in work.chunks]
    done, unfinished = 0, None
    try:
        for (work, _), part in zip(tasks, _results([chunk for _, chunk in tasks], jobs), strict=True):
            progress(work.series.name, done, total)
            done, unfinished = done + 1, work
            work.add(part)
    except BaseException:
        # An interrupted analysis goes on where it stopped.
        if unfinished is not None:
            unfinished.keep()
        raise
    progress("done", total, total)


def _calmed(report: Progress) -> Progress:
    """Report each matrix, and within one not more often than once a second: a log is read by people."""
    last: tuple[str, float] = ("", 0.0)

    def calm(item: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if item != last[0] or now - last[1] >= 1.0:
            last = (item, now)
            report(item, done, total)

    return calm


def _results(chunks: list[_Chunk], jobs: int) -> Iterator[Computed | RunError]:
    seconds = sum(chunk.seconds for chunk in chunks)
    return in_parallel(_Chunk.compute, [(chunk,) for chunk in chunks], jobs, seconds)
