"""The management API is imported and built at its first request; the request path and the probes do without it."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

from gateway.api.lazy import LazyApi
from gateway.http.asgi import App, Message, Receive, Scope, Send
from tests.gateway.asking import ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway

SCOPE = {"type": "http", "method": "GET", "path": "/v1/tasks", "headers": []}

CODE = """
import asyncio, json, sys
from pathlib import Path
from gateway.config import load_config
from gateway.server.app import Gateway

BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}]}).encode()

async def ask(app, method, path, body=b""):
    sent, received = [], [{"type": "http.request", "body": body, "more_body": False}]
    async def receive():
        return received.pop() if received else await asyncio.Event().wait()
    async def send(message):
        sent.append(message)
    head = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b""}
    headers = [(b"host", b"localhost"), (b"content-length", str(len(body)).encode())]
    await app({**head, "headers": headers, "http_version": "1.1", "scheme": "http", "root_path": ""}, receive, send)
    return sent[0]["status"]

async def main():
    gateway = Gateway(load_config(Path(sys.argv[1])))
    async with gateway.running():
        for method, path, body in (("POST", "/v1/chat/completions", BODY), ("GET", "/health/ready", b""),
                                   ("GET", "/health/live", b""), ("GET", "/metrics", b""), ("GET", "/v1/models", b"")):
            status = await ask(gateway, method, path, body)
            print(path, status, sorted({"fastapi", "starlette"} & set(sys.modules)))

asyncio.run(main())
"""


def test_requests_to_backends_and_probes_import_no_fastapi(upstream: Upstream, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(configuration(upstream.base_url, ["good"], state={"url": f"sqlite:///{tmp_path / 'state.db'}"}))
    done = subprocess.run([sys.executable, "-c", CODE, file], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == [
        "/v1/chat/completions 200 []",
        "/health/ready 200 []",
        "/health/live 200 []",
        "/metrics 200 []",
        "/v1/models 200 ['fastapi', 'starlette']",
    ]


def test_requests_that_come_while_it_is_built_wait_for_one_building() -> None:
    built = list[str]()

    def build() -> App:
        built.append(threading.current_thread().name)
        return _answer

    async def main() -> list[list[Message]]:
        api = LazyApi(build)
        return await asyncio.gather(*(_ask(api) for _ in range(5)))

    answers = asyncio.run(main())
    assert [sent[0]["status"] for sent in answers] == [204] * 5
    assert len(built) == 1
    assert built != [threading.main_thread().name]


def test_the_event_loop_goes_on_while_it_is_built() -> None:
    async def main() -> list[Message]:
        loop, begun, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def build() -> App:
            loop.call_soon_threadsafe(begun.set)
            assert go_on.wait(30)
            return _answer

        asked = asyncio.create_task(_ask(LazyApi(build)))
        await begun.wait()
        assert not asked.done()
        go_on.set()
        return await asked

    assert asyncio.run(main())[0]["status"] == 204


def test_a_building_that_fails_is_an_internal_error_and_is_tried_again() -> None:
    faults = [ImportError("no such module")]

    def build() -> App:
        if faults:
            raise faults.pop()
        return _answer

    async def main() -> list[int]:
        api = LazyApi(build)
        return [(await _ask(api))[0]["status"] for _ in range(2)]

    assert asyncio.run(main()) == [500, 204]


def test_threads_take_their_usual_turns_again_afterwards() -> None:
    usual = sys.getswitchinterval()
    asyncio.run(_ask(LazyApi(lambda: _answer)))
    assert sys.getswitchinterval() == usual


def test_probes_tell_what_their_paths_allow(upstream: Upstream) -> None:
    with running_gateway(configuration(upstream.base_url, ["good"])) as url:
        for path in ("/health/live", "/health/ready", "/metrics"):
            refused = ask(url, path, body={}, method="POST")
            assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
            assert refused.json["error"]["code"] == "method_not_allowed"
            told = ask(url, path, method="OPTIONS")
            assert (told.status, told.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
            assert ask(url, path, method="HEAD").status == 200
            assert ask(url, f"{path}/").status == 200


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _ask(app: App) -> list[Message]:
    sent = list[Message]()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(dict(SCOPE), receive, send)
    return sent
