"""How sure a standing decision is: the chosen model against the one that a task would have without the evidence."""

from dataclasses import dataclass

import numpy as np

from routing.confidence import probability_better
from routing.scores import ScoreKind, TaskScores


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """p: the probability by eq. 6 that the chosen model beats `model`."""

    model: str
    p: float


def find_runner_up(scores: TaskScores, chosen: str, score: ScoreKind) -> RunnerUp | None:
    """The best model on average; where that is chosen itself, the one of the others with the highest score.

    A decision's own p_better tells of a change that was asked about; this tells of the choice as it stands, also once
    it has nothing to beat any more. None where nothing was measured, or there is no other.
    """
    at = scores.models.index(chosen)
    others = [place for place in range(len(scores.models)) if place != at and not np.isnan(scores.s2[place])]
    if not others or scores.n == 0 or np.isnan(scores.s2[at]):
        return None
    values = scores.score_of(score)
    against = 0 if 0 in others else max(others, key=lambda place: float(np.nan_to_num(values[place], nan=-1.0)))
    if score is ScoreKind.AUTO and scores.posterior is not None:
        return RunnerUp(scores.models[against], scores.posterior.probability_better(at, against))
    probability = probability_better(
        scores.n,
        float(scores.s2[at]),
        float(scores.reliability[at]),
        float(scores.s2[against]),
        float(scores.reliability[against]),
    )
    return RunnerUp(scores.models[against], probability)
