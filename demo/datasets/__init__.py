"""Datasets of the benchmark: their names and the makers of their questions.

arithmetic   calculations
strings      letters and words
units        units of measurement
dates        the calendar
passages     answers in a short passage
"""

from collections.abc import Mapping

from demo.datasets import arithmetic, dates, passages, strings, units
from demo.questions import Maker

DATASETS: Mapping[str, Maker] = {
    "sums": arithmetic.sums,
    "shopping": arithmetic.shopping,
    "percentages": arithmetic.percentages,
    "counting-stories": arithmetic.counting_stories,
    "wages-and-bills": arithmetic.wages_and_bills,
    "reversed-text": strings.reversed_text,
    "letter-counting": strings.letter_counting,
    "word-sorting": strings.word_sorting,
    "letter-case": strings.letter_case,
    "lengths": units.lengths,
    "weights": units.weights,
    "volumes": units.volumes,
    "temperatures": units.temperatures,
    "date-arithmetic": dates.date_arithmetic,
    "weekdays": dates.weekdays,
    "days-between": dates.days_between,
    "people-notes": passages.people_notes,
    "town-history": passages.town_history,
    "event-reports": passages.event_reports,
    "office-memos": passages.office_memos,
}
"""Name -> maker, three to five datasets per skill."""

SKILLS: Mapping[str, tuple[str, ...]] = {
    "arithmetic": ("sums", "shopping", "percentages", "counting-stories", "wages-and-bills"),
    "strings": ("reversed-text", "letter-counting", "word-sorting", "letter-case"),
    "units": ("lengths", "weights", "volumes", "temperatures"),
    "dates": ("date-arithmetic", "weekdays", "days-between"),
    "passages": ("people-notes", "town-history", "event-reports", "office-memos"),
}
"""Skill -> the datasets that require it."""
