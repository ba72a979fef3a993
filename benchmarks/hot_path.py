"""CPU per request of the hot path, between a client and a backend that are no sockets.

    python benchmarks/hot_path.py                          # this checkout, microseconds of CPU
    python benchmarks/hot_path.py --against ../before      # two checkouts alternately, with the ratio
    python benchmarks/hot_path.py --instructions           # instructions under valgrind: slow, and hardly any noise
    python benchmarks/hot_path.py --parts                  # the same, by what is switched off

The gateway's own protocol class is fed from memory, and what it writes goes nowhere; connections to backends come out
of an event loop that makes them up. System calls and cold caches are not in the figures; accounting, which runs a few
times a second for many requests together, is. One file, and run by its path: it measures whichever checkout is first
on PYTHONPATH, by the few names below.

Under valgrind everything takes 50 times as long, and what runs every 20 ms or every second would run for a few requests
in place of many. So instructions are counted by a clock of the loop's own: each exchange takes EXCHANGE_S of it.
"""

import argparse
import asyncio
import gc
import hashlib
import heapq
import importlib
import inspect
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.server import ServerState

try:
    from uvloop import Loop
except ImportError:  # Windows has none
    Loop = asyncio.SelectorEventLoop  # type: ignore[assignment,misc]

HERE = Path(__file__).resolve().parents[1]
APP_MODULES = ("gateway.server.app", "gateway.app")
PROTOCOL_MODULES = {
    "express": ("gateway.proxy.protocol", "gateway.express.protocol"),
    "asgi": ("gateway.http.strict_protocol", "gateway.http1"),
}
"""Where things are, in the newest checkout first. A protocol is the class that its module defines."""

KEY, PORT, PIECE = "sk-hot-path", 9, 64 * 1024
BOOKED_S = 0.12
"""Requests are counted together for this long at most."""

TOO_LONG = 200_000
"""Turns of the event loop without an answer."""

WARM, COUNTED = 100, 2048
"""Exchanges before, and those whose instructions are counted: of small requests, and a twentieth of others."""

EXCHANGE_S = 0.0005
"""Of the loop's own clock: 2,000 requests a second, which are half of what a core serves."""

SWITCH_S = 0.25
"""Between two switches of threads under valgrind: as many instructions as in Python's 5 ms."""

SETTLE_S, POLL_S = 0.5, 0.02
SHORT = 100
"""Chunks of a stream whose instructions are counted."""

TOGETHER = 4
"""Chunks in one read, of a stream whose gateway is late."""

LAST_CHUNK = b"0\r\n\r\n"
DONE = b"e\r\ndata: [DONE]\n\n\r\n" + LAST_CHUNK

RUN_S = 900


class Memory(asyncio.Transport):
    """A transport that keeps the last write and counts writes."""

    def __init__(self) -> None:
        super().__init__()
        self.last = b""
        self.count = 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return made-up addresses."""
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", PORT)}.get(name, default)

    def is_closing(self) -> bool:
        """Return False: it stays open for good."""
        return False

    def get_write_buffer_size(self) -> int:
        """Return 0: everything is sent at once."""
        return 0

    def write(self, data: Any) -> None:
        """Keep it in place of the write before."""
        self.last = data
        self.count += 1

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Keep the last of them."""
        for data in list_of_data:
            self.write(data)

    def pause_reading(self) -> None:
        """Do nothing: the driver waits for every answer."""

    def resume_reading(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def abort(self) -> None:
        """Do nothing."""


class MemoryLoop(Loop):
    """An event loop whose connections lead nowhere. backend: the protocol of the last one, None before."""

    def __init__(self) -> None:
        super().__init__()
        self.backend: Any = None
        self.backend_side = Memory()

    async def create_connection(self, protocol_factory: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Return a connection that is there at once."""
        self.backend = protocol_factory()
        self.backend.connection_made(self.backend_side)
        return self.backend_side, self.backend

    async def pass_time(self, seconds: float) -> None:
        """Let time pass: a clock's own."""
        await asyncio.sleep(seconds)

    def end_exchange(self) -> None:
        """Do nothing: exchanges take the time they take."""


class ExchangeClockLoop(MemoryLoop):
    """A MemoryLoop whose timers go by the exchanges that were made."""

    def __init__(self) -> None:
        super().__init__()
        self._now, self._made = 0.0, 0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []

    def time(self) -> float:
        """Return its own time in seconds."""
        return self._now

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        """Call so many seconds of its own time later."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        """Call at a time of its own."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._made += 1
        heapq.heappush(self._timers, (when, self._made, timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: it is passed over when it is due."""

    def end_exchange(self) -> None:
        """Let EXCHANGE_S pass, and call what is due."""
        self._now += EXCHANGE_S
        while self._timers and self._timers[0][0] <= self._now:
            timer = heapq.heappop(self._timers)[2]
            if not timer.cancelled():
                timer._run()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds / EXCHANGE_S)):
            self.end_exchange()
            await asyncio.sleep(0)


@dataclass(frozen=True)
class Figure:
    """One measurement.

    Attributes:
        name: of the figure.
        request: the client's pieces.
        answer: the backend's pieces.
        end: the last bytes that the client gets.
        units: requests or chunks per exchange.
        each: exchanges per round.
    """

    name: str
    request: tuple[bytes, ...]
    answer: tuple[bytes, ...]
    end: bytes
    units: int = 1
    each: int = 1000


def figures(chunks: int = 500) -> list[Figure]:
    """Return all measurements."""
    small, large = _answered(_completion(700)), _answered(_completion(100_000))
    event = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}\n\n'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    stream, late = ((head, *[_chunk(event) * at_once] * (chunks // at_once), DONE) for at_once in (1, TOGETHER))
    end = small[-30:]
    return [
        Figure("request_1kb", _pieces(_asked(900)), (small,), end),
        Figure("sse_chunk", _pieces(_asked(900, ',"stream":true')), stream, LAST_CHUNK, chunks, 40),
        Figure("sse_chunk_late", _pieces(_asked(900, ',"stream":true')), late, LAST_CHUNK, chunks, 40),
        Figure("request_100kb", _pieces(_asked(100_000)), (small,), end, each=500),
        Figure("answer_100kb", _pieces(_asked(900)), _pieces(large), end, each=500),
    ]


def _asked(size: int, more: str = "") -> bytes:
    body = f'{{"model":"auto","messages":[{{"role":"user","content":"{"x" * size}"}}],"temperature":0.2{more}}}'
    return (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:9\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {KEY}\r\nuser-agent: OpenAI/Python 2.0\r\naccept: application/json\r\n"
        "x-task-id: hot\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _completion(size: int) -> bytes:
    choice = f'{{"index":0,"message":{{"role":"assistant","content":"{"y" * size}"}},"finish_reason":"stop"}}'
    usage = '{"prompt_tokens":200,"completion_tokens":150,"total_tokens":350}'
    return f'{{"id":"c","object":"chat.completion","model":"m","choices":[{choice}],"usage":{usage}}}'.encode()


def _answered(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _pieces(data: bytes) -> tuple[bytes, ...]:
    """Cut data as it comes from a socket."""
    return tuple(data[start : start + PIECE] for start in range(0, len(data), PIECE))


def _module(names: Sequence[str]) -> Any:
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not name.startswith(str(error.name)):
                raise
    raise SystemExit(f"none of {', '.join(names)} is there")


def _protocol(entrance: str) -> Any:
    """Return the protocol class of the module, by whatever name; the most derived of several."""
    module = _module(PROTOCOL_MODULES[entrance])
    own = [one for _, one in inspect.getmembers(module, inspect.isclass) if one.__module__ == module.__name__]
    protocols = [one for one in own if issubclass(one, asyncio.Protocol)]
    return max(protocols, key=lambda one: len(one.__mro__))


def _configuration(folder: str, entrance: str) -> str:
    """Return a configuration with everything that costs time per request: key, limits, budget, price, task, state."""
    limits = {"requests_per_minute": 1e9, "tokens_per_minute": 1e12, "budget_usd_per_day": 1_000_000_000}
    price = {"input_usd_per_mtok": 0.5, "output_usd_per_mtok": 1.5}
    backend = {"kind": "openai", "base_url": f"http://127.0.0.1:{PORT}/v1", "api_key": "sk-upstream"}
    return json.dumps(
        {
            "models": [{"name": "m", "price": price, "backends": [backend]}],
            "tasks": {"hot": {"candidates": ["m"]}},
            "state": {"url": f"sqlite:///{folder}/state.db"},
            "keys": [{"name": "k", "sha256": hashlib.sha256(KEY.encode()).hexdigest(), **limits}],
            "server": {"lane": entrance},
        }
    )


@asynccontextmanager
async def _started(app: Any) -> AsyncIterator[None]:
    """Run the application's lifespan, as a server does."""
    asked: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    received: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    task = asyncio.create_task(
        app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, asked.get, received.put)
    )
    await asked.put({"type": "lifespan.startup"})
    started = await received.get()
    if started["type"] != "lifespan.startup.complete":
        raise SystemExit(f"the gateway does not start: {started}")
    yield
    await asked.put({"type": "lifespan.shutdown"})
    await task


async def run_exchanges(client: Any, client_side: Memory, loop: MemoryLoop, figure: Figure, count: int) -> None:
    """Run so many exchanges. On the socket path nothing in here waits."""
    for _ in range(count):
        client_side.last = loop.backend_side.last = b""
        for piece in figure.request:
            client.data_received(piece)
        turns = 0
        while not loop.backend_side.last:
            turns = await _turn(turns, client_side)
        for piece in figure.answer:
            before = client_side.count
            loop.backend.data_received(piece)
            while figure.units > 1 and client_side.count == before and piece is not figure.answer[0]:
                turns = await _turn(turns, client_side)  # every chunk goes on by itself, as from a real backend
        while not client_side.last.endswith(figure.end):
            turns = await _turn(turns, client_side)
        loop.end_exchange()


async def _turn(turns: int, client_side: Memory) -> int:
    if turns > TOO_LONG:
        raise SystemExit(f"no answer; the client got: {client_side.last[:500]!r}")
    await asyncio.sleep(0)
    return turns + 1


@asynccontextmanager
async def serving(folder: str, entrance: str) -> AsyncIterator[tuple[Any, Memory]]:
    """Run the gateway. Yields a client's connection, and the transport that its responses go to."""
    async with _running(folder, entrance) as (_, client, client_side):
        yield client, client_side


@asynccontextmanager
async def _running(folder: str, entrance: str) -> AsyncIterator[tuple[Any, Any, Memory]]:
    """Run the gateway. Yields it too."""
    config_module = importlib.import_module("gateway.config")
    gateway = _module(APP_MODULES).Gateway(config_module.parse_config(_configuration(folder, entrance), "hot_path", {}))
    protocol = _protocol(entrance)
    config = uvicorn.Config(
        gateway, http=protocol, ws="none", log_config=None, access_log=False, server_header=False, lifespan="on"
    )
    config.load()
    async with _started(gateway):
        client, client_side = protocol(config, ServerState(), {}), Memory()
        client.connection_made(client_side)
        yield gateway, client, client_side


async def _measured(loop: MemoryLoop, folder: str, given: argparse.Namespace) -> dict[str, list[float]]:
    """Return microseconds of CPU per unit, by figure, one value a round."""
    wanted = [replace(one, each=given.each or one.each) for one in figures(given.chunks)]
    found: dict[str, list[float]] = {one.name: [] for one in wanted}
    async with serving(folder, given.entrance) as (client, client_side):
        for figure in wanted:
            await run_exchanges(client, client_side, loop, figure, 5 * WARM if figure.units == 1 else 1)
        await asyncio.sleep(BOOKED_S)
        for _ in range(given.rounds):
            for figure in wanted:
                started = time.process_time()
                await run_exchanges(client, client_side, loop, figure, figure.each)
                await asyncio.sleep(BOOKED_S)
                found[figure.name].append(1e6 * (time.process_time() - started) / figure.each / figure.units)
    return found


async def _counted(loop: ExchangeClockLoop, folder: str, given: argparse.Namespace) -> dict[str, float]:
    """Return instructions per unit, by figure or by part of the small request. In valgrind."""
    wanted, found = figures(given.chunks), dict[str, float]()
    async with _running(folder, given.entrance) as (gateway, client, client_side):
        gc.collect()
        gc.freeze()  # as a server does; else a collection of all there is falls into some parts and not into others
        _tell_valgrind("instrumentation on")

        async def count(figure: Figure) -> float:
            await run_exchanges(client, client_side, loop, figure, WARM if figure.units == 1 else 1)
            await _settle(loop, gateway)
            _tell_valgrind("zero")
            made = COUNTED if figure.name == wanted[0].name else COUNTED // 20
            await run_exchanges(client, client_side, loop, figure, made)
            await _settle(loop, gateway)
            return _dumped(given.counted_in) / made / figure.units

        if not given.parts:
            return {figure.name: await count(figure) for figure in wanted}
        left = await count(wanted[0])
        found["all"] = left
        for part, switch_off in PARTS.items():
            switch_off(gateway.exchange_context.pipeline.accounting)
            before, left = left, await count(wanted[0])
            found[part] = before - left
    return found


async def _settle(loop: ExchangeClockLoop, gateway: Any) -> None:
    """Let everything be counted and written that waits."""
    await loop.pass_time(BOOKED_S)
    await gateway.runtime.serving.services.flush_history()
    await asyncio.to_thread(time.sleep, SETTLE_S)


def _tell_valgrind(command: str) -> None:
    """Give valgrind a command. It takes one when this process makes a system call."""
    telling = subprocess.Popen(
        [shutil.which("vgdb") or "vgdb", f"--pid={os.getpid()}", *command.split()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while telling.poll() is None:
        time.sleep(POLL_S)
    if telling.returncode:
        raise SystemExit(f"valgrind does not take the command {command!r}")


def _dumped(out: str) -> int:
    """Return the instructions since the last dump."""
    _tell_valgrind("dump")
    total = 0
    for dump in Path(out).parent.glob(Path(out).name + ".*"):
        with dump.open() as lines:
            total += sum([int(line.split()[1]) for line in lines if line.startswith("totals:")])
        dump.unlink()
    return total


def _stop_history(accounting: Any) -> None:
    accounting._add_history = None


def _stop_observers(accounting: Any) -> None:
    accounting._observers = ()


def _stop_request_log(accounting: Any) -> None:
    names = [getattr(one, "__self__", None).__class__.__name__ for one in accounting._observers]
    accounting._observers = tuple(
        one for name, one in zip(names, accounting._observers, strict=True) if name != "RequestLogWriter"
    )


def _stop_counting(accounting: Any) -> None:
    accounting.flush_some = accounting._records.clear


PARTS: dict[str, Callable[[Any], None]] = {
    "request log": _stop_request_log,
    "history": _stop_history,
    "recent responses, uses of keys": _stop_observers,
    "all other counting": _stop_counting,
}
"""Parts of accounting, and what stops them. They are stopped one after the other: what that saves is the part's."""


def _child(tree: Path, given: argparse.Namespace, *options: str, before: Sequence[str] = ()) -> tuple[str, str]:
    """Run this program on a checkout. Returns what it wrote.

    given.cache: for byte code. A module that is compiled anew and one that is read from a cache differ by a per cent or
    two in what they take, so both checkouts have theirs in the same place, and are run once before they are measured.
    """
    command = [*before, sys.executable, __file__, "--json", "--entrance", given.entrance, *options]
    fixed = {"PYTHONHASHSEED": "0", "PYTHONPYCACHEPREFIX": given.cache, "PYTHONDONTWRITEBYTECODE": ""}
    environment = {**os.environ, **fixed, "PYTHONPATH": str(tree)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=RUN_S, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    received = json.loads(done.stdout)
    if Path(received["checkout"]) != tree:
        raise SystemExit(f"measured {received['checkout']}, not {tree}")
    return done.stdout, done.stderr


def _cpu(trees: Sequence[Path], given: argparse.Namespace) -> list[dict[str, float]]:
    """Return medians of CPU microseconds, by checkout. Runs alternate; the order is reversed every time."""
    options = ["--rounds", str(given.rounds), "--chunks", str(given.chunks), "--each", str(given.each)]
    runs: list[dict[str, list[float]]] = [{} for _ in trees]
    for pair in range(given.pairs if len(trees) > 1 else 1):
        order = range(len(trees)) if pair % 2 == 0 else reversed(range(len(trees)))
        for place in order:
            found: dict[str, float] = json.loads(_child(trees[place], given, *options)[0])["cpu_us"]
            for name, value in found.items():
                runs[place].setdefault(name, []).append(value)
    return [{name: statistics.median(values) for name, values in run.items()} for run in runs]


def _instructions(trees: Sequence[Path], given: argparse.Namespace) -> list[dict[str, float]]:
    """Return instructions by checkout: per unit of each figure, or of the small request with `parts`."""
    if shutil.which("valgrind") is None or shutil.which("vgdb") is None:
        raise SystemExit("instructions are counted by valgrind, which is not there")
    found = []
    for number, tree in enumerate(trees):
        out = f"{given.cache}/callgrind.{number}"
        before = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"]
        options = ["--counted-in", out, "--chunks", str(SHORT), *(["--parts"] if given.parts else [])]
        found.append(json.loads(_child(tree, given, *options, before=before)[0])["instructions"])
    return found


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--against", type=Path, help="another checkout, measured alternately")
    parser.add_argument("--pairs", type=int, default=7, help="runs of each checkout, with --against")
    parser.add_argument("--rounds", type=int, default=7, help="of every run; their median counts")
    parser.add_argument("--each", type=int, default=0, help="exchanges of every figure in a round")
    parser.add_argument("--chunks", type=int, default=500, help="of a stream")
    parser.add_argument("--entrance", choices=list(PROTOCOL_MODULES), default="express", help="server.lane")
    parser.add_argument("--instructions", action="store_true", help="count instructions with valgrind in place of CPU")
    parser.add_argument("--parts", action="store_true", help="count the instructions of a request's accounting")
    parser.add_argument("--counted-in", default="", help=argparse.SUPPRESS)
    return parser.parse_args(given)


def _here(given: argparse.Namespace) -> dict[str, Any]:
    """Measure the checkout that is imported, in this process."""
    if "PYTHONPATH" not in os.environ:
        sys.path.insert(0, str(HERE))
    logging.basicConfig(level="ERROR")
    loop = ExchangeClockLoop() if given.counted_in else MemoryLoop()
    asyncio.set_event_loop(loop)
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(loop, ExchangeClockLoop):
            _slow_down()
            figures_found = {"instructions": loop.run_until_complete(_counted(loop, folder, given))}
        else:
            rounds = loop.run_until_complete(_measured(loop, folder, given))
            figures_found = {"cpu_us": {name: statistics.median(values) for name, values in rounds.items() if values}}
    loop.close()
    checkout = Path(importlib.import_module("gateway").__file__ or "").resolve().parents[1]
    return {"checkout": str(checkout), "entrance": given.entrance, "rounds": given.rounds, **figures_found}


def _slow_down() -> None:
    """Give threads under valgrind as many instructions as elsewhere, and the log's no partial blocks."""
    sys.setswitchinterval(SWITCH_S)
    with suppress(ModuleNotFoundError):
        vars(importlib.import_module("gateway.request_log.writer"))["FLUSH_INTERVAL_S"] = RUN_S


def _compared(given: argparse.Namespace) -> dict[str, Any]:
    """Measure this checkout, and the other one if there is one, in processes of their own."""
    trees = [HERE, given.against.resolve()] if given.against else [HERE]
    is_counted = given.instructions or given.parts
    kind = "instructions" if is_counted else "cpu_us"
    with tempfile.TemporaryDirectory() as given.cache:
        for tree in trees:
            _child(tree, given, "--rounds", "1")
        found = (_instructions if is_counted else _cpu)(trees, given)
    document: dict[str, Any] = {"checkout": str(HERE), "entrance": given.entrance, kind: found[0]}
    if given.against:
        ratios = {name: found[0][name] / found[1][name] for name in found[0]}
        document |= {"against": str(trees[1]), f"{kind}_against": found[1], "ratio": ratios}
    return document


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    given = _arguments(arguments)
    is_counted = given.instructions or given.parts
    is_child = bool(given.counted_in)
    document = _here(given) if is_child or not (given.against or is_counted) else _compared(given)
    if given.json:
        print(json.dumps(document))
        return
    kind = "instructions" if is_counted else "cpu_us"
    columns = [document[kind], *(document[name] for name in (f"{kind}_against", "ratio") if name in document)]
    print(f"{kind} on the {given.entrance} entrance" + ("; against; ratio" if given.against else ""))
    for name in document[kind]:
        print(f"{name:32}" + "".join(f"{column[name]:14.3f}" for column in columns))


if __name__ == "__main__":
    main()
