"""A task's scored responses, by request: each counts once, with its latest score.

Stored behind the task's labels, by model name, so that they outlive a pack. Bounded by the time of the responses and
not of their scores: the order in which scores arrive makes no difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gateway.scorer.messages import ScoredResponse
from routing.auto.feedback import Feedback

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
