"""Rounds over targets and loads, interleaved, so that other work of the machine falls on all targets alike.

Every round of a load begins and ends with the control: nginx, or without it the backend itself. What the machine does
beside moves the control too. A round between two controls that differ is measured again, a bounded number of times.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.speed.errors import Failed
from benchmarks.speed.loads import Load
from benchmarks.speed.measure import Client, Sample, Started

CONTROL = "nginx"
MAX_DRIFT = 0.15
MAX_ATTEMPTS = 3

Samples = dict[tuple[str, str], list[Sample]]


@dataclass(slots=True)
class Measured:
    """The samples of all rounds.

    Attributes:
        samples: (target, load) -> one or two samples a round, without those that failed.
        remarks: a sentence about each round that was measured again, or stays noisy.
    """

    samples: Samples = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rounds:
    """How rounds are measured.

    Attributes:
        direct: the backend itself, the control where nginx is missing.
        seconds: length of a sample.
    """

    targets: Sequence[Started]
    direct: Started
    client: Client
    seconds: float

    def measure(self, loads: Sequence[Load], count: int) -> Measured:
        """Measure so many rounds of every load.

        The order of targets is reversed in every second round, so that a drift of the machine's speed favours none.
        """
        found = Measured()
        for number in range(count):
            for load in loads:
                self._add_round(found, load, number)
        return found

    def _add_round(self, found: Measured, load: Load, number: int) -> None:
        """Measure a round until its control holds still, and keep the attempt in which it moved least."""
        attempts: list[tuple[float, Samples]] = []
        while len(attempts) < MAX_ATTEMPTS:
            attempts.append(self._attempt(load, is_reversed=number % 2 == 1))
            if attempts[-1][0] <= MAX_DRIFT:
                break
        drift, samples = min(attempts, key=lambda one: one[0])
        for key, more in samples.items():
            found.samples.setdefault(key, []).extend(more)
        if len(attempts) > 1 or drift > MAX_DRIFT:
            found.remarks.append(_describe(load, number, [one for one, _ in attempts], drift))

    def _attempt(self, load: Load, is_reversed: bool) -> tuple[float, Samples]:
        """Return how far the control moved, as a share, and the samples."""
        control = next((one for one in self.targets if one.target.name == CONTROL), self.direct)
        others = [one for one in self.targets if one is not control]
        order = [control, *(reversed(others) if is_reversed else others), control]
        samples: Samples = {}
        for one in order:
            try:
                made = self.client.take_sample(one, load, self.seconds, self.targets)
            except Failed as error:
                self.client.report_progress(f"left out: {error}")
            else:
                samples.setdefault((one.target.name, load.name), []).append(made)
        return _drift(samples.get((control.target.name, load.name), ()), by_cpu=control is not self.direct), samples


def _drift(control: Sequence[Sample], by_cpu: bool) -> float:
    """Return by how much the control's second sample differs from its first; infinite where one of them failed."""
    values = [one.cpu_us if by_cpu else one.p50_us for one in control]
    if len(values) < 2 or min(values) <= 0:
        return float("inf")
    return max(values) / min(values) - 1


def _describe(load: Load, number: int, drifts: Sequence[float], kept: float) -> str:
    moved = ", ".join("failed" if one == float("inf") else f"{one:.0%}" for one in drifts)
    verdict = "stays noisy" if kept > MAX_DRIFT else "the last one is kept"
    return f"round {number + 1} of {load.about}: measured {len(drifts)} times, its control moved by {moved}; {verdict}"


def merge_samples(*parts: Mapping[tuple[str, str], Sequence[Sample]]) -> Samples:
    """Return the samples of all parts together."""
    found: Samples = {}
    for part in parts:
        for key, more in part.items():
            found.setdefault(key, []).extend(more)
    return found
