"""Calculation: expressions, percentages, word problems."""

from dataclasses import dataclass

from demo.reading import format_number
from demo.skills.expressions import evaluate_expression, evaluate_words
from demo.skills.percent import solve_percentage
from demo.skills.stories import solve_story
from demo.skills.words import with_digits


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Solver of calculations.

    Attributes:
        significant_digits: digits of a result; None for all of them.
    """

    significant_digits: int | None = None

    def answer(self, text: str) -> str | None:
        """Return the number that the text asks for, in a short sentence."""
        text = with_digits(text)
        for reading in (solve_percentage, evaluate_expression, evaluate_words, solve_story):
            value = reading(text)
            if value is not None:
                return f"The answer is {format_number(self._rounded(value))}."
        return None

    def _rounded(self, value: float) -> float:
        digits = self.significant_digits
        return value if digits is None else float(f"{value:.{digits}g}")
