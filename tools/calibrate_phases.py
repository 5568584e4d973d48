"""Calibrate the phase rules on matrices of known phase, and write their error rates into docs/phases.md.

Draws of one seed fit the logistic slopes (printed, to compare with those in `eigentrail.spectra.phases`),
draws of another give the confusion matrices, reliability and sweeps, which replace the tables between the
markers in docs/phases.md.

Run: OMP_NUM_THREADS=1 python tools/calibrate_phases.py [draws per phase and shape; default 60]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from eigentrail.spectra import ensembles
from eigentrail.spectra.entry_statistics import EntryStatistics, entry_statistics
from eigentrail.spectra.marchenko_pastur import MarchenkoPastur, fit_marchenko_pastur
from eigentrail.spectra.phase_evidence import SpectrumEvidence, spectrum_evidence
from eigentrail.spectra.phases import PHASES, Phase, classify

SHAPES = ((512, 256), (1000, 300), (1024, 512), (2048, 512))
DOCS = Path(__file__).parents[1] / "docs" / "phases.md"


@dataclass(frozen=True)
class Draw:
    """One matrix of known phase, reduced to what the rules see."""

    phase: str
    rows: int
    cols: int
    values: np.ndarray
    entries: EntryStatistics

    @property
    def fit(self) -> MarchenkoPastur:
        """The fit of its bulk."""
        return fit_marchenko_pastur(self.values, self.rows, self.cols)

    def label(self, with_entries: bool) -> Phase:
        """What the rules say of it."""
        entries = self.entries if with_entries else None
        return classify(self.values, self.rows, self.cols, self.fit, entries=entries)


def reduce(phase: str, w: np.ndarray) -> Draw:
    """Take the eigenvalues and the statistics of the entries."""
    rows, cols = w.shape
    if phase == "heavy-tailed":  # its eigenvalues span more than the Gram matrix resolves
        values = np.linalg.svd(w, compute_uv=False)[::-1] ** 2 / rows
    else:
        values = np.linalg.eigvalsh(w.T @ w / rows)
    return Draw(phase, rows, cols, values, entry_statistics(w))


def draws(shapes: Iterable[tuple[int, int]], count: int, seed: int) -> list[Draw]:
    """Draw `count` matrices of each phase and shape, half as many of the large shapes."""
    rng, out = np.random.default_rng(seed), []
    for rows, cols in shapes:
        for phase in PHASES:
            for _ in range(count if cols < 500 else count // 2):
                out.append(reduce(phase, ensembles.phase(phase, rows, cols, rng)))
    return out


def fit_slopes(train: list[Draw]) -> None:
    """Print logistic fits of each rule to the draws that it has to tell apart."""
    seen = [(d.phase, spectrum_evidence(d.values, d.rows, d.fit)) for d in train]

    def fit(name: str, yes: set[str], no: set[str], of: Callable[[SpectrumEvidence], list[float]]) -> None:
        chosen = [(p in yes, of(e)) for p, e in seen if p in yes | no]
        x, y = np.array([f for _, f in chosen]), np.array([a for a, _ in chosen])
        model = LogisticRegression(C=10.0, max_iter=5000, class_weight="balanced").fit(x, y)
        print(name, model.coef_[0].round(2), model.intercept_.round(2), "right:", round(model.score(x, y), 3))

    noise = {"random-like", "bleeding-out", "bulk+spikes"}
    fit("decay: spread, gap", {"bulk-decay"}, noise, lambda e: [e.spread, e.gap])
    fit(
        "heavy: log10 spike share, log10 misfit",
        {"heavy-tailed"},
        {"bulk-decay"},
        lambda e: [float(np.log10(max(e.spike_share, 1e-4))), float(np.log10(e.misfit))],
    )
    fit("strength: log strongest", {"bulk+spikes"}, {"bleeding-out"}, lambda e: [float(np.log(e.strongest))])
    fit("onset: leader", {"bleeding-out"}, {"random-like"}, lambda e: [e.leader])


def confusion(held: list[Draw], with_entries: bool) -> str:
    """A confusion matrix in markdown, in per cent of each true phase."""
    table = np.zeros((6, 6))
    for d in held:
        table[PHASES.index(d.phase), PHASES.index(d.label(with_entries).label)] += 1
    share = 100.0 * table / table.sum(axis=1, keepdims=True)
    right = 100.0 * np.trace(table) / table.sum()
    title = "with the entries" if with_entries else "from the eigenvalues alone"
    lines = [
        f"**{right:.1f}% right {title}** ({len(held)} draws; rows: truth, columns: label, per cent)",
        "",
        "| | " + " | ".join(PHASES) + " |",
        "|---|" + "---:|" * 6,
    ]
    lines += [
        f"| {p} | " + " | ".join(f"{v:.1f}" for v in row) + " |" for p, row in zip(PHASES, share, strict=True)
    ]
    return "\n".join(lines)


def reliability(held: list[Draw]) -> str:
    """How often labels of a stated confidence are right."""
    found = [(p.confidence, p.label == d.phase) for d in held for p in [d.label(False)]]
    lines = ["| confidence | labels | right |", "|---|---:|---:|"]
    for low, high in ((0.0, 0.6), (0.6, 0.8), (0.8, 0.9), (0.9, 0.97), (0.97, 1.01)):
        inside = [right for c, right in found if low <= c < high]
        if inside:
            lines.append(
                f"| {low:.2f} to {min(high, 1.0):.2f} | {len(inside)} | {100 * np.mean(inside):.1f}% |"
            )
    return "\n".join(lines)


def by_size(count: int, seed: int) -> str:
    """Accuracy of small matrices, 2 M x M."""
    lines = ["| M | eigenvalues alone | with entries |", "|---|---:|---:|"]
    for cols in (8, 16, 32, 64, 128, 256):
        held = draws([(2 * cols, cols)], count, seed)
        rates = [100 * np.mean([d.label(e).label == d.phase for d in held]) for e in (False, True)]
        lines.append(f"| {cols} | {rates[0]:.0f}% | {rates[1]:.0f}% |")
    return "\n".join(lines)


def sweep(
    name: str, points: Iterable[float], draw: Callable[[float, np.random.Generator], np.ndarray]
) -> str:
    """Labels along a line through the phases, in per cent of 40 draws of 512 x 256 at each point."""
    rng = np.random.default_rng(5)
    lines = [f"| {name} | " + " | ".join(PHASES) + " |", "|---|" + "---:|" * 6]
    for point in points:
        counts = np.zeros(6)
        for _ in range(40):
            counts[PHASES.index(reduce("", draw(point, rng)).label(True).label)] += 1
        cells = " | ".join(f"{100 * c / 40:.0f}" if c else "" for c in counts)
        lines.append(f"| {point:g} | {cells} |")
    return "\n".join(lines)


def sweeps() -> dict[str, str]:
    """The lines through the boundaries where labels mix."""
    n, m = 512, 256
    return {
        "sweep-strength": sweep(
            "3 spikes at x times the BBP threshold",
            (0.8, 1.0, 1.1, 1.2, 1.3, 1.5, 1.7, 1.8, 1.9, 2.0, 2.2, 3.0),
            lambda x, rng: ensembles.spiked(n, m, [x] * 3, seed=rng),
        ),
        "sweep-mu": sweep(
            "symmetric Pareto entries, mu",
            (1.5, 1.7, 1.9, 2.0, 2.1, 2.3, 2.7, 3.0, 3.3, 3.7, 4.0, 4.5, 5.0, 6.0, 8.0),
            lambda x, rng: ensembles.heavy_tailed(n, m, x, "pareto", rng),
        ),
        "sweep-noise": sweep(
            "rank 40 plus noise of x times its entries",
            (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 4.0),
            lambda x, rng: ensembles.low_rank(n, m, 40, x, rng),
        ),
    }


def main() -> None:
    """Fit, check, and write the tables."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    fit_slopes(draws(SHAPES, count, seed=1))
    held = draws(SHAPES, count, seed=2)
    tables = {
        "confusion": confusion(held, False) + "\n\n" + confusion(held, True),
        "reliability": reliability(held),
        "small": by_size(count, seed=3),
        **sweeps(),
    }
    text = DOCS.read_text(encoding="utf-8")
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
        head, rest = text.split(begin)
        text = head + begin + table + end + rest.split(end, 1)[1]
        print(table, end="\n\n")
    DOCS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
