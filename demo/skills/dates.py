"""Calendar questions: dates before and after others, days between them, days of the week."""

import re
from dataclasses import dataclass, field
from datetime import date

from demo.reading import WEEKDAYS, format_date, parse_dates, without_dates
from demo.skills.calendar import Calendar, Gregorian
from demo.skills.words import mentions_any, with_digits

_DAYS = {"day": 1, "night": 1, "week": 7, "fortnight": 14}
_OFFSET = re.compile(r"(\d[\d,]*)[\s-]*(?:calendar |full |more )?(day|night|week|fortnight)s?\b", re.IGNORECASE)
_WEEKDAY_ASKED = r"days? of the week|weekday|wh(?:at|ich) day\b(?! is \d)|(?:a|is it) (?:mon|tues|wednes)day"
_EARLIER = "before|earlier|ago|prior|ahead of|in advance|previous|preceding|back from"
_SPAN = (
    "how many (?:days|nights)|number of (?:days|nights)|count the (?:days|nights)|days (?:are|lie)|difference in days"
    "|days between|how long"
)


@dataclass(frozen=True, slots=True)
class Dates:
    """Solver of calendar questions.

    Attributes:
        calendar: used for calculations.
    """

    calendar: Calendar = field(default_factory=Gregorian)

    def answer(self, text: str) -> str | None:
        """Return a date, a number of days or a day of the week."""
        text = with_digits(text)
        found, days = parse_dates(text), _offset(text)
        weekday_asked = mentions_any(without_dates(text), _WEEKDAY_ASKED)
        if len(found) >= 2 and mentions_any(text, _SPAN):
            return f"It is {abs(self.calendar.between(found[0], found[1]))} days."
        if not found:
            return self._from_weekday(text, days) if days is not None and weekday_asked else None
        if days is None and not weekday_asked:
            return None
        return self._answer(self.calendar.later(found[0], days or 0) if days else found[0], weekday_asked)

    def _answer(self, day: date, as_weekday: bool) -> str:
        if as_weekday:
            return f"It is a {WEEKDAYS[self.calendar.weekday(day)]}."
        return f"The date is {format_date(day)}."

    def _from_weekday(self, text: str, days: int) -> str | None:
        known = [place for place, name in enumerate(WEEKDAYS) if mentions_any(text, name)]
        return f"It will be a {WEEKDAYS[(known[0] + days) % 7]}." if known else None


def _offset(text: str) -> int | None:
    """Return the number of days that the text names, negative if before; None if it names none."""
    found = _OFFSET.search(without_dates(text))
    if found is None:
        return None
    days = int(found.group(1).replace(",", "")) * _DAYS[found.group(2).lower()]
    return -days if mentions_any(text, _EARLIER) else days
