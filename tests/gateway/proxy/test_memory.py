"""What a request leaves behind in the gateway's process: nothing, in whatever way it ended.

Exceptions refer to the frames that they were raised in, and so to requests with their bodies. One that is kept in a
request's record is a cycle, which the garbage collector does not see where a part of it is exempt from it.
"""

import contextlib
import gc
import json
import time
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException
from pathlib import Path

import pytest
import yaml

from gateway.proxy.exchange import Exchange
from gateway.proxy.upstream_attempts import UpstreamAttempts
from tests.gateway.asking import HELLO, ask, connection
from tests.gateway.fake_upstream import BEHAVIOURS, Upstream
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.waiting import eventually

CLOSED_PORT, NO_HOST = "http://127.0.0.1:9/v1", "http://nowhere.invalid/v1"
MODELS = sorted({model for model, _ in BEHAVIOURS})
PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/completions", "/v1/images/generations")
LIMITS = {"x_benchroute_first_byte_s": "0.2", "x_benchroute_total_s": "0.6"}


@pytest.fixture(params=["express", "asgi"])
def url(upstream: Upstream, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A gateway whose breakers stay closed, with a model for each way in which a backend can fail."""
    settings = {
        "server": {"lane": request.param},
        "state": {"url": f"sqlite:///{tmp_path}/state.db"},
        "upstream": {"retries": 0, "breaker": {"consecutive_faults": 1_000_000, "min_requests": 1_000_000}},
    }
    read = yaml.safe_load(configuration(upstream.base_url, MODELS, **settings))
    for name, base_url in (("refused", CLOSED_PORT), ("no-host", NO_HOST)):
        read["models"].append({"name": name, "backends": [{"kind": "openai", "base_url": base_url}]})
    with running_gateway(yaml.safe_dump(read)) as running:
        yield running


def try_model(url: str, model: str, path: str, is_stream: bool) -> None:
    body = {**HELLO, "model": model, "input": "hi", "prompt": "hi", "max_tokens": 5, "stream": is_stream}
    with contextlib.suppress(HTTPException, OSError):  # a stream that broke
        ask(url, path, body=body, **LIMITS)


def leave(url: str, model: str, is_stream: bool) -> None:
    """Send a request, and close the connection before it is answered, or in the middle of the answer."""
    with connection(url) as made:
        made.request("POST", PATHS[0], json.dumps({**HELLO, "model": model, "stream": is_stream}))
        time.sleep(0.15 if is_stream else 0.0)


def left_behind() -> list[object]:
    """Requests in memory, and tracebacks of the gateway's code, which hold what its calls held."""
    gc.collect()
    found = gc.get_objects()
    requests = [one for one in found if isinstance(one, Exchange | UpstreamAttempts)]
    traces = [one for one in found if isinstance(one, types.TracebackType)]
    return [*requests, *(one for one in traces if "/gateway/" in one.tb_frame.f_code.co_filename.split("/tests/")[0])]


def test_requests_are_freed_in_whatever_way_they_end(url: str) -> None:
    with ThreadPoolExecutor(16) as threads:
        for path in PATHS:
            some = (
                [*MODELS, "refused", "no-host"] if path == PATHS[0] else ["good", "e500", "half", "refused", "no-host"]
            )
            for is_stream in (False, True):
                list(threads.map(partial(try_model, url, path=path, is_stream=is_stream), some))
        for model in ("good", "slow", "stalls", "trickles", "endless", "refused"):
            list(threads.map(lambda is_stream, model=model: leave(url, model, is_stream), [True, False] * 2))
    # The last connections may still be closing, and accounting takes its time.
    eventually(lambda: left_behind() == [], 20)
