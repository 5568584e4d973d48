"""`eigentrail study --list`: what the recipes are; none of their networks, data and plans is loaded for it."""

from __future__ import annotations

from rich.text import Text

from eigentrail._citations import citations, cited
from eigentrail.cli.fitting import SENTENCE, TableColumn, print_fitting
from eigentrail.cli.tables import console
from eigentrail.recipes.framework.registry import recipes

_COLUMNS = (
    TableColumn("study"),
    TableColumn("source", 2, prose=10),
    TableColumn("network", 4),
    TableColumn("data", 3, prose=10),
    TableColumn("what it shows", prose=SENTENCE),
    TableColumn("time on 2 cores", prose=16),
    TableColumn("disk", 1, prose=16),
)


def print_recipes() -> None:
    """Describe the recipes: source, network, data, what each shows, its time and its disk."""
    rows = [
        (one.name, cited(one.source), one.network or "-", one.data, one.shows, one.minutes, one.disk)
        for one in recipes().values()
    ]
    out = console()
    print_fitting(out, _COLUMNS, rows, elsewhere="a pipe")
    out.print()
    for one in citations(" ".join(cited(row.source) for row in recipes().values())):
        out.print(Text(one))
