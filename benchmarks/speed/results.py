"""A run's figures: medians, ratios to nginx and LiteLLM, and the JSON document."""

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.speed.lag import sum_lag
from benchmarks.speed.loads import Load
from benchmarks.speed.machine import describe_machine
from benchmarks.speed.measure import Sample
from benchmarks.speed.targets import LITELLM, Target

Samples = Mapping[tuple[str, str], Sequence[Sample]]
DIRECT = "direct"
GATEWAY = "benchroute"
MEDIANS = ("cpu_us", "scorer_us", "per_second", "p50_us", "p99_us")


@dataclass(frozen=True, slots=True)
class RunNotes:
    """The circumstances of a run.

    Attributes:
        load_before: of the machine in the minute before.
        python: the gateway's interpreter.
        left_out: a sentence about each part that could not be measured here.
        remarks: a sentence about each round that was measured again, or stays noisy.
        replayed: instructions per request or chunk, by figure of the hot path without sockets; empty where the
            processor counts those of the loads.
    """

    load_before: float = 0.0
    python: Path = Path(sys.executable)
    left_out: Sequence[str] = ()
    remarks: Sequence[str] = ()
    replayed: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figures:
    """The samples of one run.

    Attributes:
        targets: in the order of the table.
        loads: in the order of the table.
        samples: (target, load) -> one sample a round.
        start_s: seconds from start to first response, by target.
        memory_mb: MB without the scorer, by target.
        run: its circumstances.
    """

    targets: Sequence[Target]
    loads: Sequence[Load]
    samples: Samples
    start_s: Mapping[str, float]
    memory_mb: Mapping[str, float]
    run: RunNotes = RunNotes()

    def median(self, target: str, load: str) -> Sample | None:
        """Return the median of every figure by itself; None if it was not measured."""
        found = self.samples.get((target, load))
        if not found:
            return None
        counted = [one.instructions for one in found if one.instructions is not None]
        medians = {name: statistics.median(getattr(one, name) for one in found) for name in MEDIANS}
        instructions = statistics.median(counted) if counted else None
        return Sample(**medians, instructions=instructions, lag=sum_lag(one.lag for one in found))

    def samples_of(self, target: Target, load: Load) -> Sequence[Sample]:
        """Return the samples of a load on a target."""
        return self.samples.get((target.name, load.name), ())

    def ratios(self, name: str) -> dict[str, float]:
        """Return a gateway's ratios to nginx and LiteLLM, its start and its memory.

        Added latency is relative to the backend itself.
        """
        made = {
            "share_of_nginx": self._cpu("nginx", "small", name),
            "times_litellm": self._cpu("litellm", "small", name),
            "chunk_times_nginx": self._cpu(name, "streams", "nginx"),
            "chunk_times_litellm": self._cpu("litellm", "streams", name),
            "added_p50_times_nginx": _share(self._added_us(name, "one"), self._added_us("nginx", "one")),
            "body100k_times_nginx": self._cpu(name, "large", "nginx"),
            "tls_share_of_nginx": self._cpu("nginx", "tls", name),
            "slow_added_p50_ms": _share(self._added_us(name, "slow"), 1000.0),
            "start_s": self.start_s.get(name),
            "memory_mb": self.memory_mb.get(name),
        }
        return {ratio: round(value, 3) for ratio, value in made.items() if value is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return the document of results/bench.json."""
        machine, versions = describe_machine(self.run.python, self.run.load_before)
        return {
            "machine": machine,
            "versions": {**versions, "litellm": LITELLM},
            "loads": {load.name: load.about for load in self.loads},
            "targets": {target.name: self._target(target) for target in self.targets},
            "ratios": self.ratios(GATEWAY),
            "ratios_asgi": self.ratios(f"{GATEWAY}-asgi"),
            "instructions_without_sockets": dict(self.run.replayed),
            "left_out": list(self.run.left_out),
            "remarks": list(self.run.remarks),
        }

    def _target(self, target: Target) -> dict[str, Any]:
        loads = {load.name: self._load(target.name, load) for load in self.loads}
        return {
            "about": target.about,
            "start_s": _rounded(self.start_s.get(target.name)),
            "memory_mb": _rounded(self.memory_mb.get(target.name)),
            "loads": {name: figures for name, figures in loads.items() if figures},
        }

    def _load(self, target: str, load: Load) -> dict[str, Any] | None:
        middle = self.median(target, load.name)
        if middle is None:
            return None
        return {
            f"cpu_us_per_{load.unit}": _rounded(middle.cpu_us),
            "scorer_cpu_us": _rounded(middle.scorer_us),
            f"{load.unit}s_per_s": _rounded(middle.per_second),
            "p50_us": _rounded(middle.p50_us),
            "p99_us": _rounded(middle.p99_us),
            "instructions": _rounded(middle.instructions),
            "loop_lag_by_bound_s": dict(middle.lag),
            "cpu_us_by_round": [_rounded(one.cpu_us) for one in self.samples[target, load.name]],
        }

    def _cpu(self, above: str, load: str, below: str) -> float | None:
        first, second = self.median(above, load), self.median(below, load)
        return _share(first.cpu_us, second.cpu_us) if first and second else None

    def _added_us(self, target: str, load: str) -> float | None:
        through, direct = self.median(target, load), self.median(DIRECT, load)
        return through.p50_us - direct.p50_us if through and direct else None


def _share(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
