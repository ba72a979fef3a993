"""Counterfactual explanation of a decision: what would change it, in numbers that can be recomputed from those shown.

| score     | counterfactual                                                                                         |
|-----------|--------------------------------------------------------------------------------------------------------|
| s3        | for a leader that is not sure enough yet: the number of further inputs, with S2 and p as they are,     |
|           | until eq. 6 chooses it                                                                                 |
| s3        | else the S3 at which eq. 6 would choose the best of the others, with n and both p as they are          |
| s1, s2    | the score above which the best of the others would be chosen                                           |
| auto      | the expected accuracy at which the likeliest other would be chosen, and the number of labelled inputs  |
|           | that would have the same effect if it alone of the two got them right                                  |

For auto, with lead = expected(other) - expected(chosen), deviation its standard deviation, noise that of one label:

    needed      = margin + deviation * z(eta), and margin alone where the task is decided anew with every input
    after k     : variance = 1 / (1 / deviation^2 + k / noise^2),  mean = variance * (lead / deviation^2 + k /
    noise^2)
    labels      = the least k with mean > margin + z(eta) * sqrt(variance)

margin is the lead that the other needs to be worth its price (CostPreference.margin_to), 0 without an objective; the
other scores have it too. The number of labels treats the prior as a single Gaussian and ignores third candidates,
hence "about".
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from routing.auto.posterior import AccuracyPosterior, reported_accuracy
from routing.confidence import probability_better
from routing.decision import SETTLED_INPUTS, CostPreference, DecisionReason, RoutingDecision, barred_places
from routing.scores import ScoreKind, TaskScores, s3

MAX_DOUBLINGS = 18
"""Doublings of the number of further inputs that are tried, up to 131,072."""
MAX_LABELS = 500
"""A task stores at most this many labels."""


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """Change that would move a decision away from its model.

    Attributes:
        model: the model that would be chosen instead.
        text: the statement as a sentence.
        inputs: further inputs needed; None if it does not apply or no number is enough.
        score: score that the other model would need; above 1 where no accuracy is enough.
        has: score that it has, in [0, 1].
        margin: lead needed to be worth its price.
        lead: its current lead in expected accuracy.
        needed: lead that it would need.
        deviation: standard deviation of the lead.
        noise: standard deviation of one label.
        labels: labelled inputs needed; None if it does not apply or no number is enough.
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
    is_declared: bool = False,
) -> Counterfactual | None:
    """Return the change that would move a decision away from its model; None without another candidate or evidence.

    is_declared: the task is declared to be a dataset, so its current model has no privilege.
    """
    if len(scores.models) < 2 or decision.reason is DecisionReason.COLD_START:
        return None
    if score is ScoreKind.AUTO and scores.posterior is not None:
        if decision.is_cost_driven and preference is not None and preference.max_regret is not None:
            return _cheaper(decision, scores, scores.posterior, eta, preference.max_regret)
        is_anew = is_declared or scores.n <= SETTLED_INPUTS
        return _expected(decision, scores, scores.posterior, 0.0 if is_anew else _z(eta), preference)
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
    z: float,
    preference: CostPreference | None,
) -> Counterfactual | None:
    """z: quantile of the certainty that a rival needs; 0 where the leader is chosen outright (make_decision)."""
    at = scores.models.index(decision.model)
    margins = [_margin(preference, scores, place, at) for place in range(len(scores.models))]
    # What the nearest inputs contradict cannot be chosen, however high its expected accuracy.
    closed = barred_places(scores) | {at}
    if len(closed) >= len(scores.models):
        return None
    other = max(
        (place for place in range(len(scores.models)) if place not in closed),
        # The candidate nearest to being chosen: highest probability of leading by its own margin; ties to the better
        # on average.
        key=lambda place: (round(posterior.probability_within(at, place, -margins[place]), 12), -place),
    )
    name, margin = scores.models[other], margins[other]
    lead, deviation = float(posterior.mean[other] - posterior.mean[at]), posterior.standard_deviation(other, at)
    noise, has = math.sqrt(posterior.noise_variance(other, at)), _shown_accuracy(posterior, other)
    needed, labels = margin + deviation * z, labels_needed(lead, deviation, noise, z, margin)
    score = float(posterior.mean[at]) + needed
    by_labels = (
        f"about {_count(labels, 'labelled input')} that {name} gets right and {decision.model} wrong are enough."
    )
    # No accuracy exceeds 1: what is missing then is not accuracy but certainty.
    by_accuracy = (
        f"{name} would be selected if its expected accuracy were above {score:.3f} (now {has:.3f}); "
        if score <= 1
        else f"No expected accuracy of {name} (now {has:.3f}) is certain enough without labels; "
    )
    return Counterfactual(
        model=name,
        text=by_accuracy + (by_labels if labels is not None else f"even {MAX_LABELS} labelled inputs are not enough."),
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
    """Return the least number of labels after which a rival that wins every one is chosen; None above MAX_LABELS.

    lead: of the rival, in accuracy; deviation: standard deviation of the lead; noise: that of one label; z: quantile
    of the required probability; margin: lead that it needs to be worth its price.
    """
    for k in range(MAX_LABELS + 1):
        # Precisions add (conjugate Gaussian update); every label the rival alone gets right is an observed lead of 1.
        prior, observed = 1 / max(deviation, 1e-9) ** 2, k / noise**2
        variance = 1 / (prior + observed)
        if variance * (lead * prior + observed) > margin + z * math.sqrt(variance):
            return k
    return None


def _cheaper(
    decision: RoutingDecision, scores: TaskScores, posterior: AccuracyPosterior, eta: float, regret: float
) -> Counterfactual:
    """Return the accuracy of the leader at which the cheaper model would probably lose more than allowed."""
    leader, at = scores.models.index(decision.leader), scores.models.index(decision.model)
    deviation, has = posterior.standard_deviation(leader, at), _shown_accuracy(posterior, leader)
    # The boundary of P(loss <= regret) > eta for a Gaussian loss of this deviation.
    score = float(posterior.mean[at]) + regret - deviation * NormalDist().inv_cdf(_share(eta))
    text = (
        f"{decision.model} would no longer replace {decision.leader} if the expected accuracy of "
        f"{decision.leader} were {score:.3f} or more (now {has:.3f})."
        if score <= 1
        else f"{decision.model} would replace {decision.leader} at any expected accuracy of {decision.leader} "
        f"(now {has:.3f})."
    )
    return Counterfactual(
        model=decision.leader,
        text=text,
        score=score,
        has=has,
        lead=float(posterior.mean[leader] - posterior.mean[at]),
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
    text = f"{name} would be selected at an {score.value.upper()} above {needed:.3f} (now {has:.3f})."
    return Counterfactual(name, text, score=needed, has=has, margin=margin)


def _more_inputs(
    decision: RoutingDecision, scores: TaskScores, eta: float, preference: CostPreference | None
) -> Counterfactual:
    """Return the number of further inputs after which the leader is sure enough."""
    a, b, n = scores.models.index(decision.leader), scores.models.index(decision.model), scores.n
    margin = _margin(preference, scores, a, b)

    def is_sure(more: int) -> bool:
        return _p_better(scores, n + more, float(scores.s2[a]), (a, b), margin) > eta

    # P(better) is not monotone in n (whole answers), so this finds a boundary and not always the very first one: the
    # doubling and the bisection need 35 evaluations where a scan needs up to 131,072.
    inputs = next((2**power for power in range(MAX_DOUBLINGS) if is_sure(2**power)), None)
    if inputs is None:
        text = (
            f"{decision.leader} would not be selected even after {2 ** (MAX_DOUBLINGS - 1):,} more inputs like these."
        )
        return Counterfactual(decision.leader, text, has=float(scores.s3[a]), margin=margin)
    inputs = _first(is_sure, inputs // 2, inputs)
    text = f"{decision.leader} would be selected after {_count(inputs, 'more input')} like these."
    return Counterfactual(decision.leader, text, inputs=inputs, has=float(scores.s3[a]), margin=margin)


def _higher_s3(
    decision: RoutingDecision, scores: TaskScores, eta: float, other: int, preference: CostPreference | None
) -> Counterfactual:
    at, n = scores.models.index(decision.model), scores.n
    margin = _margin(preference, scores, other, at)
    name, p, has = scores.models[other], float(scores.reliability[other]), float(scores.s3[other])

    def s2_of(step: int) -> float:
        """Return the S2 of a step from 0 to n; a higher step gives a higher S3, also at p below 0.5."""
        return (step if p >= 0.5 else n - step) / n

    def s3_of(step: int) -> float:
        return float(s3(np.array([s2_of(step)]), np.array([p]))[0])

    def is_chosen(step: int) -> bool:
        is_ahead = s3_of(step) > np.nan_to_num(scores.s3[at], nan=-1.0) + margin
        return bool(is_ahead) and _p_better(scores, n, s2_of(step), (other, at), margin) > eta

    if not is_chosen(n):
        text = (
            f"{name} cannot be selected yet: its reliability ({p:.2f}) is too low at {_count(n, 'input')}, "
            "whatever its S3."
        )
        return Counterfactual(name, text, has=has, margin=margin)
    # n S2 is a whole number, so the S3 that can occur at this n form a grid: bisection over its steps.
    score = s3_of(_first(is_chosen, -1, n))
    text = f"{name} would be selected at an S3 of {score:.3f} (now {has:.3f})."
    return Counterfactual(name, text, score=score, has=has, margin=margin)


def _p_better(scores: TaskScores, n: int, s2: float, pair: tuple[int, int], margin: float) -> float:
    """Return the probability that the first, with this S2, is better than the second by more than the margin."""
    (a, b), p = pair, scores.reliability
    # As in make_decision: a current model without evidence near the task loses to any evidence.
    if np.isnan(scores.s2[b]):
        return 1.0
    return probability_better(n, s2, float(p[a]), float(scores.s2[b]), float(p[b]), margin)


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return a number at which the condition holds and before which it does not; it holds at high, not at low."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _shown_accuracy(posterior: AccuracyPosterior, place: int) -> float:
    return float(reported_accuracy(posterior.mean[place]))


def _z(eta: float) -> float:
    """Return the quantile of the required probability; at least 0, since a rival must lead whatever eta is."""
    return max(0.0, NormalDist().inv_cdf(_share(eta)))


def _share(eta: float) -> float:
    """Clip to the open interval in which the quantile is finite."""
    return min(max(eta, 1e-12), 1 - 1e-12)


def _count(n: int | None, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """Best alternative to the chosen model.

    Attributes:
        model: the alternative.
        p: the probability by eq. 6 that the chosen model beats it.
    """

    model: str
    p: float


def find_runner_up(scores: TaskScores, chosen: str, score: ScoreKind) -> RunnerUp | None:
    """Return the best model on average; where that is chosen itself, the other candidate with the highest score.

    p_better of a decision belongs to the change that was considered; this is the certainty of the current choice,
    also when it has nothing left to beat. None where nothing was measured, or there is no other.
    """
    at, values = scores.models.index(chosen), scores.score_of(score)
    posterior = scores.posterior if score is ScoreKind.AUTO else None
    # By a posterior all candidates can be compared, also before the first input of a declared task.
    has_score = ~np.isnan(values) if posterior is not None else ~np.isnan(scores.s2) & (scores.n > 0)
    others = [place for place in np.flatnonzero(has_score).tolist() if place != at]
    if not others or not has_score[at]:
        return None
    against = 0 if 0 in others else max(others, key=lambda place: float(np.nan_to_num(values[place], nan=-1.0)))
    if posterior is not None:
        return RunnerUp(scores.models[against], posterior.probability_better(at, against))
    probability = probability_better(
        scores.n,
        float(scores.s2[at]),
        float(scores.reliability[at]),
        float(scores.s2[against]),
        float(scores.reliability[against]),
    )
    return RunnerUp(scores.models[against], probability)
