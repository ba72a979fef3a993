"""Grading of free-text answers against a reference, by the question's rule.

The product's graders (gateway.evals) have no counterpart for four of these rules: a tolerance of one percent, partial
credit for lists, dates in any notation, and case-sensitive text in quotation marks.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum

from demo.reading import WEEKDAYS, find_quotations, parse_dates, parse_numbers


class MarkingRule(StrEnum):
    """Rule by which an answer is compared with the reference."""

    NUMBER = "number"
    """The last number in the answer is the reference, to half a hundredth."""
    MEASURE = "measure"
    """The last number in the answer is within one percent of the reference."""
    EXACT = "exact"
    """The answer, or the last quotation in it, is the reference letter for letter."""
    LIST = "list"
    """The share of the comma-separated words that are at the same position as in the reference."""
    CONTAINS = "contains"
    """The reference's words occur in the answer, one after the other."""
    DATE = "date"
    """The last date in the answer is the reference, however either is written."""
    WEEKDAY = "weekday"
    """The last day of the week named in the answer is the reference."""


def mark_answer(answer: str, reference: str, rule: MarkingRule) -> float:
    """Return the mark of an answer, in [0, 1]; 0 if the rule finds nothing to compare in it."""
    return _MARKERS[rule](answer, reference)


def _number(answer: str, reference: str) -> float:
    found = parse_numbers(answer)
    return float(bool(found) and abs(found[-1] - float(reference)) <= 0.005 + 1e-9)


def _measure(answer: str, reference: str) -> float:
    found = parse_numbers(answer)
    expected = float(reference)
    return float(bool(found) and abs(found[-1] - expected) <= 0.01 * abs(expected) + 1e-9)


def _bare(text: str) -> str:
    return text.strip().rstrip(".!").strip("\"'“” ")


def _exact(answer: str, reference: str) -> float:
    candidates = [_bare(answer), answer.strip(), *find_quotations(answer)[-1:]]
    return float(reference in candidates)


def _words(text: str) -> list[str]:
    return [word.strip(" .!\"'").casefold() for word in text.split(",") if word.strip(" .!\"'")]


def _list(answer: str, reference: str) -> float:
    expected, given = _words(reference), _words(answer.rsplit(":", 1)[-1])
    hits = sum(a == b for a, b in zip(given, expected, strict=False))
    return hits / max(len(expected), len(given), 1)


def _tokens(text: str) -> str:
    letters = "".join(letter if letter.isalnum() else " " for letter in text.casefold())
    return f" {' '.join(letters.split())} "


def _contains(answer: str, reference: str) -> float:
    expected = _tokens(reference)
    return float(bool(expected.strip()) and expected in _tokens(answer))


def _date(answer: str, reference: str) -> float:
    given, expected = parse_dates(answer), parse_dates(reference)
    return float(bool(given) and given[-1:] == expected[-1:])


def _weekday(answer: str, reference: str) -> float:
    days = [word for word in _tokens(answer).split() if word.capitalize() in WEEKDAYS]
    return float(days[-1:] == [reference.casefold()])


_MARKERS: Mapping[MarkingRule, Callable[[str, str], float]] = {
    MarkingRule.NUMBER: _number,
    MarkingRule.MEASURE: _measure,
    MarkingRule.EXACT: _exact,
    MarkingRule.LIST: _list,
    MarkingRule.CONTAINS: _contains,
    MarkingRule.DATE: _date,
    MarkingRule.WEEKDAY: _weekday,
}
