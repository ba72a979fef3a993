"""Demo models: their skills, their nominal sizes, and their prices.

Names, sizes and prices are made up; the skills are real programs (skills/), and their quality is measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from demo.skills.arithmetic import Arithmetic
from demo.skills.calendar import Leapless
from demo.skills.crude import Crude
from demo.skills.dates import Dates
from demo.skills.facts import Facts
from demo.skills.guess import DO_NOT_KNOW, guess_answer
from demo.skills.passages import Passages
from demo.skills.strings import Strings
from demo.skills.units import Units

BACKEND_BASE_URL = "http://${BENCHROUTE_DEMO_HOST:-127.0.0.1}:${BENCHROUTE_DEMO_PORT:-8101}/v1"
"""URL of the demo backend in a configuration; the variables let a run choose a free port."""

GENERALIST = "generalist-xl"


class Skill(Protocol):
    """Solver of questions in plain English."""

    def answer(self, text: str) -> str | None:
        """Return the answer as free text, or None if the question is not understood."""


@dataclass(frozen=True, slots=True)
class DemoModel:
    """A model of the demo.

    Attributes:
        skills: tried in this order; the first that understands a question answers it.
        guesses: True to guess where none does, False to admit that it does not know.
    """

    name: str
    about: str
    params_b: float
    input_usd_per_mtok: float
    output_usd_per_mtok: float
    skills: Sequence[Skill]
    context_window: int = 8192
    guesses: bool = True

    def answer(self, text: str) -> str:
        """Return the answer to one user message."""
        for skill in self.skills:
            found = skill.answer(text)
            if found is not None:
                return found
        return guess_answer(text) if self.guesses else DO_NOT_KNOW

    def cost_usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return the price of one request."""
        return (prompt_tokens * self.input_usd_per_mtok + completion_tokens * self.output_usd_per_mtok) / 1e6


_COARSE = (
    Units(factor_digits=2),
    Dates(calendar=Leapless()),
    Facts(),
    Passages(sentences_read=3),
    Strings(reach=8, first_letter_only=True),
    Arithmetic(significant_digits=3),
)
"""A bit of everything with blunter tools: two digits of a conversion factor, no 29 February, and so on."""

MODELS: Sequence[DemoModel] = (
    DemoModel(GENERALIST, "answers everything, roughly", 405.0, 8.0, 24.0, _COARSE, 131072),
    DemoModel("calc-1", "arithmetic", 7.0, 0.3, 0.6, (Arithmetic(),)),
    DemoModel("scribe-1", "letters and words", 7.0, 0.25, 0.5, (Strings(),)),
    DemoModel("metric-1", "units of measurement", 8.0, 0.3, 0.6, (Units(),)),
    DemoModel("almanac-1", "the calendar", 8.0, 0.3, 0.6, (Dates(),)),
    DemoModel("reader-1", "short passages", 13.0, 0.4, 0.8, (Passages(),), 32768),
    DemoModel("pico", "rules of thumb", 0.5, 0.05, 0.1, (Crude(),)),
)
"""All of them, in the order of the benchmark's columns."""

BY_NAME: Mapping[str, DemoModel] = {model.name: model for model in MODELS}

SPECIALISTS: Mapping[str, str] = {
    "arithmetic": "calc-1",
    "strings": "scribe-1",
    "units": "metric-1",
    "dates": "almanac-1",
    "passages": "reader-1",
}
"""Skill -> the model made for it."""
