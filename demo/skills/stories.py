"""Word problems: arrivals are added, departures subtracted, and counts multiplied by rates."""

import re
from dataclasses import dataclass

from demo.reading import parse_numbers
from demo.skills.words import mentions_any, split_clauses

_GOES = (
    r"s[oe]ld?l?\b|g[ai]ve|giving|los[et]|leav|left (?:by|with|the|on|at)|ship|eat|ate\b|remov|return|discount|voucher"
    r"|coupon|off\b|deduct|credit|broke|discard|dispatch|went (?:out|home|bad|to)|used|uses|spen|withdr|scrap|throw"
    r"|threw|damag|cancel|minus|picked for|taken|took|takes|departed|donat|lent|reject"
)
_EACH = (
    r"each\b|apiece|per\b|every|at [$€£]?\d|@|unit price|a piece|for [$€£]\d.*each|priced at"
    r"|an? (?:hour|day|week|month|night|kilo|metre|person)"
)
_SHARED = (
    "shared?s? .*(?:equally|among|between)|split|divided? .*(?:among|between|equally|into)|equal(?:ly)? |evenly"
    "|equal shares"
)
_PAID = r"paying with|pays with|paid with|hands over|handed over|with a [$€£]?\d+ (?:note|bill)"


@dataclass(frozen=True, slots=True)
class _Term:
    """Contribution of one clause.

    Attributes:
        bare: a count alone, which a following rate multiplies.
        rate: an amount per item, which a following count multiplies.
    """

    value: float
    bare: bool = False
    rate: bool = False


def solve_story(text: str) -> float | None:
    """Return the result of the story; None if it has fewer than two numbers."""
    if len(parse_numbers(text)) < 2:
        return None
    if mentions_any(text, _SHARED):
        return _shared(parse_numbers(text))
    terms: list[_Term] = []
    for clause in split_clauses(text):
        _add(terms, clause)
    return sum(term.value for term in terms) if terms else None


def _shared(found: list[float]) -> float | None:
    """Divide the larger number by the smaller one."""
    small, large = sorted(found[:2])
    return large / small if small else None


def _add(terms: list[_Term], clause: str) -> None:
    found = parse_numbers(clause)
    if not found:
        return
    each = mentions_any(clause, _EACH)
    if each and len(found) >= 2:
        terms.append(_Term(_sign(clause, bool(terms)) * found[0] * found[1]))
    elif each and terms and terms[-1].bare:
        terms[-1] = _Term(terms[-1].value * found[0])
    elif mentions_any(clause, _PAID):
        spent = sum(term.value for term in terms)
        terms[:] = [_Term(found[0] - spent)]
    elif terms and terms[-1].rate:
        terms[-1] = _Term(terms[-1].value * found[0])
    else:
        terms.append(_Term(_sign(clause, bool(terms)) * found[0], bare=not each, rate=each))


def _sign(clause: str, later: bool) -> float:
    """Return the sign: the first number counts as it is; later, verbs of leaving make a number negative."""
    gone = later and mentions_any(re.sub(r"\bgive (?:the|your)\b", "", clause, flags=re.IGNORECASE), _GOES)
    return -1.0 if gone else 1.0
