"""Measure how often each statement is made where nothing is there, and how often where something is.

Every row of `docs/error_rates.csv` is a statement, a null model, the rate that is stated for it, and the rate that was
measured: the number of draws in which the statement was made. A row is right where the count lies within the 99.9%
binomial bound of the stated rate. Rows of power stand beside them: the same statement where a structure of known
strength is planted; there the stated rate is the least one.

    python tools/measure_error_rates.py                      # all groups, half an hour of one core
    python tools/measure_error_rates.py --only geodesics     # the rows of one group anew, the others stay
    python tools/measure_error_rates.py --missing            # only draws that are not made yet
    python tools/measure_error_rates.py --page               # only docs/error_rates.md anew
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pandas as pd

from error_rates.page import write
from error_rates.table import rows

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    """Measure the rows that are asked for and write both files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", help="groups")
    parser.add_argument("--missing", action="store_true", help="only draws that are not made yet")
    parser.add_argument("--draws", type=int, help="draws of each row")
    parser.add_argument("--page", action="store_true", help="only the page anew")
    asked = parser.parse_args()
    path = DOCS / "error_rates.csv"
    for row in [] if asked.page else rows():
        if asked.only and row.group not in asked.only:
            continue
        # Read anew for each row: two may be measured at once, in groups of their own.
        table = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["statement", "null"])
        same = (table["statement"] == row.statement) & (table["null"] == row.null)
        made, said = 0, 0
        if asked.missing and same.any():
            made, said = (int(table.loc[same, column].iloc[0]) for column in ("draws", "said"))
        wanted = asked.draws or row.usual
        if made >= wanted:
            continue
        begun = time.process_time()
        found = row.measured(wanted - made, first=made)
        found = row.told(said + found["said"], wanted)
        print(
            f"{row.group}: {row.statement}; {row.null}: stated {row.stated}, {found['said']} of {found['draws']}, "
            f"{'within' if found['within'] else 'OUTSIDE'} ({time.process_time() - begun:.0f} s)",
            flush=True,
        )
        table = pd.read_csv(path) if path.exists() else table
        same = (table["statement"] == row.statement) & (table["null"] == row.null)
        write(pd.concat([table[~same], pd.DataFrame([found])], ignore_index=True), path)
    write(pd.read_csv(path), path)


if __name__ == "__main__":
    main()
