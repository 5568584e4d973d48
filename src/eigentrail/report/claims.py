"""What became of a source's claims: the section of a page, whatever kind of recipe measured them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from eigentrail._citations import cited
from eigentrail._text import counted
from eigentrail.chance import LEVEL
from eigentrail.figures.verdicts import verdict_bars
from eigentrail.findings import TOLD, ClaimResult, Verdict, adjusted_p
from eigentrail.report.sections import Listing, Plot, Prose, Section

# Of one claim, and of several.
_COUNTED = {
    Verdict.YES: ("holds", "hold"),
    Verdict.NO: ("does not hold", "do not hold"),
    Verdict.UNDECIDED: ("is not decided", "are not decided"),
}


def claims_table(claims: Sequence[ClaimResult]) -> pd.DataFrame:
    """Put claims into a table.

    Args:
        claims: the claims, decided.

    Returns:
        A row for each; `p_adjusted` is corrected for all of them.
    """
    rows = [one.to_dict() for one in claims]
    return pd.DataFrame([{**row, "p_adjusted": p} for row, p in zip(rows, adjusted_p(claims), strict=True)])


def counted_verdicts(claims: Sequence[ClaimResult]) -> str:
    """Count the verdicts.

    Args:
        claims: the claims, decided.

    Returns:
        How many there are of each, and how many decided ones stay so where all that were asked are corrected for.
    """
    counts = Counter(one.verdict for one in claims)
    said = [
        f"{counts[one]} {several if counts[one] > 1 else single}"
        for one, (single, several) in _COUNTED.items()
        if counts[one]
    ]
    told = f"Of {counted(len(claims), 'claim')} {', '.join(said)}."
    corrected = [
        p
        for one, p in zip(claims, adjusted_p(claims), strict=True)
        if p is not None and one.verdict is not Verdict.UNDECIDED
    ]
    if not corrected:
        return told
    stay = sum(p <= LEVEL for p in corrected)
    return (
        f"{told} Each is tested at {LEVEL:.0%}; with the false discovery rate of all {len(claims)} held at {LEVEL:.0%} "
        f"(Benjamini-Yekutieli) {stay} of the {len(corrected)} decided ones stay decided."
    )


def claims_section(claims: Sequence[ClaimResult]) -> Section:
    """Show each claim with its verdict over the seeds.

    Args:
        claims: the claims, decided.

    Returns:
        The section: how many hold, each with its numbers, and the verdicts by their place in the source.
    """
    rows = tuple((TOLD[one.verdict], _text(one), None) for one in claims)
    table = claims_table(claims)
    caption = "The file has the claims with all their numbers, seed by seed."
    return Section(
        "claims",
        "What became of the claims",
        (
            Prose((counted_verdicts(claims),)),
            Listing(("Verdict", "Claim and finding"), rows),
            Plot(verdict_bars(table), table, caption, "claims"),
        ),
        "Each claim of the source is decided from one value for each seed, by the rule that is named in the file.",
        nav="Claims",
    )


def _text(one: ClaimResult) -> str:
    found = f" {one.detail[0].upper()}{one.detail[1:].rstrip('.')}." if one.detail else ""
    statement = f"{one.claim.statement[0].upper()}{one.claim.statement[1:].rstrip('.')}."
    return f"{cited(one.claim.source)}: {statement} {one.measured[0].upper()}{one.measured[1:]}.{found}"
