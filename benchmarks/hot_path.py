"""CPU per request of the hot path, between a client and a backend that are no sockets.

    python benchmarks/hot_path.py                          # this checkout, microseconds of CPU
    python benchmarks/hot_path.py --against ../before      # two checkouts alternately, with the ratio
    python benchmarks/hot_path.py --instructions           # instructions under valgrind: slow, and hardly any noise

The gateway's own protocol class is fed from memory, and what it writes goes nowhere; connections to backends come out
of an event loop that makes them up. System calls and cold caches are not in the figures; accounting, which runs a few
times a second for many requests together, is. One file, and run by its path: it measures whichever checkout is first
on PYTHONPATH, by the few names below.
"""

import argparse
import asyncio
import hashlib
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
from contextlib import asynccontextmanager
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

WARM, COUNTED = 100, {"sse_chunk": 100}
"""Exchanges before, and those whose instructions are counted, where that is not 3 times as many."""

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
    stream = (head, *[_chunk(event)] * chunks, _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
    end = small[-30:]
    return [
        Figure("request_1kb", _pieces(_asked(900)), (small,), end),
        Figure("sse_chunk", _pieces(_asked(900, ',"stream":true')), stream, b"0\r\n\r\n", chunks, 40),
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


async def _turn(turns: int, client_side: Memory) -> int:
    if turns > TOO_LONG:
        raise SystemExit(f"no answer; the client got: {client_side.last[:500]!r}")
    await asyncio.sleep(0)
    return turns + 1


@asynccontextmanager
async def serving(folder: str, entrance: str) -> AsyncIterator[tuple[Any, Memory]]:
    """Run the gateway. Yields a client's connection, and the transport that its responses go to."""
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
        yield client, client_side


async def _measured(loop: MemoryLoop, folder: str, given: argparse.Namespace) -> dict[str, list[float]]:
    """Return microseconds of CPU per unit, by figure, one value a round."""
    wanted = [replace(one, each=given.each or one.each) for one in figures(given.chunks)]
    found: dict[str, list[float]] = {one.name: [] for one in wanted}
    async with serving(folder, given.entrance) as (client, client_side):
        for figure in wanted:
            extra = given.count if figure.name == given.only else 0
            await run_exchanges(client, client_side, loop, figure, given.warm if figure.units == 1 else 1)
            await run_exchanges(client, client_side, loop, figure, extra)
        await asyncio.sleep(BOOKED_S)
        for _ in range(given.rounds):
            for figure in wanted:
                started = time.process_time()
                await run_exchanges(client, client_side, loop, figure, figure.each)
                await asyncio.sleep(BOOKED_S)
                found[figure.name].append(1e6 * (time.process_time() - started) / figure.each / figure.units)
    return found


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
    """Return instructions per unit, by checkout: the increase from additional exchanges."""
    if shutil.which("valgrind") is None:
        raise SystemExit("--instructions needs valgrind")
    before = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]

    def collected(tree: Path, *options: str) -> int:
        fixed = ["--rounds", "0", "--chunks", "100", "--warm", str(WARM)]
        _, received = _child(tree, given, *fixed, *options, before=before)
        return int(next(line for line in received.splitlines() if "Collected :" in line).rpartition(":")[2])

    found = []
    for tree in trees:
        nothing, made = collected(tree), {}
        for figure in figures(100):
            count = COUNTED.get(figure.name, 3 * WARM)
            more = collected(tree, "--only", figure.name, "--count", str(count))
            made[figure.name] = (more - nothing) / count / figure.units
        found.append(made)
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
    for hidden, default in (("--only", ""), ("--count", 0), ("--warm", 500)):
        parser.add_argument(hidden, type=type(default), default=default, help=argparse.SUPPRESS)
    return parser.parse_args(given)


def _here(given: argparse.Namespace) -> dict[str, Any]:
    """Measure the checkout that is imported, in this process."""
    if "PYTHONPATH" not in os.environ:
        sys.path.insert(0, str(HERE))
    logging.basicConfig(level="ERROR")
    loop = MemoryLoop()
    asyncio.set_event_loop(loop)
    with tempfile.TemporaryDirectory() as folder:
        found = loop.run_until_complete(_measured(loop, folder, given))
    loop.close()
    medians = {name: statistics.median(values) for name, values in found.items() if values}
    checkout = Path(importlib.import_module("gateway").__file__ or "").resolve().parents[1]
    return {"checkout": str(checkout), "entrance": given.entrance, "rounds": given.rounds, "cpu_us": medians}


def _compared(given: argparse.Namespace) -> dict[str, Any]:
    """Measure this checkout, and the other one if there is one, in processes of their own."""
    trees = [HERE, given.against.resolve()] if given.against else [HERE]
    kind = "instructions" if given.instructions else "cpu_us"
    with tempfile.TemporaryDirectory() as given.cache:
        for tree in trees:
            _child(tree, given, "--rounds", "0")
        found = (_instructions if given.instructions else _cpu)(trees, given)
    document: dict[str, Any] = {"checkout": str(HERE), "entrance": given.entrance, kind: found[0]}
    if given.against:
        ratios = {name: found[0][name] / found[1][name] for name in found[0]}
        document |= {"against": str(trees[1]), f"{kind}_against": found[1], "ratio": ratios}
    return document


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    given = _arguments(arguments)
    document = _compared(given) if given.against or given.instructions else _here(given)
    if given.json:
        print(json.dumps(document))
        return
    kind = "instructions" if given.instructions else "cpu_us"
    columns = [document[kind], *(document[name] for name in (f"{kind}_against", "ratio") if name in document)]
    print(f"{kind} on the {given.entrance} entrance" + ("; against; ratio" if given.against else ""))
    for name in document[kind]:
        print(f"{name:15}" + "".join(f"{column[name]:14.3f}" for column in columns))


if __name__ == "__main__":
    main()
