"""Errors of the command line: one line on standard error and an exit code. Unexpected errors keep their traceback.

| exit code | for |
|---|---|
| 0 | success; for `doctor`, a gateway would work |
| 2 | invalid configuration, benchmark, inputs or options |
| 1 | any other error |
| 3 | `serve` cannot listen on its address |
| 130 | Ctrl-C |

CliError
├── InputsError        inputs that cannot be read, with file and line (exit code 2)
├── OptionError        an option that cannot be fulfilled (exit code 2)
├── AdminRequestError  a gateway rejects a request, or is unreachable
└── CacheError         the embedding cache cannot be used
"""

from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from gateway.cli.narrow_help import use_plain_help
from gateway.errors import ConfigError, GatewayError, StateError
from routing.errors import BenchmarkError, PackCorrupted, PackMismatch, RoutingError


class CliError(Exception):
    """Base class of the command line's errors. The message is shown in the terminal."""

    exit_code: ClassVar[int] = 1


class InputsError(CliError):
    """A task's inputs cannot be read."""

    exit_code = 2


class OptionError(CliError):
    """An option that cannot be fulfilled."""

    exit_code = 2


class AdminRequestError(CliError):
    """A gateway rejects a request, or is unreachable. status: of its response, None without one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class CacheError(CliError):
    """The embedding cache is corrupt or cannot be written."""


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
"""Extras by the module that they install."""

NEXT_STEPS: tuple[tuple[type[Exception], str], ...] = (
    (StateError, "run `benchroute doctor` for details"),
    (PackCorrupted, "copy the pack again, or rebuild it with `benchroute pack build`"),
    (PackMismatch, "rebuild the pack with `benchroute pack build`, or install the packages it was built with"),
)
"""Next steps by error, the most specific first. Messages of other errors contain their own."""


class ErrorReportingGroup(TyperGroup):
    """Turns errors into messages and exit codes; no other place does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options in front of the command; `--help` is answered here."""
        use_plain_help(self, ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises typer.Exit after reporting an error."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise _report(": ".join(["interrupted", *map(str, error.args)]), INTERRUPTED) from None
        except (CliError, RoutingError, GatewayError) as error:
            raise _report(f"error: {error}{next_step(error)}", exit_code(error)) from error
        except ImportError as error:
            extra = EXTRAS.get((error.name or "").partition(".")[0])
            if extra is None:
                raise
            raise _report(f"error: {error.name} is not installed: pip install 'benchroute[{extra}]'", 1) from error
        except OSError as error:
            if error.filename is None:  # not about a file: a broken pipe, which typer handles, or an error to trace
                raise
            raise _report(f"error: {error.filename}: {error.strerror}", 1) from error


def exit_code(error: Exception) -> int:
    """Return 2 for errors in the caller's files or options, else 1."""
    if isinstance(error, CliError):
        return error.exit_code
    return 2 if isinstance(error, ConfigError | BenchmarkError) else 1


def next_step(error: Exception) -> str:
    """Return the next step to append to an error's message, empty if the message contains it."""
    return next((f"; {step}" for kind, step in NEXT_STEPS if isinstance(error, kind)), "")


def _report(message: str, code: int) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(code)
