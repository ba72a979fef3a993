"""Instructions of a request by stage: what is read, decided and written between its first byte and its response's last.

    python -m benchmarks.speed.stages                            # a request of 1 KB
    python -m benchmarks.speed.stages --figure sse_chunk         # or request_100kb, answer_100kb

The exchanges of benchmarks/hot_path.py, under callgrind: no sockets, no cold caches, and nearly the same number every
time. Each stage is a function of the gateway that is called through a C function of its own (stages.c), which adds a
hundred instructions or two to it. What a stage within another one takes is counted for the inner one alone.
"""

import argparse
import asyncio
import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks import hot_path
from benchmarks.speed.errors import NotReady

HERE = Path(__file__).parent
WARM, COUNT, CHUNKS = 200, 200, 100
STREAMS = 3
RUN_S = 600
_MARKER = re.compile(r"stage_([0-9]+)_([0-9]+)")
REST = "accounting of the batch, event loop, and the benchmark itself"


class Stage(NamedTuple):
    """A function of the gateway, by its place."""

    name: str
    module: str
    function: str


STAGES = (
    Stage("read head", "gateway.proxy.protocol", "ProxyProtocol.data_received"),
    Stage("begin exchange", "gateway.proxy.exchange", "Exchange.__init__"),
    Stage("authenticate, quota", "gateway.proxy.pipeline", "Pipeline.authenticate"),
    Stage("request's end", "gateway.proxy.exchange", "Exchange.on_whole_body"),
    Stage("task, route, candidates", "gateway.proxy.pipeline", "Pipeline.parse_and_route"),
    Stage("parse body", "gateway.proxy.pipeline", "parse_body"),
    Stage("queue for the scorer", "gateway.scorer.observation_queue", "ObservationQueue.put_observation"),
    Stage("plan of attempts", "gateway.proxy.upstream_attempts", "UpstreamAttempts.__init__"),
    Stage("choose backend", "gateway.proxy.upstream_attempts", "UpstreamAttempts.ask_backend"),
    Stage("write request", "gateway.upstream.openai_backend", "OpenAIBackend.start"),
    Stage("parse response", "gateway.upstream.connection", "Connection.data_received"),
    Stage("collect response", "gateway.proxy.upstream_call", "UpstreamCall.on_data"),
    Stage("response's end", "gateway.proxy.upstream_call", "UpstreamCall.on_complete"),
    Stage("usage", "gateway.proxy.upstream_call", "parse_usage"),
    Stage("cost", "gateway.proxy.accounting", "Accounting.record_usage"),
    Stage("write response", "gateway.proxy.exchange", "Exchange.send_whole"),
    Stage("finish", "gateway.proxy.exchange", "Exchange.finish"),
    Stage("charge, append to the batch", "gateway.proxy.accounting", "Accounting.finish_request"),
    Stage("relay a chunk", "gateway.proxy.stream_relay", "StreamRelay.on_chunk"),
)
"""In the order of a request."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [one.name for one in hot_path.figures(CHUNKS)]
    parser.add_argument("--figure", choices=names, default=names[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)  # the folder of the compiled markers
    given = parser.parse_args(arguments)
    if given.run is not None:
        _run(given.figure, given.run)
        return
    try:
        found = measure_stages(given.figure)
    except NotReady as reason:
        raise SystemExit(str(reason)) from reason
    if given.json:
        print(json.dumps(found))
        return
    print(f"{given.figure}: instructions")
    for name, count in found.items():
        print(f"{count:12,.0f}  {name}")


def measure_stages(figure: str) -> dict[str, float]:
    """Return instructions per request or chunk by stage, the sum last. Raises NotReady where a program is missing."""
    with TemporaryDirectory() as folder:
        compile_markers(Path(folder))
        counts = Path(folder, "counts")
        fixed = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run(
            [
                *("valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={counts}"),
                *(sys.executable, "-m", "benchmarks.speed.stages", "--figure", figure, "--run", folder),
            ],
            env={**os.environ, **fixed},
            check=True,
            stderr=subprocess.DEVNULL,
            timeout=RUN_S,
        )
        total, calls = read_counts(counts.read_text().splitlines())
    one = next(one for one in hot_path.figures(CHUNKS) if one.name == figure)
    units = one.units * (COUNT if one.units == 1 else STREAMS)
    found = {name: count / units for name, count in own_counts(calls).items() if count}
    return {**found, REST: total / units - sum(found.values()), "sum": total / units}


def compile_markers(folder: Path) -> None:
    """Compile stages.c to a module. Raises NotReady without valgrind, a compiler, or Python's headers."""
    if shutil.which("valgrind") is None or (compiler := shutil.which("cc")) is None:
        raise NotReady("instructions by stage need valgrind with its headers, and a C compiler (cc)")
    include = sysconfig.get_path("include")
    if not Path(include, "Python.h").exists():
        raise NotReady("instructions by stage need Python's headers (package python3-dev)")
    options = ["-O2", "-g", "-shared", "-fPIC", "-fno-optimize-sibling-calls", f"-I{include}"]
    subprocess.run([compiler, *options, "-o", folder / "stages_c.so", HERE / "stages.c"], check=True, timeout=60)


def read_counts(lines: Sequence[str]) -> tuple[int, dict[tuple[int, int], int]]:
    """Return the total of a callgrind file, and what stages took with all that they called, by caller and callee.

    https://valgrind.org/docs/manual/cl-format.html: after a `calls=` line stands what the callee `cfn` has taken.
    """
    names: dict[str, str] = {}
    found: dict[tuple[int, int], int] = {}
    total, callee, is_call = 0, "", False
    for line in lines:
        key, _, value = line.partition("=")
        if key in ("fn", "cfn"):
            number, _, name = value.partition(" ")
            # A name stands with its number once, and the number alone afterwards.
            names.setdefault(number, name)
            callee = names[number]
        elif key == "calls":
            is_call = True
        elif is_call:
            is_call = False
            if (marked := _MARKER.fullmatch(callee)) is not None:
                edge = int(marked[1]), int(marked[2])
                found[edge] = found.get(edge, 0) + int(line.split()[1])
        elif line.startswith(("summary:", "totals:")):
            total = int(line.split()[1])
    return total, found


def own_counts(calls: Mapping[tuple[int, int], int]) -> dict[str, int]:
    """Return what each stage took without the stages within it, by name. calls: by the stages' places."""
    found = dict.fromkeys((stage.name for stage in STAGES), 0)
    for (caller, callee), count in calls.items():
        found[STAGES[callee].name] += count
        if caller < len(STAGES):
            found[STAGES[caller].name] -= count
    return found


def _run(figure: str, folder: Path) -> None:
    """Run the exchanges in this process, which is under callgrind."""
    spec = importlib.util.spec_from_file_location("stages_c", folder / "stages_c.so")
    assert spec is not None  # noqa: S101 - the file has just been made
    assert spec.loader is not None  # noqa: S101
    markers = importlib.util.module_from_spec(spec)
    for place, stage in enumerate(STAGES):
        _mark(markers, place, stage)
    loop = hot_path.MemoryLoop()
    asyncio.set_event_loop(loop)
    with TemporaryDirectory() as work:
        loop.run_until_complete(_exchange(loop, markers, figure, work))
    loop.close()


def _mark(markers: Any, place: int, stage: Stage) -> None:
    """Put a marker in a function's place. Raises AttributeError where there is no such function any more."""
    owner: Any = importlib.import_module(stage.module)
    *path, name = stage.function.split(".")
    for part in path:
        owner = getattr(owner, part)
    setattr(owner, name, markers.Stage(place, getattr(owner, name)))


async def _exchange(loop: hot_path.MemoryLoop, markers: Any, name: str, work: str) -> None:
    figure = next(one for one in hot_path.figures(CHUNKS) if one.name == name)
    warm, count = (WARM, COUNT) if figure.units == 1 else (STREAMS, STREAMS)
    async with hot_path.serving(work, "express") as (client, client_side):
        await hot_path.run_exchanges(client, client_side, loop, figure, warm)
        await asyncio.sleep(hot_path.BOOKED_S)
        markers.start()
        await hot_path.run_exchanges(client, client_side, loop, figure, count)
        await asyncio.sleep(hot_path.BOOKED_S)
        markers.stop()


if __name__ == "__main__":
    main()
