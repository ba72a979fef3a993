"""The traffic goes through an OpenAI-compatible gateway; here a small real one that keeps the contract's promises."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import pytest

from demo import traffic
from demo.ask import ask_all
from demo.errors import RequestFailed
from demo.models import BY_NAME, GENERALIST
from demo.questions import Question
from demo.results import Comparison, compute_totals, task_result, write_results
from demo.run import new_tasks

MOVES_AT = 10
SPECIALIST = "calc-1"


class SmallGateway(ThreadingHTTPServer):
    """Sends a task to the generalist first and to a specialist later; its scorer lags one look behind."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = Lock()
        self.seen: dict[str, int] = {}
        self.looks: dict[str, int] = {}
        self.scoring = True

    def model_for(self, task: str) -> str:
        with self.lock:
            self.seen[task] = self.seen.get(task, 0) + 1
            return GENERALIST if self.seen[task] <= MOVES_AT else SPECIALIST

    def account(self, task: str) -> dict[str, Any] | None:
        with self.lock:
            self.looks[task] = self.looks.get(task, 0) + 1
            lag = 0 if self.scoring and self.looks[task] % 2 == 0 else 1
            n = self.seen[task] - lag
        if n == 0:
            return None
        decision = {"version": 2, "model": SPECIALIST, "reason": "score", "why": "because"}
        score = {"model": SPECIALIST, "s1": 1.0, "s2": 1.0, "s3": 0.9, "p": 0.9, "n": n}
        history = [{"version": 1, "model": GENERALIST, "reason": "best-on-average", "n": 1, "at": 0}]
        return {"id": task, "n": n, "u": 0.5, "decision": decision, "scores": [score], "history": history}


class _Handler(BaseHTTPRequestHandler):
    server: SmallGateway
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Keeps quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        model = self.server.model_for(self.headers["x-task-id"])
        answer = BY_NAME[model].answer(body["messages"][0]["content"])
        choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000}
        completion = {"id": "1", "object": "chat.completion", "created": 0, "model": model, "choices": [choice]}
        self._send(200, {**completion, "usage": usage}, {"x-benchroute-model": model})

    def do_GET(self) -> None:
        account = self.server.account(self.path.removeprefix("/v1/tasks/"))
        self._send(200 if account else 404, account or {"error": {}}, {})

    def _send(self, status: int, document: Any, headers: dict[str, str]) -> None:
        raw = json.dumps(document).encode()
        self.send_response(status)
        standard = {"content-type": "application/json", "content-length": str(len(raw)), "x-benchroute-reason": "score"}
        for name, value in {**standard, "x-benchroute-decision": "1", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)


@pytest.fixture
def small_gateway() -> Iterator[SmallGateway]:
    with SmallGateway() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def tasks() -> dict[str, tuple[Question, ...]]:
    every = new_tasks()
    return {task: every[task] for task in ("invoice-totals", "warehouse-counts")}


def test_inputs_go_in_order_to_whatever_the_gateway_chooses(
    small_gateway: SmallGateway, tasks: dict[str, tuple[Question, ...]]
) -> None:
    sent = traffic.send_all(small_gateway.server_port, tasks)
    assert [one.task for one in sent] == list(tasks)
    for one in sent:
        assert [call.model for call in one.calls] == [GENERALIST] * MOVES_AT + [SPECIALIST] * (40 - MOVES_AT)
        assert [call.mark for call in one.calls[MOVES_AT:]] == [1.0] * (40 - MOVES_AT)
        assert one.explanation["n"] == 40
        assert one.calls[0].cost_usd == pytest.approx(BY_NAME[GENERALIST].input_usd_per_mtok / 1000)


def test_a_scorer_that_never_catches_up_is_reported(
    small_gateway: SmallGateway, tasks: dict[str, tuple[Question, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic, "CATCH_UP_S", 0.2)
    small_gateway.scoring = False
    with pytest.raises(RequestFailed, match="has processed 4 inputs of task invoice-totals"):
        traffic.send_all(small_gateway.server_port, {"invoice-totals": tasks["invoice-totals"]})


def test_a_failed_request_is_reported(backend_port: int, tasks: dict[str, tuple[Question, ...]]) -> None:
    with pytest.raises(RequestFailed, match="'auto' does not exist"):
        traffic.send_all(backend_port, tasks)


def test_results_compare_with_best_on_average_and_the_oracle(
    small_gateway: SmallGateway, backend_port: int, tasks: dict[str, tuple[Question, ...]], tmp_path: Path
) -> None:
    (sent,) = traffic.send_all(small_gateway.server_port, {"invoice-totals": tasks["invoice-totals"]})
    asked = ask_all(f"http://127.0.0.1:{backend_port}/v1", list(BY_NAME), sent.questions)
    result = task_result(sent, asked, GENERALIST)
    generalist = [answer.mark for answer in asked if answer.model == GENERALIST]
    assert result.accuracy.best_on_average == pytest.approx(sum(generalist) / 40)
    assert result.accuracy.oracle == 1
    assert result.accuracy.routed == pytest.approx((sum(generalist[:MOVES_AT]) + 40 - MOVES_AT) / 40)
    assert (result.oracle, result.n, result.model) == (SPECIALIST, 40, SPECIALIST)
    assert result.routed_to == {GENERALIST: MOVES_AT, SPECIALIST: 40 - MOVES_AT}
    write_results(tmp_path / "results" / "demo.json", [result], {"best_on_average": GENERALIST})
    written = json.loads((tmp_path / "results" / "demo.json").read_text())
    assert written["tasks"][0]["accuracy"]["oracle"] == 1
    assert written["totals"]["accuracy"] == written["tasks"][0]["accuracy"]
    assert written["best_on_average"] == GENERALIST


def test_totals_weigh_every_input_the_same(
    small_gateway: SmallGateway, backend_port: int, tasks: dict[str, tuple[Question, ...]]
) -> None:
    short = {task: questions[: 5 * place] for place, (task, questions) in enumerate(tasks.items(), 1)}
    sent = traffic.send_all(small_gateway.server_port, short)
    asked = ask_all(f"http://127.0.0.1:{backend_port}/v1", list(BY_NAME), [q for many in short.values() for q in many])
    results = [task_result(one, [a for a in asked if a.question.dataset == one.task], GENERALIST) for one in sent]
    everything = compute_totals(results)
    assert everything.n == 15
    expected = (results[0].accuracy.routed * 5 + results[1].accuracy.routed * 10) / 15
    assert everything.accuracy.routed == pytest.approx(expected)
    assert everything.cost_usd.routed == pytest.approx(sum(result.cost_usd.routed for result in results))


def test_totals_of_nothing_are_nothing() -> None:
    assert compute_totals([]).accuracy == Comparison(0, 0, 0)
