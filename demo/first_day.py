"""A newcomer's first minutes, from three API keys to routed requests: init, serve, 200 requests of four applications.

The applications know nothing of tasks: they send `model: auto` and their own system prompts. What appears is printed:
the tasks, their models and why, and the figures of the overview page.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console

from demo.errors import ChildEnded, RequestFailed
from demo.fetch import get_json
from demo.processes import ChildProcess, free_port, run_process
from demo.providers import key_variable, run_providers
from gateway.cli.terminal import make_table

KEYS = {"openai": "sk-openai", "anthropic": "sk-anthropic", "gemini": "sk-gemini"}
CALLS = 200
INIT_S, START_S, DECIDED_S = 60.0, 60.0, 120.0
DASHBOARD_LINE = re.compile(r"dashboard: (http://\S+)/ui/")


@dataclass(frozen=True, slots=True)
class Application:
    """An application that uses a gateway. prompt, question: with `{n}` for what differs from request to request."""

    name: str
    prompt: str
    question: str


APPLICATIONS = (
    Application(
        "support mail",
        "You sort mail for the support desk of Lumen Lamps. Today is 2026-11-{n}. Reply with one label: refund, "
        "delivery, defect or other. Never reply with anything else.",
        "Order {n}{n} came with a broken shade and I would like my money back, please.",
    ),
    Application(
        "invoices",
        'Extract the invoice as JSON with the members "number", "total" and "currency". The customer is account {n}. '
        "Leave out what is not stated.",
        "Invoice INV-{n}: 14 headsets at 33.90 EUR each, less a credit note of {n} EUR.",
    ),
    Application(
        "SQL",
        "You write one PostgreSQL query for the tables customers(id, city) and orders(id, customer_id, total). Session "
        "{n}. Answer with the query alone, without a comment.",
        "How many customers ordered for more than {n} euros last month?",
    ),
    Application(
        "translation",
        "Translate the user's text to French for a hotel's web site, in the formal register. Ticket #{n}. Keep names "
        "as they are.",
        "Breakfast is served until {n} o'clock on the terrace.",
    ),
)


@dataclass(frozen=True, slots=True)
class FirstDay:
    """What a newcomer sees.

    Attributes:
        init: output of `benchroute init`.
        config: the text that it wrote.
        served: what the gateway logged at its start.
        overview: response of /v1/overview.
        tasks: detailed list of tasks.
        usage: sums of all tasks.
        by_application: number of requests by application and task.
    """

    init: str
    config: str
    served: str
    overview: Mapping[str, Any]
    tasks: Sequence[Mapping[str, Any]]
    usage: Mapping[str, Any]
    by_application: Mapping[tuple[str, str], int]


def live_first_day(folder: Path, calls: int = CALLS) -> FirstDay:
    """Configure and run a gateway in an empty folder, and send the requests.

    Raises ChildEnded, NotReady, RequestFailed.
    """
    environment = {**{key_variable(name): key for name, key in KEYS.items()}, "PYTHONUNBUFFERED": "1"}
    with run_providers(KEYS) as urls:
        init = _configure(folder, urls, environment)
        arguments = ["gateway.cli", "serve", "--config", str(folder / "config.yaml")]
        with run_process("gateway", arguments, folder / "gateway.log", environment) as gateway:
            url = _wait_ready(gateway)
            told = _send_calls(url, calls)
            gateway.wait_until(lambda: _is_decided(url, calls), DECIDED_S)
            tasks = _read(url, "/v1/tasks?details=true")["data"]
            served = gateway.log.read_text(encoding="utf-8")
            usage = _read(url, "/v1/usage?by=task")["total"]
            overview = _read(url, "/v1/overview")
    return FirstDay(init, (folder / "config.yaml").read_text("utf-8"), served, overview, tasks, usage, told)


def print_first_day(day: FirstDay, console: Console) -> None:
    """Print what a newcomer sees."""
    console.print(day.init, soft_wrap=True, highlight=False)
    for line in day.served.splitlines():
        if re.search(r"benchroute: (API|dashboard|config|client):", line):
            console.print(line.partition("benchroute: ")[2], soft_wrap=True, highlight=False)
    console.print(_tasks_table(day))
    for task in day.tasks:
        console.print(f"{task['id']}: {task['decision']['why']}", soft_wrap=True, highlight=False)
    overview, usage = day.overview, day.usage
    console.print(
        f"overview: {overview['tasks']} tasks, by reason {dict(overview['by_reason'])}; {usage['requests']} requests, "
        f"cost {_usd(usage['cost_usd'])}, of which routed {_usd(usage['routed_cost_usd'])}, saved "
        f"{_usd(usage['saved_usd'])} against the best model on average",
        soft_wrap=True,
        highlight=False,
    )


def _configure(folder: Path, urls: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """Run `benchroute init --yes` and return its output."""
    arguments = ["gateway.cli", "init", "--yes", "--port", str(free_port()), "-o", str(folder / "config.yaml")]
    for name, url in urls.items():
        arguments += ["--endpoint", f"{name}={url},{key_variable(name)}", "--provider", name]
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=INIT_S,
    )
    told = done.stdout + done.stderr
    if done.returncode:
        raise ChildEnded(f"benchroute init ended with exit code {done.returncode}\n{told}")
    config = folder / "config.yaml"
    # The state belongs to this folder, wherever the demonstration is started.
    config.write_text(config.read_text("utf-8").replace("sqlite:///benchroute.db", f"sqlite:///{folder}/benchroute.db"))
    return told.strip()


def _wait_ready(gateway: ChildProcess) -> str:
    """Wait until the scorer is ready, and return the URL that the gateway logs."""
    gateway.wait_until(lambda: DASHBOARD_LINE.search(gateway.log.read_text("utf-8")) is not None, START_S)
    found = DASHBOARD_LINE.search(gateway.log.read_text("utf-8"))
    url = found[1] if found else ""
    gateway.wait_until(lambda: _read(url, "/health/ready")["scorer"] in ("ready", "none"), START_S)
    return url


def _requests(calls: int) -> Iterator[tuple[Application, dict[str, Any]]]:
    for number in range(calls):
        application = APPLICATIONS[number % len(APPLICATIONS)]
        written = str(10 + number // len(APPLICATIONS))
        messages = [
            {"role": "system", "content": application.prompt.replace("{n}", written)},
            {"role": "user", "content": application.question.replace("{n}", written)},
        ]
        yield application, {"model": "auto", "messages": messages}


def _send_calls(url: str, calls: int) -> Mapping[tuple[str, str], int]:
    """Send the requests, and return how many of each application had which task. Raises RequestFailed."""
    found: dict[tuple[str, str], int] = {}
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        for application, body in _requests(calls):
            connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200:
                raise RequestFailed(f"{url}: status {response.status}: {answer.decode(errors='replace')}")
            place = application.name, response.headers["x-benchroute-task"] or ""
            found[place] = found.get(place, 0) + 1
    finally:
        connection.close()
    return found


def _is_decided(url: str, calls: int) -> bool:
    """Return True once every request has been scored, or skipped by sampling, and no count changes any more."""
    before = [task["n"] for task in _read(url, "/v1/tasks?details=true")["data"]]
    time.sleep(1.0)
    now = [task["n"] for task in _read(url, "/v1/tasks?details=true")["data"]]
    return bool(now) and now == before and all(now) and sum(now) <= calls


def _read(url: str, path: str) -> Mapping[str, Any]:
    found = get_json(urlsplit(url).port or 0, path)
    if found is None:
        raise RequestFailed(f"{url}{path}: not found")
    return found


def _tasks_table(day: FirstDay) -> Any:
    shown = make_table(("application", "task", "model", "reason"), ("requests", "inputs", "cost"))
    rows = {task["id"]: task for task in day.tasks}
    for (application, name), calls in day.by_application.items():
        task = rows[name]
        decision, cost = task["decision"], _usd(task["spent"]["cost_usd"])
        shown.add_row(application, name, decision["model"], decision["reason"], str(calls), str(task["n"]), cost)
    return shown


def _usd(amount: float | None) -> str:
    return "unknown" if amount is None else f"{amount:.5f} USD"
