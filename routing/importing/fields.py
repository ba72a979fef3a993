"""What a field of somebody else's row may hold, and what we make of it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from routing.importing.errors import InvalidRow

WORDS: Mapping[str, float] = {"true": 1.0, "false": 0.0}


def parse_number(value: object, what: str) -> float:
    """A finite number: a number, true or false, or text that says one. Raises InvalidRow naming `what`."""
    if isinstance(value, str):
        try:
            value = WORDS.get(value.strip().lower()) if value.strip().lower() in WORDS else float(value)
        except ValueError:
            raise InvalidRow(f"{what} {value!r} is no number") from None
    if not isinstance(value, bool | int | float):
        raise InvalidRow(f"{what} is missing" if value is None else f"{what} {_short(value)} is no number")
    try:
        as_float = float(value)
    except OverflowError:
        as_float = math.inf
    if not math.isfinite(as_float):
        raise InvalidRow(f"{what} is {as_float}, no finite number")
    return as_float


def parse_text(row: Mapping[str, Any], key: str) -> str:
    """The text, or number, at a key. Raises InvalidRow where there is none."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidRow(f"{key} is missing" if value is None else f"{key} {_short(value)} is no text")
    return str(value)


def mean_logprob(values: Iterable[object]) -> float | None:
    """The mean of tokens' log-probabilities; None where they are not known.

    Services that give none are often logged with a zero for every token: all zeros count as not known.
    """
    known = [float(value) for value in values if isinstance(value, int | float) and math.isfinite(value)]
    if not any(known) or max(known) > 0:
        return None
    return math.fsum(known) / len(known)


def first_present(names: Sequence[str], row: Mapping[str, Any]) -> str | None:
    """The first of the names that the row has."""
    return next((name for name in names if row.get(name) is not None), None)


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:60] + "…"
