"""What would change a decision: in numbers that can be worked out again from those that are shown with it.

| score     | what is told                                                                                           |
|-----------|--------------------------------------------------------------------------------------------------------|
| s3        | a leader that is not sure enough yet: inputs more, with S2 and p as they are, until eq. 6 chooses it   |
| s3        | else the S3 at which eq. 6 would choose the best of the others, with n and both p as they are          |
| s1, s2    | the score above which the best of the others would be chosen                                           |
| auto      | the expected accuracy at which the likeliest other would be chosen, and how many labelled inputs that  |
|           | it alone of the two gets right would do                                                                |

For auto, with lead = expected(other) - expected(chosen), deviation its own, noise that of one label:

    needed      = margin + deviation * z(eta), and margin alone where the task is decided anew with every input
    after k     : variance = 1 / (1 / deviation^2 + k / noise^2),  mean = variance * (lead / deviation^2 + k / noise^2)
    labels      = the least k with mean > margin + z(eta) * sqrt(variance)

margin is what the other must be ahead by to be worth its price (routing.decision.Thrift.margin), 0 without an
objective; the other scores have it too. Labels are told as if the prior were one Gaussian, and no third candidate were
there: "about".
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from routing.auto.posterior import AccuracyPosterior
from routing.confidence import probability_better
from routing.decision import SETTLED_INPUTS, CostPreference, DecisionReason, RoutingDecision
from routing.scores import ScoreKind, TaskScores, s3

MAX_DOUBLINGS = 18
"""Of inputs more: nobody waits for a hundred thousand."""
MAX_LABELS = 500
"""More labels of a task are not kept."""


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """What would change it. model: the other one; text: in a sentence or two.

    inputs: how many more. score: that the other would need; has: that it has. margin, lead, needed, deviation, noise,
    labels: see above. Each None where it does not apply, inputs and labels also where no number would do.
    """

    model: str
    text: str
    inputs: int | None = None
    score: float | None = None
    has: float | None = None
    margin: float | None = None
    lead: float | None = None
    needed: float | None = None
    deviation: float | None = None
    noise: float | None = None
    labels: int | None = None


def what_would_change(
    decision: RoutingDecision,
    scores: TaskScores,
    eta: float,
    score: ScoreKind = ScoreKind.S3,
    preference: CostPreference | None = None,
) -> Counterfactual | None:
    """What would move a decision away from its model. None without another candidate, or evidence."""
    if len(scores.models) < 2 or decision.reason is DecisionReason.COLD_START:
        return None
    if score is ScoreKind.AUTO and scores.posterior is not None:
        if decision.is_cost_driven and preference is not None and preference.max_regret is not None:
            return _cheaper(decision, scores, scores.posterior, eta, preference.max_regret)
        return _expected(decision, scores, scores.posterior, eta, preference)
    if score is ScoreKind.S3 and decision.leader != decision.model:
        return _more_inputs(decision, scores, eta, preference)
    values = np.nan_to_num(scores.score_of(score), nan=-1.0)
    ahead = values if preference is None else preference.utility(scores.models, values)
    at = scores.models.index(decision.model)
    other = max((place for place in range(len(ahead)) if place != at), key=lambda place: float(ahead[place]))
    if np.isnan(scores.score_of(score)[other]):
        return None
    if score is not ScoreKind.S3:
        return _higher(decision, scores, score, other, preference)
    return _higher_s3(decision, scores, eta, other, preference)


def _margin(preference: CostPreference | None, scores: TaskScores, other: int, at: int) -> float:
    return 0.0 if preference is None else preference.margin_to(scores.models, other, at)


def _expected(
    decision: RoutingDecision,
    scores: TaskScores,
    posterior: AccuracyPosterior,
    eta: float,
    preference: CostPreference | None,
) -> Counterfactual:
    at = scores.models.index(decision.model)
    margins = [_margin(preference, scores, place, at) for place in range(len(scores.models))]
    other = max(
        (place for place in range(len(scores.models)) if place != at),
        key=lambda place: (round(posterior.probability_within(at, place, -margins[place]), 12), -place),
    )
    name, z, margin = scores.models[other], _z(eta) if scores.n > SETTLED_INPUTS else 0.0, margins[other]
    lead, deviation = float(posterior.mean[other] - posterior.mean[at]), posterior.standard_deviation(other, at)
    noise, has = math.sqrt(posterior.noise_variance(other, at)), float(posterior.mean[other])
    needed, labels = margin + deviation * z, labels_needed(lead, deviation, noise, z, margin)
    score = float(posterior.mean[at]) + needed
    by = f"about {_count(labels, 'labelled input')} that {name} gets right and {decision.model} wrong would do"
    return Counterfactual(
        model=name,
        text=f"It would go to {name} if that were expected at more than {score:.3f}, not {has:.3f}; "
        + (by if labels is not None else f"no {MAX_LABELS} labelled inputs would do"),
        score=score,
        has=has,
        margin=margin,
        lead=lead,
        needed=needed,
        deviation=deviation,
        noise=noise,
        labels=labels,
    )


def labels_needed(lead: float, deviation: float, noise: float, z: float, margin: float = 0.0) -> int | None:
    """The least number of labels after which a rival is chosen that wins every one; None above MOST_LABELS.

    lead: of the rival, in accuracy; deviation: of that; noise: deviation of one label; z: of the probability asked for;
    margin: that it has to be ahead by.
    """
    for k in range(MAX_LABELS + 1):
        own, heard = 1 / max(deviation, 1e-9) ** 2, k / noise**2
        variance = 1 / (own + heard)
        if variance * (lead * own + heard) > margin + z * math.sqrt(variance):
            return k
    return None


def _cheaper(
    decision: RoutingDecision, scores: TaskScores, posterior: AccuracyPosterior, eta: float, regret: float
) -> Counterfactual:
    """The cheapest that will do: until it probably loses more than allowed."""
    leader, at = scores.models.index(decision.leader), scores.models.index(decision.model)
    deviation, has = posterior.standard_deviation(leader, at), float(posterior.mean[leader])
    score = float(posterior.mean[at]) + regret - deviation * NormalDist().inv_cdf(_share(eta))
    return Counterfactual(
        model=decision.leader,
        text=f"It would no longer do in place of {decision.leader} if that were expected at {score:.3f} or more, "
        f"not {has:.3f}",
        score=score,
        has=has,
        lead=has - float(posterior.mean[at]),
        needed=score - float(posterior.mean[at]),
        deviation=deviation,
    )


def _higher(
    decision: RoutingDecision, scores: TaskScores, score: ScoreKind, other: int, preference: CostPreference | None
) -> Counterfactual:
    at = scores.models.index(decision.model)
    margin = _margin(preference, scores, other, at)
    needed = float(scores.score_of(score)[at]) + margin
    name, has = scores.models[other], float(scores.score_of(score)[other])
    text = f"It would go to {name} at a higher {score.value.upper()} than {needed:.3f}; it has {has:.3f}"
    return Counterfactual(name, text, score=needed, has=has, margin=margin)


def _more_inputs(
    decision: RoutingDecision, scores: TaskScores, eta: float, preference: CostPreference | None
) -> Counterfactual:
    """The leader is not sure enough."""
    a, b, n = scores.models.index(decision.leader), scores.models.index(decision.model), scores.n
    margin = _margin(preference, scores, a, b)

    def is_sure(more: int) -> bool:
        return _p_better(scores, n + more, float(scores.s2[a]), (a, b), margin) > eta

    inputs = next((2**power for power in range(MAX_DOUBLINGS) if is_sure(2**power)), None)
    if inputs is None:
        text = f"However many more inputs like these come, {decision.leader} would not be sure enough"
        return Counterfactual(decision.leader, text, has=float(scores.s3[a]), margin=margin)
    inputs = _first(is_sure, inputs // 2, inputs)
    text = f"With {_count(inputs, 'more input')} like these it would go to {decision.leader}"
    return Counterfactual(decision.leader, text, inputs=inputs, has=float(scores.s3[a]), margin=margin)


def _higher_s3(
    decision: RoutingDecision, scores: TaskScores, eta: float, other: int, preference: CostPreference | None
) -> Counterfactual:
    at, n = scores.models.index(decision.model), scores.n
    margin = _margin(preference, scores, other, at)
    name, p, has = scores.models[other], float(scores.reliability[other]), float(scores.s3[other])

    def s2_of(step: int) -> float:
        """The S2 that gives a higher S3 with every step, from 0 to n."""
        return (step if p >= 0.5 else n - step) / n

    def s3_of(step: int) -> float:
        return float(s3(np.array([s2_of(step)]), np.array([p]))[0])

    def is_chosen(step: int) -> bool:
        is_ahead = s3_of(step) > np.nan_to_num(scores.s3[at], nan=-1.0) + margin
        return bool(is_ahead) and _p_better(scores, n, s2_of(step), (other, at), margin) > eta

    if not is_chosen(n):
        text = f"However high its S3, {name} would not be sure enough over {_count(n, 'input')}: its p is {p:.2f}"
        return Counterfactual(name, text, has=has, margin=margin)
    score = s3_of(_first(is_chosen, -1, n))
    text = f"It would go to {name} at an S3 of {score:.3f}; it has {has:.3f}"
    return Counterfactual(name, text, score=score, has=has, margin=margin)


def _p_better(scores: TaskScores, n: int, s2: float, pair: tuple[int, int], margin: float) -> float:
    """Of the first, with this S2, over the second on n inputs, by more than the margin."""
    (a, b), p = pair, scores.reliability
    if np.isnan(scores.s2[b]):
        return 1.0
    return probability_better(n, s2, float(p[a]), float(scores.s2[b]), float(p[b]), margin)


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """A number at which something holds and before which it does not; it holds at high, and not at low."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _z(eta: float) -> float:
    """Of the probability that is asked for; a rival has to be ahead whatever that is."""
    return max(0.0, NormalDist().inv_cdf(_share(eta)))


def _share(eta: float) -> float:
    """Within what has a finite z."""
    return min(max(eta, 1e-12), 1 - 1e-12)


def _count(n: int | None, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


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
