"""Which model a task gets, and why (eq. 6).

The paper decides once: from m* to the leader if P(S~(leader) > S~(m*)) > eta. A live task decides again with every
input, and the same rule then runs from the model it has: the choice moves only to a leader that beats it with
probability above eta. The first decision of a task is eq. 6 to the letter; later ones do not flicker.

`auto` has weighed already whether a departure from m* is worth it, so its leader is chosen; and once a task has
SETTLED inputs, the model it has is left only for one that its posterior puts above with probability over eta.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from routing.arrays import Floats
from routing.confidence import probability_better
from routing.scores import ScoreKind, TaskScores

SETTLED_INPUTS = 16
"""Inputs after which `auto` holds on to a task's model. Before, its mean embedding still moves with every input."""


class DecisionReason(StrEnum):
    """Why the chosen model was chosen."""

    SCORE = "score"
    BEST_ON_AVERAGE = "best-on-average"
    CURRENT = "current"
    COLD_START = "cold-start"


@dataclass(frozen=True, slots=True)
class CostPreference:
    """What a task would give for a cheaper model: as much as it may (max_regret), or as much as it is worth (price).

    max_regret: accuracy, in [0, 1], that a cheaper model may lose against the leader, with probability above eta, where
    `auto` scores it; None for no such leave. costs: by model, in any unit; one that is not there is never the cheaper.
    quality, price: what is maximised is quality * score - price * (cost as a share of the dearest candidate's).
    tokens: input and output, that prices were weighted by to give costs; for people.
    """

    max_regret: float | None
    costs: Mapping[str, float]
    quality: float = 1.0
    price: float = 0.0
    tokens: tuple[int, int] | None = None

    def cost_of(self, model: str) -> float:
        """What a model costs."""
        return self.costs.get(model, math.inf)

    def cost_shares(self, models: Sequence[str]) -> Floats:
        """Costs beside the dearest's, (n_models,) in [0, 1]; 1 where a cost is unknown, 0 where nothing costs."""
        dearest = max((self.costs[model] for model in models if model in self.costs), default=0.0)
        return np.array([self.costs.get(model, dearest) / dearest if dearest > 0 else 0.0 for model in models])

    def utility(self, models: Sequence[str], values: Floats) -> Floats:
        """What is maximised. values: (n_models,) a score."""
        return np.asarray(self.quality * values - self.price * self.cost_shares(models))

    def margin_to(self, models: Sequence[str], dearer: int, other: int) -> float:
        """By how much one model must be more accurate than the other, to be worth its cost."""
        shares = self.cost_shares(models)
        return float(self.price / self.quality * (shares[dearer] - shares[other]))


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """The ranking of the candidates for a task, the chosen one first, and why.

    leader: highest score. baseline: the model the leader had to beat. p_better: the probability that it does,
    None where nothing had to be compared. is_cheaper: whether the chosen model is there for being cheaper.
    """

    model: str
    reason: DecisionReason
    ranking: tuple[str, ...]
    leader: str
    baseline: str
    p_better: float | None
    n: int
    is_cost_driven: bool = False


def make_decision(
    scores: TaskScores,
    eta: float,
    current: str | None = None,
    score: ScoreKind = ScoreKind.S3,
    preference: CostPreference | None = None,
) -> RoutingDecision:
    """Eq. 6, from `current` where the task already has a model, from m* where it has none.

    scores.models[0] is m*. eta: in [0, 1]. A current model that is no longer a candidate counts as none.
    preference: whether a cheaper model will do. Raises ValueError when there is no candidate.
    """
    if not scores.models:
        raise ValueError("no candidates to decide between")
    best = scores.models[0]
    baseline = current if current in scores.models else best
    values = scores.score_of(score)
    if scores.n == 0 or np.isnan(values).all():
        return RoutingDecision(best, DecisionReason.COLD_START, scores.models, best, best, None, scores.n)
    if preference is not None and preference.price:
        values = preference.utility(scores.models, values)
    order = _order(values, scores.models.index(baseline))
    leader = scores.models[order[0]]
    if score is ScoreKind.AUTO:
        return _by_posterior(scores, order, eta, current, preference)
    if score is not ScoreKind.S3:
        return RoutingDecision(
            leader, DecisionReason.SCORE, _names(scores, order, leader), leader, baseline, None, scores.n
        )

    p_better = None if leader == baseline else _probability(scores, leader, baseline, preference)
    chosen = leader if p_better is not None and p_better > eta else baseline
    reason = (
        DecisionReason.BEST_ON_AVERAGE
        if chosen == best
        else DecisionReason.SCORE
        if chosen == leader
        else DecisionReason.CURRENT
    )
    return RoutingDecision(chosen, reason, _names(scores, order, chosen), leader, baseline, p_better, scores.n)


def _by_posterior(
    scores: TaskScores, order: Sequence[int], eta: float, current: str | None, preference: CostPreference | None
) -> RoutingDecision:
    best, leader = scores.models[0], scores.models[order[0]]
    held = current if current in scores.models and scores.n > SETTLED_INPUTS else None
    baseline = held or best
    p_better = None
    if leader != baseline and scores.posterior is not None:
        against = scores.models.index(baseline)
        margin = 0.0 if preference is None else preference.margin_to(scores.models, order[0], against)
        p_better = scores.posterior.probability_within(against, order[0], -margin)
    moves = held is None or (p_better is not None and p_better > eta)
    chosen = leader if moves else baseline
    cheapest = chosen if preference is None else _cheapest(scores, order, eta, chosen, preference)
    is_cheaper, chosen = cheapest != chosen, cheapest
    reason = (
        DecisionReason.BEST_ON_AVERAGE
        if chosen == best
        else DecisionReason.CURRENT
        if chosen == held
        else DecisionReason.SCORE
    )
    return RoutingDecision(
        chosen, reason, _names(scores, order, chosen), leader, baseline, p_better, scores.n, is_cheaper
    )


def _cheapest(scores: TaskScores, order: Sequence[int], eta: float, chosen: str, preference: CostPreference) -> str:
    """The cheapest of those that probably lose no more than the regret against the leader; the chosen one, if none."""
    if scores.posterior is None or preference.max_regret is None:
        return chosen
    allowed = preference.max_regret
    will_do = [
        scores.models[place] for place in order if scores.posterior.probability_within(order[0], place, allowed) > eta
    ]
    return min([chosen, *will_do], key=preference.cost_of)


def explain_decision(
    decision: RoutingDecision,
    scores: TaskScores,
    eta: float,
    score: ScoreKind = ScoreKind.S3,
    preference: CostPreference | None = None,
) -> str:
    """The decision in one sentence, every number of which stands in scores and costs. score: which one led."""
    told = "expected accuracy" if score is ScoreKind.AUTO else score.value.upper()
    value = {name: float(number) for name, number in zip(scores.models, scores.score_of(score), strict=True)}
    inputs = f"{decision.n} input{'' if decision.n == 1 else 's'}{_labelled(scores, score)}"
    p, best = decision.p_better, scores.models[0]
    if decision.reason is DecisionReason.COLD_START:
        return f"no evidence about this task yet, so it gets the best model on average, {decision.model}"
    if preference is not None and preference.price:
        return _balanced(decision, scores, eta, score, preference)
    beats = (
        ""
        if p is None
        else f"beats {decision.baseline} ({told} {value[decision.baseline]:.3f}) with probability {p:.2f}"
    )
    if decision.reason is DecisionReason.SCORE and p is None:
        return (
            f"{decision.model} has the highest score over {inputs}: {told} {value[decision.model]:.3f}, "
            f"against {value[best]:.3f} of {best}, the best model on average"
        )
    if decision.is_cost_driven:
        return (
            f"{decision.model} ({told} {value[decision.model]:.3f}) is the cheapest that loses no more than allowed to "
            f"{decision.leader} ({value[decision.leader]:.3f}) with probability > {eta:g}, over {inputs}"
        )
    over = "" if score is ScoreKind.AUTO and decision.baseline == best else f" > {eta:g}"
    if decision.reason is DecisionReason.SCORE:
        return f"{decision.model} has the highest {told} ({value[decision.model]:.3f}) over {inputs} and {beats}{over}"
    role = (
        "the best model on average" if decision.reason is DecisionReason.BEST_ON_AVERAGE else "the task's current model"
    )
    if decision.leader == decision.model == decision.baseline:
        return f"{decision.model}, {role}, also has the highest {told} ({value[decision.model]:.3f}) over {inputs}"
    if decision.model == decision.baseline:
        return (
            f"{decision.leader} has the highest {told} ({value[decision.leader]:.3f}) over {inputs} but only {beats}, "
            f"not above {eta:g}: {decision.model}, {role}, stays"
        )
    return f"{decision.model}, {role}, has the highest {told} over {inputs} and {beats}{over}"


def _balanced(
    decision: RoutingDecision, scores: TaskScores, eta: float, score: ScoreKind, preference: CostPreference
) -> str:
    """The sentence where quality and price are weighed against each other."""
    told = "expected accuracy" if score is ScoreKind.AUTO else score.value.upper()
    values, shares = scores.score_of(score), preference.cost_shares(scores.models)
    worth = preference.utility(scores.models, values)

    def sum_of(model: str) -> str:
        at = scores.models.index(model)
        terms = f"{preference.quality:g} * {values[at]:.3f} - {preference.price:g} * {shares[at]:.3f}"
        return f"{model} ({terms} = {worth[at]:.3f})"

    n = f"{decision.n} input{'' if decision.n == 1 else 's'}{_labelled(scores, score)}"
    best = f"{sum_of(decision.leader)} has the best balance of {told} and price over {n}"
    if decision.leader == decision.model == decision.baseline or decision.p_better is None:
        return best
    worth_it = f"is worth its price beside {sum_of(decision.baseline)} with probability {decision.p_better:.2f}"
    if decision.model == decision.leader:
        return f"{best} and {worth_it}"
    return f"{best} but only {worth_it}, not above {eta:g}: {decision.model} stays"


def _labelled(scores: TaskScores, score: ScoreKind) -> str:
    if scores.posterior is None or score is not ScoreKind.AUTO:
        return ""
    labelled, feedback = scores.posterior.n_labels, scores.posterior.feedback
    told = f" and {labelled} labelled" if labelled else ""
    return told + (f" and {feedback.n} scored answer{'' if feedback.n == 1 else 's'}" if feedback else "")


def _order(values: Floats, baseline: int) -> list[int]:
    """Candidates from the highest score down; a tie goes to the baseline, then to the better on average.

    Rounded, so that the order in which a sum was added up cannot decide a tie.
    """
    rounded = np.round(np.where(np.isnan(values), -np.inf, values), 12)
    places = np.arange(len(values))
    return [int(place) for place in np.lexsort((places, places != baseline, -rounded))]


def _names(scores: TaskScores, order: Sequence[int], chosen: str) -> tuple[str, ...]:
    return (chosen, *(scores.models[place] for place in order if scores.models[place] != chosen))


def _probability(scores: TaskScores, a: str, b: str, preference: CostPreference | None) -> float:
    at_a, at_b = scores.models.index(a), scores.models.index(b)
    if np.isnan(scores.s2[at_b]):
        return 1.0
    return probability_better(
        scores.n,
        float(scores.s2[at_a]),
        float(scores.reliability[at_a]),
        float(scores.s2[at_b]),
        float(scores.reliability[at_b]),
        0.0 if preference is None else preference.margin_to(scores.models, at_a, at_b),
    )
