"""Errors of a request's body or parameters in our own words. Values are not repeated: they may be prompts or keys."""

from collections.abc import Mapping
from typing import Any

MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is unknown here",
    "json_invalid": "is not valid JSON",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "finite_number": "must be a finite number",
    "int_from_float": "must be an integer",
}
"""By the kind of pydantic's error (https://docs.pydantic.dev/latest/errors/validation_errors/), with its context."""

TYPES = {
    "string": "a text",
    "int": "an integer",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "an object",
    "model": "an object",
    "mapping": "an object",
    "datetime": "a time",
}
"""Types by the first word of pydantic's errors about them, such as `int_parsing`."""


def describe_request_fault(detail: Mapping[str, Any]) -> str:
    """Return the error of a member. detail: of pydantic."""
    kind: str = detail["type"]
    if kind == "value_error":
        return str(detail["msg"]).removeprefix("Value error, ")
    if kind in MESSAGES:
        return MESSAGES[kind].format(**detail.get("ctx", {}))
    expected = TYPES.get(kind.partition("_")[0])
    return f"must be {expected}" if expected else "has an invalid value"
