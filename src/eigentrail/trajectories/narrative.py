"""What happened to the spectra of a run, in words, each claim beside what chance gives."""

from __future__ import annotations

from typing import Any

import pandas as pd


def claim_holds(row: dict[str, Any]) -> bool | None:
    """Tell whether the spikes of a matrix grew in number while its bulk stayed Marchenko-Pastur (S0's first claim).

    Args:
        row: a row of `evolution_table`.

    Returns:
        True if there are more spikes at the last step than at the first and the bulk's distance to the law is one
        that noise of the shape stays below in 95% of cases; None where it cannot be told.
    """
    if row["spikes_first"] is None or row["noise_ks_high"] is None:
        return None
    grew = row["spikes_last"] > row["spikes_first"]
    return bool(grew and row["mp_ks_distance_last"] <= row["noise_ks_high"])


def verdict(table: pd.DataFrame) -> str:
    """Say for how many matrices S0's first claim holds.

    Args:
        table: from `evolution_table`.

    Returns:
        One or two sentences.
    """
    rows = [row for row in _rows(table) if row["spikes_first"] is not None]
    if not rows:
        return "No matrix is large enough for a Marchenko-Pastur fit: there is no bulk to compare with."
    grew = [row for row in rows if row["spikes_last"] > row["spikes_first"]]
    holds = [row for row in grew if claim_holds(row)]
    if not grew:
        return f"In none of {_matrices(len(rows))} the number of spikes grew."
    text = f"The number of spikes grew in {len(grew)} of {_matrices(len(rows))}"
    if len(grew) == len(holds):
        return f"{text}, and there the bulk stayed as close to Marchenko-Pastur as noise is."
    if not holds:
        return f"{text}; there the bulk left the Marchenko-Pastur law further than noise does."
    return (
        f"{text}; in {len(holds)} of these the bulk stayed as close to Marchenko-Pastur as noise is "
        f"({', '.join(row['name'] for row in holds)})."
    )


def describe_layer(row: dict[str, Any]) -> str:
    """Tell the story of one matrix.

    Args:
        row: a row of `evolution_table`.

    Returns:
        Sentences without the matrix' name: its shape, spikes at the first and the last step and what chance gives,
        births, deaths and crossings, the bulk's distance to the law and that of noise, phase and rank.
    """
    head = f"{row['rows']} x {row['cols']}"
    if row["spikes_first"] is None:
        return f"{head}: no Marchenko-Pastur bulk can be fitted; {'; '.join(row['notes']) or 'it has too few values'}."
    first, last = row["spikes_first"], row["spikes_last"]
    parts = [
        f"{head}: {_count(first, 'spike')} at step {row['first_step']}, {last} at step {row['last_step']}"
    ]
    shuffled = row["null_spikes_last"]
    if shuffled is not None:
        parts.append(f" (its entries in random places: {shuffled}; noise: one in a hundred steps)")
    happened = []
    if row["first_birth"] is not None:
        happened.append(f"first birth at step {row['first_birth']}")
    happened += [
        _count(row[f"{kind}s"], kind, f"{kind}s")
        for kind in ("birth", "death", "crossing")
        if row[f"{kind}s"]
    ]
    if happened:
        parts.append(f"; {', '.join(happened)}")
    parts.append(". ")
    if row["noise_ks_high"] is not None:
        now, limit = row["mp_ks_distance_last"], row["noise_ks_high"]
        stays = "cannot be told from noise"
        if now > limit:
            stays = (
                "lies just above that"
                if now < 1.05 * limit
                else f"lies {now / limit:.2g} times as far: not pure noise"
            )
        parts.append(
            f"The bulk's distance to Marchenko-Pastur went from {row['mp_ks_distance_first']:.3f} to {now:.3f}; noise "
            f"of this shape stays below {limit:.3f} in 95% of cases, so at the end the bulk {stays}; it was "
            f"farthest at step {row['farthest_step']}, {row['farthest_bulk']:.3f}. "
        )
    before, now = row["phase_first"], row["phase_last"]
    if before is None and now is None:
        parts.append("Too few eigenvalues to tell a phase. ")
    else:
        change = "unchanged" if before == now else f"then {now or 'untold'}"
        parts.append(f"Phase: {before or 'untold'}, {change}. ")
    parts.append(f"Effective rank {row['effective_rank_first']:.3g} to {row['effective_rank_last']:.3g}.")
    return "".join(parts)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict(orient="records")]


def _matrices(number: int) -> str:
    return "1 matrix" if number == 1 else f"{number} matrices"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
