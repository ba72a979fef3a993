"""Whole builds of packs, from the folder on disk to the pack, each in a process of its own; and the pack opened."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.indexing.folders import write_folder
from benchmarks.indexing.repeated import RealEmbeddings

MODELS = 20
"""Of the benchmark, unless said otherwise."""

OPENED = """
import json, sys, time
from pathlib import Path
from benchmarks.indexing.searching import read_memory_mb
from routing.pack import open_pack
from routing.router import Router
before, wall, cpu = read_memory_mb(), time.monotonic(), time.process_time()
router = Router(open_pack(Path(sys.argv[1]), with_input_index=False))
router.find_evidence(router.pack.embeddings[:1])
took = {"open_s": round(time.monotonic() - wall, 2), "open_cpu_s": round(time.process_time() - cpu, 2)}
print(json.dumps({**took, **{f"open_{name}": round(mb - before[name]) for name, mb in read_memory_mb().items()}}))
"""
"""Opens a pack as a scorer does, and asks for the evidence of one input."""


def measure_build(real: RealEmbeddings, n_inputs: int, n_models: int = MODELS) -> dict[str, Any]:
    """Write a benchmark of repeated embeddings, build its pack and open it. Returns seconds, MB and recall."""
    with tempfile.TemporaryDirectory(prefix="benchroute-build-") as scratch:
        folder, pack = Path(scratch) / "benchmark", Path(scratch) / "pack"
        write_folder(real, n_inputs, n_models, folder)
        built, wall_s, usage = _run(
            [sys.executable, "-m", "gateway.cli", "pack", "build", str(folder), "-o", str(pack), "--json"]
        )
        report = json.loads((pack / "report.json").read_text())
        opened, _, _ = _run([sys.executable, "-c", OPENED, str(pack)])
        return {
            "n": n_inputs,
            "models": n_models,
            "datasets": report["n_datasets"],
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
            "wall_s": round(wall_s, 1),
            "peak_mb": round(usage.ru_maxrss / 1024),
            "phases": json.loads(built)["phases"],
            "index": report.get("index"),
            "sample": report.get("sample"),
            **json.loads(opened),
        }


def _run(command: list[str]) -> tuple[str, float, Any]:
    """Run a command. Returns its output, wall-clock seconds and what it used. Raises CalledProcessError."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output)
        # wait4 alone says what this process used; resource.getrusage sums over all children.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        told = output.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, told)
    return told, time.monotonic() - began, usage
