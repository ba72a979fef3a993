"""One task's stream, with and without sampling."""

from dataclasses import dataclass

import numpy as np

from routing.adaptive_sampling import BLOCK, SamplingRate, SamplingSettings, decision_z, is_sampled
from routing.arrays import Floats, Ints
from routing.calibration import Calibration, RoutingSettings
from routing.decision import make_decision
from routing.scores import TaskScores
from routing.task import InputEvidence, TaskState, score_task


@dataclass(frozen=True, slots=True)
class Task:
    """A held-out dataset as a task.

    Attributes:
        evidence: of all its inputs.
        outcomes: (n_inputs, n_models), the truth.
        on_average: columns, best first, over the other datasets.
    """

    name: str
    evidence: InputEvidence
    outcomes: Floats
    names: tuple[str, ...]
    on_average: list[int]
    calibration: Calibration


@dataclass(slots=True)
class Course:
    """A stream's results.

    Attributes:
        chosen: (n,), the selected column when each input came.
        embedded: (n,), True where the input was embedded.
    """

    chosen: Ints
    embedded: Ints
    drifts: int = 0
    turns: int = 0


def run_stream(task: Task, order: Ints, routing: RoutingSettings, thinning: SamplingSettings | None) -> Course:
    """Run the stream of inputs `order`, (n,), rows of the task. thinning: None embeds all."""
    state = TaskState.empty_state(len(task.names), task.evidence.vectors.shape[1])
    course = Course(np.empty(len(order), dtype=np.int64), np.zeros(len(order), dtype=np.int64))
    current, pace, scores = task.names[task.on_average[0]], SamplingRate(), _scores(task, state, routing)
    known: str | None = None
    for number, row in enumerate(order):
        if thinning and number and number % BLOCK == 0:
            pace = pace.next_rate(decision_z(scores, current), thinning)
        course.chosen[number] = task.names.index(current)
        if not is_sampled(task.name, number, pace.weight):
            continue
        course.embedded[number] = 1
        one = _row(task.evidence, int(row))
        pace = pace.record_input(one, state.embedding_sum)
        state = state + TaskState.from_evidence(one)
        scores = _scores(task, state, routing)
        made = make_decision(scores, routing.eta, known).model
        course.turns += made != current
        current = known = made
    course.drifts = pace.drifts
    return course


def _scores(task: Task, state: TaskState, routing: RoutingSettings) -> TaskScores:
    return score_task(state, task.names, task.on_average, task.calibration, routing)


def _row(evidence: InputEvidence, row: int) -> InputEvidence:
    return evidence.select_rows(np.array([row]))
