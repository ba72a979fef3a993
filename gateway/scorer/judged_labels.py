"""Labels that judge models gave to a task's inputs, by judge, with the error that their agreement implies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from gateway.scorer.messages import JudgeVerdicts
from routing.arrays import Floats
from routing.auto.judge_noise import JudgeAgreement, LabelNoise, estimate_noise, pairwise_noise
from routing.auto.posterior import JudgedLabels

MAX_JUDGED = 500
"""Inputs stored of a judge, the newest."""
MAX_JUDGES = 8
"""Judges stored of a task, the latest."""

JUDGE_PREFIX = "judge:"
PAIRWISE = "pairwise"

JudgeWire = tuple[str, str, tuple[float, float, float], Mapping[bytes, Mapping[str, float]]]
"""source, method, noise (slope, deviation, variance), outcomes."""


@dataclass(frozen=True, slots=True)
class JudgedInputs:
    """Labels of one judge.

    Attributes:
        method: how the judge was asked; labels of two methods are not on one scale.
        noise: of the labels, by the judge's latest agreement.
        outcomes: in [0, 1], by an input's digest and model; oldest first.
    """

    method: str
    noise: LabelNoise
    outcomes: Mapping[bytes, Mapping[str, float]] = field(default_factory=dict)

    def with_labels(self, digests: Sequence[bytes], given: Sequence[Mapping[str, float]]) -> "JudgedInputs":
        """Add labels; an input judged again has its models' outcomes replaced."""
        merged = dict(self.outcomes)
        for digest, outcomes in zip(digests, given, strict=True):
            merged[digest] = {**merged.pop(digest, {}), **outcomes}
        return JudgedInputs(self.method, self.noise, dict(list(merged.items())[-MAX_JUDGED:]))

    def merge(self, other: "JudgedInputs") -> "JudgedInputs":
        """Add another task's labels of the same judge; those of another method are left out."""
        if other.method != self.method:
            return self
        merged = {digest: dict(outcomes) for digest, outcomes in other.outcomes.items()}
        for digest, outcomes in self.outcomes.items():
            merged[digest] = {**merged.pop(digest, {}), **outcomes}
        return JudgedInputs(self.method, self.noise, dict(list(merged.items())[-MAX_JUDGED:]))

    def to_matrix(self, models: Sequence[str], known: Mapping[bytes, object]) -> Floats:
        """Return outcomes, (n_judged, n_models), NaN where there is none. known: inputs with true labels, left out."""
        rows = [row for digest, row in self.outcomes.items() if digest not in known]
        return np.array([[row.get(model, np.nan) for model in models] for row in rows]).reshape(len(rows), len(models))


@dataclass(frozen=True, slots=True)
class Judges:
    """Labels of all judges of a task, by source (`judge:MODEL`), the latest last."""

    by_source: Mapping[str, JudgedInputs] = field(default_factory=dict)

    def with_labels(
        self, judge: JudgeVerdicts, digests: Sequence[bytes], given: Sequence[Mapping[str, float]]
    ) -> "Judges":
        """Add labels of a judge. Its earlier labels get its present agreement; those of another method are dropped."""
        others, source = dict(self.by_source), JUDGE_PREFIX + judge.model
        before, noise = others.pop(source, None), judge_noise(judge)
        kept = before.outcomes if before is not None and before.method == judge.method else {}
        others[source] = JudgedInputs(judge.method, noise, kept).with_labels(digests, given)
        return Judges(dict(list(others.items())[-MAX_JUDGES:]))

    def merge(self, other: "Judges") -> "Judges":
        """Add another task's labels, judge by judge."""
        merged = dict(other.by_source)
        for source, own in self.by_source.items():
            theirs = merged.pop(source, None)
            merged[source] = own if theirs is None else own.merge(theirs)
        return Judges(dict(list(merged.items())[-MAX_JUDGES:]))

    def without_judge(self, source: str) -> "Judges":
        """Remove all labels of a judge."""
        return Judges({name: found for name, found in self.by_source.items() if name != source})

    def to_labels(self, models: Sequence[str], known: Mapping[bytes, object]) -> list[JudgedLabels]:
        """Convert to the library's labels. known: inputs with true labels, which take precedence."""
        return [
            JudgedLabels(source, found.to_matrix(models, known), found.noise)
            for source, found in self.by_source.items()
        ]

    @property
    def counts(self) -> dict[str, int]:
        """Number of judged inputs by source."""
        return {source: len(found.outcomes) for source, found in self.by_source.items()}

    def to_wire(self) -> list[JudgeWire]:
        """Encode."""
        return [
            (source, found.method, (found.noise.slope, found.noise.deviation, found.noise.variance), found.outcomes)
            for source, found in self.by_source.items()
        ]

    @classmethod
    def from_wire(cls, wire: Sequence[JudgeWire]) -> "Judges":
        """Decode what `to_wire` returned."""
        return cls({name: JudgedInputs(method, LabelNoise(*noise), found) for name, method, noise, found in wire})


def judge_noise(judge: JudgeVerdicts) -> LabelNoise:
    """Return the noise of a judge's labels, by its agreement with itself and with references."""
    agreement = JudgeAgreement(**msgspec.structs.asdict(judge.agreement))
    if judge.method == PAIRWISE:
        return pairwise_noise(estimate_noise(agreement.symmetric()), judge.decided)
    return estimate_noise(agreement)
