"""One task's stream, with and without thinning."""

from dataclasses import dataclass

import numpy as np

from routing.adaptive_sampling import BLOCK, Pace, ThinningSettings, clearness, is_drawn
from routing.arrays import Floats, Ints
from routing.calibration import Calibration, RoutingSettings
from routing.decision import decide
from routing.scores import TaskScores
from routing.task import Evidence, TaskState, task_scores


@dataclass(frozen=True, slots=True)
class Task:
    """A held-out dataset as a task. evidence: of all its inputs; outcomes: (n_inputs, n_models), the truth.

    on_average: columns, best first, over the other datasets.
    """

    name: str
    evidence: Evidence
    outcomes: Floats
    names: tuple[str, ...]
    on_average: list[int]
    calibration: Calibration


@dataclass(slots=True)
class Course:
    """How a stream went. chosen: (n,) the column in force when each input came; embedded: (n,) whether it was."""

    chosen: Ints
    embedded: Ints
    drifts: int = 0
    turns: int = 0


def run(task: Task, order: Ints, routing: RoutingSettings, thinning: ThinningSettings | None) -> Course:
    """The stream of inputs `order`, (n,), rows of the task's. thinning: None embeds all."""
    state = TaskState.empty(len(task.names), task.evidence.vectors.shape[1])
    course = Course(np.empty(len(order), dtype=np.int64), np.zeros(len(order), dtype=np.int64))
    current, pace, scores = task.names[task.on_average[0]], Pace(), _scores(task, state, routing)
    known: str | None = None
    for number, row in enumerate(order):
        if thinning and number and number % BLOCK == 0:
            pace = pace.next(clearness(scores, current), thinning)
        course.chosen[number] = task.names.index(current)
        if not is_drawn(task.name, number, pace.weight):
            continue
        course.embedded[number] = 1
        one = _row(task.evidence, int(row))
        pace = pace.saw(one, state.embedding_sum)
        state = state + TaskState.of(one)
        scores = _scores(task, state, routing)
        made = decide(scores, routing.eta, known).model
        course.turns += made != current
        current = known = made
    course.drifts = pace.drifts
    return course


def _scores(task: Task, state: TaskState, routing: RoutingSettings) -> TaskScores:
    return task_scores(state, task.names, task.on_average, task.calibration, routing)


def _row(evidence: Evidence, row: int) -> Evidence:
    return evidence.at(np.array([row]))
