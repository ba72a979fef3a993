"""Field types for what is written into the head of a request to a backend: names, values, keys, patterns of names.

A line end in a key or a value would end its header, and what follows would be read as more headers or as another
request (RFC 9112, 11.1). Values are therefore checked here, before there is a request.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from gateway.vocabulary import HOP_BY_HOP_HEADERS

WRITTEN_BY_GATEWAY = frozenset(
    {*HOP_BY_HOP_HEADERS, "content-length", "content-type", "content-encoding", "accept-encoding", "expect"}
)
"""Headers that no configuration can set: the gateway frames requests, and reads what comes back."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name is a token (RFC 9110, 5.6.2)."""
_PATTERN = re.compile(r"\*?[!#$%&'+.^_`|~0-9A-Za-z-]+\*?")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_VISIBLE = re.compile(r"[\x21-\x7e]+")


def clean_key(text: str) -> str:
    """Return a key without the white space around it. Raises ValueError if it cannot be a header's value."""
    key = text.strip()
    if not key:
        raise ValueError("the key is empty")
    if not _VISIBLE.fullmatch(key):
        raise ValueError(f"the key has {_kind_of_fault(key)} in it: was it copied with something else?")
    return key


def _kind_of_fault(text: str) -> str:
    found = next(one for one in text if not "\x21" <= one <= "\x7e")
    if found in "\r\n":
        return "a line end"
    if found.isspace():
        return "white space"
    return "a control character" if found < "\x20" or found == "\x7f" else "a character other than ASCII"


def _api_key(key: SecretStr) -> SecretStr | None:
    # `${KEY:-}` is no key where the variable is not set.
    return SecretStr(clean_key(text)) if (text := key.get_secret_value()) else None


def _header_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a header's name: {name!r}")
    if name.lower() in WRITTEN_BY_GATEWAY:
        raise ValueError(f"{name} is written by the gateway, and cannot be set")
    return name.lower()


def _header_value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    if not _VALUE.fullmatch(text):
        raise ValueError("a header's value has a line end, a control character, or a character other than ASCII in it")
    return SecretStr(text)


def _query_value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    if any(one < "\x20" or one == "\x7f" for one in text):
        raise ValueError("a parameter's value has a line end or a control character in it")
    return SecretStr(text)


def _header_pattern(pattern: str) -> str:
    if not _PATTERN.fullmatch(pattern):
        raise ValueError(f"expected a header's name, with `*` at its beginning or its end at most: {pattern!r}")
    return pattern.lower()


ApiKey = Annotated[SecretStr, AfterValidator(_api_key)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[SecretStr, AfterValidator(_header_value)]
QueryValue = Annotated[SecretStr, AfterValidator(_query_value)]
HeaderPattern = Annotated[str, AfterValidator(_header_pattern)]
