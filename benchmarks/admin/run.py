"""One measurement: fill a state, start a real gateway on it, call every endpoint beside running chats."""

import http.client
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.admin.chats import Chats, quantile, running_chats
from benchmarks.admin.fill import task_name
from demo.fetch import get_json
from demo.processes import free_port, run_process

START_TIMEOUT_S = 300.0
CALLS = 20
ALONE_S = 3.0
SORTS = ("requests", "recent", "cost", "savings", "confidence", "inputs", "used")


def list_endpoints() -> Mapping[str, str]:
    """Return the paths to call, by the name that the table shows."""
    task = quote(task_name(4242), safe="/")
    paths = (
        "/v1/tasks",
        "/v1/tasks?details=true",
        "/v1/tasks?details=true&limit=1000",
        "/v1/tasks?search=customer-0042",
        "/v1/tasks?search=nothing-has-this",
        *(f"/v1/tasks?details=true&sort={sort}" for sort in SORTS),
        "/v1/tasks?details=true&sort=cost&search=customer-0042",
        "/v1/tasks?details=true&kind=automatic",
        "/v1/tasks?details=true&kind=worse&sort=savings&order=asc",
        f"/v1/tasks/{task}",
        f"/v1/tasks/{task}/policy",
        f"/v1/tasks/{task}/evidence",
        "/v1/overview",
        "/v1/usage?by=task",
        "/v1/usage?by=task&period=2020-01-01",
        "/v1/usage?by=key",
        "/v1/decisions",
        "/v1/evictions",
        "/v1/activity",
        f"/v1/activity?task={task}",
        "/v1/keys",
        "/v1/config",
        "/v1/config/versions",
        "/v1/packs",
        "/v1/models",
        "/v1/backends",
        "/v1/me",
        "/metrics",
        "/health/ready",
    )
    return {path.replace(task, "{task}"): path for path in paths}


PAGE_LIMIT_MS = 100.0
"""Of a first page."""

WAIT_LIMIT_MS = 20.0
"""How much longer a chat may take beside an endpoint than alone."""


@dataclass(frozen=True, slots=True)
class EndpointTimes:
    """An endpoint's first page, and the chats beside it; milliseconds."""

    endpoint: str
    status: int
    size_kb: float
    median_ms: float
    worst_ms: float
    chat_p50_ms: float
    chat_p99_ms: float
    chat_worst_ms: float

    def is_slow(self, alone_p99_ms: float) -> bool:
        """Return whether the page takes too long, or holds up the chats beside it. alone_p99_ms: of chats alone."""
        return self.median_ms > PAGE_LIMIT_MS or self.chat_p99_ms > alone_p99_ms + WAIT_LIMIT_MS


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A running gateway.

    Attributes:
        pid: of its process.
        config: its configuration file.
        ready: seconds until it and its scorer were ready, and their memory then.
    """

    port: int
    pid: int
    config: Path
    ready: Mapping[str, float]


@contextmanager
def running_gateway(
    folder: Path, pack: Path, models: tuple[str, ...], sections: Mapping[str, Any], stalls: Path | None = None
) -> Iterator[RunningGateway]:
    """Run backend and gateway. sections: further ones of the configuration. stalls: report of what held its loop."""
    upstream, port = free_port(), free_port()
    config = {
        "models": [
            {"name": name, "backends": [{"kind": "openai", "base_url": f"http://127.0.0.1:{upstream}/v1"}]}
            for name in models
        ],
        "routing": {"pack": str(pack)},
        "state": {"url": f"sqlite:///{folder}/state.db", "max_tasks": 10_000_000},
        **sections,
    }
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    backend = ["benchmarks.admin.upstream", str(upstream)]
    watched = ["gateway.cli"] if stalls is None else ["benchmarks.speed.stalls", str(stalls)]
    program = [*watched, "serve", "--config", str(file), "--port", str(port)]
    with run_process("the backend", backend, folder / "backend.log", {}):
        begun, ready = time.perf_counter(), dict[str, float]()
        with run_process("the gateway", program, folder / "gateway.log", {}) as child:
            child.wait_until(lambda: get_json(port, "/health/live") is not None, START_TIMEOUT_S)
            ready["gateway_s"] = time.perf_counter() - begun
            child.wait_until(lambda: (get_json(port, "/health/ready") or {}).get("scorer") == "ready", START_TIMEOUT_S)
            ready["scorer_s"] = time.perf_counter() - begun
            ready |= _memory_mb(child.pid)
            yield RunningGateway(port, child.pid, file, ready)


def measure_endpoints(port: int) -> dict[str, Any]:
    """Call every endpoint beside running chats; return the times, and those of chats alone."""
    with running_chats(port) as chats:
        time.sleep(1.0)
        chats.take_times()
        time.sleep(ALONE_S)
        alone = chats.take_times()
        rows = [measure_endpoint(port, name, path, chats) for name, path in list_endpoints().items()]
    p99_ms = quantile(alone, 0.99)
    shares = {"p50_ms": quantile(alone, 0.5), "p99_ms": p99_ms, "worst_ms": max(alone)}
    shown = [{**asdict(row), "is_slow": row.is_slow(p99_ms)} for row in rows]
    return {"alone": shares, "failed_chats": chats.failed, "endpoints": shown, "lag": read_loop_lag(port)}


def read_loop_lag(port: int, headers: Mapping[str, str] = {}) -> dict[str, float]:
    """Return how many samples of the event loop's lag there were, by upper bound in seconds; `+Inf` for all of them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_S)
    connection.request("GET", "/metrics", headers=dict(headers))
    families = text_string_to_metric_families(connection.getresponse().read().decode())
    connection.close()
    lag = next(family for family in families if family.name == "benchroute_event_loop_lag_seconds")
    return {one.labels["le"]: one.value for one in lag.samples if one.name.endswith("_bucket")}


def describe_loop_lag(lag: Mapping[str, float]) -> str:
    """Return how many samples were later than each bound, in words."""
    samples = lag["+Inf"]
    later = ", ".join(f"{bound} s {samples - count:.0f}" for bound, count in lag.items() if bound != "+Inf")
    return f"event loop, samples later than: {later}; of {samples:.0f}"


def measure_endpoint(port: int, name: str, path: str, chats: Chats) -> EndpointTimes:
    """Call an endpoint CALLS times beside running chats."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_S)
    took, status, size = list[float](), 0, 0
    chats.take_times()
    for _ in range(CALLS):
        begun = time.perf_counter()
        connection.request("GET", path)
        response = connection.getresponse()
        status, size = response.status, len(response.read())
        took.append(1000 * (time.perf_counter() - begun))
        time.sleep(0.02)
    connection.close()
    beside = chats.take_times()
    waits = quantile(beside, 0.5), quantile(beside, 0.99), max(beside)
    return EndpointTimes(name, status, size / 1000, statistics.median(took), max(took), *waits)


def _memory_mb(pid: int) -> dict[str, float]:
    """Return resident memory of the gateway and of its children, the scorer among them."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {"gateway_mb": _resident_mb(str(pid)), "scorer_mb": sum(map(_resident_mb, children))}


def _resident_mb(pid: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
