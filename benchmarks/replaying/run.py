"""The replay from start to end, with the product as users run it: a gateway in a process of its own, and HTTP."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.replaying.checking import compare_account, largest_difference
from benchmarks.replaying.material import Material, read_material
from benchmarks.replaying.offline import decide_at_once, decide_one_by_one
from benchmarks.replaying.packing import embedder_identity, prepare_pack
from benchmarks.replaying.printing import print_results
from benchmarks.replaying.results import Compared, TaskResult, compute_totals, task_result, write_results
from benchmarks.replaying.servers import Places, gateway, recorded_backend
from benchmarks.replaying.traffic import Sent, send_all
from demo.processes import ending_on_sigterm
from routing.arrays import Embeddings
from routing.embedder import EmbeddingCache, SentenceTransformerEmbedder
from routing.pack import open_pack
from routing.router import Router


@dataclass(frozen=True, slots=True)
class Replay:
    """The options. limit: at most so many inputs of each held-out dataset; None for all."""

    benchmark: Path
    pool: str
    holdout: Sequence[str]
    limit: int | None
    work_dir: Path
    results: Path


class Steps:
    """Progress lines with the seconds since the start."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._started = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def print_line(self, what: str) -> None:
        """Print one line."""
        self.console.print(f"{self.elapsed_s:6.1f} s  {what}", highlight=False, soft_wrap=True)


def run(replay: Replay, console: Console) -> bool:
    """Replay, print the results and write them to `replay.results`.

    Returns True if gateway and library agree. Raises DemoError or RoutingError if the replay cannot continue.
    """
    steps, places = Steps(console), Places(replay.work_dir.resolve())
    places.work_dir.mkdir(parents=True, exist_ok=True)
    material = read_material(replay.benchmark, replay.pool, replay.holdout, replay.limit)
    steps.print_line(
        f"{material.whole.name}/{replay.pool}: {len(material.models)} models, {material.rest.n_inputs} inputs"
    )
    embedder = SentenceTransformerEmbedder()
    built = prepare_pack(material, replay.benchmark, embedder, places.pack)
    steps.print_line(f"pack {'built' if built else 'up to date'}: {places.pack}")
    sent = _send(places, material, steps)
    steps.print_line("the same inputs through the library")
    router = Router(open_pack(places.pack, embedder_identity(embedder)))
    best_on_average = router.select_candidates()[0]
    with EmbeddingCache(places.embeddings) as cache:
        vectors = cache.embed_texts(embedder, [text for task in material.tasks for text in task.texts])
    compared = compare_tasks(sent, router, vectors)
    results = [task_result(*pair, material.models, best_on_average) for pair in zip(sent, compared, strict=True)]
    print_results(console, results, compute_totals(results), best_on_average)
    _write(replay, results, best_on_average, steps.elapsed_s)
    steps.print_line(f"results: {replay.results}")
    return not any(result.differences for result in results)


def _send(places: Places, material: Material, steps: Steps) -> list[Sent]:
    """Send every task's inputs through a gateway."""
    with ending_on_sigterm(), recorded_backend(places, material) as backend_port:
        steps.print_line("starting the gateway")
        with gateway(places, material.models, backend_port) as port:
            n = sum(len(task.texts) for task in material.tasks)
            steps.print_line(
                f"sending {n} inputs of {len(material.tasks)} held-out datasets through http://127.0.0.1:{port}/v1"
            )
            return send_all(port, material.tasks)


def compare_tasks(sent: Sequence[Sent], router: Router, vectors: Embeddings) -> list[Compared]:
    """Return the library's results for every task. vectors: (n_inputs, dim) of all texts, in the order of `sent`."""
    found, start = [], 0
    for one in sent:
        task = one.task
        own, start = vectors[start : start + len(task.texts)], start + len(task.texts)
        offline = decide_one_by_one(router, own)
        scores, decision = decide_at_once(router, task.vectors)
        checked = compare_account(task.name, one.account, offline)
        found.append(Compared(offline, checked, decision.model, largest_difference(offline.scores, scores)))
    return found


def _write(replay: Replay, results: Sequence[TaskResult], best_on_average: str, elapsed_s: float) -> None:
    about = {
        "benchmark": replay.benchmark.resolve().name,
        "pool": replay.pool,
        "holdout": list(replay.holdout),
        "limit": replay.limit,
        "best_on_average": best_on_average,
        "elapsed_s": round(elapsed_s, 1),
    }
    write_results(replay.results, results, about)
