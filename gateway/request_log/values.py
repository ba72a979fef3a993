"""Values that occur in the log, for a filter's suggestions: from the blocks' names, without a look at any row."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from gateway.request_log.blocks import list_values
from gateway.request_log.filters import RequestFilter
from gateway.request_log.storage import RequestStore

GIVE_WAY_EVERY = 64
"""Blocks between two turns of the event loop."""


@dataclass(frozen=True, slots=True)
class FoundValues:
    """Values of a column. has_more: more match."""

    values: Sequence[str]
    has_more: bool


def read_values(store: RequestStore, column: str, part: str, wanted: RequestFilter, limit: int) -> FoundValues:
    """Return values that contain a text, in any case: first those that begin with it, each by their last request.

    column: one of gateway.request_log.blocks.CODED. wanted: its times count. Reads until `limit` values begin with the
    text, or to the end. Raises StateError.
    """
    folded, seen = part.casefold(), set[str | int | None]()
    beginning, containing = list[str](), list[str]()
    with store.open_reader() as reader, closing(reader.scan_names(wanted.span)) as blocks:
        for number, names in enumerate(blocks):
            if number % GIVE_WAY_EVERY == 0:
                time.sleep(0)
            for value in list_values(names, column):
                if value is None or value in seen:
                    continue
                seen.add(value)
                text = str(abs(value)) if isinstance(value, int) else value
                at = text.casefold().find(folded)
                if at >= 0 and text not in beginning:
                    (beginning if at == 0 else containing).append(text)
            if len(beginning) > limit:
                break
    found = [*beginning, *containing]
    return FoundValues(found[:limit], has_more=len(found) > limit)
