"""What happened to the gateway that wrote the golden files, what it tells of it, and what happens next.

All of it over HTTP, and with fixed inputs: a gateway that opens the files must tell the same, and come to the same.
"""

import json
from collections.abc import Mapping
from typing import Any

from tests.gateway.asking import HELLO
from tests.gateway.packs import inputs
from tests.gateway.waiting import eventually
from tests.golden.programs import Programs

LIVE = 200
"""Requests of the task whose inputs come as requests."""


def tell_all(programs: Programs) -> str:
    """Fill the state. Returns the secret of the key that was created."""
    for task, dataset, count in (("sums", "sums", 30), ("capitals", "capitals", 30), ("long", "rivers", 300)):
        seed(programs, task, inputs(dataset, count, seed=3))
    seed(programs, "mixed/one", [*inputs("prices", 10, seed=4), *inputs("rivers", 10, seed=4)])
    seed(programs, "with-texts", inputs("prices", 5, seed=5))
    label(programs)
    for text in inputs("sums", LIVE, seed=6):
        say(programs, "live", text)
    request = say(programs, "rated", inputs("capitals", 1, seed=7)[0])
    programs.admin("/v1/feedback", {"request_id": request, "score": 1, "metadata": {"by": "golden"}})
    say(programs, "spent", "hi", model="other")
    programs.admin("/v1/tasks/pinned/policy", {"pin": "slow"}, "PUT")
    programs.admin("/v1/tasks/pinned/policy", {"pin": "slow", "candidates": ["slow", "good"]}, "PUT")
    programs.admin("/v1/tasks/restored/policy", {"pin": "other"}, "PUT")
    programs.admin("/v1/tasks/restored/policy", None, "DELETE")
    programs.admin("/v1/keys", {"name": "revoked"})
    programs.admin("/v1/keys/revoked", None, "DELETE")
    terms = {"name": "made", "default_task": "capitals", "models": ["good", "other"], "budget_usd_per_day": 5}
    secret: str = programs.admin("/v1/keys", terms)["secret"]
    wait_for(programs, LIVE + 2)
    return secret


def go_on(programs: Programs) -> dict[str, Any]:
    """More inputs for tasks of the golden state; what becomes of them."""
    seed(programs, "sums", inputs("capitals", 25, seed=8))
    seed(programs, "capitals", inputs("capitals", 3, seed=8))
    seed(programs, "long", inputs("rivers", 3, seed=8))
    seed(programs, "with-texts", inputs("prices", 2, seed=8))
    for text in inputs("sums", 40, seed=9):
        say(programs, "live", text)
    wait_for(programs, 40)
    return {task: _told(programs, task) for task in ("sums", "capitals", "long", "with-texts", "live")}


def reading(programs: Programs) -> dict[str, Any]:
    """What is told of the state. Times that depend on when it is asked are not among it."""
    tasks = [task["id"] for task in programs.admin("/v1/tasks")["data"]]
    named = ("pinned", "restored")
    return {
        "tasks": {task: programs.admin(f"/v1/tasks/{task}") for task in tasks},
        "policies": {task: programs.admin(f"/v1/tasks/{task}/policy") for task in named},
        "usage by task": programs.admin("/v1/usage?by=task")["data"],
        "usage by key": programs.admin("/v1/usage?by=key")["data"],
        "keys": [without(key, "today") for key in programs.admin("/v1/keys")["data"]],
        "dry run": programs.admin("/v1/route", {"inputs": inputs("rivers", 6, seed=10)}),
    }


def _told(programs: Programs, task: str) -> dict[str, Any]:
    """Without when its decisions were made."""
    found = programs.admin(f"/v1/tasks/{task}")
    return {**found, "history": [without(made, "at") for made in found["history"]]}


def seed(programs: Programs, task: str, texts: list[str]) -> None:
    programs.admin(f"/v1/tasks/{task}/inputs", {"inputs": texts})


def label(programs: Programs) -> None:
    labels = [
        {"input": text, "outcomes": {"good": place % 3 == 0, "other": 1, "slow": 0.5}}
        for place, text in enumerate(inputs("capitals", 12, seed=5))
    ]
    programs.admin("/v1/tasks/rated/labels", {"labels": labels})


def say(programs: Programs, task: str, text: str, model: str = "auto") -> str:
    """One chat completion. Returns its ID."""
    body = {**HELLO, "model": model, "messages": [{"role": "user", "content": text}]}
    response = programs.client("/v1/chat/completions", body, x_task_id=task)
    assert response.status == 200, response.body
    return response.headers["x-request-id"]


def wait_for(programs: Programs, count: int) -> None:
    """Until so many observations have been scored since the gateway's start."""
    eventually(lambda: programs.metric("benchroute_observations_total") == count, 15)


def without(document: Mapping[str, Any], *members: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in members}


def lost(expected: Any, found: Any, place: str = "") -> list[str]:
    """What of `expected` is missing or other in `found`, by its path. More may be there.

    Sentences are not compared, nor numbers beyond six digits.
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        pairs = [(f"{place}.{name}", value, found.get(name, "absent")) for name, value in expected.items()]
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = [(f"{place}[{at}]", value, found[at]) for at, value in enumerate(expected)]
    else:
        return [] if _is_same(expected, found) else [f"{place.lstrip('.')}: {json.dumps(expected)} is now {found!r}"]
    return [one for where, value, now in pairs for one in lost(value, now, where)]


def _is_same(expected: Any, found: Any) -> bool:
    if isinstance(expected, str) and " " in expected:
        return isinstance(found, str)
    if isinstance(expected, float) and isinstance(found, int | float):
        return abs(expected - found) <= 1e-6 * max(1.0, abs(expected))
    return bool(expected == found)
