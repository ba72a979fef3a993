"""What the commands print with: results go to standard output, notes and progress to standard error."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 200
"""Columns where there is no terminal: tables must not be cut on their way into a file."""

LINE_EVERY_S = 5.0
QUICK_S = 2.0
"""What is done sooner than this needs no line."""
UNKNOWN = "–"

ProgressSteps = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""


def stdout_console() -> Console:
    """Standard output."""
    return _console(stderr=False)


def stderr_console() -> Console:
    """Standard error."""
    return _console(stderr=True)


def print_note(sentence: str) -> None:
    """One line on standard error."""
    stderr_console().print(sentence, soft_wrap=True)


def make_table(left: Sequence[str], right: Sequence[str]) -> Table:
    """An empty table: columns of words, then columns of numbers."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in left:
        made.add_column(name, overflow="fold")
    for name in right:
        made.add_column(name, justify="right")
    return made


def format_number(value: float | None, pattern: str = "{:.3f}") -> str:
    """The value in that pattern; a dash where there is none, or a NaN."""
    return UNKNOWN if value is None or math.isnan(value) else pattern.format(value)


def format_prices(input_usd_per_mtok: float | None, output_usd_per_mtok: float | None) -> str:
    """Both prices in one cell."""
    return f"{format_number(input_usd_per_mtok, '{:g}')} / {format_number(output_usd_per_mtok, '{:g}')}"


@contextmanager
def show_progress(console: Console, clock: Callable[[], float] = time.monotonic) -> Iterator[ProgressSteps]:
    """Shows the steps that the block reports: bars on a terminal, elsewhere a line now and then."""
    if not console.is_terminal:
        yield ProgressLines(console, clock)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console) as bars:
        yield _Bars(bars)


class ProgressLines:
    """Steps as plain lines: every few seconds, and at the end."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._begun: dict[str, tuple[float, int]] = {}
        self._last_line_s = -math.inf

    def __call__(self, what: str, done: int, total: int) -> None:
        """See Steps."""
        now = self._clock()
        if what not in self._begun:
            self._begun[what], self._last_line_s = (now, done), now
            return
        is_worth_a_line = (
            now - self._begun[what][0] >= QUICK_S if done == total else now - self._last_line_s >= LINE_EVERY_S
        )
        if is_worth_a_line:
            self._last_line_s = now
            self._console.print(f"{what}: {done} of {total}{self._pace(what, done, total, now)}")

    def _pace(self, what: str, done: int, total: int, now: float) -> str:
        begun_s, before = self._begun[what]
        took_s = now - begun_s
        if done == total:
            return f" in {took_s:.1f} s"
        per_s = (done - before) / took_s
        return f", {per_s:.0f}/s, {(total - done) / per_s:.0f} s left" if per_s else ""


def format_counterfactual(console: Console, decision: Mapping[str, Any]) -> None:
    """What would change a decision, where that is told."""
    found = decision.get("would_change")
    if found is not None:
        console.print(found["text"], soft_wrap=True)


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._ids = {task.description: task.id for task in bars.tasks}

    def __call__(self, what: str, done: int, total: int) -> None:
        if what not in self._ids:  # steps done before are no part of the pace
            self._ids[what] = self._bars.add_task(what, total=total, completed=done)
        self._bars.update(self._ids[what], completed=done)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f}/s" if speed else "")


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    return console
