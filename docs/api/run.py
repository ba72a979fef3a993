"""A gateway in front of the loopback provider, and the calls of the reference through it."""

import http.client
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from demo.fetch import get_json
from demo.processes import free_port, run_process
from docs.api.calls import ApiCall
from docs.api.provider import running_provider

START_S = 120.0
TIMEOUT_S = 60.0
BOUNDARY = "benchroute-form"


@dataclass(frozen=True)
class Answer:
    """The answer to a call. body: as text; of one that is no text, its size."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def document(self) -> Any:
        """Its JSON, None if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class ReferenceGateway:
    """A running gateway. url: without a slash at its end."""

    url: str
    client_key: str
    admin_key: str

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that the snippets read."""
        return {
            "BENCHROUTE_URL": self.url,
            "BENCHROUTE_API_KEY": self.client_key,
            "BENCHROUTE_ADMIN_KEY": self.admin_key,
        }


@contextmanager
def reference_gateway(folder: Path) -> Iterator[ReferenceGateway]:
    """Run provider and gateway with their files in a folder; the public pack is active."""
    port, client, admin = free_port(), f"br-{secrets.token_hex(8)}", f"br-{secrets.token_hex(8)}"
    with running_provider() as provider:
        config = _configuration(f"{provider}/v1", folder, client, admin)
        (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        program = ["gateway.cli", "serve", "--config", str(folder / "config.yaml"), "--port", str(port)]
        with run_process("the gateway", program, folder / "gateway.log", {}) as child:
            child.wait_until(lambda: (get_json(port, "/health/ready") or {}).get("scorer") == "ready", START_S)
            yield ReferenceGateway(f"http://127.0.0.1:{port}", client, admin)


def _configuration(base_url: str, folder: Path, client: str, admin: str) -> dict[str, Any]:
    models = [
        ("gpt-4.1-mini", "chat", (0.4, 1.6)),
        ("claude-sonnet-4.5", "chat", (3.0, 15.0)),
        ("gemini-2.5-flash", "chat", (0.3, 2.5)),
        ("text-embedding-3-small", "embedding", (0.02, 0.0)),
        ("gpt-image-1", "image", None),
        ("whisper-1", "audio", None),
        ("omni-moderation-latest", "moderation", None),
        ("rerank-v3.5", "rerank", None),
    ]
    return {
        "models": [
            {"name": name, "kind": kind, "backends": [_backend(name, base_url)]}
            | (
                {}
                if price is None
                else {"price": dict(zip(("input_usd_per_mtok", "output_usd_per_mtok"), price, strict=True))}
            )
            for name, kind, price in models
        ],
        "routing": {"pack": "public", "keep_texts": True, "score": "auto"},
        "state": {"url": f"sqlite:///{folder}/state.db"},
        "upstream": {"files_backend": "gpt-4.1-mini/1"},
        "keys": [{"name": "support-team", "sha256": sha256(client.encode()).hexdigest()}],
        "admin": {"keys": [{"name": "platform", "sha256": sha256(admin.encode()).hexdigest()}]},
    }


def _backend(name: str, base_url: str) -> dict[str, Any]:
    speaks = {"speaks_messages": True} if name.startswith("claude") else {}
    return {"kind": "openai", "base_url": base_url, **speaks}


def ask_all(gateway: ReferenceGateway, calls: Sequence[ApiCall]) -> Iterator[tuple[ApiCall, Answer]]:
    """Make the calls in their order; yields each as it was made, with its answer."""
    saved: dict[str, str] = {}
    for call in calls:
        filled = call.fill(saved)
        answer = ask(gateway, filled)
        saved |= {name: _value(answer, source) for name, source in call.save.items()}
        yield filled, answer


def ask(gateway: ReferenceGateway, call: ApiCall) -> Answer:
    """Make a call."""
    key = gateway.admin_key if call.key == "admin" else gateway.client_key
    headers, body = {"Authorization": f"Bearer {key}", **call.headers}, None
    if call.form or call.upload is not None:
        headers["Content-Type"], body = f"multipart/form-data; boundary={BOUNDARY}", _multipart(call)
    elif call.body is not None:
        headers["Content-Type"], body = "application/json", json.dumps(call.body).encode()
    connection = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=TIMEOUT_S)
    try:
        connection.request(call.method, call.url_path, body, headers)
        response = connection.getresponse()
        given = response.read()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, _text(given))
    finally:
        connection.close()


def write_uploads(folder: Path, calls: Sequence[ApiCall]) -> None:
    """Write the files that calls send, for snippets that run in this folder."""
    for call in calls:
        if call.upload is not None:
            (folder / call.upload.name).write_text(call.upload.text, encoding="utf-8")


def _multipart(call: ApiCall) -> bytes:
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in call.form.items()]
    if (file := call.upload) is not None:
        parts.append(f'Content-Disposition: form-data; name="{file.field}"; filename="{file.name}"\r\n\r\n{file.text}')
    return "".join([*(f"--{BOUNDARY}\r\n{part}\r\n" for part in parts), f"--{BOUNDARY}--\r\n"]).encode()


def _text(given: bytes) -> str:
    try:
        return given.decode()
    except UnicodeDecodeError:
        return f"({len(given)} bytes)"


def _value(answer: Answer, source: str) -> str:
    if source.startswith("header:"):
        return answer.headers[source.removeprefix("header:")]
    value = answer.document
    for name in source.split("."):
        value = value[int(name)] if isinstance(value, list) else value[name]
    return os.fspath(value)
