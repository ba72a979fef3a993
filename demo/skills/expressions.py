"""Sums spelled out with operators, or with verbs and nouns for them."""

import math
import re
from collections.abc import Callable, Sequence

from demo.reading import NUMBER, parse_numbers
from demo.skills.words import mentions_any

_OPERATORS = (
    (r"\s+(?:plus|added to)\s+", " + "),
    (r"\s+(?:minus|less)\s+", " - "),
    (r"\s+(?:times|multiplied by)\s+|(?<=\d)\s*[x×]\s*(?=\d)", " * "),
    (r"\s+divided by\s+|\s*÷\s*", " / "),
)
_EXPRESSION = re.compile(rf"{NUMBER}(?:\s*[-+*/]\s*{NUMBER})+")
_PART = re.compile(rf"{NUMBER}|[-+*/]")


def evaluate_expression(text: str) -> float | None:
    """Return the value of the longest expression in the text, `12 + 3 * 4` or `12 plus 3 times 4`; None without one."""
    for words, operator in _OPERATORS:
        text = re.sub(words, operator, text, flags=re.IGNORECASE)
    found = _EXPRESSION.findall(text)
    return _value(_PART.findall(max(found, key=len))) if found else None


def evaluate_words(text: str) -> float | None:
    """Return the value of a calculation named by a verb or noun: the sum of, subtract … from, the product of."""
    found = parse_numbers(text)
    if len(found) < 2:
        return None
    for stems, operation in _VERBS:
        if mentions_any(text, *stems):
            return operation(found)
    return None


def _value(parts: Sequence[str]) -> float | None:
    """Evaluate products and quotients first, from left to right, then sums and differences."""
    terms = [float(parts[0].replace(",", ""))]
    for operator, written in zip(parts[1::2], parts[2::2], strict=True):
        number = float(written.replace(",", ""))
        if operator in "+-":
            terms.append(number if operator == "+" else -number)
        elif operator == "*":
            terms[-1] *= number
        elif number == 0:
            return None
        else:
            terms[-1] /= number
    return sum(terms)


def _quotient(found: Sequence[float]) -> float | None:
    return found[0] / found[1] if found[1] else None


_VERBS: Sequence[tuple[tuple[str, ...], Callable[[Sequence[float]], float | None]]] = (
    ((r"subtract\b.*\bfrom", r"take \S+ (?:away )?from", r"\S+ less than", "deduct"), lambda n: n[1] - n[0]),
    (("difference",), lambda n: abs(n[0] - n[1])),
    (("product", "multipl"), math.prod),
    (("divide", "quotient", "how many times does"), _quotient),
    (("sum of", r"add\b", "total of", "together make"), math.fsum),
)
