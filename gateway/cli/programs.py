"""The programs that run until stopped, as a command line of their own: they start without what the others import."""

import typer

from gateway.cli.errors import ErrorReportingGroup
from gateway.cli.serve import run_scorer, serve_command

SUMMARY = "LLM gateway that routes each task to the best model according to benchmark evidence."

PROGRAMS = {"serve": serve_command, "scorer": run_scorer}
"""By name of the command."""


def make_app() -> typer.Typer:
    """Return the command line without any command."""
    return typer.Typer(
        name="benchroute",
        help=SUMMARY,
        cls=ErrorReportingGroup,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
    )


def make_programs_app() -> typer.Typer:
    """Return the command line with the programs alone."""
    app = make_app()
    for name, program in PROGRAMS.items():
        app.command(name)(program)
    return app
