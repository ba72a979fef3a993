"""Tasks unlike every dataset: general knowledge, and a mix of everything."""

from random import Random

from demo.marking import MarkingRule
from demo.questions import Draft
from demo.skills.facts import CAPITALS, OPPOSITES, SYMBOLS
from demo.tasks.office import deadline_desk, glossary_index, support_lookup, username_cleanup
from demo.tasks.trade import invoice_totals, kitchen_abroad, shipping_labels, warehouse_counts

_EVERYTHING = (
    invoice_totals, warehouse_counts, shipping_labels, kitchen_abroad, username_cleanup, glossary_index,
    deadline_desk, support_lookup,
)  # fmt: skip
_NUMERALS = {"XIV": 14, "XLII": 42, "MCMXC": 1990, "LXXVI": 76, "CDXL": 440, "MDCCC": 1800, "XCIX": 99, "DCLV": 655}
_UNKNOWN = (
    ("Which sport is played at Wimbledon, quizmaster's decider?", "tennis"),
    ("Who painted the ceiling of the Sistine Chapel, for two points?", "Michelangelo"),
    ("Music round: how many strings has a violin?", "4"),
    ("Name the largest ocean, tie-break question.", "Pacific"),
)


def pub_quiz(draw: Random) -> Draft:
    """Draw a question of general knowledge."""
    country, adjective, metal = draw.choice([*CAPITALS]), draw.choice([*OPPOSITES]), draw.choice([*SYMBOLS])
    numeral = draw.choice([*_NUMERALS])
    text, value = (
        (f"Geography round: the capital of {country}?", CAPITALS[country]),
        (f"Science round: chemical symbol of {metal}?", SYMBOLS[metal]),
        (f"Language round: opposite of {adjective}?", OPPOSITES[adjective]),
        (f"History round: Roman numeral {numeral} stands for?", str(_NUMERALS[numeral])),
        draw.choice(_UNKNOWN),
    )[draw.randrange(5)]
    return Draft(text, value, MarkingRule.CONTAINS)


def odd_jobs(draw: Random) -> Draft:
    """Draw a question of any other task, or of none of them."""
    return draw.choice([*_EVERYTHING, pub_quiz])(draw)
