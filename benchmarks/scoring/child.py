"""The scorer's real process: start to first decision, and its memory then."""

import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.scoring.worker import memory_mb
from gateway.scorer.embedded.framing import encode_frame, from_scorer
from gateway.scorer.embedded.process import SCORER_ENVIRONMENT
from gateway.scorer.messages import (
    BatchDone,
    Configure,
    Observation,
    Observations,
    PackReady,
    ScoreSettings,
    TaskPolicy,
)
from routing.manifest import read_manifest

LENGTH = struct.Struct(">I")
TIMEOUT_S = 600.0


def measure_life(pack: Path, texts: list[str]) -> dict[str, Any]:
    """Return seconds from start to Ready and to the first decision, and memory after all texts, MB.

    CPU seconds too, since the scorer has a low priority: on an idle machine both are equal.
    """
    gateway_end, scorer_end = socket.socketpair()
    gateway_end.settimeout(TIMEOUT_S)
    started = time.perf_counter()
    command = [sys.executable, "-m", "gateway.scorer.embedded.start", str(scorer_end.fileno()), str(os.getpid())]
    with tempfile.TemporaryDirectory() as folder, gateway_end:
        environment = {**SCORER_ENVIRONMENT, **os.environ}
        process = subprocess.Popen(command, pass_fds=(scorer_end.fileno(),), stderr=subprocess.DEVNULL, env=environment)
        scorer_end.close()
        try:
            policy = TaskPolicy(read_manifest(pack).model_names)
            gateway_end.sendall(
                encode_frame(Configure(str(pack), f"sqlite:///{folder}/state.db", ScoreSettings(), policy))
            )
            _until(gateway_end, PackReady)
            ready, ready_cpu = time.perf_counter() - started, cpu_s(process.pid)
            at_rest = memory_mb(process.pid)
            _observe(gateway_end, texts[:1])
            first = time.perf_counter() - started
            started, started_cpu = time.perf_counter(), cpu_s(process.pid)
            _observe(gateway_end, texts)
            took, took_cpu = time.perf_counter() - started, cpu_s(process.pid) - started_cpu
            return {
                "ready_s": round(ready, 2),
                "ready_cpu_s": round(ready_cpu, 2),
                "first_decision_s": round(first, 2),
                "memory_ready_mb": at_rest,
                "memory_after_mb": memory_mb(process.pid),
                "scored_per_s": round(len(texts) / took, 1),
                "cpu_ms_per_input": round(1000 * took_cpu / len(texts), 2),
            }
        finally:
            process.kill()
            process.wait()


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _observe(gateway_end: socket.socket, texts: list[str]) -> None:
    items = [Observation("task", json.dumps([{"role": "user", "content": text}]).encode()) for text in texts]
    gateway_end.sendall(encode_frame(Observations(items)))
    left = len(items)
    while left > 0:
        left -= _until(gateway_end, BatchDone).received


def _until(gateway_end: socket.socket, kind: type) -> Any:
    while True:
        (length,) = LENGTH.unpack(_exactly(gateway_end, LENGTH.size))
        message = from_scorer.decode(_exactly(gateway_end, length))
        if isinstance(message, kind):
            return message
        if type(message).__name__ == "Refused":
            raise RuntimeError(f"the scorer refuses the pack: {message}")


def _exactly(gateway_end: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = gateway_end.recv(count - len(data))
        if not piece:
            raise RuntimeError("the scorer ended")
        data += piece
    return data
