"""The part of a page that an analysis makes by its contract: a section with verdicts and figures, and layer entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import xarray as xr

from eigentrail._cells import ABSENT, cell
from eigentrail._untrusted import file_stem, plotly_text
from eigentrail.analyses import Analysis, AnalysisResult, Figure, Row
from eigentrail.analyses.framework.contract import NULL, PERCENTILE, P
from eigentrail.analyses.framework.subjects import WHOLE
from eigentrail.findings import Finding, Verdict, strongest_first
from eigentrail.report.run_story import EVOLUTION, RunStory
from eigentrail.report.sections import Fact, Facts, Item, Listing, Plot, Prose, Section

# Browsers draw a handful of turning scenes at a time.
_MOST_RUNS, _LISTED = 4, 40
_ABBREVIATION = 3
# So many curves a figure of all layers has at most.
_DRAWN = 10


def analysis_sections(stories: Sequence[RunStory]) -> list[Section]:
    """Make the sections of all analyses that the runs have, in the order of the registry.

    Args:
        stories: the runs.

    Returns:
        The sections; that of the evolution is told elsewhere on the page.
    """
    known: dict[str, Analysis] = {}
    for story in stories:
        known |= {name: found.analysis for name, found in story.found.items() if name != EVOLUTION}
    made = []
    for name, analysis in sorted(known.items(), key=lambda pair: (pair[1].order, pair[0])):
        section = _section(analysis, [story for story in stories if name in story.found])
        if section is not None:
            made.append(section)
    return made


def verdict_summary(findings: Sequence[Finding]) -> str:
    """Sum the verdicts of one question up.

    Args:
        findings: of one question.

    Returns:
        "yes in 4 of 6", "in 2 of 6" where it is yes in fewer than half, or "no in 6 of 6", with what is undecided;
        empty without findings.
    """
    if not findings:
        return ""
    counts = Counter(one.verdict for one in findings)
    if not counts[Verdict.YES] and counts[Verdict.NO]:
        said = f"no in {counts[Verdict.NO]} of {len(findings)}"
    else:
        # Of a few among many no plain yes is said.
        few = 0 < 2 * counts[Verdict.YES] < len(findings)
        said = f"{'' if few else 'yes '}in {counts[Verdict.YES]} of {len(findings)}"
    if counts[Verdict.UNDECIDED]:
        said += f", undecided in {counts[Verdict.UNDECIDED]}"
    return said


def layer_items(story: RunStory, layer: str, stem: str) -> list[Item]:
    """Make what the analyses of a run add to the entry of a layer.

    Args:
        story: the run.
        layer: the layer's name.
        stem: start of the names of its files.

    Returns:
        Findings, numbers and figures, analysis by analysis; those of the evolution are told elsewhere on the page.
    """
    items: list[Item] = []
    for name, found in story.found.items():
        rows = [row for row in found.rows if row.name == layer] if name != EVOLUTION else []
        if not rows:
            continue
        told = found.of(layer)
        if told:
            items.append(Listing((found.analysis.question, "Finding"), tuple(map(_listed, told))))
        items += [_facts(found.analysis, row) for row in rows]
        items += _plots(found.analysis, rows[0].node, story.named(layer), stem)
    return items


def result_terms(stories: Sequence[RunStory]) -> tuple[str, ...]:
    """Name the explanations that the sections need.

    Args:
        stories: the runs.

    Returns:
        "analysis:column" for each number of each analysis.
    """
    terms = dict.fromkeys(
        f"{name}:{column}"
        for story in stories
        for name, found in story.found.items()
        for column in found.analysis.columns
        if name != EVOLUTION
    )
    return tuple(terms)


def _section(analysis: Analysis, stories: Sequence[RunStory]) -> Section | None:
    found = [(story, story.found[analysis.name]) for story in stories]
    nodes = [(story, node) for story, one in found for node in one.tree.children.values()]
    if not nodes:
        return None
    # As the network has its layers, the whole network last: each has the same colour in every figure.
    place = {id(node): (node.attrs["name"] == WHOLE, number) for number, (_, node) in enumerate(nodes)}
    # Whole networks first, then the largest layers, those that the figures show.
    nodes.sort(key=lambda pair: (pair[1].attrs["name"] != WHOLE, -_size(pair[1])))
    items: list[Item] = []
    findings = [(story, one) for story, result in found for one in result.findings]
    for question in dict.fromkeys(one.question for _, one in findings):
        asked = [(story, one) for story, one in findings if one.question == question]
        items.append(_answers(question, asked))
    drawn = sorted(nodes[:_DRAWN], key=lambda pair: place[id(pair[1])]) + nodes[_DRAWN:]
    labelled = [(story.named(str(node.attrs["name"])), node) for story, node in drawn]
    for overview in analysis.overviews:
        if len(labelled) >= overview.fewest:
            figure = overview.draw(labelled, overview.title)
            items.append(Plot(figure, overview.data(labelled), overview.caption, overview.key, overview.wide))
    shown: dict[int, xr.DataTree] = {}
    for story, node in nodes:
        if id(story) not in shown and len(shown) < _MOST_RUNS:
            shown[id(story)] = node
            label = story.named(str(node.attrs["name"]))
            items += _plots(analysis, node, label, file_stem(label), named=True, few=len(stories) > 1)
    verdict = (
        verdict_summary([one for _, one in findings if one.question == findings[0][1].question])
        if findings
        else ""
    )
    title = analysis.question
    if verdict:
        asks = title.endswith("?")
        title += f" {verdict[:1].upper()}{verdict[1:]}" if asks else f": {verdict}"
    lead = analysis.about[:1].upper() + analysis.about[1:] + "."
    # An abbreviation stays one.
    nav = analysis.name.upper() if len(analysis.name) <= _ABBREVIATION else analysis.name.capitalize()
    return Section(analysis.name, title, tuple(items), lead, nav=nav, folded=True)


def _answers(question: str, asked: Sequence[tuple[RunStory, Finding]]) -> Listing:
    whose = {id(one): story for story, one in asked}
    ordered = strongest_first(one for _, one in asked)
    rows = tuple(
        (whose[id(one)].named(one.subject), f"{one.sentence} {_sure(one)}".strip(), None)
        for one in ordered[:_LISTED]
    )
    more = f", the first {_LISTED} of {len(ordered)}" if len(ordered) > _LISTED else ""
    return Listing((f"{question}{more}", verdict_summary(ordered)), rows)


def _listed(one: Finding) -> tuple[str, str, int | None]:
    return (
        f"{one.subject}: {one.verdict}",
        " ".join(part for part in (one.sentence, one.detail) if part),
        None,
    )


def _sure(one: Finding) -> str:
    if one.p_adjusted is None:
        return ""
    if one.asked > 1:
        return f"(p = {one.p:.2g}; {one.p_adjusted:.2g} for {one.asked} asked)"
    return f"(p = {one.p:.2g})"


def _size(node: xr.DataTree) -> int:
    about = node.attrs
    return int(about.get("n") or (about.get("rows") or 1) * (about.get("cols") or 1))


def _facts(analysis: Analysis, row: Row) -> Facts:
    facts = []
    values = row.to_dict()
    for key, quantity in analysis.quantities.items():
        if isinstance(values[key], list):
            continue
        shown = cell(values[key])
        why = quantity.absent if shown == ABSENT else ""
        facts.append(Fact(f"{analysis.name}:{key}", quantity.label, shown, why))
        if quantity.null is not None and values[f"{key}{NULL}"] is not None:
            beside = row.compared(key)
            assert beside is not None
            facts.append(
                Fact(f"{analysis.name}:{key}{NULL}", f"{quantity.label}, null median", cell(beside.median))
            )
            facts.append(
                Fact(
                    f"{analysis.name}:{key}{PERCENTILE}",
                    f"{quantity.label}, percentile",
                    beside.percentile_text,
                )
            )
            facts.append(Fact(f"{analysis.name}:{key}{P}", f"{quantity.label}, p", cell(beside.p)))
    case = ", ".join(map(str, row.case.values()))
    notes = row["notes"]
    if isinstance(notes, list) and notes:
        facts.append(Fact("", "Notes", "; ".join(map(str, notes))))
    return Facts(f"{analysis.question}{f' ({case})' if case else ''}", tuple(facts))


def _plots(
    analysis: Analysis, node: xr.DataTree, label: str, stem: str, *, named: bool = False, few: bool = False
) -> list[Item]:
    items: list[Item] = []
    for figure in analysis.figures:
        if figure.when is not None and not figure.when(node):
            continue
        if few and items:
            break
        items.append(_plot(figure, node, label, stem, named))
    return items or [Prose((f"Nothing can be drawn of {label}.",))]


def _plot(figure: Figure, node: xr.DataTree, label: str, stem: str, named: bool) -> Plot:
    title = (
        f"{plotly_text(label, 44)}: {figure.title}" if named else figure.title[:1].upper() + figure.title[1:]
    )
    caption = figure.caption(node) if callable(figure.caption) else figure.caption
    drawn = figure.draw(node, title)
    drawn.update_layout(title_text=title)
    return Plot(drawn, figure.data(node), caption, f"{stem}-{figure.key}", figure.wide)


def results_of(stories: Sequence[RunStory], name: str) -> list[AnalysisResult]:
    """Collect an analysis of several runs.

    Args:
        stories: the runs.
        name: the analysis' name.

    Returns:
        The results of those that have it.
    """
    return [story.found[name] for story in stories if name in story.found]
