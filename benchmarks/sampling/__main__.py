"""Run the streams of a benchmark and write the results."""

import argparse
import json
import platform
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sampling.stream import Course, Task, run_stream
from routing.adaptive_sampling import SamplingSettings
from routing.arrays import Ints
from routing.benchmark import Benchmark, order_on_average
from routing.calibration import (
    CalibrationSettings,
    HeldOutDataset,
    RoutingSettings,
    calibrate_reliability,
    hold_out_datasets,
)
from routing.predictor import predict_correct, predict_outcomes
from routing.task import InputEvidence
from routing.tidy import read_benchmark, read_embeddings

FIRST = 200
AWAKE = 20
"""Inputs embedded one after the other, which one in two or fewer would not be."""


def build_tasks(benchmark: Benchmark, vectors: Any, routing: RoutingSettings) -> Iterator[Task]:
    """Return every dataset as a task of a pack without it (short calibration, as in a pack's report)."""
    held_out = list(hold_out_datasets(vectors, benchmark.dataset_ids, len(benchmark.datasets), routing.kappa))
    pairs = calibrate_reliability(vectors, benchmark, held_out, routing, CalibrationSettings(repeats=1))
    averages = benchmark.dataset_averages()
    for one in held_out:
        on_average = order_on_average(np.delete(averages, one.dataset, axis=0))
        yield Task(
            benchmark.datasets[one.dataset].name,
            _evidence(benchmark, vectors, one, routing),
            benchmark.outcomes[one.rows],
            benchmark.model_names,
            on_average,
            pairs.without_dataset(one.dataset).select_models(on_average),
        )


def _evidence(benchmark: Benchmark, vectors: Any, one: HeldOutDataset, routing: RoutingSettings) -> InputEvidence:
    g = predict_outcomes(benchmark.outcomes, one.near[:, : routing.k])
    wide = predict_outcomes(benchmark.outcomes, one.near[:, : routing.kappa])
    distances = one.near_distances.mean(axis=1)
    return InputEvidence(g, predict_correct(g, routing.threshold), distances, vectors[one.rows], wide)


def draw_order(task: Task, length: int, generator: np.random.Generator) -> Ints:
    """Return inputs in random order, the whole task repeated until there are `length`."""
    count = len(task.evidence)
    rounds = [generator.permutation(count) for _ in range(-(-length // count))]
    return np.concatenate(rounds)[:length]


def compare_stream(task: Task, order: Ints, routing: RoutingSettings, thinning: SamplingSettings) -> dict[str, Any]:
    """Compare a stream with all inputs embedded and with sampling."""
    whole, thin = run_stream(task, order, routing, None), run_stream(task, order, routing, thinning)
    return {"task": task.name, "n": len(order), "all": _told(task, order, whole), "thinned": _told(task, order, thin)}


def _told(task: Task, order: Ints, course: Course) -> dict[str, Any]:
    outcomes = np.nan_to_num(task.outcomes[order, course.chosen])
    best = np.nanmax(np.nan_to_num(np.nanmean(task.outcomes, axis=0)))
    return {
        "embedded": int(course.embedded.sum()),
        "embedded_after_first": int(course.embedded[FIRST:].sum()),
        "accuracy": float(outcomes.mean()),
        "accuracy_after_first": float(outcomes[FIRST:].mean()),
        "regret_after_first": float(best - outcomes[FIRST:].mean()),
        "last_model": task.names[int(course.chosen[-1])],
        "turns": course.turns,
        "drifts": course.drifts,
    }


def run_switch(
    first: Task, second: Task, half: int, routing: RoutingSettings, thinning: SamplingSettings
) -> dict[str, Any]:
    """Run a task whose inputs become another dataset's after `half`; report when it was noticed."""
    both = Task(
        f"{first.name} then {second.name}",
        _joined(first.evidence, second.evidence),
        np.concatenate([first.outcomes, second.outcomes]),
        first.names,
        first.on_average,
        first.calibration,
    )
    count = len(first.evidence)
    draw = np.random.default_rng(half)
    order = np.concatenate([draw.choice(count, half), count + draw.choice(len(second.evidence), half)])
    whole, thin = run_stream(both, order, routing, None), run_stream(both, order, routing, thinning)
    after = thin.embedded[half:]
    awake = [place for place in range(half - AWAKE) if after[place : place + AWAKE].all()]
    return {
        "task": both.name,
        "noticed_after": awake[0] if awake else None,
        "embedded_before": int(thin.embedded[:half].sum()),
        "embedded_after": int(after.sum()),
        "accuracy_after": [
            float(np.nan_to_num(both.outcomes[order, one.chosen])[half:].mean()) for one in (whole, thin)
        ],
    }


def _joined(first: InputEvidence, second: InputEvidence) -> InputEvidence:
    return InputEvidence(
        np.concatenate([first.g, second.g]),
        np.concatenate([first.g_bar, second.g_bar]),
        np.concatenate([first.distances, second.distances]),
        np.concatenate([first.vectors, second.vectors]),
        np.concatenate([first.wide, second.wide]),
    )


def summarize_switches(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the number of noticed changes, their delay, and their effect."""
    noticed = [row["noticed_after"] for row in rows if row["noticed_after"] is not None]
    accuracy = np.mean([row["accuracy_after"] for row in rows], axis=0)
    return {
        "tasks": len(rows),
        "noticed": len(noticed),
        "inputs_until_noticed_median": float(np.median(noticed)) if noticed else None,
        "accuracy_after_all": round(float(accuracy[0]), 4),
        "accuracy_after_thinned": round(float(accuracy[1]), 4),
    }


def summarize_tasks(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means over the tasks, and the share of embeddings saved after the first inputs."""
    made: dict[str, Any] = {"tasks": len(rows)}
    for how in ("all", "thinned"):
        made[how] = {
            name: round(float(np.mean([row[how][name] for row in rows])), 5)
            for name in (
                "embedded",
                "embedded_after_first",
                "accuracy_after_first",
                "regret_after_first",
                "turns",
                "drifts",
            )
        }
    left = made["thinned"]["embedded_after_first"] / made["all"]["embedded_after_first"]
    differences = [row["thinned"]["accuracy_after_first"] - row["all"]["accuracy_after_first"] for row in rows]
    made["fewer_embeddings_after_first"] = round(1 - left, 4)
    made["accuracy_difference_points"] = round(100 * float(np.mean(differences)), 3)
    made["standard_error_points"] = round(100 * float(np.std(differences, ddof=1) / np.sqrt(len(rows))), 3)
    made["same_last_model"] = round(
        float(np.mean([row["thinned"]["last_model"] == row["all"]["last_model"] for row in rows])), 4
    )
    return made


def main() -> None:
    """Run, print the summary, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", type=Path, required=True, help="a tidy benchmark with its embeddings")
    parser.add_argument("--pool", default="", help="a list of models in its pools.json; all by default")
    parser.add_argument("--length", type=int, default=2000, help="inputs a stream")
    parser.add_argument("--switches", type=int, default=10, help="tasks whose inputs change half-way")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=Path("results/thinning.json"))
    asked = parser.parse_args()
    benchmark = read_benchmark(asked.benchmark)
    given = read_embeddings(asked.benchmark, benchmark.n_inputs)
    if given is None:
        parser.error(f"{asked.benchmark} has no embeddings beside it")
    if asked.pool:
        benchmark = benchmark.select_models(json.loads((asked.benchmark / "pools.json").read_text())[asked.pool])
    routing, thinning, generator = RoutingSettings(), SamplingSettings(), np.random.default_rng(asked.seed)
    tasks = list(build_tasks(benchmark, given.vectors, routing))
    rows = [compare_stream(task, draw_order(task, asked.length, generator), routing, thinning) for task in tasks]
    pairs = list(zip(tasks, tasks[1:] + tasks[:1], strict=True))[: asked.switches]
    changed = [run_switch(one, other, asked.length // 2, routing, thinning) for one, other in pairs]
    made = {
        "benchmark": asked.benchmark.name,
        "pool": asked.pool or "all",
        "first": FIRST,
        "settings": asdict(thinning),
        "python": platform.python_version(),
        "summary": summarize_tasks(rows),
        "switches": summarize_switches(changed) if changed else None,
        "rows": rows,
        "switched": changed,
    }
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    asked.results.write_text(json.dumps(made, indent=2) + "\n")
    print(json.dumps({"summary": made["summary"], "switches": made["switches"]}, indent=2))


if __name__ == "__main__":
    main()
