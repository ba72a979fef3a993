"""The states of an exchange, and the one table of its transitions.

READING ──► CONNECTING ◄──► WAITING ──► STREAMING ──► DONE
   └────────────┴──────────────┴───────────────────────▲
"""

import enum
from collections.abc import Mapping


class ExchangeState(enum.Enum):
    """How far a request has come."""

    READING = "its body is coming"
    CONNECTING = "a backend is chosen and given the request"
    WAITING = "for the response's first byte, or for the end of a pause between attempts"
    STREAMING = "the response goes to the client as it comes"
    DONE = "answered, aborted, or left by its client"


READING, CONNECTING, WAITING, STREAMING, DONE = ExchangeState

TRANSITIONS: Mapping[ExchangeState, tuple[ExchangeState, ...]] = {
    READING: (CONNECTING, DONE),
    CONNECTING: (WAITING, DONE),
    WAITING: (CONNECTING, STREAMING, DONE),
    STREAMING: (DONE,),
    DONE: (),
}
"""A response in one piece goes from WAITING to DONE: it is complete before its first byte is written."""
