"""Commands reference, from the command line: each command with its options, and the exit codes."""

import enum
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from docs.tables.markdown import code, table
from gateway.cli import errors
from gateway.cli.app import app

INTRO = """\
# Commands

`benchroute --help` and `benchroute COMMAND --help` print the same. `benchroute --install-completion` installs shell
completion; `--show-completion` prints the completion script. Results go to standard output, notes and progress to
standard error. `--json` prints one JSON document instead (`tail`: one per line).

Commands for a running gateway connect to `--url`, else `BENCHROUTE_URL`, else `http://127.0.0.1:8100`. They send the
key in `BENCHROUTE_ADMIN_KEY`, or in the environment variable that `--key-env` or `--admin-key-env` names.

## Exit codes

"""


def commands() -> str:
    """Return the text of the page."""
    exits = next(part for part in _blocks(errors.__doc__ or "") if part.startswith("| exit code"))
    parts = [INTRO + exits + "\n"]
    for name, command in _walk(typer.main.get_command(app)):
        parts.append(_section(name, command))
    return "\n".join(parts)


def _blocks(text: str) -> list[str]:
    return [block.strip() for block in text.split("\n\n")]


def _walk(command: Any, before: str = "benchroute") -> Iterator[tuple[str, Any]]:
    for name, found in sorted(command.commands.items()):
        path = f"{before} {name}"
        if not hasattr(found, "commands") or any(one.opts for one in found.params if one.name != "help"):
            yield path, found
        if hasattr(found, "commands"):
            yield from _walk(found, path)


def _section(name: str, command: Any) -> str:
    shown = [one for one in command.params if not getattr(one, "hidden", False) and one.name != "help"]
    arguments = " ".join(_usage(one) for one in shown if one.param_type_name == "argument")
    text = f"## {name}\n\n```text\n{name} {arguments}\n```\n\n" + " ".join((command.help or "").split()) + "\n"
    rows = [_row(one) for one in shown]
    return text + ("\n" + table(("Option", "Description", "Default"), rows) if rows else "")


def _usage(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return str(name) if argument.required else f"[{name}]"


def _row(parameter: Any) -> tuple[str, str, str]:
    is_argument = parameter.param_type_name == "argument"
    names = (
        [parameter.metavar or parameter.name.upper()] if is_argument else [*parameter.opts, *parameter.secondary_opts]
    )
    text = parameter.help or ""
    if getattr(parameter, "envvar", None):
        text += f" Environment variable: `{parameter.envvar}`."
    return ", ".join(map(code, names)), text, "required" if parameter.required else code(_default(parameter.default))


def _default(value: Any) -> str:
    if value is None or value is False or value == () or callable(value):
        return ""
    if isinstance(value, enum.Enum):
        return str(value.value)
    if value is True:
        return "yes"
    return value.as_posix() if isinstance(value, Path) else str(value)
