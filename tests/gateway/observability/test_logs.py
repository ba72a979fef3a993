"""What a gateway's process logs: a line a request where one is wanted, and never what was said, nor a key."""

import contextlib
import http.client
import json
import logging
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.observability.logs import JsonFormatter, SampleFilter
from tests.gateway.asking import ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.server.test_shutdown import Running, running

PROMPT = "the patient's name is Wilhelmina"
CLIENT_KEY, ADMIN_KEY, BACKEND_KEY = "sk-clients-own", "sk-the-admins", "sk-for-the-backend"
MODELS = ["good", "e401", "e400", "html", "dies-in-stream", "garbage"]


def hashed(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


@pytest.fixture
def process(upstream: Upstream, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    log, options = request.param
    backend = {"kind": "openai", "base_url": upstream.base_url, "api_key": BACKEND_KEY}
    document = {
        "models": [{"name": name, "backends": [backend]} for name in MODELS],
        "keys": [{"name": "team", "sha256": hashed(CLIENT_KEY)}],
        "admin": {"keys": [{"name": "root", "sha256": hashed(ADMIN_KEY)}]},
        "state": {"url": f"sqlite:///{tmp_path}/state.db"},
        "upstream": {"retries": 0},
        "log": log,
    }
    text = yaml.safe_dump(document)
    with running(tmp_path, text, *options) as started:
        yield started


def busy(url: str) -> int:
    """Requests of every kind, most of which go wrong. How many reached the request path."""
    said = [{"role": "user", "content": PROMPT}]
    keys = [{"authorization": f"Bearer {CLIENT_KEY}"}, {"authorization": "Bearer sk-nobodys"}]
    count = 0
    for key in keys:
        for model in [*MODELS, "auto", "unknown"]:
            for stream in (False, True):
                body = {"model": model, "messages": said, "stream": stream, "metadata": {"task_id": "busy"}}
                with contextlib.suppress(http.client.IncompleteRead):
                    ask(url, body=body, **key, x_request_id=f"mine-{count}")
                count += 1
        ask(url, body=f'{{"model": "auto", "messages": "{PROMPT}'.encode(), **key)
        count += 1
    admin = {"authorization": f"Bearer {ADMIN_KEY}"}
    made = ask(url, "/v1/keys", {"name": "made"}, content_type="application/json", **admin).json
    ask(url, "/v1/route", {"inputs": [PROMPT]}, content_type="application/json", **admin)
    ask(url, "/v1/config", **admin)
    ask(url, "/v1/keys/made", method="DELETE", **admin)
    assert made["secret"].startswith("br-")
    return count


def forbidden(log: str) -> list[str]:
    secrets = [PROMPT, "Wilhelmina", CLIENT_KEY, ADMIN_KEY, BACKEND_KEY, "sk-nobodys", "sk-secret", "br-"]
    return [secret for secret in [*secrets, hashed(CLIENT_KEY)] if secret in log]


@pytest.mark.parametrize("process", [({"format": "json", "requests": "all"}, ["--log-level", "debug"])], indirect=True)
def test_every_request_has_one_line_of_json_without_prompts_or_keys(process: Running) -> None:
    count = busy(process.url)
    lines: list[dict[str, Any]] = [json.loads(line) for line in process.log.splitlines()]
    requests = [line for line in lines if line["logger"] == "benchroute.request"]
    assert len(requests) == count
    assert forbidden(process.log) == []
    by_id = {line["client_request_id"]: line for line in requests}
    assert len({line["request_id"] for line in requests}) == count
    good, refused = by_id["mine-0"], by_id["mine-17"]
    assert {"at", "seconds", "overhead_ms", "attempts", "decision"} <= set(good)
    assert (good["level"], good["task"], good["key"], good["status"]) == ("info", "busy", "team", 200)
    assert (good["model"], good["backend"], good["reason"]) == ("good", "good/1", "requested")
    assert (good["input_tokens"], good["output_tokens"], good["path"]) == (1, 1, "/v1/chat/completions")
    assert (refused["key"], refused["task"], refused["status"]) == (None, None, 401)
    failed = by_id["mine-2"]
    assert (failed["level"], failed["faults"]) == ("warning", ["e401/1 answered 401"])


@pytest.mark.parametrize("process", [({}, []), ({"requests": "none"}, ["--log-format", "json"])], indirect=True)
def test_unless_it_is_asked_for_requests_that_went_well_have_no_line(process: Running) -> None:
    busy(process.url)
    log = process.log
    assert forbidden(log) == []
    assert " mine-0 " not in log
    is_json = log.startswith("{")
    assert ("e401/1 answered 401" in log) is not is_json
    if is_json:
        assert not [line for line in log.splitlines() if json.loads(line)["logger"] == "benchroute.request"]


def record(level: int = logging.INFO, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("benchroute", level, __file__, 1, "%s fällt aus", ("e1\n",), None)
    made.__dict__.update(extra)
    return made


def test_a_record_is_one_line_whatever_is_in_it() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        failed = record(logging.ERROR, exc_info=(ValueError, error, error.__traceback__))
    line = JsonFormatter().format(failed)
    assert "\n" not in line
    told = json.loads(line)
    assert (told["message"], told["level"]) == ("e1\n fällt aus", "error")
    assert told["exception"].endswith("ValueError: two\nlines")
    assert json.loads(JsonFormatter().format(record(request={"task": "t"})))["task"] == "t"


def test_a_share_of_the_requests_is_logged_and_every_fault() -> None:
    draws = iter([0.05, 0.5, 0.09])
    share = SampleFilter(0.1, lambda: next(draws))
    assert [share.filter(record()) for _ in range(3)] == [True, False, True]
    assert share.filter(record(logging.WARNING))
