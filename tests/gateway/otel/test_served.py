"""The same from `benchroute serve`, whose HTTP is its own: every way that a request can take is traced."""

import json
from pathlib import Path

from tests.gateway.asking import ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.otel.test_otel import SPAN, TRACE, Collector, attributes_of, collector, config, hexed
from tests.gateway.server.test_shutdown import running
from tests.gateway.waiting import eventually

__all__ = ["collector"]


def test_a_served_request_is_traced_and_its_backend_sees_it(
    upstream: Upstream, collector: Collector, tmp_path: Path
) -> None:
    with running(tmp_path, config(upstream, tmp_path, endpoint=collector.url, metrics=False)) as gateway:
        parent = {"traceparent": f"00-{TRACE}-{SPAN}-01", "x_request_id": "mine-1"}
        assert ask(gateway.url, body={"model": "good", "messages": []}, **parent).status == 200
        seen = upstream.last.headers["traceparent"]
        assert chat(gateway.url, "tells", stream=True).status == 200
        assert ask(gateway.url, body=json.dumps({"messages": []}).encode()).status == 400
        gateway.process.terminate()
        gateway.ended()
    eventually(lambda: len(collector.spans()) == 3)
    good, streamed, refused = sorted(collector.spans(), key=lambda span: int(span["startTimeUnixNano"]))
    assert (hexed(good["traceId"]), hexed(good["parentSpanId"])) == (TRACE, SPAN)
    assert seen == f"00-{TRACE}-{hexed(good['spanId'])}-01"
    assert attributes_of(good)["benchroute.client_request_id"] == "mine-1"
    assert attributes_of(good)["benchroute.request_id"].startswith("req_")
    assert attributes_of(streamed)["gen_ai.usage.output_tokens"] == "6"
    assert attributes_of(refused)["error.type"] == "400"
