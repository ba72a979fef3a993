"""A whole fleet under load, and the count afterwards."""

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
from gateway.distributed.producer import FIELDS
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.redis_keys import Shard
from gateway.distributed.store import RedisStore
from gateway.distributed.supervisor import NICE
from qa.faults import programs
from qa.faults.load import Load
from qa.faults.material import MODELS, build, inputs
from qa.faults.programs import LOOPBACK, Gateway, Program, Server, until
from qa.faults.proxy import Proxy
from qa.faults.single import score_streams
from qa.faults.wires import Wires
from tests.gateway.distributed.comparison import differing_tasks

SETTLED_S = 90.0
WARM_S = 2.0
AFTER_S = 2.0
"""Of the time behind a fault that counts as its own: what comes back is taken up then."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the fleet is and what it is given. seconds: of load; the fault lasts a third of it, and comes after as
    long a time without. has_cables: whether a partition may have network namespaces.
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


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. observed: scored, or passed over, of which skipped says how many.

    dropped: counted ones, those that were put aside among them. p99_before_ms: of as long a time before the fault as
    p99_ms is of the fault.
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
class Tallied:
    """What became of all observations. dropped: by reason."""

    sent: int
    observed: int
    skipped: int
    dropped: Mapping[str, int]

    @property
    def adds_up(self) -> bool:
        """Whether every one is accounted for."""
        return self.sent == self.observed + sum(self.dropped.values())


@dataclass
class Stack:
    """All of its processes, and the load."""

    folder: Path
    shape: Shape
    redis: Server
    upstream: Program
    proxy: Proxy
    pack: Path
    wires: Wires | None = None
    gateways: list[Gateway] = field(default_factory=list)
    scorers: list[Program] = field(default_factory=list)
    load: Load | None = None
    fault_at: float = 0.0
    over_at: float = 0.0
    _loading: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Of Redis, for the runner itself."""
        return f"redis://127.0.0.1:{self.redis.port}/0"

    def begin(self) -> None:
        """Load from now on."""
        self.load = Load([one.url for one in self.gateways], inputs(self.shape.tasks), self.shape.per_s)
        self._loading = threading.Thread(target=asyncio.run, args=(self.load.run(),), daemon=True)
        self._loading.start()

    def warm_up(self) -> None:
        """The first requests, which are not measured, and as many before the fault as are measured in it."""
        time.sleep(WARM_S + self.shape.seconds / 3 + AFTER_S)

    def third(self) -> None:
        """A third of the time of load."""
        time.sleep(self.shape.seconds / 3)

    @contextmanager
    def fault(self) -> Iterator[None]:
        """While it lasts."""
        self.fault_at = time.monotonic()
        yield
        self.over_at = time.monotonic()

    def cut(self) -> None:
        """Nothing goes through between the first gateway and Redis."""
        if self.wires:
            self.wires.cut()
        self.proxy.is_cut = True

    def mend(self) -> None:
        """As before."""
        if self.wires:
            self.wires.mend()
        self.proxy.is_cut = False

    def activate(self, pack: Path) -> packs.ActivePack:
        """Pushes a pack and puts it in force."""
        client = RedisClient(self.url, shards=self.shape.shards)
        try:
            return packs.activate_pack(client, packs.push_pack(client, pack, time.time()), time.time())
        finally:
            client.close_connections()

    def bases(self) -> set[str]:
        """The packs, by their hashes, that the shards' sums are made with."""
        with self.redis.client() as client:
            found = [client.hget(Shard(number).info_key, "basis") for number in range(self.shape.shards)]
        return {(basis or b"").decode().split("/")[0] for basis in found}

    def routed_by(self) -> set[str]:
        """The packs, by their hashes, that the gateways say they route by."""
        found = set()
        for gateway in self.gateways:
            with urlopen(f"{gateway.url}/metrics", timeout=5) as answer:  # noqa: S310 - our own gateway
                found |= set(re.findall(r'benchroute_pack_info\{[^}]*hash="(\w+)"', answer.read().decode()))
        return found

    def end_load(self) -> None:
        """No more requests; those under way end."""
        assert self.load is not None  # noqa: S101 - begun before
        assert self._loading is not None  # noqa: S101 - begun before
        self.load.ended = True
        self._loading.join(60)

    def say(self, task: str, text: str) -> None:
        """One request beside the load."""
        body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}]}).encode()
        headers = {"content-type": "application/json", "x-task-id": task}
        with urlopen(Request(f"{self.gateways[0].url}/v1/chat/completions", body, headers), timeout=20):  # noqa: S310
            pass

    def tallied(self) -> "Tallied":
        """Of all gateways that ever were, by their tallies and by Redis' counts."""
        sent, observed, skipped, dropped = (
            0,
            0,
            0,
            dict.fromkeys(("in gateways", "backlog_full", "parked", "gateway_died"), 0),
        )
        client = RedisClient(self.url, shards=self.shape.shards)
        shards = RedisStore(client).all_shards()
        for name, tally in self._tallies().items():
            sent, before = sent + tally[0], tally[2]
            dropped["in gateways"] += tally[1]
            fields = [f"{name}:{field}" for field in FIELDS]
            found = client.pipeline([("HMGET", shard.counts_key, *fields) for shard in shards])
            sums = [sum(int(values[place] or 0) for values in found) for place in range(len(FIELDS))]
            observed += sums[1] + sums[2] + before
            skipped += sums[5]
            dropped["backlog_full"] += sums[3]
            dropped["parked"] += sums[4]
        dropped["gateway_died"] = sum(int(value) for value in client.execute("HGETALL", redis_keys.LOST).values())
        client.close_connections()
        return Tallied(sent, observed, skipped, dropped)

    def remember_tallies(self) -> None:
        """Of gateways that are about to be counted out or to end in order: their files go with them."""
        self._remembered |= self._living()

    def row(self, fault: str, note: str = "", compare: "Callable[[Stack], list[str]] | None" = None) -> Row:
        """Waits until everything is settled, and counts. compare: what differs, in place of a single program's work."""
        assert self.load is not None  # noqa: S101 - begun before
        deadline, told = time.monotonic() + SETTLED_S, self.tallied()
        while time.monotonic() < deadline and not told.adds_up:
            time.sleep(0.25)
            told = self.tallied()
        client = RedisClient(self.url, shards=self.shape.shards)
        store = RedisStore(client)
        differ = compare(self) if compare else differing_tasks(store, score_streams(client, self.pack, self.folder))
        client.close_connections()
        end = max(self.over_at, self.fault_at) + AFTER_S
        first = max(self.load.begun + WARM_S, 2 * self.fault_at - end)
        before, during = self.load.p99_ms(first, self.fault_at), self.load.p99_ms(self.fault_at, end)
        return Row(
            fault,
            told.sent,
            told.observed,
            told.skipped,
            sum(told.dropped.values()),
            len(self.load.answered),
            len(self.load.failures),
            round(before, 2),
            round(during, 2),
            not differ,
            told.adds_up,
            {reason: count for reason, count in told.dropped.items() if count},
            "; ".join(
                filter(None, [note, f"differing: {differ[:3]}" if differ else "", "" if told.adds_up else str(told)])
            ),
        )

    _remembered: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def _tallies(self) -> dict[str, tuple[int, int, int]]:
        return self._remembered | self._living()

    def _living(self) -> dict[str, tuple[int, int, int]]:
        return {path.stem: read_crash_counter(path) for one in self.gateways for path in one.cache.glob("*.tally")}


@contextmanager
def running(
    folder: Path,
    shape: Shape,
    environments: Mapping[str, Mapping[str, str]] | None = None,
    wires: Wires | None = None,
) -> Iterator[Stack]:
    """A fleet that answers, with its scorers at work. environments: by `redis`, `gateway-0`, `scorer-0` and so on.

    wires: of the first gateway, which else has a proxy between itself and Redis.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stack = _stack(folder, shape, environments or {}, wires)
    try:
        stack.redis.up()
        stack.proxy.start()
        stack.upstream.start()
        for one in stack.scorers:
            one.start()
        for gateway in stack.gateways:
            gateway.up()
        if not shape.has_file:
            stack.activate(stack.pack)
        until(lambda: _are_there(stack), 60, "the scorers' start")
        yield stack
    finally:
        for program in (*stack.gateways, *stack.scorers, stack.upstream, stack.redis):
            if program.process is not None and program.process.poll() is None:
                program.kill()
        stack.proxy.stop()


def _stack(folder: Path, shape: Shape, environments: Mapping[str, Mapping[str, str]], wires: Wires | None) -> Stack:
    """Nothing of it started yet."""
    port, proxied, backend = (programs.free_port() for _ in range(3))
    pack = build(folder / "pack")
    listens = ("--bind", LOOPBACK, wires.redis, "--protected-mode", "no") if wires else ()
    redis = programs.redis_server(folder, port, *listens, environment=environments.get("redis"))
    upstream = programs.upstream(folder, backend, *([wires.machine] if wires else ()))
    stack = Stack(folder, shape, redis, upstream, Proxy(proxied, port), pack, wires)
    for number in range(shape.gateways):
        name, far = f"gateway-{number}", Far(LOOPBACK, proxied if number == 0 else port, LOOPBACK)
        within: Sequence[str] = ()
        host = LOOPBACK
        if wires and number == 0:
            far, within, host = Far(wires.redis, port, wires.machine), wires.command, wires.gateway
        config = _config(folder, name, shape, far, backend, pack)
        stack.gateways.append(programs.gateway(folder, config, number, environments.get(name), within, host))
    config = _config(folder, "scorers", shape, Far(LOOPBACK, port, LOOPBACK), backend, pack)
    for number in range(shape.scorers):
        environment = environments.get(f"scorer-{number}")
        stack.scorers.append(programs.scorer(folder, config, number, shape.nice, environment))
    return stack


def _are_there(stack: Stack) -> bool:
    with stack.redis.client() as client:
        return int(client.zcard(redis_keys.SCORERS)) == stack.shape.scorers


@dataclass(frozen=True, slots=True)
class Far:
    """Where others are for a program: Redis, and the machine that answers requests."""

    redis: str
    redis_port: int
    machine: str


def _config(folder: Path, name: str, shape: Shape, far: Far, backend: int, pack: Path) -> Path:
    models = [
        {"name": model, "backends": [{"kind": "openai", "base_url": f"http://{far.machine}:{backend}/v1"}]}
        for model in MODELS
    ]
    state = {
        "url": f"redis://{far.redis}:{far.redis_port}/0",
        "shards": shape.shards,
        "max_backlog": shape.backlog,
        "stream_retention": shape.kept,
        "cache_dir": "${BENCHROUTE_FLEET_CACHE}",
    }
    routing = {"pack": str(pack)} if shape.has_file else {}
    path = folder / f"{name}.yaml"
    server = {"allow_unauthenticated": True}
    path.write_text(yaml.safe_dump({"models": models, "state": state, "routing": routing, "server": server}))
    return path
