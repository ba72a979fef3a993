"""Gateways in front of backends that follow a script, one for each entrance."""

import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.gateway.asking import connection
from tests.gateway.serving import running_gateway
from tests.parity.backend import Script, ScriptedBackend, scripted_backends
from tests.parity.entrances import ENTRANCES
from tests.parity.rows import framed, head, stream, whole

__all__ = ("ENTRANCES", "Scripted", "answer", "framed", "head", "scripted", "stream", "whole")

HEADERS = {"content-type": "application/json"}


class Scripted:
    """A gateway, and the backends behind it, by model."""

    def __init__(self, url: str, backends: Mapping[str, ScriptedBackend]) -> None:
        self.url, self.backends = url, backends

    def asked(self, model: str) -> int:
        """How many requests a model's backend has got."""
        return len(self.backends[model].asked)


@contextmanager
def scripted(
    folder: Path, scripts: Mapping[str, Sequence[Script]], entrance: str = "express", **sections: Any
) -> Iterator[Scripted]:
    """Run a gateway with a model for each of these scripts. Task `a,b` may use a, then b."""
    with ExitStack() as stack:
        backends = stack.enter_context(scripted_backends(scripts))
        models = [
            {
                "name": name,
                "backends": [{"kind": "openai", "base_url": one.base_url, "speaks_messages": True}],
            }
            for name, one in backends.items()
        ]
        upstream = {"retries": 0, "breaker": {"consecutive_faults": 1000, "min_requests": 10_000}}
        config = {
            "models": models,
            "state": {"url": f"sqlite:///{folder}/{entrance}.db"},
            "scorer": {"nice": 0},
            "server": {"lane": entrance},
            **sections,
            "upstream": {**upstream, **sections.get("upstream", {})},
        }
        yield Scripted(stack.enter_context(running_gateway(yaml.safe_dump(config))), backends)


class Answer:
    """An answer, to its end. is_cut: it ended in the middle."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.is_cut = False
        try:
            self.body = response.read()
        except http.client.IncompleteRead as cut:
            self.body, self.is_cut = cut.partial, True

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def last(self) -> Any:
        """The data of the last event."""
        return json.loads(self.body.rpartition(b"data: ")[2])

    def ours(self, name: str) -> str | None:
        return self.headers.get(f"x-benchroute-{name}")


def answer(url: str, path: str, body: Mapping[str, Any], **headers: str) -> Answer:
    """Ask, and read the answer to its end."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with connection(url) as made:
        made.request("POST", path, json.dumps(body), {**HEADERS, **sent})
        return Answer(made.getresponse())
