"""What was spent, in whole numbers: Redis adds those exactly. Money is kept in units of 1e-12 US dollars."""

from collections.abc import Mapping
from decimal import Decimal

from gateway.distributed.redis_client import RedisArg
from gateway.usage.ledger import NO_USAGE, UsageRows, UsageTotals

PER_USD = 10**12
"""A millionth of the price of a single token at a dollar a million; 64 bits hold nine million dollars a day."""


def encode_usage(rows: UsageRows) -> Mapping[tuple[str, str], list[RedisArg]]:
    """By kind and name: for every day the words of scripts.SPEND."""
    words: dict[tuple[str, str], list[RedisArg]] = {}
    for (kind, name, day), spent in rows.items():
        numbers = (spent.requests, spent.input_tokens, spent.output_tokens)
        words.setdefault((kind, name), []).extend(
            [day, *numbers, to_picodollars(spent.usd), to_picodollars(spent.baseline_usd)]
        )
    return words


def decode_usage(found: Mapping[bytes, bytes]) -> Mapping[str, UsageTotals]:
    """By day, what scripts.SPEND has added up."""
    days: dict[str, dict[str, int]] = {}
    for field, value in found.items():
        day, what = field.decode().split(" ")
        days.setdefault(day, {})[what] = int(value)
    return {
        day: NO_USAGE
        + UsageTotals(
            of["requests"], of["input"], of["output"], Decimal(of["usd"]) / PER_USD, Decimal(of["baseline"]) / PER_USD
        )
        for day, of in days.items()
    }


def to_picodollars(usd: Decimal) -> int:
    """Rounded once, here."""
    return int((usd * PER_USD).to_integral_value())
