"""The paces of all tasks at once: which inputs of a batch are embedded (see routing.thinning).

In memory: after a restart every task begins with all of its inputs again.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from routing.scores import TaskScores
from routing.task import Evidence, TaskState
from routing.thinning import BLOCK, Pace, ThinningSettings, clearness, is_drawn

MOST_TASKS = 10_000
"""Tasks whose paces are kept; the one not seen for longest is forgotten first, and then embedded in full again."""

Input = tuple[str, str]


@dataclass(slots=True)
class _Task:
    """number: of the task's next input. skipped: inputs passed over that no account tells of yet."""

    pace: Pace = field(default_factory=Pace)
    number: int = 0
    clearness: float = 0.0
    skipped: int = 0


class Thinning:
    """Draws from what comes, and learns from what was scored."""

    def __init__(self, settings: ThinningSettings | None) -> None:
        """settings: None draws everything."""
        self._settings = settings
        self._tasks: OrderedDict[str, _Task] = OrderedDict()
        self.skipped = 0

    def parts(self, inputs: Sequence[Input]) -> Iterator[list[Input]]:
        """What is to be embedded of a batch, (task, text) each, cut where a task's pace has to be looked at again.

        Lazily: a part must be scored, and `scored` called, before the next is asked for. Cut like this, it does not
        matter how the inputs were cut into batches.
        """
        if self._settings is None:
            yield list(inputs)
            return
        part: list[Input] = []
        tasks: set[str] = set()
        for task, text in inputs:
            if task in tasks and self._at_a_boundary(task):
                yield part
                part, tasks = [], set()
            if self._draws(task):
                part.append((task, text))
                tasks.add(task)
        if part:
            yield part

    def scored(self, task: str, evidence: Evidence, before: TaskState, scores: TaskScores | None, chosen: str) -> None:
        """Some inputs of a task were scored. before: its state without them; scores: with them, None without any."""
        if self._settings is None:
            return
        one = self._task(task)
        one.pace = one.pace.saw(evidence, before.embedding_sum)
        one.clearness = clearness(scores, chosen) if scores else 0.0

    def told(self, task: str) -> int:
        """How many inputs were passed over since this was last asked."""
        if task not in self._tasks:
            return 0
        one = self._tasks[task]
        skipped, one.skipped = one.skipped, 0
        return skipped

    def forget(self, task: str) -> None:
        """Begins a task again."""
        self._tasks.pop(task, None)

    def _at_a_boundary(self, task: str) -> bool:
        return self._task(task).number % BLOCK == 0

    def _draws(self, task: str) -> bool:
        one = self._task(task)
        if self._settings is not None and one.number and one.number % BLOCK == 0:
            one.pace = one.pace.next(one.clearness, self._settings)
        drawn = is_drawn(task, one.number, one.pace.weight)
        one.number += 1
        one.skipped += not drawn
        self.skipped += not drawn
        return drawn

    def _task(self, task: str) -> _Task:
        one = self._tasks.setdefault(task, _Task())
        self._tasks.move_to_end(task)
        if len(self._tasks) > MOST_TASKS:
            self._tasks.popitem(last=False)
        return one
