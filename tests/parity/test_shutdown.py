"""A shutdown ends what is under way with the same words, headers and counts on both entrances.

Twice: a process that is told to stop, for what clients and the log get; and a gateway that ends its requests and goes
on, whose /metrics can still be asked.
"""

import contextlib
import http.client
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.gateway.serving import Serving, serving_gateway
from tests.gateway.waiting import eventually
from tests.parity.backend import ScriptedBackend, scripted_backends
from tests.parity.entrances import (
    ENTRANCES,
    code_of,
    configuration,
    counters,
    differences,
    moved,
    received,
    running_entrance,
    sent,
    state_of,
    told,
)
from tests.parity.rows import DONE, PENDING_ROWS, Client, Row

SCRIPTS = {row.name: row.scripts for row in PENDING_ROWS}
GoingOn = tuple[Serving, Mapping[str, ScriptedBackend]]
GRACE_S = 0.2
OURS = ("task", "model", "backend", "reason", "decision", "attempts", "overhead-ms")
SHUTTING_DOWN = "shutting_down"


@contextlib.contextmanager
def pending(url: str, row: Row, backends: Mapping[str, ScriptedBackend]) -> Iterator[http.client.HTTPConnection]:
    """A row's request, as far as it gets."""
    last = backends[row.falls_back or row.name]
    before = len(last.asked)
    with sent(url, row) as connection:
        if row.client is Client.UPLOADS_HALF:
            eventually(lambda: in_flight(url))
        else:
            eventually(lambda: len(last.asked) > before)
        if row.until:
            eventually(lambda: row.until in connection.sock.recv(65_536, socket.MSG_PEEK))
        yield connection


def in_flight(url: str) -> float:
    return counters(url)["benchroute_requests_in_flight"]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """By entrance: the answers and the log of a process that is told to stop while all rows' requests are under way."""

    def stop(name: str) -> dict[str, Any]:
        with contextlib.ExitStack() as stack:
            backends = stack.enter_context(scripted_backends(SCRIPTS))
            folder = tmp_path_factory.mktemp(name)
            entrance = stack.enter_context(running_entrance(name, PENDING_ROWS, backends, folder, GRACE_S))
            asked = {row.name: stack.enter_context(pending(entrance.url, row, backends)) for row in PENDING_ROWS}
            entrance.stop()
            answers = {row: received(connection) for row, connection in asked.items()}
            return {"answers": answers, "log": told(entrance.log())}

    with ThreadPoolExecutor(len(ENTRANCES)) as pool:
        return dict(zip(ENTRANCES, pool.map(stop, ENTRANCES), strict=True))


@pytest.mark.parametrize("row", PENDING_ROWS, ids=lambda row: row.name)
def test_both_entrances_end_a_request_alike(stopped: dict[str, dict[str, Any]], row: Row) -> None:
    observed = [
        {
            "answer": one["answers"][row.name],
            "log": [line for line in one["log"] if line.get("client_request_id") == row.name],
        }
        for one in stopped.values()
    ]
    found = [f"express against asgi, {one}" for one in differences(observed[0], observed[1])]
    for name, one in zip(ENTRANCES, observed, strict=True):
        found += [f"{name}: {wrong}" for wrong in wrong_answer(row, one["answer"])]
        counted = [line["status"] for line in one["log"]]
        found += [] if counted == [counted_as(row)] else [f"{name}: status in the log is {counted}"]
    assert not found, "\n".join(["", *found])


def test_both_entrances_log_the_same_of_a_shutdown(stopped: dict[str, dict[str, Any]]) -> None:
    express, asgi = ([line for line in one["log"] if "request_id" not in line] for one in stopped.values())
    assert express
    assert not differences(express, asgi)


@pytest.fixture(scope="module")
def going_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[GoingOn]]:
    """A gateway on each entrance, in this process."""
    with contextlib.ExitStack() as stack:
        made: list[GoingOn] = []
        for name in ENTRANCES:
            backends = stack.enter_context(scripted_backends(SCRIPTS))
            text = configuration(name, PENDING_ROWS, backends, tmp_path_factory.mktemp(name), GRACE_S)
            made.append((stack.enter_context(serving_gateway(text)), backends))
        yield made


@pytest.mark.parametrize("row", PENDING_ROWS, ids=lambda row: row.name)
def test_both_entrances_count_a_request_that_is_cut_alike(going_on: list[GoingOn], row: Row) -> None:
    observed = [cut(serving, row, backends) for serving, backends in going_on]
    found = [f"express against asgi, {one}" for one in differences(observed[0], observed[1])]
    for name, one in zip(ENTRANCES, observed, strict=True):
        found += [f"{name}: {wrong}" for wrong in wrong_answer(row, one["answer"])]
        counted = [sample for sample in one["metrics"] if sample.startswith("benchroute_requests_total")]
        is_right = len(counted) == 1 and f'status="{counted_as(row)}"' in counted[0]
        found += [] if is_right else [f"{name}: counted as {counted}"]
    assert not found, "\n".join(["", *found])


def cut(serving: Serving, row: Row, backends: Mapping[str, ScriptedBackend]) -> dict[str, Any]:
    """A row's request that is cut, and what it leaves behind."""
    before = counters(serving.url)
    with pending(serving.url, row, backends) as connection:
        serving.cut()
        answer = received(connection)
    eventually(lambda: not in_flight(serving.url))
    metrics = moved(before, counters(serving.url))
    answer["headers"].pop("connection", None)  # depends on the server's stopping too, which it does not do here
    return {"answer": answer, "metrics": metrics, **state_of(serving.url, row.name)}


def counted_as(row: Row) -> int:
    """The status in metrics and log: not 499, for no client left. A stream that had sent all its events is complete."""
    return 200 if row.until == DONE else 503


def wrong_answer(row: Row, answer: Mapping[str, Any]) -> list[str]:
    """Where an answer is not what is known to be right."""
    status, code = 200 if row.stream else 503, None if counted_as(row) == 200 else SHUTTING_DOWN
    missing = [name for name in OURS if f"x-benchroute-{name}" not in answer["headers"]]
    missing += [] if answer["headers"].get("x-client-request-id") == [row.name] else ["x-client-request-id"]
    found = [] if answer["status"] == status else [f"status is {answer['status']}, not {status}"]
    found += [] if code_of(answer["body"]) == code else [f"code is {code_of(answer['body'])}, not {code}"]
    return found + [f"header {name} is missing" for name in missing]
