"""What happened to the spectra of a run, in words, each claim beside what chance gives."""

from __future__ import annotations

from typing import Any

import pandas as pd

from eigentrail._text import counted

_MOST_NAMED = 3


def claim_holds(row: dict[str, Any]) -> bool | None:
    """Tell whether the spikes of a matrix grew in number and its bulk ends as Marchenko-Pastur (S0's first claim).

    It is about the last step: between births a bulk may have been further from the law, which `verdict` says.

    Args:
        row: a row of `evolution_table`.

    Returns:
        True if there are more spikes at the last step than at the first and the bulk's distance to the law at the last
        step is one that noise of the shape stays below in 95% of cases; None where it cannot be told, for example of
        one step only.
    """
    if row["spikes_first"] is None or row["noise_ks_high"] is None or _seen_once(row):
        return None
    grew = row["spikes_last"] > row["spikes_first"]
    return bool(grew and row["mp_ks_distance_last"] <= row["noise_ks_high"])


def verdict(table: pd.DataFrame) -> str:
    """Say for how many matrices S0's first claim holds at the end, and how far from it their bulks were on the way.

    Args:
        table: from `evolution_table`.

    Returns:
        One to three sentences; the last one names matrices that are not seen at the end of the run.
    """
    rows = [row for row in _rows(table) if row["spikes_first"] is not None]
    if not rows:
        return "No matrix is large enough for a Marchenko-Pastur fit: there is no bulk to compare with."
    followed = [row for row in rows if not _seen_once(row)]
    early = [row for row in rows if _ends_early(row)]
    told = ["No matrix is seen at more than one step: nothing can be followed."]
    if followed:
        told = [_growth(followed)]
    if early:
        named = [f"{row['name']} (last seen at step {row['last_step']})" for row in early[:_MOST_NAMED]]
        more = f" and {len(early) - _MOST_NAMED} more" if len(early) > _MOST_NAMED else ""
        told.append(
            f"The run went on to step {early[0]['run_end']}, at which nothing is known of {', '.join(named)}{more}."
        )
    return " ".join(told)


def _growth(rows: list[dict[str, Any]]) -> str:
    grew = [row for row in rows if row["spikes_last"] > row["spikes_first"]]
    holds = [row for row in grew if claim_holds(row)]
    if not grew:
        return f"In none of {counted(len(rows), 'matrix', 'matrices')} the number of spikes grew."
    text = f"The number of spikes grew in {len(grew)} of {counted(len(rows), 'matrix', 'matrices')}"
    if not holds:
        return f"{text}; there the bulk ends further from the Marchenko-Pastur law than noise does."
    if len(grew) == len(holds):
        text = f"{text}, and there the bulk ends as close to Marchenko-Pastur as noise is"
    else:
        names = ", ".join(row["name"] for row in holds)
        text = f"{text}; in {len(holds)} of these the bulk ends as close to Marchenko-Pastur as noise is ({names})"
    left = [row for row in holds if row["farthest_bulk"] > row["noise_ks_high"]]
    if not left:
        return f"{text}, and was so at every analysed step."
    left.sort(key=lambda row: row["farthest_bulk"] / row["noise_ks_high"], reverse=True)
    far = [
        f"{_times_noise(row)} times in {row['name']} (step {row['farthest_step']})"
        for row in left[:_MOST_NAMED]
    ]
    more = f" and at most that in {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
    return (
        f"{text}. On the way it was further, against what 95% of noise stays below: {', '.join(far)}{more}."
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
    once = _seen_once(row)
    parts = [f"{head}: {counted(row['spikes_first'], 'spike')} at step {row['first_step']}"]
    if not once:
        parts.append(f", {row['spikes_last']} at step {row['last_step']}")
    shuffled = row["null_spikes_last"]
    if shuffled is not None:
        parts.append(
            f" (its entries in random places: {shuffled}; pure noise shows one at one step in a hundred)"
        )
    happened = []
    if row["first_birth"] is not None:
        happened.append(f"first birth at step {row['first_birth']}")
    happened += [
        counted(row[f"{kind}s"], kind, f"{kind}s")
        for kind in ("birth", "death", "crossing")
        if row[f"{kind}s"]
    ]
    if happened:
        parts.append(f"; {', '.join(happened)}")
    parts.append(". ")
    if once:
        parts.append("It is seen at this step only. ")
    # What is said of the last step holds of the end only where the layer is recorded there.
    then = "at the end"
    if _ends_early(row):
        then = f"at step {row['last_step']}"
        parts.append(f"The run went on to step {row['run_end']}, where the layer is not seen. ")
    if row["noise_ks_high"] is not None:
        now, limit = row["mp_ks_distance_last"], row["noise_ks_high"]
        stays = "lies within that"
        if now > limit:
            stays = (
                "lies just above that"
                if now < 1.05 * limit
                else f"lies {now / limit:.2g} times as far: not pure noise"
            )
        limits = f"noise of this shape stays below {limit:.3f} in 95% of cases"
        if once:
            parts.append(
                f"The bulk's distance to Marchenko-Pastur is {now:.3f}; {limits}: the bulk {stays}. "
            )
        else:
            parts.append(
                f"The bulk's distance to Marchenko-Pastur went from {row['mp_ks_distance_first']:.3f} to {now:.3f}; "
                f"{limits}, so {then} the bulk {stays}; it was farthest at step {row['farthest_step']}, "
                f"{row['farthest_bulk']:.3f}, {_times_noise(row)} times that limit. "
            )
    before, now = row["phase_first"], row["phase_last"]
    if before is None and now is None:
        parts.append("Too few eigenvalues to tell a phase. ")
    elif once:
        parts.append(f"Phase: {now}. ")
    else:
        between = row["phases_between"]
        if between:
            change = f"in between {between}, {then} {now or 'untold'}"
        else:
            change = "unchanged" if before == now else f"then {now or 'untold'}"
        parts.append(f"Phase: {before or 'untold'}, {change}. ")
    ranks = [f"{row['effective_rank_first']:.3g}", f"{row['effective_rank_last']:.3g}"]
    parts.append(f"Effective rank {ranks[0] if once else ' to '.join(ranks)}.")
    return "".join(parts)


def _seen_once(row: dict[str, Any]) -> bool:
    first = row.get("first_step")
    return first is not None and bool(first == row["last_step"])


def _ends_early(row: dict[str, Any]) -> bool:
    end = row.get("run_end")
    return end is not None and row["last_step"] is not None and bool(row["last_step"] < end)


def _times_noise(row: dict[str, Any]) -> str:
    return f"{row['farthest_bulk'] / row['noise_ks_high']:#.3g}"


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict(orient="records")]
