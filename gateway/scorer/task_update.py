"""One task's inputs, one after the other: state, decision, and the changes of its model."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np

from gateway.decision import Decision, Explanation
from gateway.scorer.measured_gain import measured_gain
from gateway.scorer.score_choice import ScoreChoice
from gateway.scorer.task_labels import TaskLabels
from routing.auto.labelling import UNLABELLED, TaskLabelling
from routing.counterfactual import find_runner_up, what_would_change
from routing.decision import CostPreference, RoutingDecision, explain_decision
from routing.router import Router
from routing.scores import ScoreKind, TaskScores
from routing.task import InputEvidence, TaskState

EXPLANATION_INTERVAL = 16
"""Inputs between two stored explanations of a task whose model and reason stay: deriving one takes about as long as
scoring an input. In between the API asks the scorer; while that is down, it shows the last one.
"""


@dataclass(frozen=True, slots=True)
class ScoredState:
    """A task's state with the decision made on it.

    Attributes:
        place: of the input that it follows, in the batch; None where it follows none of them.
    """

    state: TaskState
    made: RoutingDecision
    scores: TaskScores
    place: int | None

    def repeats(self, decision: Decision) -> bool:
        """Return whether a stored decision is the one made here."""
        made = self.made
        return (made.model, made.reason.value, made.ranking) == (decision.model, decision.reason, decision.ranking)


class TaskUpdate:
    """One task's part of a batch. The result depends on the inputs and their order, not on how they were batched."""

    def __init__(
        self,
        task: str,
        router: Router,
        choice: ScoreChoice,
        candidates: Sequence[str],
        state: TaskState,
        decision: Decision | None,
        clock: Callable[[], float],
        labels: TaskLabels | None = None,
        costs: CostPreference | None = None,
        is_explained: bool = True,
    ) -> None:
        """decision: the current one; its model stays unless another beats it. clock: Unix time, seconds.

        is_explained: False where the stored explanation does not say what it was derived from.
        """
        self.task = task
        self.state = self.before = state
        self.decision = decision
        self.changes: list[Decision] = []
        self.explained: ScoredState | None = None
        """The state that the next stored explanation is derived from; None to leave the stored one."""
        self.router = router
        self.choice = choice
        self.candidates = router.select_candidates(candidates)
        self.labels = labels
        self.labelling = UNLABELLED if labels is None else labels.to_labelling(router.model_names)
        self.undecided: list[TaskState] = []
        """States after inputs that no decision was made on yet, in their order."""
        self._clock = clock
        self._costs = costs
        self._last: ScoredState | None = None
        self._needs_explanation = not is_explained

    def add_inputs(self, evidence: InputEvidence) -> None:
        """Add inputs one by one; `decide_together` makes the decision after each."""
        for place in range(len(evidence)):
            self.state = self.state.add_input(evidence, place)
            self.undecided.append(self.state)

    def add_state(self, state: TaskState) -> None:
        """Add the sums of another task, and decide."""
        self.state = self.state + state
        self.make_decision()

    def make_decision(self) -> None:
        """Decide on the present state; the version rises when that changes the model."""
        scored = self.score_state()
        if scored is not None:
            self._take_decision(scored)

    def decide_inputs(self, scores: Iterable[TaskScores]) -> None:
        """Decide after each undecided input, in their order. scores: of each."""
        for place, (state, scored) in enumerate(zip(self.undecided, scores, strict=True)):
            self._take_decision(self._decide(state, scored, place))
        self.undecided.clear()

    def score_state(self) -> ScoredState | None:
        """Return what would be decided on the present state; None without candidates."""
        if not self.candidates:
            return None
        (scores,) = _score_together((self,), (self.state,), (self.labelling,))
        return self._decide(self.state, scores, None)

    def _decide(self, state: TaskState, scores: TaskScores, place: int | None) -> ScoredState:
        # A decision without inputs rests on settings alone, and holds nothing back. Nor does any where the task is
        # declared to be a dataset: with its inputs nothing changes that a decision could follow too closely.
        keeps_current = self.decision is not None and self.decision.n > 0 and self.choice.dataset is None
        current = self.decision.model if self.decision is not None and keeps_current else None
        made = self.router.make_decision(scores, current, self.choice.score, self._costs)
        return ScoredState(state, made, scores, place)

    def _take_decision(self, last: ScoredState) -> None:
        """Make a decision the task's."""
        before, made, self._last = self.decision, last.made, last
        changes = before is None or made.model != before.model
        self.decision = Decision(
            task=self.task,
            version=(before.version if before else 0) + changes,
            n=made.n,
            model=made.model,
            reason=made.reason.value,
            ranking=made.ranking,
            at=self._clock() if changes or before is None else before.at,
            confidence=None if changes or before is None else before.confidence,
            measured_gain=None if changes or before is None else before.measured_gain,
        )
        if changes:
            self.changes.append(self.decision)
        is_new = changes or last.place is None or before is None or before.reason != self.decision.reason
        if is_new or self._is_due(made.n):
            self.explain_last()

    def explain_last(self) -> None:
        """Have the explanation derived from the last decision."""
        self.explained, self._needs_explanation = self._last, False

    def derive_explanation(self, from_: ScoredState, skipped: int) -> Explanation:
        """Derive an explanation. skipped: inputs of the task that were not embedded until then."""
        scores = self._complete(from_.scores)
        document = build_explanation(self.router, from_.state, from_.made, scores, self.choice, self._costs)
        gain = measured_gain(self.labels, from_.made.model, next(iter(self.candidates), None))
        more = {} if gain is None else {"measured_gain": gain}
        return Explanation.from_dict({**document, **more, "n": from_.made.n, "skipped": skipped})

    def read_scores(self) -> TaskScores | None:
        """Return the scores that the last decision is based on; None without one."""
        return self._complete(self._last.scores) if self._last else None

    def _complete(self, scores: TaskScores) -> TaskScores:
        """Return scores with those that did not decide."""
        return scores if self.choice.score is ScoreKind.S3 else self.router.add_reliability(scores)

    @property
    def current_model(self) -> str:
        """The task's model after the last input; empty without candidates."""
        return self.decision.model if self.decision else ""

    def _is_due(self, n: int) -> bool:
        # By the count of inputs and not by time: a replay, or another batching, explains the same states.
        return self._needs_explanation or n % EXPLANATION_INTERVAL == 0


def decide_together(updates: Iterable[TaskUpdate]) -> None:
    """Decide after each input that was added to these tasks, scoring those together that are scored alike.

    Decisions are to the last bit those of each task alone. May raise PackMismatch.
    """
    alike: dict[tuple[object, ...], list[TaskUpdate]] = {}
    for one in updates:
        if one.undecided and one.candidates:
            alike.setdefault((one.candidates, one.choice.score, one.choice.dataset), []).append(one)
    for some in alike.values():
        states = [state for one in some for state in one.undecided]
        scores = iter(_score_together(some, states, [one.labelling for one in some for _ in one.undecided]))
        for one in some:
            one.decide_inputs(islice(scores, len(one.undecided)))


def _score_together(
    updates: Sequence[TaskUpdate], states: Sequence[TaskState], labelled: Sequence[TaskLabelling]
) -> list[TaskScores]:
    """Score states of tasks that are scored alike. Only S3 itself decides by p and S3: for explanations, and for
    sampling, they are added where they are needed.
    """
    one = updates[0]
    score, dataset = one.choice.score, one.choice.dataset
    return one.router.score_tasks(states, one.candidates, score, labelled, dataset, needs_s3=score is ScoreKind.S3)


def build_explanation(
    router: Router,
    state: TaskState,
    decision: RoutingDecision,
    scores: TaskScores,
    choice: ScoreChoice,
    thrift: CostPreference | None = None,
) -> dict[str, Any]:
    """Return the explanation of a decision, for JSON: u, scores (best first), nearest datasets, why, what would
    change it.
    """
    eta, score = router.settings.eta, choice.score
    against = find_runner_up(scores, decision.model, score)
    turns = what_would_change(decision, scores, eta, score, thrift, choice.dataset is not None)
    auto = router.explain_auto(state, scores, decision)
    membership = router.summarise_membership(scores, decision.model, choice.dataset)
    why = explain_decision(decision, scores, eta, score, thrift, choice.dataset)
    return {
        "u": _number(scores.distance),
        "scores": [
            {
                "model": scores.models[place],
                "s1": _number(scores.s1[place]),
                "s2": _number(scores.s2[place]),
                "s3": _number(scores.s3[place]),
                "p": _number(scores.reliability[place]),
                **_expected(scores, int(place)),
                "n": int(scores.counts[place]),
            }
            for place in np.argsort(-np.nan_to_num(scores.score_of(score), nan=-1.0), kind="stable")
        ],
        "nearest_datasets": [{"dataset": name, "cosine": cosine} for name, cosine in router.nearest_datasets(state)],
        **({} if auto is None else {"auto": auto}),
        **({} if membership is None else {"membership": asdict(membership)}),
        "decision": {
            "why": why if membership is None else f"{why} {membership.text}",
            "would_change": None if turns is None else {k: v for k, v in asdict(turns).items() if v is not None},
            "p_better": decision.p_better,
            "rival": None if against is None else {"model": against.model, "p": against.p},
            "leader": decision.leader,
            "baseline": decision.baseline,
            "eta": eta,
            "score": score.value,
            "score_setting": choice.setting,
            "score_why": choice.why,
            **({} if choice.fault is None else {"dataset_fault": choice.fault}),
            **({} if thrift is None else {"thrift": _thrift(thrift, scores.models)}),
        },
    }


def _thrift(thrift: CostPreference, models: Sequence[str]) -> dict[str, Any]:
    """Return the task's preference for cheaper models, and their costs."""
    tokens = thrift.tokens and dict(zip(("input", "output"), thrift.tokens, strict=True))
    return {
        "max_regret": thrift.max_regret,
        "quality": thrift.quality,
        "price": thrift.price,
        "tokens": tokens,
        "costs": [
            {"model": model, "cost": thrift.costs.get(model), "share": float(share)}
            for model, share in zip(models, thrift.cost_shares(models), strict=True)
        ],
    }


def _expected(scores: TaskScores, place: int) -> dict[str, float]:
    """Return auto's estimate of a candidate, where auto decides."""
    if scores.posterior is None:
        return {}
    low, high = scores.posterior.credible_interval(place)
    return {"auto": float(scores.reported_score(ScoreKind.AUTO)[place]), "auto_low": low, "auto_high": high}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
