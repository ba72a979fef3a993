"""A real HTTP server whose models answer as a benchmark run needs it: what each does, its name says.

A message `say X` is answered with X. Whatever a model is told to do beside that, BEHAVIOURS says.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]
Reply = tuple[int, Any]

USAGE = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}


@dataclass
class Seen:
    """What the server was asked, and how many requests it answered at a time, by model."""

    port: int = 0
    bodies: list[Body] = field(default_factory=list)
    now: dict[str, int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def of(self, model: str) -> list[Body]:
        return [body for body in self.bodies if body["model"] == model]


def completion(text: str | None, logprobs: list[float] | None = None, **changed: Any) -> Reply:
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    if logprobs is not None:
        choice["logprobs"] = {"content": [{"token": "t", "logprob": one} for one in logprobs]}
    answer = {"id": "c", "object": "chat.completion", "choices": [{**choice, **changed.pop("choice", {})}]}
    return 200, {**answer, "usage": USAGE, **changed}


def said(body: Body) -> str:
    text = str(body["messages"][-1]["content"])
    return text.split("say ", 1)[1] if "say " in text else "nothing to say"


def refused(message: str, status: int = 400) -> Reply:
    return status, {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


def _likely(body: Body) -> Reply:
    return completion(said(body), [-0.5, -1.5] if body.get("logprobs") else None)


def _no_logprobs(body: Body) -> Reply:
    return refused("logprobs are not supported") if "logprobs" in body else completion(said(body))


def _forbids_logprobs(body: Body) -> Reply:
    return refused("not allowed to sample logprobs", 403) if "logprobs" in body else completion(said(body))


def _picky(body: Body) -> Reply:
    return refused("too hard for\nme") if "hard" in said(body) else completion(said(body))


SLOW_S = 0.1


def _slow(body: Body) -> Reply:
    time.sleep(SLOW_S)
    return completion(said(body))


def _judge(body: Body) -> Reply:
    text = body["messages"][-1]["content"]
    answer = text.split("<answer>\n")[1].split("\n</answer>")[0]
    if answer == "riddle":
        return completion("Hard to tell. VERDICT: right, I guess")
    return completion(f"I see.\nVERDICT: {'right' if 'good' in answer else 'wrong'}")


def _between(text: str, name: str) -> str:
    return text.split(f"<{name}>\n")[1].split(f"\n</{name}>")[0]


def _comparing_judge(body: Body) -> Reply:
    """The first of two answers that says good; else a tie."""
    text = body["messages"][0]["content"]
    here, there = "good" in _between(text, "first"), "good" in _between(text, "second")
    return completion(f"VERDICT: {'tie' if here == there else 'first' if here else 'second'}")


def _scoring_judge(body: Body) -> Reply:
    """By the criteria; from 6 to 9, as some judges do."""
    text = body["messages"][0]["content"]
    assert "be good" in _between(text, "criteria")
    return completion(f"SCORE: {9 if 'good' in _between(text, 'answer') else 6}")


def _mumbling_judge(body: Body) -> Reply:
    """Says at first what no parser reads, and after a reminder what `judge` says."""
    return completion("VERDICT: right (I think)") if len(body["messages"]) == 1 else _judge_of_first(body)


def _judge_of_first(body: Body) -> Reply:
    return _judge({"messages": body["messages"][:1]})


def _fickle_judge(body: Body) -> Reply:
    """Goes by the order: it takes the first option or answer that it is shown."""
    text = body["messages"][0]["content"]
    return completion("VERDICT: first" if "<first>" in text else f"VERDICT: {text.split('VERDICT: ')[1].split()[0]}")


BEHAVIOURS: dict[str, Callable[[Body], Reply]] = {
    "echo": lambda body: completion(said(body)),
    "other": lambda body: completion("other"),
    "likely": _likely,
    "no-logprobs": _no_logprobs,
    "forbids-logprobs": _forbids_logprobs,
    "picky": _picky,
    "slow": _slow,
    "judge": _judge,
    "comparing-judge": _comparing_judge,
    "scoring-judge": _scoring_judge,
    "mumbling-judge": _mumbling_judge,
    "unreadable-judge": lambda body: completion("It depends."),
    "fickle-judge": _fickle_judge,
    "refuses": lambda body: completion(None, choice={"message": {"content": None, "refusal": "I will not."}}),
    "filtered": lambda body: completion("", choice={"finish_reason": "content_filter"}),
    "textless": lambda body: completion(None),
    "cut": lambda body: completion(said(body), choice={"finish_reason": "length"}),
    "untold": lambda body: completion(said(body), usage=None),
    "odd": lambda body: (200, {"choices": []}),
    "down": lambda body: (500, {}),
    "locked": lambda body: refused("no such key", 401),
    "plain": lambda body: (422, {"detail": "no envelope"}),
}


@contextmanager
def running_models() -> Iterator[Seen]:
    """The server, in threads of its own."""
    seen = Seen()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            model = body["model"]
            with seen.lock:
                seen.bodies.append(body)
                seen.now[model] = seen.now.get(model, 0) + 1
                seen.most[model] = max(seen.most.get(model, 0), seen.now[model])
            status, answer = BEHAVIOURS[model](body)
            with seen.lock:
                seen.now[model] -= 1
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        seen.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            server.shutdown()
            thread.join(10)
