"""What was spent, in whole numbers: Redis adds those exactly. Money is kept in units of 1e-12 US dollars."""

from collections.abc import Mapping
from decimal import Decimal

from gateway.distributed.redis_client import Word
from gateway.usage.ledger import NOTHING, Spent, SpentRows

PER_USD = 10**12
"""A millionth of the price of a single token at a dollar a million; 64 bits hold nine million dollars a day."""


def spent_words(rows: SpentRows) -> Mapping[tuple[str, str], list[Word]]:
    """By kind and name: for every day the words of scripts.SPEND."""
    words: dict[tuple[str, str], list[Word]] = {}
    for (kind, name, day), spent in rows.items():
        numbers = (spent.requests, spent.input_tokens, spent.output_tokens)
        words.setdefault((kind, name), []).extend([day, *numbers, units(spent.usd), units(spent.baseline_usd)])
    return words


def spent_rows(found: Mapping[bytes, bytes]) -> Mapping[str, Spent]:
    """By day, what scripts.SPEND has added up."""
    days: dict[str, dict[str, int]] = {}
    for field, value in found.items():
        day, what = field.decode().split(" ")
        days.setdefault(day, {})[what] = int(value)
    return {
        day: NOTHING
        + Spent(
            of["requests"], of["input"], of["output"], Decimal(of["usd"]) / PER_USD, Decimal(of["baseline"]) / PER_USD
        )
        for day, of in days.items()
    }


def units(usd: Decimal) -> int:
    """Rounded once, here."""
    return int((usd * PER_USD).to_integral_value())
