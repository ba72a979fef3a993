"""Word problems: what comes is added, what goes is taken away, and so many at so much each are multiplied."""

import re
from dataclasses import dataclass

from demo.reading import numbers
from demo.skills.words import clauses, says

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
    """One clause's contribution.

    bare: a lone count, which a following rate multiplies. rate: so much each, which a following count multiplies.
    """

    value: float
    bare: bool = False
    rate: bool = False


def total(text: str) -> float | None:
    """What the story comes to; None if it has fewer than two numbers."""
    if len(numbers(text)) < 2:
        return None
    if says(text, _SHARED):
        return _shared(numbers(text))
    terms: list[_Term] = []
    for clause in clauses(text):
        _add(terms, clause)
    return sum(term.value for term in terms) if terms else None


def _shared(found: list[float]) -> float | None:
    """The larger number in as many parts as the smaller one."""
    small, large = sorted(found[:2])
    return large / small if small else None


def _add(terms: list[_Term], clause: str) -> None:
    found = numbers(clause)
    if not found:
        return
    each = says(clause, _EACH)
    if each and len(found) >= 2:
        terms.append(_Term(_sign(clause, bool(terms)) * found[0] * found[1]))
    elif each and terms and terms[-1].bare:
        terms[-1] = _Term(terms[-1].value * found[0])
    elif says(clause, _PAID):
        spent = sum(term.value for term in terms)
        terms[:] = [_Term(found[0] - spent)]
    elif terms and terms[-1].rate:
        terms[-1] = _Term(terms[-1].value * found[0])
    else:
        terms.append(_Term(_sign(clause, bool(terms)) * found[0], bare=not each, rate=each))


def _sign(clause: str, later: bool) -> float:
    """What is there to begin with counts as it is; later on, verbs of going turn a number round."""
    gone = later and says(re.sub(r"\bgive (?:the|your)\b", "", clause, flags=re.IGNORECASE), _GOES)
    return -1.0 if gone else 1.0
