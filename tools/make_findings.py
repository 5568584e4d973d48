"""Write the verdicts of studies into docs/findings.md, from the claims.csv that each study leaves.

A study's verdicts are kept in docs/claims/STUDY.csv; the table of each stands on the page between two marks, and the
text around it is written by hand.

    eigentrail study parsimony --out /tmp/parsimony
    python tools/make_findings.py parsimony=/tmp/parsimony     # takes its claims.csv, and writes the page
    python tools/make_findings.py                              # only the page anew
"""

from __future__ import annotations

import argparse
import datetime
import re
from pathlib import Path

import pandas as pd

from eigentrail._citations import cited
from eigentrail.chance import LEVEL
from eigentrail.chance.comparing import p_text

DOCS = Path(__file__).resolve().parents[1] / "docs"
_BLOCK = re.compile(r"(<!-- claims: ([a-z0-9-]+) -->\n).*?(<!-- end of claims -->)", re.DOTALL)
_KEPT = (
    "id", "source", "claim", "statistic", "rule", "verdict", "value", "low", "high", "chance", "rival", "rival_value",
    "p", "p_fails", "p_adjusted", "seeds", "seeds_needed",
)  # fmt: skip


def table(claims: pd.DataFrame) -> str:
    """Write the verdicts of one study.

    Args:
        claims: a row for each claim, with its `date`.

    Returns:
        A table in Markdown, and a line with the correction for all of them.
    """
    lines = [
        "| claim | verdict | measured (95%) | beside it | p, corrected | seeds |",
        "|---|---|---|---|---:|---:|",
    ]
    for row in claims.to_dict(orient="records"):
        measured = "" if pd.isna(row["value"]) else f"{row['statistic']}: {row['value']:.3g}"
        if not pd.isna(row["low"]):
            measured += f" ({row['low']:.3g} to {row['high']:.3g})"
        beside = ""
        if not pd.isna(row["chance"]):
            beside = f"chance {row['chance']:.3g}"
        elif not pd.isna(row["rival_value"]):
            beside = f"{row['rival']}: {row['rival_value']:.3g}"
        p = "" if pd.isna(row["p_adjusted"]) else p_text(float(row["p_adjusted"]))
        verdict = str(row["verdict"])
        if verdict == "not decided" and not pd.isna(row["seeds_needed"]):
            verdict += f"; about {int(row['seeds_needed'])} seeds would"
        lines.append(
            f"| {_cell(cited(row['claim']))} | {verdict} | {_cell(measured)} | {_cell(beside)} | {p} | {row['seeds']} |"
        )
    decided = claims[claims["verdict"] != "not decided"]
    stay = int((decided["p_adjusted"] <= LEVEL).sum())
    return "\n".join([
        *lines,
        "",
        f"Measured {claims['date'].max()}. With the false discovery rate of these {len(claims)} claims held at "
        f"{LEVEL:.0%} (Benjamini-Yekutieli) {stay} of the {len(decided)} decided ones stay decided.",
        "",
    ])  # fmt: skip


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|")


def page(text: str, folder: Path) -> str:
    """Fill the marked places of the page.

    Args:
        text: the page.
        folder: with a file for each study.

    Returns:
        The page, its tables anew.
    """

    def filled(found: re.Match[str]) -> str:
        return found[1] + table(pd.read_csv(folder / f"{found[2]}.csv")) + found[3]

    return _BLOCK.sub(filled, text)


def main() -> None:
    """Take the claims of the named studies and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", nargs="*", help="STUDY=FOLDER")
    for one in parser.parse_args().studies:
        name, _, folder = one.partition("=")
        claims = pd.read_csv(Path(folder) / "claims.csv")
        (DOCS / "claims").mkdir(exist_ok=True)
        dated = claims[[column for column in _KEPT if column in claims]]
        dated = dated.assign(date=datetime.date.today().isoformat())
        dated.to_csv(DOCS / "claims" / f"{name}.csv", index=False)
    path = DOCS / "findings.md"
    path.write_text(page(path.read_text(encoding="utf-8"), DOCS / "claims"), encoding="utf-8")


if __name__ == "__main__":
    main()
