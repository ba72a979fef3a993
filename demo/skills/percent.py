"""Percentages: parts of an amount, amounts that rise or fall, and the share of one amount in another."""

import re

from demo.reading import NUMBER, parse_numbers
from demo.skills.words import mentions_any

_PERCENT = re.compile(rf"({NUMBER})\s*(?:%|per ?cent\b)", re.IGNORECASE)
_UP = (
    "increas|ris|rose|rais|grow|grew|surcharge|mark-?up|on top|add|plus|more|climb|went up|goes up|VAT|sales tax|tip"
    "|service charge|interest|dearer"
)
_DOWN = (
    "discount|off|reduc|drop|fall|fell|cut|decreas|less|cheaper|rebate|mark ?down|lower|shrink|shrank|lost|lose|down"
    "|knock|taken away|withheld"
)
_PART_ONLY = (
    "how (?:much|big|large|high) is (?:the|that|this|his|her) (?:tip|tax|discount|commission|VAT|fee|share)"
    "|amount of (?:the )?(?:tip|tax|discount|commission|VAT)|commission|deposit"
)


def solve_percentage(text: str) -> float | None:
    """Return the amount that the text asks for, or None without a percentage."""
    if not mentions_any(text, r"\d+(?:\.\d+)?\s*%|per ?cent|percentage"):
        return None
    share = _PERCENT.search(text)
    amounts = parse_numbers(_PERCENT.sub(" ", text))
    if share is None:
        return 100 * min(amounts[:2]) / max(amounts[:2]) if len(amounts) >= 2 and max(amounts[:2]) else None
    if not amounts:
        return None
    part = amounts[0] * float(share.group(1).replace(",", "")) / 100
    return _meant(text, amounts[0], part)


def _meant(text: str, amount: float, part: float) -> float:
    """Return the part alone, or the amount with it added or subtracted, by the words around it."""
    if mentions_any(text, _PART_ONLY):
        return part
    if mentions_any(text, _DOWN):
        return amount - part
    if mentions_any(text, _UP):
        return amount + part
    return part
