"""A gateway that is the library behind HTTP: a replay must find no difference."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Self
from urllib.parse import unquote
from urllib.request import Request, urlopen

from routing.decision import RoutingDecision
from routing.embedder import Embedder
from routing.router import Router
from routing.task import TaskState


@dataclass
class Live:
    """A task's state, decision and history."""

    state: TaskState
    decision: RoutingDecision
    history: list[dict[str, Any]] = field(default_factory=list)


class SmallGateway(ThreadingHTTPServer):
    """Decides after every input. altered: text -> text, for a gateway that alters texts."""

    daemon_threads = True

    def __init__(self, router: Router, embedder: Embedder, backend_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.router, self.embedder = router, embedder
        self.url = f"http://127.0.0.1:{backend_port}/v1/chat/completions"
        self.lock, self.tasks = Lock(), dict[str, Live]()
        self.altered: Mapping[str, str] = {}
        self._thread = Thread(target=self.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def route(self, task: str, text: str) -> RoutingDecision:
        """Return the decision before this input, and add the input to the task."""
        with self.lock:
            live = self.tasks.get(task) or self._new()
            before, live.state = (
                live.decision,
                live.state + TaskState.from_evidence(self.router.find_evidence(self.embedder.embed_texts([text]))),
            )
            current = live.decision.model if live.history else None
            live.decision = self.router.make_decision(self._scores(live), current)
            if live.decision.model != current:
                turn = {"model": live.decision.model, "reason": live.decision.reason, "n": live.decision.n}
                live.history.append({"version": len(live.history) + 1, "at": 0, **turn})
            self.tasks[task] = live
            return before

    def account(self, task: str) -> dict[str, Any] | None:
        """Return the response of GET /v1/tasks/{id}."""
        with self.lock:
            live = self.tasks.get(task)
            if live is None:
                return None
            scores = self._scores(live)
            numbers = zip(scores.models, scores.s1, scores.s2, scores.s3, scores.reliability, strict=True)
            rows = [{"model": m, "s1": s1, "s2": s2, "s3": s3, "p": p, "n": scores.n} for m, s1, s2, s3, p in numbers]
            decision = {"model": live.decision.model, "reason": live.decision.reason, "why": "because"}
            return {
                "id": task,
                "n": scores.n,
                "u": scores.distance,
                "decision": decision,
                "scores": rows,
                "history": live.history,
            }

    def _new(self) -> Live:
        state = self.router.empty_state()
        return Live(state, self.router.make_decision(self.router.score_task(state, self.router.select_candidates())))

    def _scores(self, live: Live) -> Any:
        return self.router.score_task(live.state, self.router.select_candidates())


class _Handler(BaseHTTPRequestHandler):
    server: SmallGateway
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one write

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = body["messages"][0]["content"]
        decision = self.server.route(self.headers["x-task-id"], text)
        body["model"] = decision.model
        body["messages"][0]["content"] = self.server.altered.get(text, text)
        request = Request(self.server.url, json.dumps(body).encode(), {"content-type": "application/json"})  # noqa: S310
        with urlopen(request, timeout=10) as response:  # noqa: S310 - 127.0.0.1
            answer = response.read()
        named = {"x-benchroute-model": decision.model, "x-benchroute-reason": decision.reason}
        self._send(200, answer, {**named, "x-benchroute-decision": "1"})

    def do_GET(self) -> None:
        account = self.server.account(unquote(self.path.removeprefix("/v1/tasks/")))
        self._send(200 if account else 404, json.dumps(account or {"error": {}}).encode(), {})

    def _send(self, status: int, raw: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(raw)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)
