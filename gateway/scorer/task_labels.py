"""A task's labelled inputs: what candidates made of them, by model name, so that they outlive a pack.

Beside them its scored answers (see gateway.scorer.feedback). Kept behind the task's sums, in the same bytes, so that
they are read and written with them: all or nothing.
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
"""Labelled inputs kept of a task, the newest: the posterior hardly moves behind that."""

_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(dict[bytes, dict[str, float]] | tuple[dict[bytes, dict[str, float]], Wire])
"""Labels alone, or labels and scored answers: states from before there were such hold the first."""


@dataclass(frozen=True, slots=True)
class TaskLabels:
    """outcomes: an input's digest -> model -> outcome in [0, 1]; oldest first. ratings: its scored answers."""

    outcomes: Mapping[bytes, Mapping[str, float]] = field(default_factory=dict)
    ratings: Ratings = field(default_factory=Ratings)

    def with_labels(self, texts: Sequence[str], given: Sequence[Mapping[str, float]]) -> "TaskLabels":
        """These and what was given; an input labelled again has its models' outcomes replaced."""
        merged = {key: dict(outcomes) for key, outcomes in self.outcomes.items()}
        for text, outcomes in zip(texts, given, strict=True):
            merged[text_digest(text)] = {**merged.pop(text_digest(text), {}), **outcomes}
        return replace(self, outcomes=dict(list(merged.items())[-MAX_LABELS:]))

    def with_feedback(self, answers: Sequence[ScoredResponse]) -> "TaskLabels":
        """These, and answers that were scored."""
        return replace(self, ratings=self.ratings.with_ratings(answers))

    def to_matrix(self, models: Sequence[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None:
        """(n_labelled, n_models), NaN where a model was not asked; None where nothing is labelled."""
        if not self.outcomes:
            return None
        return np.array([[row.get(model, np.nan) for model in models] for row in self.outcomes.values()])

    def to_bytes(self) -> bytes:
        """Nothing where nothing is labelled or scored."""
        if self.ratings.by_request:
            return _encode((self.outcomes, self.ratings.to_wire()))
        return _encode(self.outcomes) if self.outcomes else b""

    @classmethod
    def from_bytes(cls, data: bytes) -> "TaskLabels":
        """Raises StateError for what `to_bytes` has not written."""
        try:
            found = _decoder.decode(data) if data else {}
            return cls(found) if isinstance(found, dict) else cls(found[0], Ratings.from_wire(found[1]))
        except msgspec.MsgspecError as error:
            raise StateError(f"a task's labels cannot be read: {error}") from error


def text_digest(text: str) -> bytes:
    """Which input it is, without its text."""
    return hashlib.sha256(text.encode()).digest()[:16]
