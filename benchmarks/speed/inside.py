"""A profile of the request path without sockets: CPU per request, by package and by function.

    python -m benchmarks.speed.inside

The gateway is configured as in the speed benchmark, and uses `server.lane: express`. System calls, the event loop and
cold caches are not in the figures.
"""

import argparse
import asyncio
import cProfile
import pstats
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from benchmarks.speed.loads import LOADS
from benchmarks.speed.targets import Places, benchroute
from gateway.config import load_config
from gateway.proxy.protocol import ProxyProtocol
from gateway.server.app import Gateway
from gateway.upstream.connection import Connection
from gateway.upstream.pool import Origin

WARM, ROUNDS, EACH = 2000, 11, 2000
PORT = 9
BODY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"fast","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"%b"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":200,"completion_tokens":150,"total_tokens":350}}'
) % (b"Paris is the capital of France. " * 22)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Nowhere(asyncio.Transport):
    """A transport to nowhere that counts writes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return made-up addresses."""
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", PORT)}.get(name, default)

    def is_closing(self) -> bool:
        """Return False."""
        return False

    def get_write_buffer_size(self) -> int:
        """Return 0: everything is sent at once."""
        return 0

    def write(self, data: Any) -> None:
        """Count it."""
        self.written += 1

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Count it."""
        self.written += 1

    def pause_reading(self) -> None:
        """Do nothing."""

    def resume_reading(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def abort(self) -> None:
        """Do nothing."""


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", default="small", choices=[load.name for load in LOADS if not load.is_stream])
    parser.add_argument("--functions", type=int, default=15, help="number of most expensive functions to list")
    given = parser.parse_args()
    with TemporaryDirectory() as folder, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_measured(Path(folder), given.load, given.functions))


async def _measured(work: Path, load: str, functions: int) -> None:
    target = benchroute(Places(work, PORT, None, None, None), PORT)
    request = target.request(next(one for one in LOADS if one.name == load))
    gateway = Gateway(load_config(work / "benchroute.yaml"))
    config = uvicorn.Config(gateway, http=ProxyProtocol, ws="none", log_config=None, access_log=False)
    config.load()
    async with gateway.running():
        client, connection = ProxyProtocol(config, ServerState(), app_state={}), _connected(gateway)
        client.connection_made(Nowhere())

        def exchange() -> None:
            client.data_received(request)
            connection.data_received(ANSWER)

        _repeat(exchange, WARM)
        median_us = statistics.median(await _time_rounds(exchange))
        print(f"{median_us:.1f} us of CPU per request, median of {ROUNDS} rounds of {EACH}")
        profile = cProfile.Profile()
        profile.runcall(_repeat, exchange, EACH)
        _print_profile(pstats.Stats(profile), functions)


def _connected(gateway: Gateway) -> Connection:
    """Return an idle connection in the pool to the backend of the load's model."""
    origin: Origin = gateway._pool.origin_of(f"http://127.0.0.1:{PORT}")
    made = Connection(origin._free)
    made.connection_made(Nowhere())
    origin._free(made)
    return made


async def _time_rounds(exchange: Callable[[], None]) -> list[float]:
    found = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        _repeat(exchange, EACH)
        found.append(1e6 * (time.process_time() - begun) / EACH)
        await asyncio.sleep(0.15)  # batched accounting is flushed, outside the timed part
    return found


def _repeat(exchange: Callable[[], None], count: int) -> None:
    for _ in range(count):
        exchange()


def _print_profile(stats: pstats.Stats, functions: int) -> None:
    """Print shares of the profiled time. The profiler overstates the cost of calls."""
    found: dict[tuple[str, int, str], tuple[Any, int, float, float, Any]] = stats.stats  # type: ignore[attr-defined]
    total = sum(own_s for _, _, own_s, _, _ in found.values())
    packages: Counter[str] = Counter()
    for (file, _, _), (_, _, own_s, _, _) in found.items():
        packages[_package_of(file)] += own_s  # type: ignore[assignment]  # seconds
    print(
        "\nshare of time by package\n"
        + "".join(f"{own_s / total:6.1%}  {name}\n" for name, own_s in packages.most_common())
    )
    costliest = sorted(found.items(), key=lambda one: -one[1][2])[:functions]
    print("costliest functions: own time, calls per request")
    for (file, _, name), (_, calls, own_s, _, _) in costliest:
        print(f"{own_s / total:6.1%}  {calls / EACH:5.1f}  {_package_of(file)}: {name}")


def _package_of(file: str) -> str:
    if file == "~":
        return "built-in functions"
    place = file.rpartition("/gateway/")[2] if "/gateway/" in file else ""
    return f"gateway/{place.partition('/')[0]}" if place else "libraries"


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    return uvicorn.Config(None, loop="auto").get_loop_factory()  # type: ignore[arg-type]  # only asked for its loop


if __name__ == "__main__":
    main()
