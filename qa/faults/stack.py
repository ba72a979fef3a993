"""A whole deployment under load, and the count afterwards."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

import yaml

from gateway.distributed import packs, redis_keys
from gateway.distributed.crash_counters import read_crash_counter
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.redis_keys import DEFAULT_KEYS, Shard
from gateway.distributed.scripts import DELIVERY_FIELDS
from gateway.distributed.store import RedisStore
from gateway.distributed.supervisor import NICE
from qa.faults import programs
from qa.faults.load import Load
from qa.faults.material import MODELS, build_letters_pack, inputs
from qa.faults.programs import LOOPBACK, Gateway, Program, Server, wait_until
from qa.faults.proxy import Proxy
from qa.faults.sentinel import Watched, watch_redis
from qa.faults.single import score_streams
from qa.faults.wires import Wires
from tests.gateway.distributed.comparison import differing_tasks

SETTLED_S = 90.0
WARM_S = 2.0
AFTER_S = 2.0
"""Seconds after a fault that count as part of it: the time of recovery."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of the deployment and of the load.

    Attributes:
        gateways: number of gateways.
        scorers: number of scorers.
        tasks: number of tasks.
        per_s: requests per second.
        seconds: duration of the load; a fault lasts a third of it, followed by a third without.
        shards: number of Redis shards.
        backlog: observations that may wait in a shard.
        has_file: True if the pack is a file, False if it is activated in Redis.
        kept: scored observations that remain in a stream.
        nice: niceness of the scorers.
        has_cables: True if a partition may use network namespaces.
        drain_s: time that a gateway serves after SIGTERM.
        has_sentinel: True if a Sentinel watches Redis and a replica.
    """

    gateways: int = 2
    scorers: int = 2
    tasks: int = 12
    per_s: float = 60.0
    seconds: float = 18.0
    shards: int = 8
    backlog: int = 100_000
    has_file: bool = True
    kept: int = 1_000_000
    nice: int = NICE
    has_cables: bool = True
    drain_s: float = 0.0
    has_sentinel: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        fault: name of the scenario.
        sent: observations that gateways accepted.
        observed: observations that scorers processed, including skipped ones.
        skipped: of those, not embedded by adaptive sampling.
        dropped: counted losses, dead letters included.
        requests: requests answered.
        failed_requests: requests without status 200.
        p99_before_ms: 99th percentile over as long a time before the fault.
        p99_ms: 99th percentile during the fault.
        decisions_equal: True if one program computes the same from the same inputs.
        adds_up: True if every observation is accounted for.
        dropped_by_reason: reason -> count.
        note: remarks.
    """

    fault: str
    sent: int
    observed: int
    skipped: int
    dropped: int
    requests: int
    failed_requests: int
    p99_before_ms: float
    p99_ms: float
    decisions_equal: bool
    adds_up: bool
    dropped_by_reason: Mapping[str, int]
    note: str = ""


@dataclass(frozen=True, slots=True)
class ObservationCounts:
    """The fate of all observations.

    Attributes:
        sent: accepted by gateways.
        observed: processed by scorers.
        skipped: of those, not embedded.
        dropped: reason -> count.
    """

    sent: int
    observed: int
    skipped: int
    dropped: Mapping[str, int]

    @property
    def adds_up(self) -> bool:
        """True if every observation is accounted for."""
        return self.sent == self.observed + sum(self.dropped.values())


@dataclass
class Stack:
    """All processes of a deployment, and the load."""

    folder: Path
    shape: Shape
    redis: Server
    upstream: Program
    proxy: Proxy
    pack: Path
    wires: Wires | None = None
    watched: Watched | None = None
    gateways: list[Gateway] = field(default_factory=list)
    scorers: list[Program] = field(default_factory=list)
    load: Load | None = None
    fault_at: float = 0.0
    over_at: float = 0.0
    _loading: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The state URL of Redis, for the runner itself."""
        return f"redis://127.0.0.1:{self.redis.port}/0"

    def start_load(self) -> None:
        """Start the load."""
        self.load = Load([one.url for one in self.gateways], inputs(self.shape.tasks), self.shape.per_s)
        self._loading = threading.Thread(target=asyncio.run, args=(self.load.run(),), daemon=True)
        self._loading.start()

    def warm_up(self) -> None:
        """Wait for the requests that are not measured, and for the baseline before the fault."""
        time.sleep(WARM_S + self.shape.seconds / 3 + AFTER_S)

    def wait_a_third(self) -> None:
        """Wait for a third of the load."""
        time.sleep(self.shape.seconds / 3)

    @contextmanager
    def fault(self) -> Iterator[None]:
        """Record the start and the end of the fault."""
        self.fault_at = time.monotonic()
        yield
        self.over_at = time.monotonic()

    def cut(self) -> None:
        """Cut the connection between the first gateway and Redis."""
        if self.wires:
            self.wires.cut()
        self.proxy.is_cut = True

    def restore(self) -> None:
        """Restore the connection."""
        if self.wires:
            self.wires.restore()
        self.proxy.is_cut = False

    def activate(self, pack: Path) -> packs.ActivePack:
        """Push a pack and activate it."""
        client = RedisClient(self.url, shards=self.shape.shards)
        try:
            return packs.activate_pack(client, packs.push_pack(client, pack, time.time()), time.time())
        finally:
            client.close_connections()

    def packs_of_sums(self) -> set[str]:
        """Return the hashes of the packs that the shards' sums are computed with."""
        with self.redis.client() as client:
            found = [client.hget(Shard(number).info_key, "basis") for number in range(self.shape.shards)]
        return {(basis or b"").decode().split("/")[0] for basis in found}

    def packs_of_gateways(self) -> set[str]:
        """Return the hashes of the packs that the gateways report."""
        found = set()
        for gateway in self.gateways:
            with urlopen(f"{gateway.url}/metrics", timeout=5) as answer:  # noqa: S310 - our own gateway
                found |= set(re.findall(r'benchroute_pack_info\{[^}]*hash="(\w+)"', answer.read().decode()))
        return found

    def end_load(self) -> None:
        """Stop sending; wait for requests in flight."""
        assert self.load is not None  # noqa: S101 - started before
        assert self._loading is not None  # noqa: S101 - started before
        self.load.ended = True
        self._loading.join(60)

    def send_request(self, task: str, text: str) -> None:
        """Send one request in addition to the load."""
        body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}]}).encode()
        headers = {"content-type": "application/json", "x-task-id": task}
        with urlopen(Request(f"{self.gateways[0].url}/v1/chat/completions", body, headers), timeout=20):  # noqa: S310
            pass

    def count_observations(self) -> ObservationCounts:
        """Return the fate of all observations, by all gateways' crash counters and by Redis' counts."""
        sent, observed, skipped, dropped = (
            0,
            0,
            0,
            dict.fromkeys(("in gateways", "backlog_full", "parked", "gateway_died"), 0),
        )
        client = RedisClient(self.url, shards=self.shape.shards)
        shards = RedisStore(client).all_shards()
        for name, tally in self._crash_counters().items():
            sent, before = sent + tally[0], tally[2]
            dropped["in gateways"] += tally[1]
            fields = [f"{name}:{field}" for field in DELIVERY_FIELDS]
            found = client.pipeline([("HMGET", shard.counts_key, *fields) for shard in shards])
            sums = {
                field: sum(int(values[place] or 0) for values in found) for place, field in enumerate(DELIVERY_FIELDS)
            }
            observed += sums["observed"] + sums["faults"] + before
            skipped += sums["skipped"]
            dropped["backlog_full"] += sums["dropped"]
            dropped["parked"] += sums["parked"]
        dropped["gateway_died"] = sum(int(value) for value in client.execute("HGETALL", client.keys.lost).values())
        client.close_connections()
        return ObservationCounts(sent, observed, skipped, dropped)

    def save_crash_counters(self) -> None:
        """Save the crash counters of gateways that will exit: their files are deleted then."""
        self._saved_counters |= self._current_counters()

    def row(self, fault: str, note: str = "", compare: "Callable[[Stack], list[str]] | None" = None) -> Row:
        """Wait until every observation is accounted for, and count. compare: in place of comparing with one program."""
        assert self.load is not None  # noqa: S101 - started before
        deadline, result = time.monotonic() + SETTLED_S, self.count_observations()
        while time.monotonic() < deadline and not result.adds_up:
            time.sleep(0.25)
            result = self.count_observations()
        client = RedisClient(self.url, shards=self.shape.shards)
        store = RedisStore(client)
        differ = compare(self) if compare else differing_tasks(store, score_streams(client, self.pack, self.folder))
        client.close_connections()
        end = max(self.over_at, self.fault_at) + AFTER_S
        first = max(self.load.started + WARM_S, 2 * self.fault_at - end)
        before, during = self.load.p99_ms(first, self.fault_at), self.load.p99_ms(self.fault_at, end)
        remarks = [note, f"differing: {differ[:3]}" if differ else "", "" if result.adds_up else str(result)]
        return Row(
            fault,
            result.sent,
            result.observed,
            result.skipped,
            sum(result.dropped.values()),
            len(self.load.finished),
            len(self.load.failures),
            round(before, 2),
            round(during, 2),
            not differ,
            result.adds_up,
            {reason: count for reason, count in result.dropped.items() if count},
            "; ".join(remark for remark in remarks if remark),
        )

    _saved_counters: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def _crash_counters(self) -> dict[str, tuple[int, int, int]]:
        return self._saved_counters | self._current_counters()

    def _current_counters(self) -> dict[str, tuple[int, int, int]]:
        return {path.stem: read_crash_counter(path) for one in self.gateways for path in one.cache.glob("*.tally")}


@contextmanager
def running(
    folder: Path,
    shape: Shape,
    environments: Mapping[str, Mapping[str, str]] | None = None,
    wires: Wires | None = None,
) -> Iterator[Stack]:
    """Run a deployment until the block ends; it answers, and its scorers work.

    environments: extra variables, by `redis`, `gateway-0`, `scorer-0` and so on. wires: of the first gateway, which
    otherwise reaches Redis through the proxy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stack = _stack(folder, shape, environments or {}, wires)
    try:
        stack.redis.start_and_wait()
        if stack.watched is not None:
            stack.watched.start_and_wait(stack.redis)
        stack.proxy.start()
        stack.upstream.start()
        for one in stack.scorers:
            one.start()
        for gateway in stack.gateways:
            gateway.start_and_wait()
        if not shape.has_file:
            stack.activate(stack.pack)
        wait_until(lambda: _are_there(stack), 60, "the scorers' start")
        yield stack
    finally:
        watching = stack.watched.programs if stack.watched else ()
        for program in (*stack.gateways, *stack.scorers, stack.upstream, stack.redis, *watching):
            if program.process is not None and program.process.poll() is None:
                program.kill()
        stack.proxy.stop()


def _stack(folder: Path, shape: Shape, environments: Mapping[str, Mapping[str, str]], wires: Wires | None) -> Stack:
    """Create the deployment, not started."""
    port, proxied, backend = (programs.free_port() for _ in range(3))
    pack = build_letters_pack(folder / "pack")
    listens = ("--bind", LOOPBACK, wires.redis, "--protected-mode", "no") if wires else ()
    redis = programs.redis_server(folder, port, *listens, environment=environments.get("redis"))
    upstream = programs.upstream(folder, backend, *([wires.machine] if wires else ()))
    watched = watch_redis(folder, redis) if shape.has_sentinel else None
    stack = Stack(folder, shape, redis, upstream, Proxy(proxied, port), pack, wires, watched)
    for number in range(shape.gateways):
        name, far = f"gateway-{number}", Addresses(LOOPBACK, proxied if number == 0 else port, LOOPBACK)
        within: Sequence[str] = ()
        host = LOOPBACK
        if wires and number == 0:
            far, within, host = Addresses(wires.redis, port, wires.machine), wires.command, wires.gateway
        config = _config(folder, name, shape, far, backend, pack, watched)
        stack.gateways.append(programs.gateway(folder, config, number, environments.get(name), within, host))
    config = _config(folder, "scorers", shape, Addresses(LOOPBACK, port, LOOPBACK), backend, pack, watched)
    for number in range(shape.scorers):
        environment = environments.get(f"scorer-{number}")
        stack.scorers.append(programs.scorer(folder, config, number, shape.nice, environment))
    return stack


def _are_there(stack: Stack) -> bool:
    with stack.redis.client() as client:
        return int(client.zcard(DEFAULT_KEYS.live(redis_keys.SCORERS))) == stack.shape.scorers


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses as seen by a program: Redis, and the machine with the backends."""

    redis: str
    redis_port: int
    machine: str


def _config(
    folder: Path, name: str, shape: Shape, far: Addresses, backend: int, pack: Path, watched: Watched | None
) -> Path:
    models = [
        {"name": model, "backends": [{"kind": "openai", "base_url": f"http://{far.machine}:{backend}/v1"}]}
        for model in MODELS
    ]
    state = {
        "url": watched.url if watched else f"redis://{far.redis}:{far.redis_port}/0",
        "shards": shape.shards,
        "max_backlog": shape.backlog,
        "stream_retention": shape.kept,
        "cache_dir": "${BENCHROUTE_FLEET_CACHE}",
    }
    routing = {"pack": str(pack)} if shape.has_file else {}
    path = folder / f"{name}.yaml"
    server = {"allow_unauthenticated": True, "drain_s": shape.drain_s, "body_timeout_s": 2, "write_timeout_s": 2}
    path.write_text(yaml.safe_dump({"models": models, "state": state, "routing": routing, "server": server}))
    return path
