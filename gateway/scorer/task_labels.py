"""A task's labelled inputs: outcomes by model name, so that they outlive a pack.

They are stored with its scored responses (see gateway.scorer.feedback) behind the task's sums, in the same bytes, so
that all of it is read and written together.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from gateway.errors import StateError
from gateway.scorer.feedback import Ratings, Wire
from gateway.scorer.messages import ScoredResponse

MAX_LABELS = 500
"""Labelled inputs stored of a task, the newest: more hardly move the posterior."""

_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(dict[bytes, dict[str, float]] | tuple[dict[bytes, dict[str, float]], Wire])
"""Labels alone, as earlier versions wrote them, or labels and scored responses."""


@dataclass(frozen=True, slots=True)
class TaskLabels:
    """Labels and scored responses of a task.

    Attributes:
        outcomes: in [0, 1], by an input's digest and model; oldest first.
        ratings: scored responses.
    """

    outcomes: Mapping[bytes, Mapping[str, float]] = field(default_factory=dict)
    ratings: Ratings = field(default_factory=Ratings)

    def with_labels(self, texts: Sequence[str], given: Sequence[Mapping[str, float]]) -> "TaskLabels":
        """Add labels; an input labelled again has its models' outcomes replaced."""
        merged = {key: dict(outcomes) for key, outcomes in self.outcomes.items()}
        for text, outcomes in zip(texts, given, strict=True):
            merged[text_digest(text)] = {**merged.pop(text_digest(text), {}), **outcomes}
        return replace(self, outcomes=dict(list(merged.items())[-MAX_LABELS:]))

    def with_feedback(self, answers: Sequence[ScoredResponse]) -> "TaskLabels":
        """Add scored responses."""
        return replace(self, ratings=self.ratings.with_ratings(answers))

    def to_matrix(self, models: Sequence[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None:
        """Return outcomes, (n_labelled, n_models), NaN where a model has none; None without labels."""
        if not self.outcomes:
            return None
        return np.array([[row.get(model, np.nan) for model in models] for row in self.outcomes.values()])

    def to_bytes(self) -> bytes:
        """Encode; nothing where nothing is labelled or scored."""
        if self.ratings.by_request:
            return _encode((self.outcomes, self.ratings.to_wire()))
        return _encode(self.outcomes) if self.outcomes else b""

    @classmethod
    def from_bytes(cls, data: bytes) -> "TaskLabels":
        """Decode what `to_bytes` returned. Raises StateError."""
        try:
            found = _decoder.decode(data) if data else {}
            return cls(found) if isinstance(found, dict) else cls(found[0], Ratings.from_wire(found[1]))
        except msgspec.MsgspecError as error:
            raise StateError(f"a task's labels cannot be read: {error}") from error


def text_digest(text: str) -> bytes:
    """Return the digest that identifies an input without storing its text."""
    return hashlib.sha256(text.encode()).digest()[:16]
