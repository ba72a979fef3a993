"""Pages of a list by cursor, one rule for all lists.

A list has an order by a key that no other row has (a name, a number). A page's cursor is the key of its last row, so
rows that come or go meanwhile neither repeat nor hide others: the next page begins behind that key, whether or not its
row is still there. Clients pass a cursor on unchanged; its form may differ in another version.
"""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Depends, Query, Response

from gateway.errors import InvalidRequest
from gateway.loop_share import LoopShare

Row = TypeVar("Row")
SortKey = tuple[float, str]
"""A value that rows are sorted by, and the name of the row: several may have one value."""

Key = str | int | SortKey

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_CURSOR_CHARS = 512

_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(tuple[str, str | int | tuple[float, str]])


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The page that a client asks for. cursor: empty for the first."""

    cursor: str
    limit: int

    def position(self, of: str) -> Key | None:
        """Return the key behind which the page begins, None for the first page.

        of: the list, and the parameters that its order depends on. Raises InvalidRequest for a cursor that no page of
        this list has returned.
        """
        return decode_cursor(of, self.cursor) if self.cursor else None

    def name_position(self, of: str) -> str:
        """Return the name behind which the page begins, empty for the first page. Raises InvalidRequest."""
        found = self.position(of)
        if not isinstance(found, str | None):
            raise _bad_cursor()
        return found or ""

    def sort_position(self, of: str) -> SortKey | None:
        """Return the sort key behind which the page begins, None for the first page. Raises InvalidRequest."""
        found = self.position(of)
        if not isinstance(found, tuple | None):
            raise _bad_cursor()
        return found

    def number_position(self, of: str) -> int:
        """Return the number behind which the page begins, 0 for the first page. Raises InvalidRequest."""
        found = self.position(of)
        if not isinstance(found, int | None):
            raise _bad_cursor()
        return found or 0


def page_request(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Maximum number of items of the page.")] = (
        DEFAULT_LIMIT
    ),
    cursor: Annotated[
        str, Query(max_length=MAX_CURSOR_CHARS, description="`next_cursor` of the previous page; empty for the first.")
    ] = "",
) -> PageRequest:
    """Return the page that a request asks for: a FastAPI dependency."""
    return PageRequest(cursor, limit)


Paging = Annotated[PageRequest, Depends(page_request)]


def encode_cursor(of: str, key: Key) -> str:
    """Return the cursor of a page of the list `of` whose last row has this key."""
    return base64.urlsafe_b64encode(_encode((of, key))).rstrip(b"=").decode()


def decode_cursor(of: str, cursor: str) -> Key:
    """Return the key in a cursor. Raises InvalidRequest."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        listed, key = _decoder.decode(base64.b64decode(padded, b"-_", validate=True))
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise _bad_cursor() from None
    if listed != of:
        raise _bad_cursor()
    return key


def page_to_json(rows: Sequence[Any], of: str, last: Key | None, **more: Any) -> dict[str, Any]:
    """Return a page as JSON. last: the key that the next page begins behind, None where this page is the last."""
    has_more = last is not None
    cursor = encode_cursor(of, last) if last is not None else None
    return {"object": "list", "data": rows, "has_more": has_more, "next_cursor": cursor, **more}


def page_of_sorted(
    rows: Sequence[Row], key: Callable[[Row], Key], page: PageRequest, of: str
) -> tuple[Sequence[Row], Key | None]:
    """Return the rows of a page, and the key that the next one begins behind. rows: all of the list, by key."""
    after = page.position(of)
    try:
        start = 0 if after is None else bisect_right(rows, after, key=key)
    except TypeError:  # a number where the list's keys are names
        raise _bad_cursor() from None
    found = rows[start : start + page.limit]
    return found, key(found[-1]) if start + page.limit < len(rows) else None


def encode_row(row: Any) -> msgspec.Raw:
    """Encode a row of a page by itself, so that rows made in slices are encoded in them: a thousand take 3 ms."""
    return msgspec.Raw(msgspec.json.encode(row))


async def encode_rows(rows: Iterable[Row], to_json: Callable[[Row], Any]) -> list[msgspec.Raw]:
    """Return rows as JSON, each encoded by itself; requests come between: a thousand rows take up to 200 ms."""
    share, encoded = LoopShare(), list[msgspec.Raw]()
    for row in rows:
        encoded.append(encode_row(to_json(row)))
        await share.give_way()
    return encoded


def json_response(document: Any) -> Response:
    """Encode a document. FastAPI's own encoder copies it first, which takes a page ten times as long."""
    return Response(msgspec.json.encode(document), media_type="application/json")


def _bad_cursor() -> InvalidRequest:
    return InvalidRequest(
        "cursor: not a cursor of this list. Pass `next_cursor` of the previous page unchanged and with the same "
        "parameters, or leave `cursor` out for the first page.",
        param="cursor",
        code="invalid_cursor",
    )
