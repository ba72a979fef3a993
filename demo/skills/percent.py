"""Shares of a hundred: parts of an amount, amounts that rise or fall, and what share one amount is of another."""

import re

from demo.reading import NUMBER, numbers
from demo.skills.words import says

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


def of_hundred(text: str) -> float | None:
    """The amount that the text asks for, or None if it does not speak of percent."""
    if not says(text, r"\d+(?:\.\d+)?\s*%|per ?cent|percentage"):
        return None
    share = _PERCENT.search(text)
    amounts = numbers(_PERCENT.sub(" ", text))
    if share is None:
        return 100 * min(amounts[:2]) / max(amounts[:2]) if len(amounts) >= 2 and max(amounts[:2]) else None
    if not amounts:
        return None
    part = amounts[0] * float(share.group(1).replace(",", "")) / 100
    return _meant(text, amounts[0], part)


def _meant(text: str, amount: float, part: float) -> float:
    """The part alone, or the amount with it added or taken off: whatever the words around it say."""
    if says(text, _PART_ONLY):
        return part
    if says(text, _DOWN):
        return amount - part
    if says(text, _UP):
        return amount + part
    return part
