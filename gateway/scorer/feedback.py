"""A task's scored answers, by request: each counts once, however often it is told, and the last word on it holds.

Kept behind the task's labels, by model name, so that they outlive a pack. Bounded, by when the answers were given and
not by when they were scored: the order in which scores come in makes no difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gateway.scorer.messages import ScoredResponse
from routing.auto.feedback import Feedback

MAX_PER_CONTEXT = 200
"""Newest answers kept of one model in one stratum: beyond that they only make sure what is sure enough."""
MAX_RATINGS = 2000
"""Newest answers kept of a task."""

Wire = Sequence[tuple[str, str, float | None, Sequence[tuple[bytes, float, float]]]]
"""model, stratum, propensity, and of every answer alike: digest, score, at."""


class RatingContext(NamedTuple):
    """What answers have in common. stratum: see routing.auto.feedback."""

    model: str
    stratum: str
    propensity: float | None


class Rating(NamedTuple):
    """at: Unix time in seconds of the answer. score: in [0, 1]."""

    at: float
    score: float
    context: RatingContext


@dataclass(frozen=True, slots=True)
class Ratings:
    """by_request: digest of an answered request -> its score."""

    by_request: Mapping[bytes, Rating] = field(default_factory=dict)

    def with_ratings(self, rated: Iterable[ScoredResponse]) -> "Ratings":
        """These and others, a later word on the same answer in place of the earlier."""
        merged = dict(self.by_request)
        for one in rated:
            merged[one.request] = Rating(one.at, one.score, RatingContext(one.model, one.stratum, one.propensity))
        return Ratings(_newest(merged))

    def to_feedback(self, models: Sequence[str]) -> Feedback | None:
        """As routing takes it, columns in the order of `models`; answers of others are left out. None without any."""
        columns = {name: place for place, name in enumerate(models)}
        # Sorted, so that not even rounding depends on the order in which scores came in.
        kept = sorted((request, one) for request, one in self.by_request.items() if one.context.model in columns)
        if not kept:
            return None
        propensities = [one.context.propensity for _, one in kept]
        return Feedback.from_ratings(
            np.array([columns[one.context.model] for _, one in kept]),
            np.array([one.score for _, one in kept]),
            np.array([np.nan if chance is None else chance for chance in propensities], dtype=np.float64),
            [one.context.stratum for _, one in kept],
        )

    def to_wire(self) -> Wire:
        """Answers alike together: most of a task's are."""
        alike: dict[RatingContext, list[tuple[bytes, float, float]]] = {}
        for request, one in self.by_request.items():
            alike.setdefault(one.context, []).append((request, one.score, one.at))
        return [(*context, answers) for context, answers in alike.items()]

    @classmethod
    def from_wire(cls, wire: Wire) -> "Ratings":
        """What `to_wire` has made."""
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
    kept: dict[bytes, Rating] = {}
    for request, one in newest:
        alike[one.context] = alike.get(one.context, 0) + 1
        if alike[one.context] <= MAX_PER_CONTEXT and len(kept) < MAX_RATINGS:
            kept[request] = one
    return kept
