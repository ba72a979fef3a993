"""A task's labelled inputs and scored responses, by model name, so that they outlive a pack.

All are stored behind the task's sums, in the same bytes, so that all of it is read and written together. A response
counts once, with its latest score; responses are bounded by their own time and not by that of their scores, so the
order in which scores arrive makes no difference.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import msgspec
import numpy as np

from gateway.errors import StateError
from gateway.scorer.judged_labels import Judges, JudgeWire
from gateway.scorer.messages import JudgeVerdicts, ScoredResponse
from routing.auto.feedback import Feedback
from routing.auto.labelling import UNLABELLED, TaskLabelling
from routing.auto.posterior import JudgedLabels

MAX_PER_CONTEXT = 200
"""Newest responses stored of one model in one stratum: more of them hardly change the estimate."""
MAX_RATINGS = 2000
"""Newest responses stored of a task."""

Wire = Sequence[tuple[str, str, float | None, Sequence[tuple[bytes, float, float]]]]
"""model, stratum, propensity, and of every such response: digest, score, at."""


class RatingContext(NamedTuple):
    """The circumstances of a response. stratum: see routing.auto.feedback."""

    model: str
    stratum: str
    propensity: float | None


class Rating(NamedTuple):
    """A scored response. at: Unix time in seconds of the response. score: in [0, 1]."""

    at: float
    score: float
    context: RatingContext


@dataclass(frozen=True, slots=True)
class Ratings:
    """Scored responses of a task. by_request: by the digest of the request."""

    by_request: Mapping[bytes, Rating] = field(default_factory=dict)

    def with_ratings(self, rated: Iterable[ScoredResponse]) -> "Ratings":
        """Add scores; a later one of the same response replaces the earlier."""
        merged = dict(self.by_request)
        for one in rated:
            merged[one.request] = Rating(one.at, one.score, RatingContext(one.model, one.stratum, one.propensity))
        return Ratings(_newest(merged))

    def merge(self, other: "Ratings") -> "Ratings":
        """Add the responses of another task."""
        return Ratings(_newest({**other.by_request, **self.by_request}))

    def to_feedback(self, models: Sequence[str]) -> Feedback | None:
        """Convert to the library's feedback, with columns in the order of `models`. None without any of these."""
        columns = {name: place for place, name in enumerate(models)}
        # Sorted, so that not even rounding depends on the order in which scores came in.
        known = sorted((request, one) for request, one in self.by_request.items() if one.context.model in columns)
        if not known:
            return None
        propensities = [one.context.propensity for _, one in known]
        return Feedback.from_ratings(
            np.array([columns[one.context.model] for _, one in known]),
            np.array([one.score for _, one in known]),
            np.array([np.nan if chance is None else chance for chance in propensities], dtype=np.float64),
            [one.context.stratum for _, one in known],
        )

    def to_wire(self) -> Wire:
        """Encode, with responses of the same circumstances together: most of a task's are."""
        alike: dict[RatingContext, list[tuple[bytes, float, float]]] = {}
        for request, one in self.by_request.items():
            alike.setdefault(one.context, []).append((request, one.score, one.at))
        return [(*context, answers) for context, answers in alike.items()]

    @classmethod
    def from_wire(cls, wire: Wire) -> "Ratings":
        """Decode what `to_wire` returned."""
        return cls(
            {
                request: Rating(at, score, RatingContext(model, stratum, propensity))
                for model, stratum, propensity, answers in wire
                for request, score, at in answers
            }
        )


def _newest(merged: Mapping[bytes, Rating]) -> dict[bytes, Rating]:
    newest = sorted(merged.items(), key=lambda item: (-item[1].at, item[0]))
    alike: dict[RatingContext, int] = {}
    stored: dict[bytes, Rating] = {}
    for request, one in newest:
        alike[one.context] = alike.get(one.context, 0) + 1
        if alike[one.context] <= MAX_PER_CONTEXT and len(stored) < MAX_RATINGS:
            stored[request] = one
    return stored


MAX_LABELS = 500
"""Labelled inputs stored of a task, the newest: more hardly move the posterior."""

_encode = msgspec.msgpack.Encoder().encode
Outcomes = dict[bytes, dict[str, float]]
_labels_decoder = msgspec.msgpack.Decoder(Outcomes)
_pair_decoder = msgspec.msgpack.Decoder(tuple[Outcomes, Wire])
_triple_decoder = msgspec.msgpack.Decoder(tuple[Outcomes, Wire, list[JudgeWire]])

_PAIR, _TRIPLE = b"\x92", b"\x93"
"""First byte of a MessagePack array of two and of three: labels and scored responses, and judges' labels. Labels alone
are a map. Each is written only where it is needed, so that earlier versions read what they know.
"""


@dataclass(frozen=True, slots=True)
class TaskLabels:
    """Labels and scored responses of a task.

    Attributes:
        outcomes: true labels in [0, 1], by an input's digest and model; oldest first.
        ratings: scored responses.
        judges: labels of judge models.
    """

    outcomes: Mapping[bytes, Mapping[str, float]] = field(default_factory=dict)
    ratings: Ratings = field(default_factory=Ratings)
    judges: Judges = field(default_factory=Judges)

    @property
    def is_empty(self) -> bool:
        """Return True if nothing is labelled or scored."""
        return not (self.outcomes or self.ratings.by_request or self.judges.by_source)

    def with_labels(self, texts: Sequence[str], given: Sequence[Mapping[str, float]]) -> "TaskLabels":
        """Add labels; an input labelled again has its models' outcomes replaced."""
        merged = {key: dict(outcomes) for key, outcomes in self.outcomes.items()}
        for text, outcomes in zip(texts, given, strict=True):
            merged[text_digest(text)] = {**merged.pop(text_digest(text), {}), **outcomes}
        return replace(self, outcomes=dict(list(merged.items())[-MAX_LABELS:]))

    def with_feedback(self, answers: Sequence[ScoredResponse]) -> "TaskLabels":
        """Add scored responses."""
        return replace(self, ratings=self.ratings.with_ratings(answers))

    def merge(self, other: "TaskLabels") -> "TaskLabels":
        """Add what another task was labelled with; of an input that both have, this one's outcomes count."""
        merged = {key: dict(outcomes) for key, outcomes in other.outcomes.items()}
        for key, outcomes in self.outcomes.items():
            merged[key] = {**merged.pop(key, {}), **outcomes}
        newest = dict(list(merged.items())[-MAX_LABELS:])
        return TaskLabels(newest, self.ratings.merge(other.ratings), self.judges.merge(other.judges))

    def with_judged(
        self, judge: JudgeVerdicts, texts: Sequence[str], given: Sequence[Mapping[str, float]]
    ) -> "TaskLabels":
        """Add labels of a judge model."""
        return replace(self, judges=self.judges.with_labels(judge, [text_digest(text) for text in texts], given))

    def to_judged(self, models: Sequence[str]) -> list[JudgedLabels]:
        """Return the labels of judge models, with columns in the order of `models`."""
        return self.judges.to_labels(models, self.outcomes)

    def to_matrix(self, models: Sequence[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None:
        """Return outcomes, (n_labelled, n_models), NaN where a model has none; None without labels."""
        if not self.outcomes:
            return None
        return np.array([[row.get(model, np.nan) for model in models] for row in self.outcomes.values()])

    def to_labelling(self, models: Sequence[str]) -> TaskLabelling:
        """Convert to the library's labelling, with columns in the order of `models`."""
        if self.is_empty:
            return UNLABELLED
        return TaskLabelling(self.to_matrix(models), self.ratings.to_feedback(models), self.to_judged(models))

    def to_bytes(self) -> bytes:
        """Encode; nothing where nothing is labelled or scored."""
        if self.judges.by_source:
            return _encode((self.outcomes, self.ratings.to_wire(), self.judges.to_wire()))
        if self.ratings.by_request:
            return _encode((self.outcomes, self.ratings.to_wire()))
        return _encode(self.outcomes) if self.outcomes else b""

    @classmethod
    def from_bytes(cls, data: bytes) -> "TaskLabels":
        """Decode what `to_bytes` returned. Raises StateError."""
        try:
            if data.startswith(_TRIPLE):
                outcomes, ratings, judges = _triple_decoder.decode(data)
                return cls(outcomes, Ratings.from_wire(ratings), Judges.from_wire(judges))
            if data.startswith(_PAIR):
                outcomes, ratings = _pair_decoder.decode(data)
                return cls(outcomes, Ratings.from_wire(ratings))
            return cls(_labels_decoder.decode(data)) if data else cls()
        except msgspec.MsgspecError as error:
            raise StateError(f"a task's labels cannot be read: {error}") from error


def text_digest(text: str) -> bytes:
    """Return the digest that identifies an input without storing its text."""
    # JSON can hold half a surrogate pair (RFC 8259, 8.2), which has no UTF-8.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
