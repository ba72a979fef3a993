"""The states of an exchange, and the one table of its transitions.

READING ──► CONNECTING ◄──► WAITING ──► STREAMING ──► DONE
   └────────────┴──────────────┴───────────────────────▲
"""

import enum
from collections.abc import Mapping


class ExchangeState(enum.IntEnum):
    """Progress of a request. Integers, because the hash of an Enum's member is a call in Python.

    Attributes:
        READING: Its body is coming.
        CONNECTING: A backend is chosen and given the request.
        WAITING: For the response's first byte, or for the end of a pause between attempts.
        STREAMING: The response goes to the client as it comes.
        DONE: Answered, aborted, or left by its client.
    """

    READING = 0
    CONNECTING = 1
    WAITING = 2
    STREAMING = 3
    DONE = 4


READING, CONNECTING, WAITING, STREAMING, DONE = ExchangeState

TRANSITIONS: Mapping[ExchangeState, tuple[ExchangeState, ...]] = {
    READING: (CONNECTING, DONE),
    CONNECTING: (WAITING, DONE),
    WAITING: (CONNECTING, STREAMING, DONE),
    STREAMING: (DONE,),
    DONE: (),
}
"""A response in one piece goes from WAITING to DONE: it is complete before its first byte is written."""
