"""The same inputs through the library alone: the gateway's expected results, and the paper's choice."""

from dataclasses import dataclass

from routing.arrays import Embeddings
from routing.decision import RoutingDecision
from routing.router import Router
from routing.scores import TaskScores
from routing.task import TaskState


@dataclass(frozen=True, slots=True)
class Turn:
    """A decision that changed the task's model. n: inputs it is based on."""

    version: int
    model: str
    reason: str
    n: int


@dataclass(frozen=True, slots=True)
class Offline:
    """The library's results for a task.

    Attributes:
        scores: after the last input.
        decision: after the last input, each decided from the one before, as for a live task.
        history: the decisions that changed the model.
        scratch: eq. 6 once, over all inputs, as in the paper.
    """

    scores: TaskScores
    decision: RoutingDecision
    history: tuple[Turn, ...]
    scratch: RoutingDecision


def decide_one_by_one(router: Router, vectors: Embeddings) -> Offline:
    """Add a task's inputs one by one and decide after each. vectors: (n_inputs, dim), at least one input."""
    state, candidates = router.empty_state(), router.select_candidates()
    scores = router.score_task(state, candidates)
    decision, current, history = router.make_decision(scores), None, list[Turn]()
    for place in range(len(vectors)):
        state += TaskState.from_evidence(router.find_evidence(vectors[place : place + 1]))
        scores = router.score_task(state, candidates)
        decision = router.make_decision(scores, current)
        if decision.model != current:
            history.append(Turn(len(history) + 1, decision.model, str(decision.reason), decision.n))
        current = decision.model
    return Offline(scores, decision, tuple(history), router.make_decision(scores))


def decide_at_once(router: Router, vectors: Embeddings) -> tuple[TaskScores, RoutingDecision]:
    """Sum all inputs of a task and decide by eq. 6: the paper's experiment. vectors: (n_inputs, dim)."""
    scores = router.score_task(TaskState.from_evidence(router.find_evidence(vectors)), router.select_candidates())
    return scores, router.make_decision(scores)
