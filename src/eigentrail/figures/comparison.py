"""Two checkpoints of one network: what moved, how far, and in which directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail._untrusted import plotly_text
from eigentrail.figures import style
from eigentrail.figures.density import UNIT, bin_edges, law_curve, law_of
from eigentrail.figures.overview import SYMBOLS, labels, numbers
from eigentrail.spectra.spectrum import Spectrum


def movers(table: pd.DataFrame, limit: int = 40) -> go.Figure:
    """Rank the matrices by how far they moved.

    Args:
        table: `name`, `kind`, `relative_change`.
        limit: how many to show.

    Returns:
        A bar per matrix, the largest change on top, coloured by the kind of layer.
    """
    data = movers_data(table).head(limit)
    rows = data["row"].tolist()
    shown = [plotly_text(n, 48) for n in data["name"]]
    traces = []
    for number, kind in enumerate(dict.fromkeys(data["kind"])):
        # A colour for each kind of layer, named in the legend.
        own = [i for i, one in enumerate(data["kind"]) if one == kind]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": plotly_text(kind, 40),
                # Two names may read alike once shortened, so the rows themselves are the categories.
                "y": [str(rows[i]) for i in own],
                "x": data["relative_change"].to_numpy()[own],
                "customdata": [[rows[i], shown[i], plotly_text(kind, 40)] for i in own],
                "marker": {"color": style.CYCLE[number % len(style.CYCLE)]},
                "hovertemplate": "%{customdata[1]} (%{customdata[2]})<br>relative change %{x:.3g}<extra></extra>",
            }
        )
    yaxis = style.axis(
        "",
        type="category",
        autorange="reversed",
        categoryorder="array",
        categoryarray=[str(r) for r in rows],
        tickvals=[str(r) for r in rows],
        ticktext=shown,
        tickfont={"size": 10},
    )
    return style.build(
        traces,
        title="Layers that moved",
        xaxis=style.axis("‖B − A‖ / ‖A‖ (Frobenius)", rangemode="tozero"),
        yaxis=yaxis,
        meta={"opens": "layer"},
        barmode="overlay",
        height=max(260, 110 + 17 * len(rows)),
    )


def movers_data(table: pd.DataFrame) -> pd.DataFrame:
    """Tabulate what `movers` draws.

    Args:
        table: as given to `movers`.

    Returns:
        `row` (number in the table), `name`, `kind`, `relative_change`, the largest change first.
    """
    data = pd.DataFrame(
        {
            "row": np.arange(len(table)),
            "name": labels(table, "name"),
            "kind": labels(table, "kind"),
            "relative_change": numbers(table, "relative_change"),
        }
    )
    return data.dropna(subset=["relative_change"]).sort_values(
        "relative_change", ascending=False, kind="stable"
    )


def before_after(table: pd.DataFrame, column: str, label: str) -> go.Figure:
    """Draw a quantity of A against the same of B; what did not change lies on the diagonal.

    Args:
        table: `name`, `kind`, `<column>_a`, `<column>_b`.
        column: for example "alpha".
        label: how the axes name it.

    Returns:
        A trace per kind, and the diagonal.
    """
    a, b = numbers(table, f"{column}_a"), numbers(table, f"{column}_b")
    both = np.isfinite(a) & np.isfinite(b)
    traces: list[dict[str, Any]] = []
    if both.any():
        ends = np.array([min(a[both].min(), b[both].min()), max(a[both].max(), b[both].max())])
        traces.append(
            style.line(ends, ends, "unchanged", style.NULL, dash="dash", width=1.2, hoverinfo="skip")
        )
    kinds, names = labels(table, "kind"), labels(table, "name")
    for number, kind in enumerate(dict.fromkeys(kinds)):
        rows = [i for i, k in enumerate(kinds) if k == kind and both[i]]
        if rows:
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "x": a[rows],
                    "y": b[rows],
                    "customdata": [[i, plotly_text(names[i])] for i in rows],
                    "name": plotly_text(kind, 40),
                    "marker": {
                        "color": style.CYCLE[number % len(style.CYCLE)],
                        "symbol": SYMBOLS[number % len(SYMBOLS)],
                        "size": 8,
                    },
                    "hovertemplate": f"%{{customdata[1]}}<br>{label}: %{{x:.4g}} → %{{y:.4g}}<extra></extra>",
                }
            )
    return style.build(
        traces,
        title=f"{label if len(label) == 1 else label.capitalize()}: before and after",
        xaxis=style.axis(f"{label} in A"),
        yaxis=style.axis(f"{label} in B"),
        meta={"opens": "layer"},
    )


def phase_changes(table: pd.DataFrame) -> go.Figure:
    """Draw how many matrices went from which phase to which.

    Args:
        table: `phase_a`, `phase_b`.

    Returns:
        A matrix of counts; its diagonal holds what stayed.
    """
    counts = phase_changes_data(table)
    phases = list(counts["phase in A"])
    shown = [plotly_text(p, 40) for p in phases]
    grid = counts.drop(columns="phase in A").to_numpy(dtype=np.float64)
    trace = {
        "type": "heatmap",
        "x": shown,
        "y": shown,
        "z": np.where(grid > 0, grid, np.nan),
        "text": [[str(int(v)) if v else "" for v in row] for row in grid],
        "texttemplate": "%{text}",
        "colorscale": [[0, "#9dc3ea"], [1, "#2f6fb2"]],
        "showscale": False,
        "hovertemplate": "%{y} → %{x}: %{text}<extra></extra>",
        "xgap": 2,
        "ygap": 2,
    }
    return style.build(
        [trace],
        title="Phases: before and after",
        xaxis=style.axis("phase in B", type="category", showgrid=False),
        yaxis=style.axis("phase in A", type="category", autorange="reversed", showgrid=False),
    )


def phase_changes_data(table: pd.DataFrame) -> pd.DataFrame:
    """Tabulate what `phase_changes` draws.

    Args:
        table: as given to `phase_changes`.

    Returns:
        `phase in A`, then a column of counts for each phase in B.
    """
    a, b = labels(table, "phase_a"), labels(table, "phase_b")
    known = tuple(style.PHASE_COLOURS)
    found = [p for p in (*known, *sorted(set(a + b) - set(known))) if p in a or p in b]
    pairs = list(zip(a, b, strict=True))
    rows = [[p, *(pairs.count((p, r)) for r in found)] for p in found]
    return pd.DataFrame(rows, columns=["phase in A", *found])


def density_overlay(before: Spectrum, after: Spectrum) -> go.Figure:
    """Draw the spectral densities of one matrix in both checkpoints, each with its own null law.

    Args:
        before: the spectrum in A.
        after: the spectrum in B.

    Returns:
        The histogram of A filled, that of B as an outline, and both Marchenko-Pastur laws.
    """
    edges = overlay_edges(before, after)
    traces: list[dict[str, Any]] = []
    sides = (
        ("A (before)", before, style.OTHER, "dash"),
        ("B (after)", after, style.DATA, "solid"),
    )
    for name, spectrum, colour, _ in sides:
        values = to_float64(spectrum.eigenvalues)
        x, y = style.steps(edges, style.histogram(values, edges)[0])
        fill = {"fill": "tozeroy", "fillcolor": "rgba(133,139,149,0.25)"} if spectrum is before else {}
        traces.append(style.line(x, y, name, colour, width=1.6, **fill))
    for name, spectrum, _, dash in sides:
        law, _ = law_of(spectrum)
        if law is not None:
            x, y = law_curve(law, len(spectrum))
            traces.append(
                style.line(x, y, f"Marchenko-Pastur of {name[0]} (null)", style.NULL, dash=dash, width=1.4)
            )
    top = max(float(np.max(t["y"])) for t in traces[:2])
    span = edges[-1] - edges[0]
    return style.build(
        traces,
        title="Spectral density before and after",
        xaxis=style.axis(UNIT, range=[edges[0] - 0.03 * span, edges[-1] + 0.03 * span]),
        yaxis=style.axis("density (per unit of λ)", range=[0, 1.25 * top]),
    )


def overlay_edges(before: Spectrum, after: Spectrum) -> Float64[np.ndarray, " bins"]:
    """Choose common bins for two spectra.

    Args:
        before: the spectrum in A.
        after: the spectrum in B.

    Returns:
        Borders that hold the bulks of both, of the narrower of both widths, at most 160 bins.
    """
    each = [bin_edges(to_float64(s.eigenvalues), law_of(s)[0]) for s in (before, after)]
    low, high = min(e[0] for e in each), max(e[-1] for e in each)
    width = min(e[1] - e[0] for e in each)
    return np.linspace(low, high, int(np.clip(np.ceil((high - low) / width), 10, 160)) + 1)


def overlay_data(before: Spectrum, after: Spectrum) -> pd.DataFrame:
    """Tabulate what `density_overlay` draws.

    Args:
        before: the spectrum in A.
        after: the spectrum in B.

    Returns:
        A row per bin: `bin_low`, `bin_high`, `density_a`, `density_b`, `null_a`, `null_b`.
    """
    edges = overlay_edges(before, after)
    table = pd.DataFrame({"bin_low": edges[:-1], "bin_high": edges[1:]})
    for side, spectrum in (("a", before), ("b", after)):
        values = to_float64(spectrum.eigenvalues)
        table[f"density_{side}"] = style.histogram(values, edges)[0]
        law, _ = law_of(spectrum)
        if law is not None:
            middle = (edges[1:] + edges[:-1]) / 2
            table[f"null_{side}"] = (values.size - law.spikes) / values.size * to_float64(law.density(middle))
    return table


def chance_angles(k: int, n: int, draws: int = 400, seed: int = 0) -> Float64[np.ndarray, "3 k"]:
    """Draw the principal angles between two random subspaces.

    The squared cosines are the eigenvalues of A (A + B)^-1 with independent Wishart matrices A of k and B of n - k
    degrees of freedom; both are drawn through their k x k Bartlett factors, so n may be any size.

    Args:
        k: dimension of both subspaces.
        n: dimension of the space, at least 2 k.
        draws: number of pairs.
        seed: seed of the draws.

    Returns:
        1%, 50% and 99% points of the sorted angles, ascending, in degrees.
    """
    generator = np.random.default_rng(seed)

    def wishart(freedom: int) -> Any:
        lower = np.tril(generator.standard_normal((draws, k, k)), -1)
        diagonal = np.sqrt(generator.chisquare(freedom - np.arange(k), size=(draws, k)))
        factor = lower + np.eye(k) * diagonal[:, None, :]
        return factor @ factor.transpose(0, 2, 1)

    a, b = wishart(k), wishart(n - k)
    root = np.linalg.cholesky(a + b)
    half = np.linalg.solve(root, a)
    squared = np.linalg.eigvalsh(np.linalg.solve(root, half.transpose(0, 2, 1)))
    angles = np.degrees(np.arccos(np.sqrt(np.clip(squared[:, ::-1], 0, 1))))
    return np.asarray(np.quantile(angles, [0.01, 0.5, 0.99], axis=0))


def subspace_angles(
    long: Sequence[float], short: Sequence[float], rows: int | None = None, cols: int | None = None
) -> go.Figure:
    """Draw the principal angles between the leading singular subspaces of A and B, with those of random subspaces.

    Args:
        long: angles on the long side, in degrees.
        short: angles on the short side, in degrees.
        rows: N, the dimension of the long side; without it no chance is drawn.
        cols: M, the dimension of the short side.

    Returns:
        Two traces of angles; the median and the 1% to 99% band of chance for each side.
    """
    data = angles_data(long, short, rows, cols)
    if data.empty:
        return style.empty(
            "Principal angles of the leading subspaces", "The leading subspaces were not compared."
        )
    traces: list[dict[str, Any]] = []
    looks = (
        ("long", style.DATA, "square", "rgba(63,135,207,0.13)"),
        ("short", style.SPIKE, "circle", "rgba(214,69,127,0.13)"),
    )
    for side, colour, symbol, tint in looks:
        part = data[data["side"] == side]
        if part.empty:
            continue
        x = part["index"].to_numpy()
        if "chance_median" in part and part["chance_median"].notna().all():
            hidden = {"showlegend": False, "hoverinfo": "skip", "width": 0}
            traces.append(style.line(x, part["chance_low"].to_numpy(), "", colour, **hidden))
            traces.append(
                style.line(
                    x, part["chance_high"].to_numpy(), "", colour, fill="tonexty", fillcolor=tint, **hidden
                )
            )
            name = f"{side} side: random subspaces (null)"
            traces.append(
                style.line(x, part["chance_median"].to_numpy(), name, colour, dash="dash", width=1.2)
            )
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": x,
                "y": part["angle"].to_numpy(),
                "name": f"{side} side",
                "line": {"color": colour, "width": 1.5},
                "marker": {"color": colour, "symbol": symbol, "size": 7},
                "hovertemplate": f"{side} side, angle %{{x}}: %{{y:.3g}}°<extra></extra>",
            }
        )
    return style.build(
        traces,
        title="Principal angles of the leading subspaces",
        xaxis=style.axis("index of the angle, smallest first", dtick=1 if len(data) <= 30 else None),
        yaxis=style.axis("angle (degrees)", range=[-3, 95], dtick=15),
    )


def angles_data(
    long: Sequence[float], short: Sequence[float], rows: int | None = None, cols: int | None = None
) -> pd.DataFrame:
    """Tabulate what `subspace_angles` draws.

    Args:
        long: as given to `subspace_angles`.
        short: as given to `subspace_angles`.
        rows: as given to `subspace_angles`.
        cols: as given to `subspace_angles`.

    Returns:
        A row per angle: `side`, `index` from 1, `angle`; where the dimension is known and at least twice the number of
        angles also `chance_low`, `chance_median`, `chance_high` (1%, 50%, 99%), all in degrees.
    """
    parts = []
    for side, angles, n in (("long", long, rows), ("short", short, cols)):
        k = len(angles)
        part = pd.DataFrame(
            {
                "side": [side] * k,
                "index": np.arange(1, k + 1),
                "angle": np.sort(np.asarray(angles, dtype=float)),
            }
        )
        if k and n is not None and n >= 2 * k:
            low, median, high = chance_angles(k, n)
            part = part.assign(chance_low=low, chance_median=median, chance_high=high)
        parts.append(part)
    return (
        pd.concat([p for p in parts if len(p)], ignore_index=True) if any(len(p) for p in parts) else parts[0]
    )
