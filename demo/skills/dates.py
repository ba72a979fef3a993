"""Reckons with the calendar: dates before and after others, days between them, days of the week."""

import re
from dataclasses import dataclass, field
from datetime import date

from demo.reading import WEEKDAYS, dates, spoken, without_dates
from demo.skills.calendar import Calendar, Gregorian
from demo.skills.words import says, with_digits

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
    """calendar: what it reckons with."""

    calendar: Calendar = field(default_factory=Gregorian)

    def answer(self, text: str) -> str | None:
        """A date, a number of days or a day of the week."""
        text = with_digits(text)
        found, days = dates(text), _offset(text)
        weekday_asked = says(without_dates(text), _WEEKDAY_ASKED)
        if len(found) >= 2 and says(text, _SPAN):
            return f"It is {abs(self.calendar.between(found[0], found[1]))} days."
        if not found:
            return self._from_weekday(text, days) if days is not None and weekday_asked else None
        if days is None and not weekday_asked:
            return None
        return self._said(self.calendar.later(found[0], days or 0) if days else found[0], weekday_asked)

    def _said(self, day: date, as_weekday: bool) -> str:
        if as_weekday:
            return f"It is a {WEEKDAYS[self.calendar.weekday(day)]}."
        return f"The date is {spoken(day)}."

    def _from_weekday(self, text: str, days: int) -> str | None:
        known = [place for place, name in enumerate(WEEKDAYS) if says(text, name)]
        return f"It will be a {WEEKDAYS[(known[0] + days) % 7]}." if known else None


def _offset(text: str) -> int | None:
    """The number of days that the text speaks of, negative if they lie before; None if it names none."""
    found = _OFFSET.search(without_dates(text))
    if found is None:
        return None
    days = int(found.group(1).replace(",", "")) * _DAYS[found.group(2).lower()]
    return -days if says(text, _EARLIER) else days
