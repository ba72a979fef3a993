"""Questions about the calendar."""

from datetime import date, timedelta
from random import Random

from demo.marking import MarkingRule
from demo.questions import Draft
from demo.reading import WEEKDAYS, format_date

FIRST, LAST = date(2023, 1, 1), date(2028, 12, 31)


def any_day(draw: Random, first: date = FIRST, last: date = LAST) -> date:
    """Draw a day between two days."""
    return first + timedelta(days=draw.randint(0, (last - first).days))


def date_arithmetic(draw: Random) -> Draft:
    """Draw a question about the date some days or weeks before or after another."""
    day, n, weeks = any_day(draw), draw.randint(5, 400), draw.randint(2, 40)
    text, value = (
        (f"What date is {n} days after {format_date(day)}?", day + timedelta(days=n)),
        (f"What date is {n} days before {format_date(day)}?", day - timedelta(days=n)),
        (f"Which date comes {weeks} weeks after {format_date(day)}?", day + timedelta(weeks=weeks)),
        (
            f"A journey starts on {format_date(day)} and takes {n} days. On which date does it end?",
            day + timedelta(days=n),
        ),
        (f"Add {n} days to {day.isoformat()} and give the date.", day + timedelta(days=n)),
        (f"Today is {format_date(day)}. What was the date {weeks} weeks ago?", day - timedelta(weeks=weeks)),
    )[draw.randrange(6)]
    return Draft(text, value.isoformat(), MarkingRule.DATE)


def weekdays(draw: Random) -> Draft:
    """Draw a question about the day of the week of a date."""
    day, n = any_day(draw), draw.randint(3, 60)
    text, value = (
        (f"On which day of the week does {format_date(day)} fall?", day),
        (f"What weekday is {format_date(day)}?", day),
        (f"Name the day of the week for {day.isoformat()}.", day),
        (f"Someone was born on {format_date(day)}. Which weekday was that?", day),
        (f"What day of the week is it {n} days after {format_date(day)}?", day + timedelta(days=n)),
    )[draw.randrange(5)]
    return Draft(text, WEEKDAYS[value.weekday()], MarkingRule.WEEKDAY)


def days_between(draw: Random) -> Draft:
    """Draw a question about the number of days between two dates."""
    start = any_day(draw)
    end = start + timedelta(days=draw.randint(8, 700))
    a, b = format_date(start), format_date(end)
    text = draw.choice(
        [
            f"How many days are there between {a} and {b}?",
            f"How many days is it from {a} until {b}?",
            f"Count the days from {a} to {b}.",
            f"An exhibition opened on {a} and closed on {b}. How many days later was that?",
            f"What is the difference in days between {start.isoformat()} and {end.isoformat()}?",
        ]
    )
    return Draft(text, str((end - start).days), MarkingRule.NUMBER)
