"""Progress: bars on a terminal, plain lines elsewhere. Tables: numbers, and dashes where there are none."""

import io
import math

import pytest
from rich.console import Console

from gateway.cli.terminal import ProgressLines, format_number, format_prices, make_table, print_note, show_progress


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_come_every_few_seconds_and_at_the_end() -> None:
    clock, out = Clock(), io.StringIO()
    lines = ProgressLines(Console(file=out), clock)
    for second in range(11):
        clock.now = second
        lines("embedding", 100 + 10 * second, 200)
    assert out.getvalue().splitlines() == [
        "embedding: 150 of 200, 10/s, 5 s left",
        "embedding: 200 of 200 in 10.0 s",
    ]


def test_steps_that_do_not_advance_have_no_pace() -> None:
    clock, out = Clock(), io.StringIO()
    lines = ProgressLines(Console(file=out), clock)
    lines("embedding", 0, 200)
    clock.now = 6
    lines("embedding", 0, 200)
    assert out.getvalue() == "embedding: 0 of 200\n"


def test_a_terminal_gets_bars() -> None:
    out = io.StringIO()
    with show_progress(Console(file=out, force_terminal=True, width=100)) as steps:
        for done in range(3):
            steps("embedding", done, 2)
    assert "embedding" in out.getvalue()
    assert "2/2" in out.getvalue()


def test_a_note_is_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    print_note("[bold] " + "word " * 100 + "end")
    assert capsys.readouterr().err == "[bold] " + "word " * 100 + "end\n"


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (math.nan, "–"), (0.25, "0.250"), (0, "0.000")])
def test_numbers_and_dashes(value: float | None, shown: str) -> None:
    assert format_number(value) == shown


def test_prices_that_are_not_known_are_dashes() -> None:
    assert format_prices(0.3, None) == "0.3 / –"


def test_tables_take_names_as_they_are() -> None:
    out = io.StringIO()
    made = make_table(("model",), ("S1",))
    made.add_row("[red]odd:smile:[/]", "1")
    Console(file=out, markup=False, emoji=False).print(made)
    assert "[red]odd:smile:[/]" in out.getvalue()
