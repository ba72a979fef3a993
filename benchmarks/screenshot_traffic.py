"""Traffic and keys of the gateways that `benchmarks.screenshots` takes pictures of."""

import hashlib
import json
import random
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import yaml

from demo.fetch import get_json
from demo.questions import Question

PINNED, PIN = "odd-jobs", "pico"
SEED = 8
PATIENCE_S = 120.0
POLL_S = 0.25
ADMIN_SECRET = "the-admin-of-the-pictures"  # noqa: S105 - of a gateway on loopback that ends with the program
SERVICE_SECRET = "the-service-of-the-pictures"  # noqa: S105 - as above


def send_questions(port: int, tasks: Mapping[str, Sequence[Question]], spread_s: float) -> None:
    """Send the demo's questions in random order over `spread_s` seconds, then pin one task."""
    draw = random.Random(SEED)
    questions = [(task, question.text) for task, some in tasks.items() for question in some]
    draw.shuffle(questions)
    started = time.monotonic()
    for place, (task, text) in enumerate(questions):
        ask_chat(port, text, {"x-task-id": task})
        time.sleep(max(0.0, started + spread_s * (place + draw.random()) / len(questions) - time.monotonic()))
    for task, some in tasks.items():
        wait_scored(port, task, len(some))
    send_json(port, "PUT", f"/v1/tasks/{PINNED}/policy", {"pin": PIN}, {})


def wait_scored(port: int, task: str, n: int) -> None:
    """Wait until the scorer has processed all inputs of a task."""
    deadline = time.monotonic() + PATIENCE_S
    while (get_json(port, f"/v1/tasks/{task}") or {}).get("n", 0) < n and time.monotonic() < deadline:
        time.sleep(POLL_S)


def add_key_settings(config: Path, target: Path) -> Path:
    """Write a copy of a configuration with an admin key and a client's; returns its path."""
    settings = yaml.safe_load(config.read_text())
    settings["admin"] = {"keys": [{"name": "ops", "sha256": digest(ADMIN_SECRET)}]}
    service = {"name": "support-service", "sha256": digest(SERVICE_SECRET), "default_task": "support-lookup"}
    settings["keys"] = [{**service, "budget_usd_per_month": 300}]
    target.write_text(yaml.safe_dump(settings))
    return target


def digest(secret: str) -> str:
    """Return a secret's SHA-256, as the configuration holds it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create_keys(port: int) -> None:
    """Create keys with limits, one that soon expires and one with two secrets, and call models with them."""
    admin = {"authorization": f"Bearer {ADMIN_SECRET}"}
    soon = (datetime.now(UTC) + timedelta(days=6)).isoformat()
    keys: Mapping[str, Mapping[str, Any]] = {
        "team-billing": {"requests_per_minute": 120, "budget_usd_per_day": "5", "default_task": "invoice-totals"},
        "ci": {"models": ["pico", "calc-1"], "expires_at": soon},
        "warehouse-app": {"max_concurrent_requests": 8},
    }
    for place, (name, terms) in enumerate(keys.items()):
        secret = send_json(port, "POST", "/v1/keys", {"name": name, **terms}, admin)["secret"]
        for _ in range(4 * place + 3):
            ask_chat(port, "How many crates are left?", {"authorization": f"Bearer {secret}"}, model="pico")
    send_json(port, "POST", "/v1/keys/warehouse-app/rotate", {}, admin)
    ask_chat(port, "Where is my parcel?", {"authorization": f"Bearer {SERVICE_SECRET}"})


def ask_chat(port: int, text: str, headers: Mapping[str, str], model: str = "auto") -> None:
    """Send one chat completion."""
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    send_json(port, "POST", "/v1/chat/completions", body, headers)


def send_json(port: int, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Any:
    """Send one request; returns the response's JSON. Ends the program if its status is not 200."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, json.dumps(body), {"content-type": "application/json", **headers})
    answer = connection.getresponse()
    found = answer.read()
    connection.close()
    if answer.status != HTTPStatus.OK:
        raise SystemExit(f"{method} {path} was answered {answer.status}: {found.decode()[:300]}")
    return json.loads(found)
