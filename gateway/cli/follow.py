"""One answer of a gateway after the other, over its restarts."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from gateway.cli.client import AdminClient
from gateway.cli.errors import AdminRequestError
from gateway.cli.terminal import print_note

WAIT_S = 10.0
"""For so long a gateway may wait for something new."""
PAUSE_S = 1.0
MAX_RETRIES = 60
"""Consecutive failed requests until a command gives up: a gateway's restart takes seconds."""


def follow_answers(client: AdminClient, path_after: Callable[[Any], str], after: Any) -> Iterator[Any]:
    """Yield answers without an end: each is asked for by `last` of the one before. after: `last` of the first one.

    Raises AdminRequestError if the gateway stays unreachable.
    """
    failed = 0
    while True:
        try:
            answer = client.send("GET", path_after(after))
        except AdminRequestError as error:
            failed += 1
            if failed == MAX_RETRIES:
                raise
            if failed == 1:
                print_note(f"{error}; retrying")
            time.sleep(PAUSE_S)
            continue
        failed = 0
        if isinstance(after, int) and answer["last"] < after:  # the gateway restarted, and numbers start at 1 again
            after = 0
            continue
        after = answer["last"]
        yield answer
