"""Results as figures and as one self-contained page; the figures are pure functions, usable in notebooks too."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from eigentrail.errors import OptionError

if TYPE_CHECKING:
    from eigentrail.report.comparison import comparison_page as comparison_page
    from eigentrail.report.inspection import inspection_page as inspection_page
    from eigentrail.report.notebook import FigureBook as FigureBook
    from eigentrail.report.notebook import comparison_figures as comparison_figures
    from eigentrail.report.notebook import inspection_figures as inspection_figures
    from eigentrail.report.origin import origin_of as origin_of
    from eigentrail.report.origin import refuse_another as refuse_another
    from eigentrail.report.page import render as render
    from eigentrail.report.page import write_page as write_page
    from eigentrail.report.tables import table_html as table_html

# Plotly and the templates load with the first page.
_LATER = {
    "FigureBook": "notebook",
    "comparison_figures": "notebook",
    "comparison_page": "comparison",
    "inspection_figures": "notebook",
    "inspection_page": "inspection",
    "origin_of": "origin",
    "refuse_another": "origin",
    "render": "page",
    "table_html": "tables",
    "write_page": "page",
}


class _Room(ModuleType):
    # People call `et.report(run)`: this room holds the pages' parts, the function has another name.
    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        raise OptionError(
            "report is where pages are made: call eigentrail.report_runs(run, path), or .report(path) of a result"
        )


sys.modules[__name__].__class__ = _Room


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"eigentrail.report.{_LATER[name]}"), name)
    raise AttributeError(f"eigentrail.report has no {name}")


def __dir__() -> list[str]:
    return sorted(_LATER)
