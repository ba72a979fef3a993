"""Calculates: expressions, percentages, word problems."""

from dataclasses import dataclass

from demo.reading import plain
from demo.skills.expressions import in_words, written_out
from demo.skills.percent import of_hundred
from demo.skills.stories import total
from demo.skills.words import with_digits


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """significant_digits: how many digits of a result are kept; None keeps all of them."""

    significant_digits: int | None = None

    def answer(self, text: str) -> str | None:
        """The number that the text asks for, in a short sentence."""
        text = with_digits(text)
        for reading in (of_hundred, written_out, in_words, total):
            value = reading(text)
            if value is not None:
                return f"The answer is {plain(self._rounded(value))}."
        return None

    def _rounded(self, value: float) -> float:
        digits = self.significant_digits
        return value if digits is None else float(f"{value:.{digits}g}")
