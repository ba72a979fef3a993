"""Numbers, dates and quotations in plain text."""

import re
from datetime import date

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_SIGNED = re.compile(rf"(?<![\w.])(?<![A-Za-z]-)-?{NUMBER}(?![\d])")
_MONTH = "|".join(f"{month[:3]}(?:{month[3:]})?" if len(month) > 3 else month for month in MONTHS)
_DATE = re.compile(
    rf"(?P<year>\d{{4}})-(?P<number>\d\d)-(?P<day>\d\d)"
    rf"|(?P<day_a>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<month_a>{_MONTH})\.?,? (?P<year_a>\d{{4}})"
    rf"|(?P<month_b>{_MONTH})\.? (?P<day_b>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year_b>\d{{4}})"
)
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|(?<!\w)'([^']+)'(?!\w)")


def parse_numbers(text: str) -> list[float]:
    """Return every number in the text, thousands separators understood; the 7 of INV-7 is part of a name."""
    return [float(found.replace(",", "")) for found in _SIGNED.findall(text)]


def find_quotations(text: str) -> list[str]:
    """Return the texts between quotation marks, in order."""
    return [next(group for group in found if group) for found in _QUOTED.findall(text)]


def parse_dates(text: str) -> list[date]:
    """Return every full calendar date in the text: 2024-05-03, 3 May 2024, May 3rd, 2024."""
    found = (_as_date(match) for match in _DATE.finditer(text))
    return [day for day in found if day is not None]


def without_dates(text: str) -> str:
    """Return the text without its full calendar dates."""
    return _DATE.sub(" ", text)


def format_date(day: date) -> str:
    """Format a date as in speech: 3 May 2024."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def format_number(number: float) -> str:
    """Format a number without superfluous digits: 12, 12.5, 0.333333."""
    return f"{round(number, 6):.6f}".rstrip("0").rstrip(".")


def _as_date(match: re.Match[str]) -> date | None:
    parts = match.groupdict()
    try:
        if parts["year"]:
            return date(int(parts["year"]), int(parts["number"]), int(parts["day"]))
        side = "a" if parts["year_a"] else "b"
        return date(int(parts[f"year_{side}"]), _month(parts[f"month_{side}"]), int(parts[f"day_{side}"]))
    except ValueError:
        return None


def _month(name: str) -> int:
    return next(place for place, month in enumerate(MONTHS, 1) if month.startswith(name[:3]))
