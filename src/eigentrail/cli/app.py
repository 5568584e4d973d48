"""The command `eigentrail`: its verbs, and how errors leave it."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, TextIO

import typer

import eigentrail
from eigentrail.cli import analyze as analyze_command
from eigentrail.cli import compare as compare_command
from eigentrail.cli import complete as complete_command
from eigentrail.cli import edit as edit_command
from eigentrail.cli import inspect as inspect_command
from eigentrail.cli import lora as lora_commands
from eigentrail.cli import report as report_command
from eigentrail.cli import selftest as selftest_command
from eigentrail.cli import study as study_command
from eigentrail.cli import sweep as sweep_command
from eigentrail.errors import EigentrailError, EigentrailWarning

# Newer Typers carry a Click of their own: this is the base of all errors of a call, in either.
_CallError: type[Exception] = next(
    c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException" and issubclass(c, Exception)
)

# What Typer makes of an interruption before anyone else sees it.
_INTERRUPTED = 130

app = typer.Typer(
    name="eigentrail",
    help="The structure that training puts into neural-network weights.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("inspect")(inspect_command.inspect)
app.command("compare")(compare_command.compare)
app.command("study")(study_command.study)
app.command("sweep")(sweep_command.sweep)
app.command("analyze")(analyze_command.analyze)
app.command("edit")(edit_command.edit)
app.command("complete")(complete_command.complete)
app.add_typer(lora_commands.app, name="lora")
app.command("report")(report_command.report)
app.command("selftest")(selftest_command.selftest)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"eigentrail {eigentrail.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """The structure that training puts into neural-network weights."""


def run(arguments: list[str] | None = None) -> int:
    """Run the command line without leaving Python.

    Args:
        arguments: without the program's name; None for `sys.argv`.

    Returns:
        The exit code.
    """
    try:
        with _warnings_as_notes():
            result = app(args=arguments, prog_name="eigentrail", standalone_mode=False)
        code = result if isinstance(result, int) else 0
    except _CallError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(str(error), file=sys.stderr)  # noqa: T201
            return 2
        said = error.format_message() if isinstance(error, typer.BadParameter) else str(error)
        return _complain(_one_line(said), 2)
    except EigentrailError as error:
        return _complain(_one_line(str(error)), 2)
    except (typer.Abort, KeyboardInterrupt):
        code = _INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe, `head` for instance, has had enough: that is no failure.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    if code == _INTERRUPTED:
        return _complain("interrupted; what was already written to the output folder is kept", 1)
    return code


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Show the package's own warnings as one line each: where in its code they arise says nothing to a user."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, EigentrailWarning):
                print(f"note: {_one_line(str(message))}", file=sys.stderr)  # noqa: T201
            else:
                usual(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _complain(text: str, code: int) -> int:
    print(f"eigentrail: {text}", file=sys.stderr)  # noqa: T201
    return code


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run())
