"""The gateway after the sweep: no exception in its log, no request in flight."""

import re

from qa.conformance.checks import Check, expect_equal
from qa.conformance.http.cases import head
from qa.conformance.http.connection import Connection
from qa.conformance.servers import Target

SUITE = "http aftermath"
TRACEBACK = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception)\b.*$", re.MULTILINE)


def _log(target: Target) -> str:
    found = TRACEBACK.findall((target.work / "gateway.log").read_text(errors="replace"))
    expect_equal(sorted(set(found)), [], "exceptions in the log")
    return "no exceptions in the gateway's log"


def _idle(target: Target) -> str:
    """Check that no backend is still answering a request whose client has disconnected."""
    with Connection(target.port) as connection:
        connection.send(head(method="GET", target="/v1/backends"))
        listed = connection.read_response().body
    busy = re.findall(rb'"outstanding":\s*[1-9]', listed)
    expect_equal(len(busy), 0, "backends that still answer somebody")
    return "no backend is asked any more"


CHECKS = (
    Check(
        SUITE, "log", "all of the above", "no traceback", _log, "DESIGN: broad excepts only at the edge of a request"
    ),
    Check(SUITE, "idle", "GET /v1/backends", "nothing outstanding", _idle, "DESIGN: the backend should stop as well"),
)
