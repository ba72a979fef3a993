"""Help in terminals of every width shows whole names, in as many columns as there are."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from gateway.cli.app import app

WIDTHS = (40, 80, *(pytest.param(width, marks=pytest.mark.slow) for width in (60, 79, 90, 100, 120)))


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group with the words that name it."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(app))]
    while waiting:
        words, command = waiting.pop()
        yield words, command
        waiting += [((*words, name), one) for name, one in getattr(command, "commands", {}).items() if not one.hidden]


def printed(words: tuple[str, ...], columns: int) -> str:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": str(columns), "NO_COLOR": "1"})
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("columns", WIDTHS)
def test_every_option_of_every_command_is_shown_whole(columns: int) -> None:
    for words, command in commands():
        shown = printed(words, columns)
        names = {
            name
            for one in command.params
            if not getattr(one, "hidden", False)
            for name in (*one.opts, *one.secondary_opts)
        }
        options = {name for name in names if name.startswith("--")}
        found = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*(?![\w…-])", shown))
        assert options <= found, (words, options - found)


@pytest.mark.parametrize("columns", [40, pytest.param(60, marks=pytest.mark.slow)])
def test_lines_of_narrow_help_fit(columns: int) -> None:
    for words, _ in commands():
        for line in printed(words, columns).splitlines():
            # A command's whole name, and one word, such as a list of formats, may be longer than a line.
            assert len(line) <= columns or line.startswith("Usage: ") or re.fullmatch(r"\s*\S+( \S+)?\s*", line), (
                words,
                line,
            )


def test_help_of_a_usual_terminal_is_a_table() -> None:
    assert "╭─ Options ─" in printed(("serve",), 80)
    assert "╭─ Run a gateway ─" in printed((), 80)
    assert "╭" not in printed(("serve",), 40)
