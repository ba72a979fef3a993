"""A gateway, a backend, and a collector in a process of its own: what is told of requests, and to whom."""

import base64
import contextlib
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.semconv._incubating.attributes import error_attributes, gen_ai_attributes, http_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

from gateway.otel import attributes
from tests.gateway.asking import ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway, serving_gateway
from tests.gateway.waiting import eventually

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PROMPT = "the patient's name is Wilhelmina"
MODELS = ["good", "e500", "tells", "dies-in-stream"]
PRICE = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}


class Collector:
    """What it was sent."""

    def __init__(self, url: str, file: Path) -> None:
        self.url = url
        self._file = file

    def sent(self, path: str) -> list[dict[str, Any]]:
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        return [told for told in map(json.loads, lines) if told["path"] == path]

    def spans(self) -> list[dict[str, Any]]:
        scopes = (
            scope for told in self.sent("/v1/traces") for of in told["resourceSpans"] for scope in of["scopeSpans"]
        )
        return [span for scope in scopes for span in scope["spans"]]

    def metrics(self) -> dict[str, list[dict[str, Any]]]:
        """The last points of every metric."""
        scopes = (s for told in self.sent("/v1/metrics") for of in told["resourceMetrics"] for s in of["scopeMetrics"])
        return {one["name"]: one["histogram"]["dataPoints"] for scope in scopes for one in scope["metrics"]}


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    file = tmp_path / "sent.jsonl"
    command = [sys.executable, "-m", "tests.gateway.otel.collector", str(file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Collector(f"http://127.0.0.1:{int(process.stdout.readline())}", file)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def attributes_of(told: dict[str, Any]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values())) for one in told.get("attributes", ())}


def hexed(text: str) -> str:
    return base64.b64decode(text).hex()


def config(upstream: Upstream, folder: Path, **otel: Any) -> str:
    backend = {"kind": "openai", "base_url": upstream.base_url}
    models = [{"name": name, "price": PRICE, "backends": [backend]} for name in MODELS]
    text = configuration(
        upstream.base_url,
        [],
        state={"url": f"sqlite:///{folder}/state.db"},
        tasks={"falls-back": {"candidates": ["e500", "good"], "pin": "e500", "fallbacks": ["good"]}},
        upstream={"retries": 0},
        otel=otel,
    )
    return text.replace("models: []", f"models: {json.dumps(models)}")


def test_a_request_is_one_span_in_its_clients_trace_and_its_backend_sees_it(
    upstream: Upstream, collector: Collector, tmp_path: Path
) -> None:
    parent = f"00-{TRACE}-{SPAN}-01"
    text = config(upstream, tmp_path, endpoint=collector.url, headers={"authorization": "Bearer c"}, metrics_every_s=1)
    with serving_gateway(text) as serving:
        url, said = serving.url, [{"role": "user", "content": PROMPT}]
        body = {"model": "good", "messages": said}
        ask(url, body=body, x_task_id="t", traceparent=parent, tracestate="vendor=1")
        seen = upstream.last.headers
        ask(url, body={**body, "model": "auto"}, x_task_id="falls-back")
        chat(url, "tells", stream=True, messages=said)
        with contextlib.suppress(http.client.IncompleteRead):
            chat(url, "dies-in-stream", stream=True, messages=said)
        chat(url, "nobody")
        eventually(lambda: attributes.DURATION in collector.metrics())
    eventually(lambda: len(collector.spans()) == 5)
    good, fell, streamed, broke, refused = sorted(collector.spans(), key=lambda span: int(span["startTimeUnixNano"]))
    assert (hexed(good["traceId"]), hexed(good["parentSpanId"])) == (TRACE, SPAN)
    assert (good["name"], good["kind"]) == ("chat good", "SPAN_KIND_CLIENT")
    assert seen["traceparent"] == f"00-{TRACE}-{hexed(good['spanId'])}-01"
    assert seen["tracestate"] == "vendor=1"
    about = attributes_of(good)
    assert (about["gen_ai.operation.name"], about["gen_ai.provider.name"]) == ("chat", "openai")
    assert (about["gen_ai.usage.input_tokens"], about["gen_ai.usage.output_tokens"]) == ("1", "1")
    assert (about["benchroute.task"], about["benchroute.reason"]) == ("t", "requested")
    assert int(good["endTimeUnixNano"]) > int(good["startTimeUnixNano"])
    outcomes = [attributes_of(event)["benchroute.outcome"] for event in fell["events"]]
    assert outcomes == ["answered 500", "ok"]
    assert attributes_of(fell)["benchroute.attempts"] == "2"
    assert attributes_of(streamed)["gen_ai.usage.output_tokens"] == "6"
    assert (attributes_of(broke)["error.type"], broke["status"]["code"]) == ("stream_interrupted", "STATUS_CODE_ERROR")
    assert attributes_of(refused)["error.type"] == "404"
    points = collector.metrics()
    assert {attributes_of(one).get("error.type") for one in points[attributes.DURATION]} == {
        None,
        "stream_interrupted",
        "404",
    }
    assert {attributes_of(one)["gen_ai.token.type"] for one in points[attributes.TOKENS]} == {"input", "output"}
    everything = json.dumps([collector.sent("/v1/traces"), collector.sent("/v1/metrics")])
    assert "Wilhelmina" not in everything
    assert {told["authorization"] for told in collector.sent("/v1/traces")} == {"Bearer c"}


def test_a_trace_that_its_client_does_not_follow_is_passed_on_and_not_told(
    upstream: Upstream, collector: Collector, tmp_path: Path
) -> None:
    with serving_gateway(config(upstream, tmp_path, endpoint=collector.url, sample_rate=0)) as serving:
        ask(serving.url, body={"model": "good", "messages": []}, traceparent=f"00-{TRACE}-{SPAN}-00")
        assert upstream.last.headers["traceparent"].startswith(f"00-{TRACE}-")
        assert upstream.last.headers["traceparent"].endswith("-00")
        chat(serving.url, "good")
    assert collector.spans() == []
    assert sum(int(one["count"]) for one in collector.metrics()[attributes.DURATION]) == 2


def test_without_a_collector_nothing_changes_but_a_note_in_the_log(upstream: Upstream, tmp_path: Path) -> None:
    with serving_gateway(config(upstream, tmp_path, endpoint="http://127.0.0.1:9", metrics=False)) as serving:
        assert chat(serving.url, "good").status == 200


def test_without_an_endpoint_a_clients_context_is_passed_on_as_it_is(upstream: Upstream, tmp_path: Path) -> None:
    with serving_gateway(config(upstream, tmp_path)) as serving:
        ask(serving.url, body={"model": "good", "messages": []}, traceparent=f"00-{TRACE}-{SPAN}-01")
    assert upstream.last.headers["traceparent"] == f"00-{TRACE}-{SPAN}-01"


def test_the_names_are_the_conventions() -> None:
    assert attributes.OPERATION == gen_ai_attributes.GEN_AI_OPERATION_NAME
    assert attributes.PROVIDER == gen_ai_attributes.GEN_AI_PROVIDER_NAME
    assert attributes.REQUEST_MODEL == gen_ai_attributes.GEN_AI_REQUEST_MODEL
    assert attributes.INPUT_TOKENS == gen_ai_attributes.GEN_AI_USAGE_INPUT_TOKENS
    assert attributes.OUTPUT_TOKENS == gen_ai_attributes.GEN_AI_USAGE_OUTPUT_TOKENS
    assert attributes.TOKEN_TYPE == gen_ai_attributes.GEN_AI_TOKEN_TYPE
    assert attributes.ERROR_TYPE == error_attributes.ERROR_TYPE
    assert attributes.STATUS == http_attributes.HTTP_RESPONSE_STATUS_CODE
    assert attributes.DURATION == gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION
    assert attributes.TOKENS == gen_ai_metrics.GEN_AI_CLIENT_TOKEN_USAGE
    known = {member.value for member in gen_ai_attributes.GenAiOperationNameValues}
    assert {operation for operation, _ in attributes.OPERATIONS.values()} <= known


def test_what_is_passed_through_has_a_span_of_its_path(
    upstream: Upstream, collector: Collector, tmp_path: Path
) -> None:
    with running_gateway(config(upstream, tmp_path, endpoint=collector.url)) as url:
        ask(url, "/v1/images/generations", body={"model": "good", "prompt": "x"})
        assert "traceparent" in upstream.last.headers
        ask(url, "/v1/files/file-1")
    eventually(lambda: len(collector.spans()) == 2)
    drawn, refused = sorted(collector.spans(), key=lambda span: int(span["startTimeUnixNano"]))
    assert drawn["name"] == "images/generations good"
    assert refused["name"] == "files/{id}"
    assert attributes_of(refused)["error.type"] == "404"
