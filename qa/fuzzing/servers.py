"""A gateway with a pack and a scorer, and a backend, both on loopback."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from demo.fetch import get_json
from demo.processes import free_port, run_process

READY_S = 90.0
CLIENT, ADMIN = "sk-fuzzing-client", "sk-fuzzing-admin"
MAX_BODY_BYTES = 200_000
PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Target:
    """The gateway. pid: its process."""

    port: int
    pid: int
    work: Path

    def memory_mb(self) -> float:
        """Return the gateway's resident memory in MB, without its scorer's."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return round(pages * PAGE_BYTES / 1e6, 1)

    def faults(self) -> list[str]:
        """Return the lines of the log that report an internal failure."""
        log = (self.work / "gateway.log").read_text(errors="replace").splitlines()
        return [line for line in log if "failed inside the gateway" in line or line.startswith("Traceback")]


@contextmanager
def gateway(work: Path, has_keys: bool) -> Iterator[Target]:
    """Run both during the block. has_keys: requests need CLIENT's key, admins ADMIN's."""
    work.mkdir(parents=True, exist_ok=True)
    pack = _pack(work)
    for leftover in work.glob("state.db*"):
        leftover.unlink()
    port, upstream = free_port(), free_port()
    config = work / "config.yaml"
    config.write_text(yaml.safe_dump(_config(work, pack, upstream, has_keys)))
    serving = ["gateway.cli", "serve", "--config", str(config), "--port", str(port)]
    backend = ["qa.fuzzing.backend", str(upstream)]
    with (
        run_process("the backend", backend, work / "backend.log", {}) as behind,
        run_process("the gateway", serving, work / "gateway.log", {}) as child,
    ):
        behind.wait_until(lambda: get_json(upstream, "/v1/models") is not None, READY_S)
        child.wait_until(lambda: (get_json(port, "/health/ready") or {}).get("scorer") == "ready", READY_S)
        yield Target(port, child.pid, work)
        child.check()


def _pack(work: Path) -> Path:
    """Build a pack of forty sentences, once."""
    from routing.benchmark import Model
    from routing.tidy import write_benchmark

    pack = work / "pack"
    if pack.exists():
        return pack
    folder = work / "benchmark"
    folder.mkdir(exist_ok=True)
    inputs = [(f"{kind}-{n}", kind, f"{kind}: what is {n} {word} {n + 1}?") for kind, word in KINDS for n in range(20)]
    outcomes = [(id_, model, float(len(id_ + model) % 3 > 0)) for id_, _, _ in inputs for model in ("m", "n")]
    write_benchmark(folder, inputs, outcomes, (Model("m"), Model("n")))
    build = [sys.executable, "-m", "gateway.cli", "pack", "build", str(folder), "-o", str(pack)]
    subprocess.run(build, check=True, capture_output=True)
    return pack


KINDS = (("sums", "plus"), ("products", "times"))


def _config(work: Path, pack: Path, upstream: int, has_keys: bool) -> dict[str, Any]:
    backend = {"kind": "openai", "base_url": f"http://127.0.0.1:{upstream}/v1", "speaks_messages": True}
    price = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}
    config: dict[str, Any] = {
        "models": [{"name": name, "price": price, "backends": [backend]} for name in ("m", "n")],
        "routing": {"pack": str(pack)},
        "state": {"url": f"sqlite:///{(work / 'state.db').resolve()}"},
        "server": {"max_body_bytes": MAX_BODY_BYTES},
        "upstream": {"timeouts": {"total_s": 2}, "breaker": {"consecutive_faults": 10**6, "min_requests": 10**6}},
    }
    if has_keys:
        config["keys"] = [{"name": "client", "sha256": _digest(CLIENT)}]
        config["admin"] = {"keys": [{"name": "admin", "sha256": _digest(ADMIN)}]}
    return config


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
