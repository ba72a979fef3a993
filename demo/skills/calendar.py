"""Two calendars to reckon with: the real one, and one that has never heard of 29 February."""

from datetime import date, timedelta
from typing import Protocol

_BEFORE_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_ANCHOR = date(2025, 1, 1)


class Calendar(Protocol):
    """Reckons with days."""

    def later(self, day: date, days: int) -> date:
        """The date so many days later; earlier if negative."""

    def between(self, start: date, end: date) -> int:
        """How many days from start to end."""

    def weekday(self, day: date) -> int:
        """0 is Monday."""


class Gregorian:
    """The calendar as it is."""

    def later(self, day: date, days: int) -> date:
        """See Calendar.later."""
        return day + timedelta(days=days)

    def between(self, start: date, end: date) -> int:
        """See Calendar.between."""
        return (end - start).days

    def weekday(self, day: date) -> int:
        """See Calendar.weekday."""
        return day.weekday()


class Leapless:
    """Every year has 365 days. Right as long as no 29 February lies between the days it reckons with."""

    def later(self, day: date, days: int) -> date:
        """See Calendar.later."""
        year, place = divmod(self._number(day) + days, 365)
        month = next(month for month in range(12, 0, -1) if _BEFORE_MONTH[month - 1] <= place)
        return date(year, month, place - _BEFORE_MONTH[month - 1] + 1)

    def between(self, start: date, end: date) -> int:
        """See Calendar.between."""
        return self._number(end) - self._number(start)

    def weekday(self, day: date) -> int:
        """See Calendar.weekday."""
        return (_ANCHOR.weekday() + self.between(_ANCHOR, day)) % 7

    @staticmethod
    def _number(day: date) -> int:
        return day.year * 365 + _BEFORE_MONTH[day.month - 1] + day.day - 1
