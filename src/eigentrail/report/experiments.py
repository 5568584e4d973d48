"""What the page of a study of several trainings begins with: its claims, each with its finding, and its own figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from eigentrail._cells import number
from eigentrail.figures.verdicts import verdict_bars
from eigentrail.recipes.framework.claims import Claim, Measured
from eigentrail.report.sections import Item, Listing, Plot, Prose, Section
from eigentrail.report.study_figures import drift_study, geodesic_study, hessian_study, swap_study

#: The figures of each study, by its name.
FIGURES: Mapping[str, Callable[[Measured], list[Plot]]] = {
    "drift": drift_study.plots,
    "geodesic": geodesic_study.plots,
    "class-swap": swap_study.plots,
    "hessian": hessian_study.plots,
    "hessian-mlp256": hessian_study.plots,
    "hessian-spacings": hessian_study.spacing_plots,
}


def experiment_sections(name: str, measured: Measured) -> list[Section]:
    """Make the sections that come before the runs.

    Args:
        name: the study's name.
        measured: what it found.

    Returns:
        What could not be measured, and the claims and the study's figures; none where nothing is left out of a study
        without claims.
    """
    told = [("the claims", measured.missing)] if measured.missing else []
    rows = tuple((who, why, None) for who, why in (*told, *measured.left_out))
    sections = []
    if rows:
        sections.append(
            Section(
                "not-measured",
                "What could not be measured",
                (Listing(("Training", "Reason"), rows),),
                "The learning curves below show what is there of these trainings.",
            )
        )
    if not measured.claims:
        return sections
    sections.append(
        Section(
            "claims",
            "What became of the claims",
            tuple(_claims(measured)),
            "Each claim of the source beside what was measured here, and beside chance or a rival explanation.",
        )
    )
    if name in FIGURES and measured.data:
        sections.append(Section("measured", "What was measured", tuple(FIGURES[name](measured))))
    return sections


def _claims(measured: Measured) -> list[Item]:
    counts = Counter(claim.verdict for claim in measured.claims)
    said = (
        f"Of {len(measured.claims)} confrontations of a claim with a measurement {counts['holds']} "
        f"{'holds' if counts['holds'] == 1 else 'hold'}, {counts['does not hold']} "
        f"{'does' if counts['does not hold'] == 1 else 'do'} not, and {counts['not decided']} "
        f"{'is' if counts['not decided'] == 1 else 'are'} not decided."
    )
    rows = tuple((claim.verdict, _text(claim), None) for claim in measured.claims)
    table = measured.claims_table
    bars = Plot(
        verdict_bars(table),
        table,
        "The same claim is asked of each training that it is about. The file has the claims with all their numbers.",
        "claims",
    )
    return [Prose((said,)), Listing(("Verdict", "Claim and finding"), rows), bars]


def _text(claim: Claim) -> str:
    beside = "" if claim.chance is None else f", to compare with {number(claim.chance)}"
    told = "" if claim.observed is None else f" ({claim.quantity}: {number(claim.observed)}{beside})"
    return f"{claim.source}: {claim.claim.rstrip('.')}. Found: {claim.finding.rstrip('.')}{told}."
