"""The table of error rates and its page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from error_rates.row import NULL
from error_rates.table import rows


def page(table: pd.DataFrame) -> str:
    """Write the page of docs.

    Args:
        table: all measured rows.

    Returns:
        Markdown.
    """

    def lines(part: pd.DataFrame, stated: str | None) -> list[str]:
        if stated is None:
            told = [f"| {x.statement} | {x.null} | {x.measured:.1%} | {x.draws} |" for x in part.itertuples()]
            return ["| statement | where | measured | draws |", "|---|---|---:|---:|", *told]
        out = [f"| statement | where | {stated} | measured | draws |", "|---|---|---:|---:|---:|"]
        for row in part.itertuples():
            mark = "" if row.within else " **outside**"
            out.append(
                f"| {row.statement} | {row.null} | {row.stated:.0%} | {row.measured:.1%}{mark} | {row.draws} |"
            )
        return out

    unstated = table["stated"].isna()
    nothing, planted = table[~table["planted"] & ~unstated], table[table["planted"]]
    dates = " to ".join(dict.fromkeys([str(table["date"].min()), str(table["date"].max())]))
    return "\n".join(
        [
            "# How often a statement is wrong, and how much it sees",
            "",
            "Each row is a statement that eigentrail makes, asked of draws in which nothing is there. A count lies",
            "within the 99.9% binomial bound of its stated rate. `tools/measure_error_rates.py` makes this page",
            f"({dates}; null models of {NULL} draws).",
            "",
            *lines(nothing, "stated, at most"),
            "",
            "## Power",
            "",
            "The same statements where a structure of known strength is planted.",
            "",
            *lines(planted, "stated, at least"),
            "",
            "## Where no rate is stated",
            "",
            "Entries with so heavy tails, or so many zeros, are outside what the statement holds for: there it tells",
            "nothing about training.",
            "",
            *lines(table[unstated], None),
            "",
            *_lacking(table),
        ]
    )


def _lacking(table: pd.DataFrame) -> list[str]:
    measured = set(zip(table["statement"], table["null"], strict=True))
    lacking = [row for row in rows() if (row.statement, row.null) not in measured]
    if not lacking:
        return []
    listed = [f"- {row.statement}: {row.null}" for row in lacking]
    return ["## Not measured yet", "", "The tool has these rows too.", "", *listed, ""]


def write(table: pd.DataFrame, path: Path) -> None:
    """Write the table and its page.

    Args:
        table: all measured rows; what is no row any more is left out.
        path: the table's file, beside which the page lies.
    """
    listed = rows()
    order = {(row.statement, row.null): place for place, row in enumerate(listed)}
    places = [order.get((row.statement, row.null), -1) for row in table.itertuples()]
    table = table.assign(place=places)
    table = table[table["place"] >= 0].sort_values("place")
    # A stated rate may have changed since the draws were counted.
    told = [
        listed[one.place].told(int(one.said), int(one.draws)) | {"date": one.date}
        for one in table.itertuples()
    ]
    table = pd.DataFrame(told)
    table.to_csv(path, index=False)
    path.with_suffix(".md").write_text(page(table))
