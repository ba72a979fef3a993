"""Calculates: expressions, percentages, word problems."""

from dataclasses import dataclass

from gateway.demo.reading import plain
from gateway.demo.skills.expressions import in_words, written_out
from gateway.demo.skills.percent import of_hundred
from gateway.demo.skills.stories import total
from gateway.demo.skills.words import with_digits


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
