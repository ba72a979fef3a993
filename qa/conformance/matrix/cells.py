"""One cell: the same question directly and through the gateway, and what the two results differ in."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from qa.conformance.checks import NotRun
from qa.conformance.drivers.harness import Question
from qa.conformance.matrix.clients import Client
from qa.conformance.matrix.compare import differences
from qa.conformance.matrix.driver import Driver
from qa.conformance.matrix.features import Feature
from qa.conformance.servers import Exchange, Target
from qa.conformance.upstream.models import MODEL

Json = dict[str, Any]
Side = Literal["direct", "gateway"]
DIRECT_KEY = "sk-direct"
LEFT_WITHIN_S = 5.0
HOP_BY_HOP = ("accept-encoding", "connection", "content-length", "host", "transfer-encoding")
CREDENTIALS = ("api-key", "authorization", "x-api-key")
NOT_FORWARDED = frozenset((*HOP_BY_HOP, *CREDENTIALS, "traceparent", "x-session-id", "x-task-id"))
"""Headers that a proxy sets anew, credentials, and the gateway's own."""

MANY = 4
"""Differences that are named; the others are counted."""


class Missing(Exception):
    """The client's program has no such operation."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the matrix.

    Attributes:
        client: its column.
        feature: its row.
        target: the upstream and the gateway.
    """

    client: Client
    feature: Feature
    target: Target

    @property
    def mark(self) -> str:
        """Text that only this cell's requests contain."""
        parts = (f"matrix {self.client.name}", f"{self.feature.name} end")
        return "_".join(re.sub(r"[^a-z0-9]+", "-", part.lower()) for part in parts)

    def find_differences(self, driver: Driver) -> list[str]:
        """Ask both ways and return the named differences.

        Raises Missing if the client has no such operation, NotRun if the direct result is not the expected one.
        """
        direct = self._ask(driver, "direct")
        if (expected := self.feature.expected) != "either" and ("raised" in direct) != (expected == "error"):
            raise NotRun(f"directly, in place of an {expected}: {json.dumps(direct)[:400]}")
        if (says := self.feature.says) is not None and not any(says in known for known in direct["seen"]["says"]):
            raise NotRun(f"directly, without {says!r}: {json.dumps(direct)[:400]}")
        gateway = self._ask(driver, "gateway")
        found = list(differences(self._shown(direct), self._shown(gateway)))
        if self.feature.compared != "class":  # the gateway refuses these itself
            found += differences(self._received("direct"), self._received("gateway"), "request")
        if self.feature.model == "endless":
            found += differences(self._ending("direct"), self._ending("gateway"), "the upstream's stream")
        return [*found, *self._task_faults()]

    def _ask(self, driver: Driver, side: Side) -> Json:
        result = driver.ask(self.question(side))
        if "missing" in result:
            raise Missing
        return result

    def question(self, side: Side) -> Question:
        """Return the question to one side."""
        feature, target = self.feature, self.target
        is_direct = side == "direct"
        model = self.client.model if feature.model == MODEL else feature.model
        headers = dict(feature.headers)
        if feature.tag == "header":
            headers["x-task-id"] = self.mark
        return Question(
            operation=feature.operation,
            base_url=f"http://127.0.0.1:{target.upstream_port if is_direct else target.port}/v1",
            key=feature.key or (DIRECT_KEY if is_direct else target.key),
            model=self._tagged_model() if feature.tag else model,
            mark=self.mark,
            headers=headers,
            retries=feature.retries,
        )

    def _tagged_model(self) -> str:
        return f"task/{self.mark}" if self.feature.tag == "model" else "auto"

    def _shown(self, result: Json) -> Any:
        """Return the part of a result that is compared."""
        if self.feature.compared == "notice":
            return {"notices": "raised" in result or "hung" in result}
        shown = {name: value for name, value in result.items() if name != "traceback"}
        if self.feature.compared == "shape" and "seen" in shown:
            return {name: value for name, value in shown["seen"].items() if name != "output"}
        if self.feature.compared == "class":
            raised = shown.get("raised") or {}
            return {name: raised.get(name) for name in ("class", "status_code", "code")}
        if self.feature.tag:
            return _without_model(shown)
        return shown

    def _received(self, side: Side) -> Any:
        if self.feature.compared == "shape":
            return request_shapes(self._exchanges(side))
        return [self._request(exchange) for exchange in self._exchanges(side)]

    def _exchanges(self, side: Side) -> Sequence[Exchange]:
        found = self.target.exchanges(self.mark)
        return [exchange for exchange in found if (sent_key(exchange) == DIRECT_KEY) == (side == "direct")]

    def _request(self, exchange: Exchange) -> Json:
        request: Json = {"body": forwarded_body(exchange, keeps_model=not self.feature.tag)}
        if self.feature.compares_headers:
            names = [*self.feature.headers, *(name for name in exchange.headers if name.startswith("x-stainless-"))]
            request["headers"] = {name: exchange.headers.get(name) for name in sorted(names)}
        return request

    def _ending(self, side: Side) -> str:
        """Return how the upstream's stream ended, once it has ended."""
        deadline = time.monotonic() + LEFT_WITHIN_S
        while True:
            endings = [exchange.ending for exchange in self._exchanges(side)]
            if "going on" not in endings or time.monotonic() > deadline:
                return ", ".join(endings)
            time.sleep(0.1)

    def _task_faults(self) -> list[str]:
        if not self.feature.tag:
            return []
        tasks = {row["task"] for row in self.target.get("/v1/usage?by=task")["data"]}
        return [] if self.mark in tasks else ["task: the gateway counts the request under another one"]


def request_shapes(exchanges: Sequence[Exchange]) -> Json:
    """Return the members of bodies and the names of headers by path."""
    return {
        exchange.path: {
            "members": dict.fromkeys(sorted(set(exchange.body) - {"stream_options"}), "sent"),
            "headers": dict.fromkeys(sorted(set(exchange.headers) - NOT_FORWARDED), "sent"),
        }
        for exchange in exchanges
    }


def sent_key(exchange: Exchange) -> str:
    """Return the API key that the upstream received."""
    headers = exchange.headers
    sent = headers.get("x-api-key") or headers.get("api-key") or headers.get("authorization", "")
    return sent.removeprefix("Bearer ")


def forwarded_body(exchange: Exchange, keeps_model: bool = True) -> Any:
    """Return the body that the upstream received, without what a gateway changes by design.

    That is the task's tag, the request for usage in a stream, and, where `auto` was asked for, the model.
    """
    try:
        body = json.loads(exchange.received)
    except ValueError:
        return f"{len(exchange.received)} bytes"
    if not isinstance(body, dict):
        return body
    changed = {"stream_options"} | (set() if keeps_model else {"model"})
    kept = {name: value for name, value in body.items() if name not in changed}
    if isinstance(kept.get("metadata"), dict):
        kept["metadata"] = {name: value for name, value in kept["metadata"].items() if name != "task_id"}
    return kept


def _without_model(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_model(inner) for name, inner in value.items() if name != "model"}
    return [_without_model(inner) for inner in value] if isinstance(value, list) else value


def name_differences(found: Sequence[str]) -> str:
    """Return the differences in one text."""
    more = f"; {len(found) - MANY} more" if len(found) > MANY else ""
    return "; ".join(found[:MANY]) + more
