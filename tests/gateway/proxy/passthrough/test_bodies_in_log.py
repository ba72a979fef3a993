"""What the request log stores of requests that are passed through: JSON and text, and of all else type and size."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.api_upstream import IMAGE, PNG, ApiUpstream
from tests.gateway.asking import ask
from tests.gateway.proxy.passthrough.conftest import MINE, settings
from tests.gateway.serving import running_gateway

BOUNDARY = "----x"
FORM = (
    f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="model"\r\n\r\naudio\r\n'
    f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n{"z" * 5000}\r\n'
    f"--{BOUNDARY}--\r\n"
).encode()


def logged(url: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
    sent = ask(url, path, body=body, method="GET" if body is None else "POST", **MINE, **headers)
    assert sent.status == 200, sent.body
    shown: dict[str, Any] = ask(url, f"/v1/requests/{sent.headers['x-request-id']}", **MINE).json
    return shown


@pytest.mark.parametrize("lane", ["express", "asgi"])
def test_bodies_are_logged_as_json_or_text_and_else_as_type_and_size(
    api: ApiUpstream, tmp_path: Path, lane: str
) -> None:
    text = settings(api, tmp_path, log={"bodies": True}, server={"lane": lane})
    with running_gateway(text) as url:
        drawn = logged(url, "/v1/images/generations", {"model": "image", "prompt": "a fish for jo@example.org"})
        assert json.loads(drawn["prompt"]["text"]) == {"prompt": "a fish for [redacted]"}
        answer = json.loads(drawn["answer"]["text"])
        assert answer["usage"] == IMAGE["usage"]
        assert answer["data"] == [{"b64_json": "[data, 400000 characters]"}]

        ranked = logged(url, "/v1/rerank", {"model": "rerank", "query": "fish?", "documents": ["a", "b"]})
        assert json.loads(ranked["prompt"]["text"]) == {"query": "fish?", "documents": ["a", "b"]}

        spoken = logged(url, "/v1/audio/speech", {"model": "audio", "input": "hello"})
        assert json.loads(spoken["prompt"]["text"]) == {"input": "hello"}
        assert spoken["answer"]["text"].startswith('"[')
        assert f"{len(PNG)} bytes]" in spoken["answer"]["text"]

        form = {"content_type": f"multipart/form-data; boundary={BOUNDARY}"}
        heard = logged(url, "/v1/audio/transcriptions", FORM, **form)
        assert json.loads(heard["prompt"]["text"]) == {"input": f"[multipart/form-data, {len(FORM)} bytes]"}
        assert json.loads(heard["answer"]["text"])["text"] == "hello"
        assert "zzz" not in json.dumps(heard)

        listed = logged(url, "/v1/files/file-1")
        assert listed["prompt"]["text"] == "{}"
        assert json.loads(listed["answer"]["text"])["id"] == "file-1"


def test_without_the_setting_nothing_of_them_is_logged(api: ApiUpstream, tmp_path: Path) -> None:
    with running_gateway(settings(api, tmp_path)) as url:
        drawn = logged(url, "/v1/images/generations", {"model": "image", "prompt": "a fish"})
        assert drawn["prompt"] is drawn["answer"] is None
