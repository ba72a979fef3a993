"""Build the packs with the product's command, measure, print a table and write JSON."""

import argparse
import json
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scoring.child import measure_life
from benchmarks.scoring.decisions import measure_decisions
from benchmarks.scoring.embedders import (
    Candidate,
    cut_texts,
    embedder_folder,
    export_form,
    measure_embedders,
    read_words,
)
from benchmarks.scoring.paced import Load, measure_load
from gateway.vocabulary import ScoreSetting
from routing.embedder import DEFAULT_EMBEDDER
from routing.pack import open_pack, save_pack
from routing.tidy import read_benchmark, write_benchmark

PACKS = {
    "transformer": (),
    "transformer#128": ("--embedder", f"{DEFAULT_EMBEDDER}#128"),
    "static": ("--embedder", f"static:{DEFAULT_EMBEDDER}"),
}


PARTS = ("embedders", "scorer", "decisions", "load")

LOAD_SCORES: tuple[ScoreSetting, ...] = ("s3", "auto")


def build_pack(benchmark: Path, work: Path, name: str) -> Path:
    """Return the pack of that name, built unless it exists."""
    pack = work / name.replace("#", "-")
    if not (pack / "manifest.json").exists():
        command = [sys.executable, "-m", "gateway.cli", "pack", "build", str(benchmark), "-o", str(pack)]
        subprocess.run([*command, *PACKS[name]], check=True)
    return pack


def sample_benchmark(benchmark: Path, work: Path, count: int) -> Path:
    """Return a tidy benchmark of some inputs, spread over all of it: results do not depend on how many."""
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
    """Return the pack as older versions wrote it: its scorer loads sentence-transformers."""
    made = pack.with_name(pack.name + "-torch")
    if not made.exists():
        save_pack(open_pack(pack), made)
    return made


def describe_machine() -> dict[str, str]:
    """Return a description of the machine."""
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
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", type=Path, required=True, help="a tidy benchmark")
    parser.add_argument("--work", type=Path, default=Path("build/scoring"), help="folder of the packs")
    parser.add_argument("--inputs", type=int, default=1500, help="how many of its inputs go into the packs")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure")
    parser.add_argument("--results", type=Path, default=Path("results/scoring.json"))
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    benchmark = sample_benchmark(asked.benchmark, asked.work, asked.inputs)
    results: dict[str, Any] = {"machine": describe_machine()}
    for part in asked.parts:
        results[part] = MEASURED[part](asked, benchmark)
        write_results(results, asked.results)  # a busy machine may not finish the rest
    print_tables(results)


def _measure_embedders(asked: argparse.Namespace, benchmark: Path) -> dict[str, Any]:
    packs = {name: build_pack(benchmark, asked.work, name) for name in PACKS}
    texts = read_benchmark(benchmark).texts
    candidates = [
        Candidate("sentence-transformers, torch", "torch", DEFAULT_EMBEDDER, 32),
        Candidate("onnxruntime, as carried", "carried", embedder_folder(packs["transformer"]), 32),
        Candidate("onnxruntime, as carried, 128 tokens", "carried", embedder_folder(packs["transformer#128"]), 32),
        Candidate("onnxruntime, int8", "carried", export_form(asked.work / "int8", texts, is_small=True), 32),
        Candidate("onnxruntime, fp32", "carried", export_form(asked.work / "fp32", texts, is_small=False), 32),
        Candidate("static, 256 wide", "carried", embedder_folder(packs["static"]), 512),
    ]
    return measure_embedders(candidates, read_words(texts, 200 * 200), asked.rounds)


def _measure_scorer(asked: argparse.Namespace, benchmark: Path) -> dict[str, Any]:
    packs = {name: build_pack(benchmark, asked.work, name) for name in PACKS}
    packs["transformer, older pack"] = without_its_embedder(packs["transformer"])
    texts = cut_texts(read_words(read_benchmark(benchmark).texts, 200 * 200), 24)
    return {name: {**measure_life(pack, texts), "form": carried_form(pack)} for name, pack in packs.items()}


def _measure_decisions(asked: argparse.Namespace, benchmark: Path) -> dict[str, Any]:
    return measure_decisions(build_pack(benchmark, asked.work, "static"))


def _measure_load(asked: argparse.Namespace, benchmark: Path) -> dict[str, Any]:
    pack, by_dataset = build_pack(benchmark, asked.work, "static"), texts_by_dataset(asked.benchmark)
    return {f"static, {score}": measure_load(pack, by_dataset, Load(score=score)) for score in LOAD_SCORES}


MEASURED = {
    "embedders": _measure_embedders,
    "scorer": _measure_scorer,
    "decisions": _measure_decisions,
    "load": _measure_load,
}


def carried_form(pack: Path) -> str | None:
    """Return the form of a pack's embedder; None for a pack without one."""
    about = pack / "embedder/about.json"
    return str(json.loads(about.read_text())["precision"]) if about.exists() else None


def texts_by_dataset(benchmark: Path) -> list[list[str]]:
    """Return the texts of each dataset."""
    whole = read_benchmark(benchmark)
    made: list[list[str]] = [[] for _ in whole.datasets]
    for dataset, text in zip(whole.dataset_ids, whole.texts, strict=True):
        made[dataset].append(text)
    return made


def write_results(results: dict[str, Any], path: Path) -> None:
    """Write the JSON document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n")


def print_tables(results: dict[str, Any]) -> None:
    """Print the tables."""
    parts = [part for part in PARTS if part in results]
    width = max(len(name) for part in parts for name in results[part])
    for part in parts:
        for name, row in results[part].items():
            print(f"{name:<{width}}  " + "  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
