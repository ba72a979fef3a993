"""Model chosen for a task, and the reason (eq. 6).

The paper decides once: from m* to the leader if P(S~(leader) > S~(m*)) > eta. A live task is decided again with every
input, and the same rule then starts from its current model: the choice moves only to a leader that beats it with
probability above eta. The first decision of a task is exactly eq. 6; later ones do not oscillate.

`auto` has already weighed whether a departure from m* is worth it, so its leader is chosen; after SETTLED_INPUTS
inputs, the current model is replaced only by one that the posterior puts above it with probability over eta.
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
"""Inputs after which `auto` keeps a task's current model. Before, its mean embedding still moves with every input."""


MIN_KNOWN = 0.5
"""Probability of being one of the datasets below which a task is new."""
MAX_CONTRADICTION = 0.1
"""S1 by which a model may trail m* on a new task and still be chosen by `auto`. On six public pools, every dataset held
out, 0.2 changes nothing, 0.1 nothing beyond chance; at 0.05 gains after eight inputs begin to fall."""

NOT_MEASURED = "unknown: not measured near these inputs"
"""In place of a score that a model has not, since nothing of it was measured on the benchmark inputs nearby."""


class DecisionReason(StrEnum):
    """Reason why the chosen model was chosen."""

    SCORE = "score"
    BEST_ON_AVERAGE = "best-on-average"
    CURRENT = "current"
    COLD_START = "cold-start"


@dataclass(frozen=True, slots=True)
class CostPreference:
    """Preference of a task for cheaper models: an allowed loss of accuracy (max_regret), or a price for cost.

    Attributes:
        max_regret: accuracy, in [0, 1], that a cheaper model may lose against the leader, with probability above eta,
            with `auto`; None to allow no loss.
        costs: cost by model, in any unit; a model without a cost is never the cheaper one.
        quality: weight of the score; the maximum of quality * score - price * (cost as a share of the highest) is
            chosen.
        price: weight of the cost share.
        tokens: input and output tokens that weighted the prices in `costs`; for display.
    """

    max_regret: float | None
    costs: Mapping[str, float]
    quality: float = 1.0
    price: float = 0.0
    tokens: tuple[int, int] | None = None

    def cost_of(self, model: str) -> float:
        """Return the cost of a model; infinite if unknown."""
        return self.costs.get(model, math.inf)

    def cost_shares(self, models: Sequence[str]) -> Floats:
        """Return costs relative to the highest, (n_models,) in [0, 1]; 1 where a cost is unknown, 0 if all are free."""
        highest = max((self.costs[model] for model in models if model in self.costs), default=0.0)
        return np.array([self.costs.get(model, highest) / highest if highest > 0 else 0.0 for model in models])

    def utility(self, models: Sequence[str], values: Floats) -> Floats:
        """Return the quantity to maximise, (n_models,). values: (n_models,) a score."""
        return np.asarray(self.quality * values - self.price * self.cost_shares(models))

    def margin_to(self, models: Sequence[str], dearer: int, other: int) -> float:
        """Return how much more accurate one model must be than the other to be worth its cost."""
        shares = self.cost_shares(models)
        return float(self.price / self.quality * (shares[dearer] - shares[other]))


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """Ranking of the candidates for a task, the chosen one first, and the reason.

    Attributes:
        model: the chosen model.
        reason: why it was chosen.
        ranking: all candidates, the fallback order.
        leader: the candidate with the highest score.
        baseline: the model the leader had to beat.
        p_better: the probability that it does; None where nothing had to be compared.
        n: inputs scored.
        is_cost_driven: True if the chosen model was preferred for its cost.
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
    """Apply eq. 6, from `current` where the task already has a model, from m* where it has none.

    scores.models[0] is m*. eta: in [0, 1]. A current model that is no longer a candidate is ignored. preference: for
    cheaper models. Raises ValueError when there is no candidate.
    """
    if not scores.models:
        raise ValueError("no candidates")
    best = scores.models[0]
    baseline = current if current in scores.models else best
    values = scores.score_of(score)
    # A task that is declared to be a dataset has a posterior before its first input.
    is_unknown = scores.n == 0 and not (score is ScoreKind.AUTO and scores.posterior is not None)
    if is_unknown or np.isnan(values).all():
        return RoutingDecision(best, DecisionReason.COLD_START, scores.models, best, best, None, scores.n)
    if preference is not None and preference.price:
        # With a price the leader is the model of the highest utility, and eq. 6 asks it to lead by the margin that
        # its cost is worth.
        values = preference.utility(scores.models, values)
    order = _order(values, scores.models.index(baseline))
    leader = scores.models[order[0]]
    if score is ScoreKind.AUTO:
        return _by_posterior(scores, order, eta, current, preference)
    if score is not ScoreKind.S3:
        return RoutingDecision(
            leader, DecisionReason.SCORE, _names(scores, order, leader), leader, baseline, None, scores.n
        )

    # Eq. 6: move to the leader only with probability above eta, since being wrong costs the baseline's accuracy.
    p_better = None if leader == baseline else _probability(scores, leader, baseline, preference)
    chosen = leader if p_better is not None and p_better > eta else baseline
    reason = _reason(chosen, best, is_held=chosen != leader)
    return RoutingDecision(chosen, reason, _names(scores, order, chosen), leader, baseline, p_better, scores.n)


def _by_posterior(
    scores: TaskScores, order: Sequence[int], eta: float, current: str | None, preference: CostPreference | None
) -> RoutingDecision:
    barred = barred_places(scores)
    order = [place for place in order if place not in barred]
    best, leader = scores.models[0], scores.models[order[0]]
    # Below SETTLED_INPUTS the current model has no privilege: the posterior's own prior, learnt on held-out datasets,
    # already damps early decisions.
    is_settled = current in scores.models and scores.n > SETTLED_INPUTS
    settled = current if is_settled and scores.models.index(str(current)) not in barred else None
    baseline = settled or best
    p_better = None
    if leader != baseline and scores.posterior is not None:
        against = scores.models.index(baseline)
        margin = 0.0 if preference is None else preference.margin_to(scores.models, order[0], against)
        p_better = scores.posterior.probability_within(against, order[0], -margin)
    moves = settled is None or (p_better is not None and p_better > eta)
    chosen = leader if moves else baseline
    cheapest = chosen if preference is None else _cheapest(scores, order, eta, chosen, preference)
    is_cheaper, chosen = cheapest != chosen, cheapest
    # CURRENT only where the current model is held against a leader: one that leads is chosen by its score.
    is_held = chosen == settled != leader
    ranking = _names(scores, [*order, *sorted(barred)], chosen)
    return RoutingDecision(
        chosen, _reason(chosen, best, is_held), ranking, leader, baseline, p_better, scores.n, is_cheaper
    )


def _reason(chosen: str, best: str, is_held: bool) -> DecisionReason:
    """Return the reason for a choice. is_held: the current model is kept although another one leads."""
    if chosen == best:
        return DecisionReason.BEST_ON_AVERAGE
    return DecisionReason.CURRENT if is_held else DecisionReason.SCORE


def barred_places(scores: TaskScores) -> frozenset[int]:
    """Return the candidates that `auto` may not choose: unmeasured near the task, or contradicted there."""
    posterior = scores.posterior
    if posterior is None or posterior.effective_labels >= 1 or posterior.feedback:
        return frozenset()
    return _unmeasured_places(scores) | _contradicted_places(scores)


def _unmeasured_places(scores: TaskScores) -> frozenset[int]:
    """Return the candidates without any outcome near the task's inputs, where m* has some.

    Their expected accuracy is an average over other kinds of inputs: of this kind nothing is known. For a task that is
    declared to be a dataset, outcomes on that dataset count.
    """
    if scores.posterior is not None and scores.posterior.unmeasured is not None:
        return scores.posterior.unmeasured
    if np.isnan(scores.s1[0]):
        return frozenset()
    return frozenset(np.flatnonzero(np.isnan(scores.s1)).tolist())


def _contradicted_places(scores: TaskScores) -> frozenset[int]:
    """Return the candidates that the benchmark inputs nearest to a new task's contradict.

    `auto` infers a new task's best model from the datasets it resembles. Where it resembles none, some dataset is
    still the nearest, and its winner may be of no use: S1, of single benchmark inputs, shows that. Of a task that is
    one of the datasets more is known than its inputs' neighbours tell, and labels and feedback outweigh both.
    """
    posterior = scores.posterior
    if posterior is None or posterior.membership is None:
        return frozenset()
    if posterior.membership.probability_known >= MIN_KNOWN:
        return frozenset()
    # A model without outcomes nearby has no S1, and NaN compares as False: nothing contradicts it.
    behind = scores.s1 < scores.s1[0] - MAX_CONTRADICTION
    return frozenset(np.flatnonzero(behind).tolist())


def _cheapest(scores: TaskScores, order: Sequence[int], eta: float, chosen: str, preference: CostPreference) -> str:
    """Return the cheapest of the models that probably lose no more than max_regret to the leader; else the chosen
    one.
    """
    if scores.posterior is None or preference.max_regret is None:
        return chosen
    allowed = preference.max_regret
    acceptable = [
        scores.models[place] for place in order if scores.posterior.probability_within(order[0], place, allowed) > eta
    ]
    return min([chosen, *acceptable], key=preference.cost_of)


def explain_decision(
    decision: RoutingDecision,
    scores: TaskScores,
    eta: float,
    score: ScoreKind = ScoreKind.S3,
    preference: CostPreference | None = None,
    dataset: str | None = None,
) -> str:
    """Return the decision as one sentence, every number of which occurs in the scores and costs.

    score: the score that decided. dataset: the one that the task is declared to be.
    """
    label = _label(score)
    value = {name: _shown(number) for name, number in zip(scores.models, scores.reported_score(score), strict=True)}
    over = _evidence(decision, scores, score, dataset)
    p, best = decision.p_better, scores.models[0]
    if decision.reason is DecisionReason.COLD_START:
        return f"There is no evidence about this task yet; {decision.model}, the best model on average, is used."
    if preference is not None and preference.price:
        return _balanced(decision, scores, eta, score, preference, over)
    beats = (
        "" if p is None else f"beats {decision.baseline} ({label} {value[decision.baseline]}) with probability {p:.2f}"
    )
    if decision.is_cost_driven:
        return (
            f"{decision.model} ({label} {value[decision.model]}) is the cheapest model that loses "
            f"no more than allowed to {decision.leader} ({value[decision.leader]}) with probability > {eta:g}, "
            f"{over}."
        )
    role = (
        "the best model on average" if decision.reason is DecisionReason.BEST_ON_AVERAGE else "the task's current model"
    )
    stays = decision.leader == decision.model == decision.baseline
    if stays and score is ScoreKind.AUTO and (aside := _set_aside(scores, value)):
        return f"{aside}: {decision.model}, {role}, stays selected ({label} {value[decision.model]}) {over}."
    if decision.reason is DecisionReason.SCORE and p is None:
        return (
            f"{decision.model} has the highest {label} {over}: {value[decision.model]}, "
            f"compared with {value[best]} for {best}, the best model on average."
        )
    above = "" if score is ScoreKind.AUTO and decision.baseline == best else f" > {eta:g}"
    if decision.reason is DecisionReason.SCORE:
        return f"{decision.model} has the highest {label} ({value[decision.model]}) {over} and {beats}{above}."
    if stays:
        return f"{decision.model}, {role}, also has the highest {label} ({value[decision.model]}) {over}."
    if decision.model == decision.baseline:
        return (
            f"{decision.leader} has the highest {label} ({value[decision.leader]}) {over} but {beats}, "
            f"not above the threshold {eta:g}: {decision.model}, {role}, stays selected."
        )
    return f"{decision.model}, {role}, has the highest {label} {over} and {beats}{above}."


def _balanced(
    decision: RoutingDecision, scores: TaskScores, eta: float, score: ScoreKind, preference: CostPreference, over: str
) -> str:
    """Return the sentence for a decision that weighs quality against price. over: see `_evidence`."""
    values, shares = scores.reported_score(score), preference.cost_shares(scores.models)
    utilities = preference.utility(scores.models, values)

    def sum_of(model: str) -> str:
        at = scores.models.index(model)
        if np.isnan(values[at]):
            return f"{model} ({_shown(values[at])})"
        terms = f"{preference.quality:g} * {values[at]:.3f} - {preference.price:g} * {shares[at]:.3f}"
        return f"{model} ({terms} = {utilities[at]:.3f})"

    best = f"{sum_of(decision.leader)} has the best balance of {_label(score)} and price {over}"
    if decision.leader == decision.model == decision.baseline or decision.p_better is None:
        return f"{best}."
    worth_it = f"is worth its price against {sum_of(decision.baseline)} with probability {decision.p_better:.2f}"
    if decision.model == decision.leader:
        return f"{best} and {worth_it}."
    return f"{best} but {worth_it}, not above the threshold {eta:g}: {decision.model} stays selected."


def _label(score: ScoreKind) -> str:
    return "expected accuracy" if score is ScoreKind.AUTO else score.value.upper()


def _evidence(decision: RoutingDecision, scores: TaskScores, score: ScoreKind, dataset: str | None) -> str:
    """Return what the scores are based on, such as "over 13 inputs, 12 labelled inputs and 1 feedback score"."""
    parts = [] if dataset is not None else [_count(decision.n, "input")]
    if scores.posterior is not None and score is ScoreKind.AUTO:
        if scores.posterior.n_labels:
            parts.append(_count(scores.posterior.n_labels, "labelled input"))
        parts += [
            f"{_count(one.n, 'input')} labelled by {one.source} (weight {one.weight:.2f})"
            for one in scores.posterior.judged
        ]
        if scores.posterior.feedback:
            parts.append(_count(scores.posterior.feedback.n, "feedback score"))
    found = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    if dataset is None:
        return f"over {found}"
    # The task's unlabelled inputs do not count: what they would tell is declared.
    return f"on dataset {dataset}{f' and over {found}' if found else ''}"


def _set_aside(scores: TaskScores, value: Mapping[str, str]) -> str:
    """Return why the candidate with the highest expected accuracy may not be chosen; empty if it may."""
    top = int(np.argmax(scores.score_of(ScoreKind.AUTO)))
    if top not in barred_places(scores):
        return ""
    name, best = scores.models[top], scores.models[0]
    if top in _unmeasured_places(scores):
        is_declared = scores.posterior is not None and scores.posterior.unmeasured is not None
        where = "on this dataset" if is_declared else "near these inputs"
        return f"{name} has the highest expected accuracy ({value[name]}), but was not measured {where}"
    return (
        f"{name} has the highest expected accuracy ({value[name]}), but the benchmark inputs nearest to this new task "
        f"contradict it (S1 {scores.s1[top]:.3f}, compared with {scores.s1[0]:.3f} for {best})"
    )


def _shown(score: float) -> str:
    return NOT_MEASURED if np.isnan(score) else f"{score:.3f}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _order(values: Floats, baseline: int) -> list[int]:
    """Return candidates from the highest score down; a tie goes to the baseline, then to the better on average.

    Scores are rounded, so that the order in which a sum was added up cannot decide a tie.
    """
    # Twelve decimals: float64 means agree to about that between two orders of addition. A candidate without a score
    # ranks last.
    rounded = np.round(np.where(np.isnan(values), -np.inf, values), 12)
    places = np.arange(len(values))
    return [int(place) for place in np.lexsort((places, places != baseline, -rounded))]


def _names(scores: TaskScores, order: Sequence[int], chosen: str) -> tuple[str, ...]:
    return (chosen, *(scores.models[place] for place in order if scores.models[place] != chosen))


def _probability(scores: TaskScores, a: str, b: str, preference: CostPreference | None) -> float:
    at_a, at_b = scores.models.index(a), scores.models.index(b)
    # A baseline the benchmark knows nothing about near the task cannot be compared; any evidence beats none.
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
