"""Builds the packs it needs with the product's own command, measures, prints a table and writes JSON."""

import argparse
import json
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scoring.child import life
from benchmarks.scoring.embedders import Candidate, files_in, measured, texts_of, words_of
from routing.embedder import DEFAULT_EMBEDDER
from routing.pack import open_pack, save_pack
from routing.tidy import read_benchmark, write_benchmark

PACKS = {
    "transformer": (),
    "transformer#128": ("--embedder", f"{DEFAULT_EMBEDDER}#128"),
    "static": ("--embedder", f"static:{DEFAULT_EMBEDDER}"),
}


def build(benchmark: Path, work: Path, name: str) -> Path:
    """The pack of that name, built unless it is there."""
    pack = work / name.replace("#", "-")
    if not (pack / "manifest.json").exists():
        command = [sys.executable, "-m", "gateway.cli", "pack", "build", str(benchmark), "-o", str(pack)]
        subprocess.run([*command, *PACKS[name]], check=True)
    return pack


def sampled(benchmark: Path, work: Path, count: int) -> Path:
    """A tidy benchmark of some of the inputs, spread over all of it: what is measured does not depend on how many."""
    folder = work / f"benchmark-{count}"
    if folder.exists():
        return folder
    whole = read_benchmark(benchmark)
    rows = np.unique(np.linspace(0, whole.n_inputs - 1, count).astype(int))
    names = [dataset.name for dataset in whole.datasets]
    inputs = [(str(row), names[whole.dataset_ids[row]], whole.texts[row]) for row in rows]
    outcomes = [
        (str(row), model, float(score))
        for row in rows
        for model, score in zip(whole.model_names, whole.outcomes[row], strict=True)
        if not np.isnan(score)
    ]
    write_benchmark(folder, inputs, outcomes, whole.models, whole.datasets)
    return folder


def without_its_embedder(pack: Path) -> Path:
    """The same pack as older versions made it: its scorer loads sentence-transformers."""
    made = pack.with_name(pack.name + "-torch")
    if not made.exists():
        save_pack(open_pack(pack), made)
    return made


def machine() -> dict[str, str]:
    """Where the numbers come from."""
    libraries = ("numpy", "onnxruntime", "tokenizers", "torch", "sentence-transformers", "hnswlib")
    models = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "cpu": f"{len(models)} x {models[0] if models else 'unknown'}",
        "load": Path("/proc/loadavg").read_text().split(" ")[0],
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
    }


def main() -> None:
    """Reads the command line and does all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", type=Path, required=True, help="a tidy benchmark")
    parser.add_argument("--work", type=Path, default=Path("build/scoring"), help="where packs are built, and kept")
    parser.add_argument("--inputs", type=int, default=1500, help="how many of its inputs go into the packs")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--results", type=Path, default=Path("results/scoring.json"))
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    benchmark = sampled(asked.benchmark, asked.work, asked.inputs)
    packs = {name: build(benchmark, asked.work, name) for name in PACKS}
    words = words_of(read_benchmark(benchmark).texts, 200 * 200)
    candidates = [
        Candidate("sentence-transformers, torch", "torch", DEFAULT_EMBEDDER, 32),
        Candidate("onnxruntime, as carried", "carried", files_in(packs["transformer"]), 32),
        Candidate("onnxruntime, as carried, 128 tokens", "carried", files_in(packs["transformer#128"]), 32),
        Candidate("static, 256 wide", "carried", files_in(packs["static"]), 512),
    ]
    results: dict[str, Any] = {"machine": machine(), "embedders": measured(candidates, words, asked.rounds)}
    write(results, asked.results)  # what there is, should a busy machine not let the rest come to its end
    packs["transformer, older pack"] = without_its_embedder(packs["transformer"])
    texts = texts_of(words, 24)
    results["scorer"] = {name: life(pack, texts) for name, pack in packs.items()}
    results["carried"] = {
        name: {k: v for k, v in json.loads((pack / "embedder/about.json").read_text()).items() if k != "probes"}
        for name, pack in packs.items()
        if (pack / "embedder").exists()
    }
    write(results, asked.results)
    show(results)


def write(results: dict[str, Any], path: Path) -> None:
    """As JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n")


def show(results: dict[str, Any]) -> None:
    """Both tables."""
    width = max(len(name) for part in ("embedders", "scorer") for name in results[part])
    for part in ("embedders", "scorer"):
        for name, row in results[part].items():
            print(f"{name:<{width}}  " + "  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
