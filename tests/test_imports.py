"""The house as its imports show it: no circle of modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"


def at_import(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Give the import statements that run when a module is imported."""
    for one in body:
        if isinstance(one, ast.Import | ast.ImportFrom):
            yield one
        elif isinstance(one, ast.If) and "TYPE_CHECKING" not in ast.unparse(one.test):
            yield from at_import([*one.body, *one.orelse])
        elif isinstance(one, ast.Try):
            yield from at_import([*one.body, *one.orelse, *(x for h in one.handlers for x in h.body)])
        elif isinstance(one, ast.ClassDef | ast.With):
            yield from at_import(one.body)


def imports_of(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Give the modules among some that each of them imports, from their texts by name."""
    found: dict[str, set[str]] = {}
    for name, text in sources.items():
        named: set[str] = set()
        for one in at_import(ast.parse(text).body):
            if isinstance(one, ast.Import):
                named |= {alias.name for alias in one.names}
            elif one.module:
                inner = {f"{one.module}.{alias.name}" for alias in one.names}
                named |= {each for each in inner if each in sources} or {one.module}
        found[name] = {each for each in named if each in sources and each != name}
    return found


def check_no_circle(sources: Mapping[str, str]) -> None:
    try:
        TopologicalSorter(imports_of(sources)).prepare()
    except CycleError as error:
        pytest.fail("these modules import each other in a circle: " + " <- ".join(error.args[1]))


def test_no_modules_import_each_other_in_a_circle() -> None:
    sources = {}
    for path in (SOURCE / "eigentrail").rglob("*.py"):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        sources[name] = path.read_text(encoding="utf-8")
    assert len(sources) > 500
    check_no_circle(sources)


def test_a_circle_is_found() -> None:
    sources = {
        "a": "from b import x",
        "b": "try:\n    import c\nexcept ImportError:\n    pass",
        "c": "import a",
    }
    with pytest.raises(pytest.fail.Exception, match="circle"):
        check_no_circle(sources)
    check_no_circle({**sources, "c": "def later():\n    import a"})
