"""`eigentrail sweep --list`: what the sweeps are that come along."""

from __future__ import annotations

from eigentrail.cli.fitting import SENTENCE, TableColumn, print_fitting
from eigentrail.cli.tables import console
from eigentrail.sweeps.files import about, sweep_names

_COLUMNS = (TableColumn("sweep"), TableColumn("what it is about", prose=SENTENCE))


def print_sweeps() -> None:
    """Describe the sweeps that come along, each by the first line of its file."""
    rows = [(name, about(name)) for name in sweep_names()]
    print_fitting(console(), _COLUMNS, rows, elsewhere="a pipe")
