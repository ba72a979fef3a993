"""Fill a state with tasks, and print the latency of every endpoint, the wait of chats, memory, state and start."""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.admin.fill import fill_state
from benchmarks.admin.reload import measure_reloads, print_reloads
from benchmarks.admin.run import describe_loop_lag, measure_endpoints, running_gateway
from benchmarks.speed.pack import build_once
from benchmarks.speed.stalls import print_stalls
from routing.manifest import read_manifest

MODELS = ("m1", "m2", "m3", "m4", "m5", "m6", "m7")
COLUMNS = ("median_ms", "worst_ms", "chat_p50_ms", "chat_p99_ms", "chat_worst_ms")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=Path("results/admin"))
    parser.add_argument("--pack", type=Path, help="Default: a small pack with MiniLM, built once.")
    parser.add_argument("--config-tasks", type=int, default=1000, help="tasks in the configuration that is reloaded")
    parser.add_argument("--stalls", action="store_true", help="report what held the event loop for more than 5 ms")
    parser.add_argument("--results", type=Path, default=Path("results/admin.json"))
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    pack = asked.pack or build_once(asked.folder / "pack", MODELS)
    for left in asked.folder.glob("state.db*"):
        left.unlink()
    filled_s = fill_state(asked.folder / "state.db", pack, asked.tasks)
    size = (asked.folder / "state.db").stat().st_size
    shutil.copy(asked.folder / "state.db", asked.folder / "filled.db")
    place, names = asked.folder.resolve(), read_manifest(pack).model_names
    stalls = place / "stalls.json" if asked.stalls else None
    with running_gateway(place, pack.resolve(), names, {}, stalls) as running:
        found = measure_endpoints(running.port)
    found |= {"tasks": asked.tasks, "filled_s": filled_s, "state_mb": size / 1e6, **running.ready}
    print_results(found)
    print_stalls(stalls)
    found["reloads"] = measure_reloads(place, pack.resolve(), names, asked.config_tasks, stalls)
    print_reloads(found["reloads"])
    print_stalls(stalls)
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    asked.results.write_text(json.dumps(found, indent=1))


def print_results(found: dict[str, Any]) -> None:
    """Print the table and the figures below it; `!` marks what is beyond a limit."""
    alone = found["alone"]
    print(f"{'first page of':44} {'kB':>7}" + "".join(f"{name:>15}" for name in COLUMNS))
    print(f"{'(chats alone)':52}{'':30}{alone['p50_ms']:15.1f}{alone['p99_ms']:15.1f}{alone['worst_ms']:15.1f}")
    for row in found["endpoints"]:
        mark = "!" if row["is_slow"] or row["status"] not in (200, 403) else " "
        numbers = "".join(f"{row[name]:15.1f}" for name in COLUMNS)
        print(f"{mark}{row['endpoint']:43} {row['size_kb']:7.1f}{numbers}  {row['status']}")
    print(f"{found['tasks']} tasks: state {found['state_mb']:.0f} MB, written in {found['filled_s']:.0f} s")
    print(f"gateway ready after {found['gateway_s']:.1f} s, scorer after {found['scorer_s']:.1f} s")
    print(describe_loop_lag(found["lag"]))
    print(f"memory: gateway {found['gateway_mb']:.0f} MB, scorer {found['scorer_mb']:.0f} MB")


if __name__ == "__main__":
    main()
