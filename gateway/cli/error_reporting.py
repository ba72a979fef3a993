"""Errors raised on purpose, told in a sentence on standard error; anything else keeps its traceback.

| exit code | for |
|---|---|
| 0 | all went well; for `doctor`, a gateway would work |
| 2 | what the caller gave: configuration, benchmark, inputs, options |
| 1 | everything else |
| 3 | `serve` cannot listen where it should |
| 130 | Ctrl-C |
"""

from typing import Any

import typer
from typer.core import TyperGroup

from gateway.cli.errors import CliError
from gateway.errors import ConfigError, GatewayError, StateError
from routing.errors import BenchmarkError, PackCorrupted, PackMismatch, RoutingError

INTERRUPTED = 130

EXTRAS = {
    "hnswlib": "routing",
    "numpy": "routing",
    "pyarrow": "routing",
    "sentence_transformers": "routing",
    "torch": "routing",
    "transformers": "routing",
    "openai": "demo",
    "litellm": "litellm",
    "redis": "redis",
    "opentelemetry": "otel",
}
"""Which optional dependency installs a module."""


NEXT_STEPS: tuple[tuple[type[Exception], str], ...] = (
    (StateError, "`benchroute doctor` says what stands in the way"),
    (PackCorrupted, "copy the pack again, or build it again with `benchroute pack build`"),
    (PackMismatch, "build the pack again with `benchroute pack build`, or install what it was built with"),
)
"""Most specific first. Other errors say it themselves."""


class ErrorReportingGroup(TyperGroup):
    """The one place where the command line's errors become messages and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command. Raises typer.Exit after an error that has been told."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise _told(": ".join(["interrupted", *map(str, error.args)]), INTERRUPTED) from None
        except (CliError, RoutingError, GatewayError) as error:
            raise _told(f"error: {error}{next_step(error)}", exit_code(error)) from error
        except ImportError as error:
            extra = EXTRAS.get((error.name or "").partition(".")[0])
            if extra is None:
                raise
            raise _told(f"error: {error.name} is not installed: pip install 'benchroute[{extra}]'", 1) from error
        except OSError as error:
            if error.filename is None:  # no file's fault: a broken pipe, which typer knows about, or something to trace
                raise
            raise _told(f"error: {error.filename}: {error.strerror}", 1) from error


def exit_code(error: Exception) -> int:
    """2 where the caller's own files or options are at fault, else 1."""
    if isinstance(error, CliError):
        return error.exit_code
    return 2 if isinstance(error, ConfigError | BenchmarkError) else 1


def next_step(error: Exception) -> str:
    """What to do about it, where its message alone does not say."""
    return next((f"; {step}" for kind, step in NEXT_STEPS if isinstance(error, kind)), "")


def _told(message: str, code: int) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(code)
