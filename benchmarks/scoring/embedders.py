"""Embedders interleaved: inputs per second, CPU per input, and ratios to sentence-transformers on PyTorch."""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from routing.embedder import DEFAULT_EMBEDDER, SentenceTransformerEmbedder
from routing.embedders.export import bundle_transformer

WORDS = 200


@dataclass(frozen=True, slots=True)
class Candidate:
    """An embedder to measure. share: of the inputs; a fast embedder gets more, for a measurable time."""

    name: str
    kind: str
    source: str
    inputs: int


@dataclass(slots=True)
class Running:
    """A candidate's process, and its measurements."""

    process: "subprocess.Popen[str]"
    rounds: list[dict[str, float]] = field(default_factory=list)

    def embed_texts(self, texts: Sequence[str]) -> dict[str, float]:
        """Embed one round."""
        assert self.process.stdin is not None  # noqa: S101 - a pipe was asked for
        self.process.stdin.write(json.dumps(list(texts)) + "\n")
        self.process.stdin.flush()
        figures: dict[str, float] = json.loads(self.line())
        return figures

    def line(self) -> str:
        """Return the process's next line."""
        assert self.process.stdout is not None  # noqa: S101 - likewise
        return self.process.stdout.readline()


@contextmanager
def running_candidate(candidate: Candidate) -> Iterator[Running]:
    """Run the candidate's process, ready."""
    command = [sys.executable, "-m", "benchmarks.scoring.worker", candidate.kind, candidate.source]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        made = Running(process)
        made.line()
        yield made
    finally:
        process.kill()
        process.wait()


def cut_texts(words: Sequence[str], count: int) -> list[str]:
    """Return inputs of 200 words each, cut from a benchmark's texts."""
    return [" ".join(words[at * WORDS : (at + 1) * WORDS]) for at in range(count)]


def measure_embedders(candidates: Sequence[Candidate], words: Sequence[str], rounds: int) -> dict[str, Any]:
    """Return per candidate inputs per second, CPU ms per input, memory, and ratios to the first."""
    most = max(candidate.inputs for candidate in candidates)
    texts = cut_texts(list(words) * (1 + most * WORDS // max(len(words), 1)), most)
    with ExitStack() as stack:
        processes = {one.name: (one, stack.enter_context(running_candidate(one))) for one in candidates}
        for number in range(-1, rounds):
            order = list(processes.values())
            for one, process in order if number % 2 else order[::-1]:
                figures = process.embed_texts(texts[: one.inputs])
                if number >= 0:
                    process.rounds.append(figures)
        made = {name: _summary(one, process.rounds) for name, (one, process) in processes.items()}
    first = made[candidates[0].name]
    for row in made.values():
        row["times_torch_wall"] = round(row["inputs_per_s"] / first["inputs_per_s"], 2)
        row["times_torch_cpu"] = round(first["cpu_ms_per_input"] / row["cpu_ms_per_input"], 2)
    return made


def _summary(candidate: Candidate, rounds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    wall = statistics.median(one["wall_s"] for one in rounds)
    cpu = statistics.median(one["cpu_s"] for one in rounds)
    return {
        "inputs_per_s": round(candidate.inputs / wall, 1),
        "cpu_ms_per_input": round(1000 * cpu / candidate.inputs, 3),
        "memory_mb": max(one["memory_mb"] for one in rounds),
        "inputs_a_round": candidate.inputs,
    }


def read_words(texts: Sequence[str], enough: int) -> list[str]:
    """Return words of a benchmark, from texts spread over all of it."""
    found: list[str] = []
    for text in texts[:: max(1, len(texts) // 500)]:
        found += text.split()
        if len(found) >= enough:
            break
    return found


def export_form(folder: Path, texts: Sequence[str], *, is_small: bool) -> str:
    """Return a folder of the default embedder in one form, exported unless it exists: in int8 if small, else in fp32.

    A pack carries the smallest form that keeps its decisions, and so at most one of the two.
    """
    if not folder.exists():
        embedder = SentenceTransformerEmbedder(DEFAULT_EMBEDDER)
        some = list(texts[:: max(1, len(texts) // 50)])
        # Any recall is enough for the first form, int8, or none is for any: the model as it is then remains.
        made = bundle_transformer(embedder, some, embedder.embed_texts(some), least_kept=0.0 if is_small else 2.0)
        folder.mkdir(parents=True)
        for name, data in made.files.items():
            (folder / Path(name).name).write_bytes(data)
    return str(folder)


def embedder_folder(pack: Path) -> str:
    """Return the folder of a pack's embedder."""
    return str(pack / "embedder")
