"""Rules of thumb of a very small program."""

import re

from demo.reading import WEEKDAYS, find_quotations, format_date, format_number, parse_dates, parse_numbers
from demo.skills.calendar import Leapless
from demo.skills.words import mentions_any

_THUMB = (
    (("mile", "kilomet"), 1.6), (("pound", "kilo"), 0.5), (("inch", "centimet"), 2.5), (("gallon", "lit"), 4.0),
    (("yard", "met"), 0.9), (("feet", "met"), 0.3), (("kilo", "met"), 1000.0), (("kilo", "gram"), 1000.0),
    (("lit", "milli"), 1000.0), (("met", "milli"), 1000.0), (("tonne", "kilo"), 1000.0), (("ounce", "gram"), 30.0),
    (("cup", "milli"), 240.0), (("quart", "lit"), 1.0),
)  # fmt: skip
"""(a word of one unit, a word of the other) -> how many of the other make one."""

_WHO = re.compile(r"\b[A-Z][a-z]+ [A-Z][a-z]+\b")
_WHERE = re.compile(r"\b(?:in|at|near) ([A-Z]\w+)")
_WHEN = re.compile(r"\b(1[5-9]\d\d|20\d\d|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day)\b")


class Crude:
    """Solver of every kind of question by a simple rule."""

    def answer(self, text: str) -> str | None:
        """Return the answer of the first rule that applies."""
        for rule in (_converted, _dated, _quoted, _found, _summed):
            answer = rule(text)
            if answer is not None:
                return answer
        return None


def _converted(text: str) -> str | None:
    """Convert units by rules of thumb, in the direction of the first unit named."""
    found = parse_numbers(text)
    low = text.lower()
    if found and ("fahrenheit" in low or "celsius" in low):
        return f"About {format_number(found[0] * 2 + 30)}"
    for (a, b), factor in _THUMB:
        if found and a in low and b in low.replace(a, "", 1):
            return f"About {format_number(found[0] * factor)}"
    return None


def _dated(text: str) -> str | None:
    """Add days, never subtract; a month has 30 days where two dates are compared."""
    found = parse_dates(text)
    if len(found) >= 2:
        a, b = found[:2]
        return str((b.year - a.year) * 365 + (b.month - a.month) * 30 + b.day - a.day)
    if not found:
        return None
    if mentions_any(text, "weekday", "day of the week", "which day", "what day"):
        return WEEKDAYS[Leapless().weekday(found[0].replace(year=2025, day=min(found[0].day, 28)))]
    days = re.search(r"(\d+) days", text)
    return format_date(Leapless().later(found[0], int(days.group(1)) if days else 7))


def _quoted(text: str) -> str | None:
    """Reverse a quotation if asked to, else convert it to upper case."""
    quoted = find_quotations(text)
    if not quoted:
        return None
    subject = max(quoted, key=len)
    if mentions_any(text, "how many", "count", "length"):
        return str(len(subject))
    return subject[::-1] if mentions_any(text, "back", "revers") else subject.upper()


def _found(text: str) -> str | None:
    """Return the first name, place or time of a text that asks for one."""
    for stems, pattern in (((r"who\b",), _WHO), ((r"where\b",), _WHERE), ((r"when\b", "which year"), _WHEN)):
        match = pattern.search(text) if mentions_any(text, *stems) else None
        if match:
            return match.group(match.lastindex or 0)
    return None


def _summed(text: str) -> str | None:
    """Add up, or subtract the second number from the first if the word occurs."""
    found = parse_numbers(text)
    if len(found) < 2:
        return None
    if mentions_any(text, "per ?cent", r"\d+%"):
        return format_number(found[0] * found[1] / 100)
    if mentions_any(text, "minus", "lost", "falls", "sold", "left"):
        return format_number(found[0] - found[1])
    return format_number(found[0] * found[1] if mentions_any(text, "times", "each", "multipl") else sum(found))
