"""Two calendars to calculate with: the real one, and one without 29 February."""

from datetime import date, timedelta
from typing import Protocol

_BEFORE_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_ANCHOR = date(2025, 1, 1)


class Calendar(Protocol):
    """Arithmetic of days."""

    def later(self, day: date, days: int) -> date:
        """Return the date so many days later; earlier if negative."""

    def between(self, start: date, end: date) -> int:
        """Return the number of days from start to end."""

    def weekday(self, day: date) -> int:
        """Return the day of the week; 0 is Monday."""


class Gregorian:
    """The real calendar."""

    def later(self, day: date, days: int) -> date:
        """Return the date so many days later."""
        return day + timedelta(days=days)

    def between(self, start: date, end: date) -> int:
        """Return the number of days from start to end."""
        return (end - start).days

    def weekday(self, day: date) -> int:
        """Return the day of the week."""
        return day.weekday()


class Leapless:
    """A calendar of 365 days in every year, right as long as no 29 February is involved."""

    def later(self, day: date, days: int) -> date:
        """Return the date so many days later."""
        year, place = divmod(self._number(day) + days, 365)
        month = next(month for month in range(12, 0, -1) if _BEFORE_MONTH[month - 1] <= place)
        return date(year, month, place - _BEFORE_MONTH[month - 1] + 1)

    def between(self, start: date, end: date) -> int:
        """Return the number of days from start to end."""
        return self._number(end) - self._number(start)

    def weekday(self, day: date) -> int:
        """Return the day of the week."""
        return (_ANCHOR.weekday() + self.between(_ANCHOR, day)) % 7

    @staticmethod
    def _number(day: date) -> int:
        return day.year * 365 + _BEFORE_MONTH[day.month - 1] + day.day - 1
