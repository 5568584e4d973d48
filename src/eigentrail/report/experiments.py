"""What the page of a study of several trainings begins with: its claims, each with its finding, and its own figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from eigentrail.findings import ClaimResult
from eigentrail.recipes.framework.measurement import Measurement
from eigentrail.report.claims import claims_section
from eigentrail.report.sections import Listing, Plot, Section
from eigentrail.report.study_figures import drift_study, geodesic_study, hessian_study, swap_study

#: The figures of each study, by its name.
FIGURES: Mapping[str, Callable[[Measurement], list[Plot]]] = {
    "drift": drift_study.plots,
    "geodesic": geodesic_study.plots,
    "class-swap": swap_study.plots,
    "hessian": hessian_study.plots,
    "hessian-mlp256": hessian_study.plots,
    "hessian-spacings": hessian_study.spacing_plots,
}


def experiment_sections(
    name: str, measured: Measurement, claims: Sequence[ClaimResult] = ()
) -> list[Section]:
    """Make the sections that come before the runs.

    Args:
        name: the study's name.
        measured: what it found.
        claims: the claims, decided over seeds.

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
    if not claims:
        return sections
    sections.append(claims_section(claims))
    if name in FIGURES and measured.data:
        sections.append(Section("measured", "What was measured", tuple(FIGURES[name](measured))))
    return sections
