"""Runs the streams of a benchmark and writes what came of them."""

import argparse
import json
import platform
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.thinning.stream import Course, Task, run
from routing.arrays import Ints
from routing.benchmark import Benchmark, order_on_average
from routing.calibration import CalibrationSettings, HeldOut, RoutingSettings, calibrate, hold_out
from routing.predictor import predict, predict_correct
from routing.task import Evidence
from routing.thinning import ThinningSettings
from routing.tidy import read_benchmark, read_embeddings

FIRST = 200


def tasks_of(benchmark: Benchmark, vectors: Any, routing: RoutingSettings) -> Iterator[Task]:
    """Every dataset as a task of a pack without it (calibration in the short form, as in a pack's report)."""
    held_out = list(hold_out(vectors, benchmark.dataset_ids, len(benchmark.datasets), routing.kappa))
    pairs = calibrate(vectors, benchmark, held_out, routing, CalibrationSettings(repeats=1))
    averages = benchmark.dataset_averages()
    for one in held_out:
        yield Task(
            benchmark.datasets[one.dataset].name,
            _evidence(benchmark, vectors, one, routing),
            benchmark.outcomes[one.rows],
            benchmark.model_names,
            order_on_average(np.delete(averages, one.dataset, axis=0)),
            pairs.without(one.dataset),
        )


def _evidence(benchmark: Benchmark, vectors: Any, one: HeldOut, routing: RoutingSettings) -> Evidence:
    g = predict(benchmark.outcomes, one.near[:, : routing.k])
    return Evidence(g, predict_correct(g, routing.threshold), one.near_distances.mean(axis=1), vectors[one.rows])


def order_of(task: Task, length: int, generator: np.random.Generator) -> Ints:
    """Inputs in a random order, the whole task again and again until there are `length`."""
    count = len(task.evidence)
    rounds = [generator.permutation(count) for _ in range(-(-length // count))]
    return np.concatenate(rounds)[:length]


def compared(task: Task, order: Ints, routing: RoutingSettings, thinning: ThinningSettings) -> dict[str, Any]:
    """A stream with all inputs embedded, and thinned."""
    whole, thin = run(task, order, routing, None), run(task, order, routing, thinning)
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


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the tasks, and the share of embeddings that thinning leaves out after the first inputs."""
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
    """Reads the command line, prints the summary, writes the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", type=Path, required=True, help="a tidy benchmark with its embeddings")
    parser.add_argument("--pool", default="", help="a list of models in its pools.json; all by default")
    parser.add_argument("--length", type=int, default=2000, help="inputs a stream")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=Path("results/thinning.json"))
    asked = parser.parse_args()
    benchmark = read_benchmark(asked.benchmark)
    given = read_embeddings(asked.benchmark, benchmark.n_inputs)
    if given is None:
        parser.error(f"{asked.benchmark} has no embeddings beside it")
    if asked.pool:
        benchmark = benchmark.with_models(json.loads((asked.benchmark / "pools.json").read_text())[asked.pool])
    routing, thinning, generator = RoutingSettings(), ThinningSettings(), np.random.default_rng(asked.seed)
    rows = [
        compared(task, order_of(task, asked.length, generator), routing, thinning)
        for task in tasks_of(benchmark, given.vectors, routing)
    ]
    made = {
        "benchmark": asked.benchmark.name,
        "pool": asked.pool or "all",
        "first": FIRST,
        "settings": asdict(thinning),
        "python": platform.python_version(),
        "summary": summary(rows),
        "rows": rows,
    }
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    asked.results.write_text(json.dumps(made, indent=2) + "\n")
    print(json.dumps(made["summary"], indent=2))


if __name__ == "__main__":
    main()
