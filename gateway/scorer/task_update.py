"""One task's inputs, one after the other: state, decision, and the turns its model takes."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from gateway.scorer.messages import Decision
from gateway.scorer.task_labels import TaskLabels
from gateway.state.store import DecisionRecord
from routing.counterfactual import find_runner_up, what_would_change
from routing.decision import CostPreference, RoutingDecision, explain_decision
from routing.router import Router
from routing.scores import ScoreKind, TaskScores
from routing.task import InputEvidence, TaskState


class TaskUpdate:
    """A task on its way through a batch. Its result depends on the inputs and their order, not on how they were cut."""

    def __init__(
        self,
        router: Router,
        score: ScoreKind,
        candidates: Sequence[str],
        state: TaskState,
        decision: DecisionRecord | None,
        clock: Callable[[], float],
        labelled: TaskLabels | None = None,
        thrift: CostPreference | None = None,
    ) -> None:
        """decision: the one that holds so far; its model is kept unless another beats it. clock: Unix time, seconds."""
        self.state = self.before = state
        self.decision = decision
        self.turns: list[DecisionRecord] = []
        self._router = router
        self._score = score
        self._candidates = router.select_candidates(candidates)
        self._clock = clock
        self._thrift = thrift
        self.labelled = labelled
        names = router.pack.manifest.model_names
        self._labels = labelled.to_matrix(names) if labelled else None
        self._feedback = labelled.ratings.to_feedback(names) if labelled else None
        self._last: tuple[RoutingDecision, TaskScores] | None = None
        self._skipped = int(decision.explanation.get("skipped", 0)) if decision else 0

    def add_inputs(self, evidence: InputEvidence) -> None:
        """Adds the inputs one by one, deciding after each."""
        for place in range(len(evidence)):
            self.state = self.state + TaskState.from_evidence(evidence.select_rows(np.array([place])))
            self.make_decision()

    def make_decision(self) -> None:
        """Decides on the state as it is; the version rises when that changes the model."""
        if not self._candidates:
            return
        current = self.decision.model if self.decision else None
        scores = self._router.score_task(self.state, self._candidates, self._score, self._labels, self._feedback)
        made = self._router.make_decision(scores, current, self._score, self._thrift)
        self._last = made, scores
        turns = self.decision is None or made.model != self.decision.model
        self.decision = DecisionRecord(
            version=(self.decision.version if self.decision else 0) + turns,
            n=made.n,
            model=made.model,
            reason=made.reason.value,
            ranking=made.ranking,
            at=self._clock() if turns or self.decision is None else self.decision.at,
            explanation={},
        )
        if turns:
            self.turns.append(self.decision)

    @property
    def compute_scores(self) -> TaskScores | None:
        """The scores that the last decision rests on; None without one."""
        return self._last[1] if self._last else None

    @property
    def current_model(self) -> str:
        """The model that the task has now; nothing without candidates."""
        return self.decision.model if self.decision else ""

    def with_explanation(self, skipped: int = 0) -> DecisionRecord | None:
        """The decision with its account, which is only made once for all inputs. skipped: inputs not embedded since."""
        if self.decision is None or self._last is None:
            return self.decision
        made, scores = self._last
        held = self.decision
        told = build_explanation(self._router, self.state, made, scores, self._score, self._thrift)
        told["skipped"] = self._skipped + skipped
        return DecisionRecord(held.version, held.n, held.model, held.reason, held.ranking, held.at, told)


def build_explanation(
    router: Router,
    state: TaskState,
    decision: RoutingDecision,
    scores: TaskScores,
    score: ScoreKind,
    thrift: CostPreference | None = None,
) -> dict[str, Any]:
    """What there is to say of a decision, ready for JSON: u, scores (best first), nearest datasets, why, what would
    change it.
    """
    eta, against = router.settings.eta, find_runner_up(scores, decision.model, score)
    turns = what_would_change(decision, scores, eta, score, thrift)
    auto = router.explain_auto(state, scores, decision)
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
        "decision": {
            "why": explain_decision(decision, scores, eta, score, thrift),
            "would_change": None if turns is None else {k: v for k, v in asdict(turns).items() if v is not None},
            "p_better": decision.p_better,
            "rival": None if against is None else {"model": against.model, "p": against.p},
            "leader": decision.leader,
            "baseline": decision.baseline,
            "eta": eta,
            "score": score.value,
            **({} if thrift is None else {"thrift": _thrift(thrift, scores.models)}),
        },
    }


def _thrift(thrift: CostPreference, models: Sequence[str]) -> dict[str, Any]:
    """What a cheaper model was worth to the task, and what models cost it."""
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
    """What auto says of a candidate, where it is asked."""
    if scores.posterior is None:
        return {}
    low, high = scores.posterior.credible_interval(place)
    return {"auto": float(scores.posterior.mean[place]), "auto_low": low, "auto_high": high}


def to_message(task: str, decision: DecisionRecord) -> Decision:
    """A decision as the gateway hears it."""
    return Decision(task, decision.version, decision.n, decision.model, decision.reason, decision.ranking)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
