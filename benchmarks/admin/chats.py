"""Requests that go on beside the API calls, from a thread of their own, and how long each took."""

import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

PAUSE_S = 0.004
BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "What is 3 plus 4?"}]})


class Chats:
    """A client that sends one chat completion after the other on one connection."""

    def __init__(self, port: int, key: str = "") -> None:
        """key: of a client, where the gateway wants one."""
        self._port, self._key = port, key
        self._ended = threading.Event()
        self._took_ms: list[float] = []
        self.failed = 0

    def run(self) -> None:
        """Send until `stop`: the thread."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=300)
        headers = {"content-type": "application/json", "x-task-id": "beside", "authorization": f"Bearer {self._key}"}
        while not self._ended.is_set():
            begun = time.perf_counter()
            connection.request("POST", "/v1/chat/completions", BODY, headers)
            response = connection.getresponse()
            response.read()
            self._took_ms.append(1000 * (time.perf_counter() - begun))
            self.failed += response.status != 200
            self._ended.wait(PAUSE_S)
        connection.close()

    def stop(self) -> None:
        """End after the present request."""
        self._ended.set()

    def take_times(self) -> list[float]:
        """Return the milliseconds of the requests that ended since the last call."""
        taken, self._took_ms = self._took_ms, []
        return taken


@contextmanager
def running_chats(port: int, key: str = "") -> Iterator[Chats]:
    """Send chats during the block."""
    chats = Chats(port, key)
    thread = threading.Thread(target=chats.run)
    thread.start()
    try:
        yield chats
    finally:
        chats.stop()
        thread.join()


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile, 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
