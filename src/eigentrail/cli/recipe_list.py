"""`eigentrail study --list`: what the recipes are; none of their networks, data and plans is loaded for it."""

from __future__ import annotations

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
        (one.name, one.source, one.network or "-", one.data, one.shows, one.minutes, one.disk)
        for one in recipes().values()
    ]
    print_fitting(console(), _COLUMNS, rows, elsewhere="a pipe")
