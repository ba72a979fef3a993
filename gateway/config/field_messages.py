"""Errors of single settings in the product's own words: what the setting must be, and what kind of value it has.

A value is shown only if it is a number or a boolean where one belongs: any text may be a secret, also one at the
wrong place.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pydantic import BaseModel

from gateway.config.schema_paths import (
    Location,
    SettingType,
    describe_types,
    is_number,
    is_text,
    join_words,
    types_at,
    words_of,
)

MAX_WORD = 20
"""Letters of a value that is shown because it could be a misspelled word of a fixed list."""


def describe_fault(root: type[BaseModel], kind: str, location: Location, value: object, message: str) -> str:
    """Return the error of a setting. kind, location, value, message: of pydantic's error."""
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    found = types_at(root, location)
    if kind == "missing":
        return f"missing; must be {describe_types(found) or 'set'}"
    if not found:
        return f"invalid value; got {describe_value(value, shows_numbers=False)}"
    if words := words_of(found):
        return _describe_word(found, words, value)
    expected, got = describe_types(found), describe_value(value, shows_numbers=is_number(found))
    hint = "; put it in quotes" if is_text(found) and isinstance(value, bool | int | float | date) else ""
    return f"must be {expected}; got {got}{hint}"


def nearest_word(word: str, known: Sequence[str]) -> str:
    """Return "; did you mean `b`?" for a word that is close to a known one, else nothing."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean `{near[0]}`?" if near else ""


def describe_value(value: object, *, shows_numbers: bool) -> str:
    """Return what kind of value it is; numbers and booleans themselves if `shows_numbers`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        if not shows_numbers:
            return "a number"
        return f"{value}" if isinstance(value, int) or math.isfinite(value) else "no finite number"
    if isinstance(value, str):
        return "a text" if value else "an empty text"
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    return "a date" if isinstance(value, date) else "another value"


def _describe_word(found: Sequence[SettingType], words: Sequence[str], value: object) -> str:
    is_word = isinstance(value, str) and len(value) <= MAX_WORD and value.replace("_", "").replace("-", "").isalpha()
    near = nearest_word(value, words) if isinstance(value, str) else ""
    got = f"`{value}`" if is_word and near else describe_value(value, shows_numbers=False)
    return f"must be {describe_types(found)}; got {got}{near}"


def kind_message(words: Sequence[str], value: Any) -> str:
    """Return the error of a `kind` that is missing (None) or unknown."""
    if value is None:
        return f"missing; must be {join_words(words)}"
    near = nearest_word(value, words) if isinstance(value, str) else ""
    return f"must be {join_words(words)}; got {describe_value(value, shows_numbers=False)}{near}"
