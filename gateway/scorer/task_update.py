"""One task's inputs, one after the other: state, decision, and the changes of its model."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gateway.decision import Decision, Explanation
from gateway.scorer.measured_gain import measured_gain
from gateway.scorer.score_choice import ScoreChoice
from gateway.scorer.task_labels import TaskLabels
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
        self._router = router
        self._choice = choice
        self._candidates = router.select_candidates(candidates)
        self._clock = clock
        self._costs = costs
        self.labels = labels
        names = router.pack.manifest.model_names
        self._baseline = next((name for name in router.pack.manifest.on_average if name in candidates), None)
        self._matrix = labels.to_matrix(names) if labels else None
        self._feedback = labels.ratings.to_feedback(names) if labels else None
        self._judged = labels.to_judged(names) if labels else []
        self._last: ScoredState | None = None
        self._needs_explanation = not is_explained

    def add_inputs(self, evidence: InputEvidence) -> None:
        """Add inputs one by one, deciding after each."""
        for place in range(len(evidence)):
            self.state = self.state.add_input(evidence, place)
            self.make_decision(place)

    def add_state(self, state: TaskState) -> None:
        """Add the sums of another task, and decide."""
        self.state = self.state + state
        self.make_decision()

    def make_decision(self, place: int | None = None) -> None:
        """Decide on the present state; the version rises when that changes the model. place: of its last input."""
        before = self.decision
        last = self.score_state(place)
        if last is None:
            return
        made, self._last = last.made, last
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
        if changes or place is None or before is None or before.reason != self.decision.reason or self._is_due(made.n):
            self.explain_last()

    def score_state(self, place: int | None = None) -> ScoredState | None:
        """Return what would be decided on the present state; None without candidates."""
        if not self._candidates:
            return None
        choice = self._choice
        # A decision without inputs rests on settings alone, and holds nothing back. Nor does any where the task is
        # declared to be a dataset: with its inputs nothing changes that a decision could follow too closely.
        keeps_current = self.decision is not None and self.decision.n > 0 and choice.dataset is None
        current = self.decision.model if self.decision is not None and keeps_current else None
        scores = self._router.score_task(
            self.state, self._candidates, choice.score, self._matrix, self._feedback, choice.dataset, self._judged
        )
        made = self._router.make_decision(scores, current, choice.score, self._costs)
        return ScoredState(self.state, made, scores, place)

    def explain_last(self) -> None:
        """Have the explanation derived from the last decision."""
        self.explained, self._needs_explanation = self._last, False

    def derive_explanation(self, from_: ScoredState, skipped: int) -> Explanation:
        """Derive an explanation. skipped: inputs of the task that were not embedded until then."""
        document = build_explanation(self._router, from_.state, from_.made, from_.scores, self._choice, self._costs)
        gain = measured_gain(self.labels, from_.made.model, self._baseline)
        more = {} if gain is None else {"measured_gain": gain}
        return Explanation.from_dict({**document, **more, "n": from_.made.n, "skipped": skipped})

    @property
    def scores(self) -> TaskScores | None:
        """The scores that the last decision is based on; None without one."""
        return self._last.scores if self._last else None

    @property
    def current_model(self) -> str:
        """The task's model after the last input; empty without candidates."""
        return self.decision.model if self.decision else ""

    def _is_due(self, n: int) -> bool:
        # By the count of inputs and not by time: a replay, or another batching, explains the same states.
        return self._needs_explanation or n % EXPLANATION_INTERVAL == 0


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
