"""A conformance suite for an analysis: what a page, a table and a cache expect of it."""

from __future__ import annotations

import json

from eigentrail.analyses import Analysis, run_analysis
from eigentrail.analyses.framework import storing
from eigentrail.analyses.framework.contract import NULL, PERCENTILE, P
from eigentrail.findings import MOST_WORDS, Finding
from eigentrail.findings.finding import strict_sentences
from eigentrail.report.glossary import lookup
from eigentrail.runs import Run


def check_analysis(analysis: Analysis, run: Run, *, layers: str | list[str] | None = None) -> list[Finding]:
    """Make an analysis of a run and check that it keeps its contract.

    Checked: each column has an explanation; the table has just these columns and its JSON no NaN; nulls are named and
    have draws; findings have a sentence of at most 25 words, a p-value from 0 to 1, and are corrected for how many were
    asked; figures have a title and data; a second call answers from the run, and one of another version does not.

    Args:
        analysis: the analysis.
        run: a run of which it can be made.
        layers: globs over parameter names; None for all.

    Returns:
        The findings, for checks of one's own.

    Raises:
        AssertionError: the contract is broken; the message says where.
    """
    with strict_sentences():
        found = run_analysis(run, analysis, layers=layers, progress=False)
        assert found.findings is not None
    assert found.tree.children, f"{analysis.name}: nothing was analysed: {found.skipped}"
    assert analysis.question and analysis.about, f"{analysis.name} has no question, or no line about it"
    for key, quantity in analysis.quantities.items():
        assert quantity.meaning.endswith("."), f"{analysis.name}: {key} is not explained in a sentence"
        assert "_" not in quantity.label, f"{analysis.name}: the label of {key} is no heading"
        if quantity.null is not None:
            assert quantity.null_name, f"{analysis.name}: the null of {key} has no name"
            for suffix in (NULL, PERCENTILE, P):
                entry = lookup(f"{analysis.name}:{key}{suffix}")
                assert entry.definition, f"{analysis.name}: {key}{suffix} is not explained"
    assert tuple(found.table.columns) == analysis.columns, f"{analysis.name}: the table has other columns"
    json.dumps([row.to_dict() for row in found.rows], allow_nan=False)
    json.dumps([one.to_dict() for one in found.findings], allow_nan=False)
    for one in found.findings:
        assert len(one.sentence.split()) <= MOST_WORDS, f"{analysis.name}: {one.sentence}"
        assert (one.p is None) == (one.p_adjusted is None), f"{analysis.name}: {one.subject} is not corrected"
        assert one.p is None or one.chance is not None, (
            f"{analysis.name}: {one.subject} has a p without its null"
        )
    node = next(iter(found.tree.children.values()))
    for figure in analysis.figures:
        if figure.when is None or figure.when(node):
            drawn = figure.draw(node, figure.title)
            assert drawn.layout.title.text, f"{analysis.name}: {figure.key} has no title"
            assert len(figure.data(node)), f"{analysis.name}: {figure.key} has no data"
            caption = figure.caption(node) if callable(figure.caption) else figure.caption
            assert len(caption) > 20, f"{analysis.name}: {figure.key} has no caption"
    if analysis.unit != "run":
        name = str(node.attrs["name"])
        assert storing.load(run, analysis, name) is not None, f"{analysis.name}: {name} was not kept"
        newer = type(analysis)(**{**vars(analysis), "version": analysis.version + 1})
        assert storing.load(run, newer, name) is None, (
            f"{analysis.name}: another version answers from an old result"
        )
    return found.findings
