"""Counts of one minute or hour of a series: numbers by slot, which can be added, and their encoding.

Everything that is counted is a sum, histograms too, so that minutes add up to hours, and the counts of several gateways
to those of all, by adding slot by slot. A slot without a number is 0; unknown slots of later versions are added too.

slot      number
0-19      see Slot
20-59     tokens of routed requests: TOKENS + 5 * length class + place in TOKEN_PARTS
64-191    histogram of response times, by gateway.usage.timeseries.bucket_index
192-319   histogram of the gateway's share of them
320-447   histogram of times to the first token
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import IntEnum

import msgspec

from gateway.http.token_usage import Usage
from gateway.usage.ledger import UsageBatch
from gateway.usage.prices import MIN_LONG_CONTEXT, Price
from gateway.usage.timeseries import TimeSums

Counts = dict[int, int]
"""Numbers by slot. Money is in units of 1e-12 US dollars."""

PICO_USD = 10**12


class Slot(IntEnum):
    """Slots of plain sums.

    REJECTED: responses with 4xx. ERRORS: 5xx, and streams that ended early. TOTAL_US, OVERHEAD_US, FIRST_TOKEN_US: sums
    of times in microseconds. USD: cost of requests with a price. COMPARED_USD, BASELINE_USD: as in
    gateway.usage.ledger.UsageTotals. ROUTED: requests that routing sent to a model with a price; ROUTED_USD: their
    cost, which is COMPARED_USD where the baseline has a price. CHANGES: tasks whose model changed.
    """

    REQUESTS = 0
    ERRORS = 1
    REJECTED = 2
    TOTAL_US = 3
    OVERHEAD_US = 4
    FIRST_TOKEN_US = 5
    INPUT_TOKENS = 6
    OUTPUT_TOKENS = 7
    USD = 8
    UNPRICED = 10
    ESTIMATED = 11
    ROUTED = 12
    COMPARED_USD = 13
    BASELINE_USD = 15
    CHANGES = 17
    ROUTED_USD = 18


MONEY_SLOTS = (Slot.USD, Slot.COMPARED_USD, Slot.BASELINE_USD, Slot.ROUTED_USD)
"""Encoded as two numbers, each exact as a Lua number: the part below a dollar, and in the next slot the dollars."""

TOKENS = 20
TOKEN_PARTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
LENGTH_CLASSES = (MIN_LONG_CONTEXT, 128_000, 200_000, 256_000, 272_000, 512_000)
"""Greatest input of each class but the last. Some prices depend on a request's length, so the tokens of long requests
are summed by class: exact for a price that begins above one of these, as providers' prices do."""

HISTOGRAM_SIZE = 128
TOTAL_TIMES, OVERHEAD_TIMES, FIRST_TOKEN_TIMES = 64, 192, 320

NO_TOKENS = Usage(0, 0)


def add_counts(total: Counts, added: Mapping[int, int]) -> None:
    """Add counts to a total."""
    get = total.get
    for slot, number in added.items():
        total[slot] = get(slot, 0) + number


def add_times(counts: Counts, histogram: int, sum_slot: Slot, times: TimeSums) -> None:
    """Add times to a histogram and to their sum."""
    if times.buckets:
        counts[sum_slot] = counts.get(sum_slot, 0) + times.us
        last = HISTOGRAM_SIZE - 1
        for bucket, number in times.buckets.items():
            slot = histogram + (bucket if bucket < last else last)
            counts[slot] = counts.get(slot, 0) + number


def histogram_of(counts: Mapping[int, int], histogram: int) -> dict[int, int]:
    """Return a histogram's numbers by gateway.usage.timeseries.bucket_index."""
    last = histogram + HISTOGRAM_SIZE
    return {slot - histogram: number for slot, number in counts.items() if histogram <= slot < last}


def add_routed(counts: Counts, usage: UsageBatch, usd: Decimal) -> None:
    """Add requests that count in comparisons with other models: their tokens, and their cost."""
    counts[Slot.ROUTED] = usage.requests
    counts[Slot.ROUTED_USD] = to_pico_usd(usd)
    for part, name in enumerate(TOKEN_PARTS):
        _add(counts, TOKENS + part, getattr(usage, name))
        for one in usage.long:
            _add(counts, TOKENS + len(TOKEN_PARTS) * _length_class(one.input_tokens) + part, getattr(one, name))


def cost_at(counts: Mapping[int, int], price: Price) -> Decimal:
    """Return the cost of the routed requests' tokens at a model's price, in US dollars."""
    total = Decimal(0)
    for number, least in enumerate((0, *LENGTH_CLASSES)):
        first = TOKENS + len(TOKEN_PARTS) * number
        of_input, of_output, read, written, reasoning = [counts.get(first + part, 0) for part in range(5)]
        tokens = Usage(of_input, of_output, read, written, reasoning)
        if tokens != NO_TOKENS:
            is_long = price.long_context is not None and least >= price.long_context_tokens
            charged = price.long_context if is_long and price.long_context is not None else price
            total += charged.cost_of_short(tokens)
    return total


def to_pico_usd(usd: Decimal) -> int:
    """Convert US dollars to the unit of counts."""
    return int((usd * PICO_USD).to_integral_value())


def usd_of(counts: Mapping[int, int], slot: Slot) -> Decimal:
    """Return an amount in US dollars."""
    return Decimal(counts.get(slot, 0)) / PICO_USD


def encode_counts(counts: Mapping[int, int]) -> bytes:
    """Encode counts: a MessagePack array of slots and numbers, each slot as the distance from the one before."""
    split = {int(slot): number for slot, number in counts.items() if number}
    for money in MONEY_SLOTS:
        if money in split:
            dollars, split[money] = divmod(split[money], PICO_USD)
            if dollars:
                split[money + 1] = dollars
    words, last = list[int](), 0
    for slot, number in sorted(split.items()):
        words += (slot - last, number)
        last = slot
    return msgspec.msgpack.encode(words)


def decode_counts(data: bytes) -> Counts:
    """Decode counts. Raises ValueError for anything else."""
    words = msgspec.msgpack.decode(data, type=list[int])
    if len(words) % 2:
        raise ValueError("counts with a slot that has no number")
    counts, slot = Counts(), 0
    for distance, number in zip(words[::2], words[1::2], strict=True):
        slot += distance
        counts[slot] = number
    for money in MONEY_SLOTS:
        if dollars := counts.pop(money + 1, 0):
            counts[money] = counts.get(money, 0) + dollars * PICO_USD
    return counts


def _length_class(input_tokens: int) -> int:
    return sum(input_tokens > longest for longest in LENGTH_CLASSES)


def _add(counts: Counts, slot: int, number: int) -> None:
    if number:
        counts[slot] = counts.get(slot, 0) + number
