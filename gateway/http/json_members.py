"""A JSON object (RFC 8259) as its members, whose values stay the bytes that somebody wrote.

Compiled where it can be: `_json_members.c` passes over long texts five times as fast as msgspec. It says nothing of
what it does not accept; that goes to msgspec, and then to the standard library, which find the words for the error.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import msgspec

from gateway.errors import InvalidRequest

Members = Mapping[str, bytes]
"""Member name -> the bytes of its value."""

SplitFast = Callable[[bytes, frozenset[str] | None], dict[str, bytes] | None]
"""The type of the compiled split: of an object, members with these names, or all; None for what it does not accept."""

PURE_PYTHON = "BENCHROUTE_PURE_PYTHON"
"""Environment variable: nothing compiled is built, or used."""

# Raw keeps a member's bytes unparsed: 1 us for a body of 1 KB, where json.loads takes 2.3.
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
NOTHING: frozenset[str] = frozenset()
_SPACE = re.compile(r"[ \t\n\r]*")


def _find_compiled() -> SplitFast | None:
    if os.environ.get(PURE_PYTHON):
        return None
    try:
        from gateway.http._json_members import split
    except ImportError:  # no compiler where it was installed, and no wheel for the platform
        return None
    return split


_split_fast = _find_compiled()


def split_members(data: bytes, wanted: frozenset[str] | None = None) -> Members:
    """Split a JSON object into its top-level members; of a repeated one the last counts.

    wanted: names of those that are returned, None for all. Raises InvalidRequest for anything else.
    """
    if _split_fast is not None and (found := _split_fast(data, wanted)) is not None:
        return found
    try:
        # msgspec does not check the UTF-8 of values that it leaves unparsed (RFC 8259, 8.1, asks for it).
        if not data.isascii():
            data.decode()
        return {name: bytes(value) for name, value in _decode_members(data).items() if wanted is None or name in wanted}
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"The request body is not valid UTF-8: byte {error.start}.") from error
    except RecursionError as error:
        raise InvalidRequest("The request body is nested too deeply.") from error
    except msgspec.ValidationError as error:
        raise InvalidRequest("The request body must be a JSON object.") from error
    except msgspec.DecodeError:
        # Either no JSON, or JSON with half a surrogate pair, which msgspec refuses and JavaScript clients send
        # (RFC 8259, 8.2). This way takes eight times as long.
        members = _split_with_json(data)
        return members if wanted is None else {name: members[name] for name in members if name in wanted}


def is_json_object(data: bytes) -> bool:
    """Return True if a backend's body is a JSON object, which can be relayed to a client."""
    try:
        split_members(data, NOTHING)
    except InvalidRequest:
        return False
    return True


def _split_with_json(data: bytes) -> dict[str, bytes]:
    """Split an object with the standard library, which accepts lone surrogates. Raises InvalidRequest."""
    text = data.decode()
    members: dict[str, bytes] = {}
    try:
        place = _skip_mark(text, 0, "{")
        if not text.startswith("}", place):
            while True:
                name, place = _scan(text, place)
                start = _skip_mark(text, place, ":")
                _, place = _scan(text, start)
                if not isinstance(name, str):
                    raise ValueError("a member's name must be a string")
                members[name] = text[start:place].encode()
                place = _SPACE.match(text, place).end()  # type: ignore[union-attr]  # matches everywhere
                if text.startswith("}", place):
                    break
                place = _skip_mark(text, place, ",")
        if text[place + 1 :].strip(" \t\n\r"):
            raise ValueError("something follows the object")
    except (ValueError, StopIteration) as error:
        raise InvalidRequest(f"The request body is not valid JSON: {error or 'it ends too early'}.") from error
    except RecursionError as error:
        raise InvalidRequest("The request body is nested too deeply.") from error
    return members


def _skip_mark(text: str, place: int, mark: str) -> int:
    """Return the place after a punctuation mark and the spaces around it. Raises ValueError."""
    place = _SPACE.match(text, place).end()  # type: ignore[union-attr]  # matches everywhere
    if not text.startswith(mark, place):
        raise ValueError(f"expected {mark!r} at character {place}")
    return _SPACE.match(text, place + 1).end()  # type: ignore[union-attr]  # matches everywhere


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# Python's decoder would accept NaN and Infinity, which no other parser does (RFC 8259, 6).
_DECODER = json.JSONDecoder(parse_constant=_reject_constant)


def _scan(text: str, place: int) -> tuple[Any, int]:
    """Return the value at a place, and the place after it."""
    return _DECODER.raw_decode(text, place)
