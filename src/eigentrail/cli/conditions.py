"""`--fail-on EXPRESSION`: a small, closed language over the columns of a row. Nothing is ever evaluated as Python."""

from __future__ import annotations

import ast
import difflib
import operator
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from eigentrail.api.inspection import table_columns
from eigentrail.cli.tables import note
from eigentrail.errors import OptionError
from eigentrail.spectra.phases import PHASES

_COMPARE = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
_ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


_NAMED = 5


@dataclass(frozen=True)
class Condition:
    """A parsed expression.

    Attributes:
        text: as the user wrote it.
        tree: its syntax tree, of allowed nodes only.
    """

    text: str
    tree: ast.expr

    @classmethod
    def parse(cls, text: str, columns: Sequence[str] | None = None) -> Condition:
        """Parse an expression such as `alpha > 6 or phase == "rank-collapse"`.

        Args:
            text: comparisons of column names, numbers and strings, with and, or, not, in, + - * / and brackets.
            columns: the columns there are; those of `inspect` by default.

        Returns:
            The condition.

        Raises:
            OptionError: when it is no such expression or names an unknown column.
        """
        try:
            tree = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            msg = f"--fail-on {text!r} is not an expression; write for example 'alpha > 6 or spikes == 0'"
            raise OptionError(msg) from error
        _check(tree, text, table_columns() if columns is None else columns)
        return cls(text, tree)

    def holds(self, row: dict[str, Any]) -> bool:
        """Tell whether the condition holds for a row.

        Args:
            row: a row of `Inspection.table`.

        Returns:
            True when it holds; a comparison with a missing number never holds.
        """
        return bool(_value(self.tree, row))


def exit_code(
    condition: Condition | None, rows: Iterable[dict[str, Any]], not_finite: Collection[str] = ()
) -> int:
    """Say for which layers a condition holds; a layer of NaN or infinite entries fails any.

    Args:
        condition: from `--fail-on`; None without it.
        rows: of the table.
        not_finite: the layers that could not be analysed for their NaN or infinite entries.

    Returns:
        1 where it holds for one, 0 otherwise.
    """
    if condition is None:
        return 0
    held = [str(row["name"]) for row in rows if condition.holds(row)]
    for names, what in (
        (held, f"--fail-on {condition.text!r} holds for"),
        (list(not_finite), "NaN or infinite:"),
    ):
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            note(f"{what} {', '.join(names[:_NAMED])}{more}")
    return int(bool(held or not_finite))


def _check(node: ast.expr, text: str, columns: Sequence[str]) -> None:
    match node:
        case ast.Name(id=name):
            if name not in columns:
                near = difflib.get_close_matches(name, columns, n=3) or list(columns[:3])
                raise OptionError(
                    f"--fail-on {text!r}: there is no column {name!r}; did you mean {', '.join(near)}?"
                )
        case ast.Constant(value=int() | float() | str() | None):
            pass
        case ast.BoolOp(values=parts):
            for part in parts:
                _check(part, text, columns)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=part):
            _check(part, text, columns)
        case ast.BinOp(left=left, right=right, op=op) if type(op) in _ARITHMETIC:
            _check(left, text, columns)
            _check(right, text, columns)
        case ast.Compare(left=left, ops=ops, comparators=parts) if all(
            type(op) in _COMPARE or isinstance(op, ast.In | ast.NotIn) for op in ops
        ):
            _check_phases((left, *parts), text)
            for part in (left, *parts):
                _check(part, text, columns)
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            for part in parts:
                _check(part, text, columns)
        case _:
            msg = f"--fail-on {text!r}: only column names, numbers, strings, comparisons, and, or, not are understood"
            raise OptionError(msg)


def _check_phases(parts: Sequence[ast.expr], text: str) -> None:
    """Refuse a phase that is none: it would never hold, whatever the layers are."""
    if not any(isinstance(part, ast.Name) and part.id.startswith("phase") for part in parts):
        return
    for part in parts:
        for one in part.elts if isinstance(part, ast.Tuple | ast.List) else [part]:
            named = one.value if isinstance(one, ast.Constant) else None
            if isinstance(named, str) and not any(named in label for label in PHASES):
                raise OptionError(f"--fail-on {text!r}: {named!r} is no phase; these are {', '.join(PHASES)}")


def _value(node: ast.expr, row: dict[str, Any]) -> Any:
    match node:
        case ast.Name(id=name):
            value = row[name]
            if isinstance(value, list) and all(isinstance(v, str) for v in value):
                return "; ".join(value)  # as in the CSV: 'over-trained' in warnings
            return value
        case ast.Constant(value=value):
            return value
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_value(p, row) for p in parts)
        case ast.BoolOp(values=parts):
            return any(_value(p, row) for p in parts)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return not _value(part, row)
        case ast.UnaryOp(operand=part):
            number = _value(part, row)
            return None if number is None else -number
        case ast.BinOp(left=left, right=right, op=op):
            return _arithmetic(type(op), _value(left, row), _value(right, row))
        case ast.Compare(left=left, ops=ops, comparators=parts):
            values = [_value(p, row) for p in (left, *parts)]
            return all(_compare(op, x, y) for op, x, y in zip(ops, values, values[1:], strict=False))
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [_value(p, row) for p in parts]
    raise OptionError(f"--fail-on cannot use {ast.unparse(node)}")


def _arithmetic(op: type[ast.operator], x: Any, y: Any) -> Any:
    if x is None or y is None:
        return None
    try:
        return _ARITHMETIC[op](x, y)
    except ZeroDivisionError:
        return None
    except TypeError as error:
        raise OptionError(f"--fail-on cannot compute with {x!r} and {y!r}: numbers are needed") from error


def _compare(op: ast.cmpop, x: Any, y: Any) -> bool:
    equality = isinstance(op, ast.Eq | ast.NotEq)
    if x is None or y is None:
        return equality and bool(_COMPARE[type(op)](x, y))
    try:
        if isinstance(op, ast.In):
            return x in y
        if isinstance(op, ast.NotIn):
            return x not in y
        if equality and isinstance(x, str) != isinstance(y, str):
            raise TypeError
        return bool(_COMPARE[type(op)](x, y))
    except TypeError as error:
        raise OptionError(
            f"--fail-on cannot compare {x!r} with {y!r}: one is text, the other is not"
        ) from error
