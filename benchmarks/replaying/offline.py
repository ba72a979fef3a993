"""The same inputs through the library alone: what a gateway must come to, and what the paper would have chosen."""

from dataclasses import dataclass

from routing.arrays import Embeddings
from routing.decision import RoutingDecision
from routing.router import Router
from routing.scores import TaskScores
from routing.task import TaskState


@dataclass(frozen=True, slots=True)
class Turn:
    """A decision that changed the task's model. n: inputs it rests on."""

    version: int
    model: str
    reason: str
    n: int


@dataclass(frozen=True, slots=True)
class Offline:
    """What the library makes of a task.

    scores, decision, history: input by input, each decision from the one before, as a live task is decided.
    scratch: eq. 6 once, over all inputs, as the paper decides.
    """

    scores: TaskScores
    decision: RoutingDecision
    history: tuple[Turn, ...]
    scratch: RoutingDecision


def fold(router: Router, vectors: Embeddings) -> Offline:
    """Adds a task's inputs one by one and decides after each. vectors: (n_inputs, dim), at least one input."""
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


def at_once(router: Router, vectors: Embeddings) -> tuple[TaskScores, RoutingDecision]:
    """All inputs of a task in one sum, and eq. 6: the paper's experiment. vectors: (n_inputs, dim)."""
    scores = router.score_task(TaskState.from_evidence(router.find_evidence(vectors)), router.select_candidates())
    return scores, router.make_decision(scores)
