"""Which inputs of a batch are embedded (see routing.adaptive_sampling), by what is kept of each task's pace.

A pace is written with the sums that it rests on, and read again before the next inputs. So it does not matter how
inputs were cut into batches, nor who draws them: a scorer that takes over goes on where the one before it stopped.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field

import msgspec

from gateway.errors import StateError
from routing.adaptive_sampling import BLOCK, Pace, ThinningSettings, Watch, clearness, is_drawn
from routing.scores import TaskScores
from routing.task import Evidence, TaskState

Input = tuple[str, str]
"""Task and text."""

Numbers = tuple[int, float, float, float]


class Paced(msgspec.Struct, frozen=True):
    """Where a task is. number: of its next input, from 0. clearness: of its decision after the last scored input.

    untold: inputs passed over since the last drawn one. telling: those before it, of which the account tells that is
    written next; nothing of that is kept.
    """

    pace: Pace = Pace()
    number: int = 0
    clearness: float = 0.0
    untold: int = 0
    telling: int = 0

    def draw(self, task: str, settings: ThinningSettings) -> tuple["Paced", bool]:
        """The task behind its next input, and whether that one is to be embedded."""
        pace = self.pace
        if self.is_at_a_boundary and self.number:
            pace = pace.next(self.clearness, settings)
        drawn = is_drawn(task, self.number, pace.weight)
        untold, telling = (0, self.telling + self.untold) if drawn else (self.untold + 1, self.telling)
        return Paced(pace, self.number + 1, self.clearness, untold, telling), drawn

    def scored(self, evidence: Evidence, before: TaskState, scores: TaskScores | None, chosen: str) -> "Paced":
        """The task after some inputs of it were scored. before: its state without them; scores: with them, or None."""
        now = clearness(scores, chosen) if scores else 0.0
        return Paced(self.pace.saw(evidence, before.embedding_sum), self.number, now, self.untold)

    @property
    def is_at_a_boundary(self) -> bool:
        """Whether the next input begins a block, for which the pace is looked at again."""
        return self.number % BLOCK == 0

    def to_bytes(self) -> bytes:
        """Numbers to the last bit."""
        pace = self.pace
        about = pace.weight, pace.embedded, pace.drifts, astuple(pace.distance), astuple(pace.nearness)
        return _encode(_Kept(self.number, self.clearness, self.untold, *about))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Paced":
        """Nothing is a task that begins. Raises StateError for what `to_bytes` has not written."""
        if not data:
            return cls()
        try:
            kept = _decoder.decode(data)
        except msgspec.MsgspecError as error:
            raise StateError(f"a task's pace cannot be read: {error}") from error
        pace = Pace(kept.weight, kept.embedded, kept.drifts, Watch(*kept.distance), Watch(*kept.nearness))
        return cls(pace, kept.number, kept.clearness, kept.untold)


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """A task's pace as bytes."""

    number: int
    clearness: float
    untold: int
    weight: int
    embedded: int
    drifts: int
    distance: Numbers
    nearness: Numbers


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(_Kept)


@dataclass(frozen=True, slots=True)
class Part:
    """Inputs that are taken together. size: how many places of what was given, those without an input among them.

    drawn: what is to be embedded. skipped: the places that are passed over. paces: of every task in it, behind it; none
    where nothing is thinned.
    """

    size: int
    drawn: Sequence[Input]
    skipped: frozenset[int] = frozenset()
    paces: Mapping[str, Paced] = field(default_factory=dict)


class Thinning:
    """Draws from what comes."""

    def __init__(self, settings: ThinningSettings | None) -> None:
        """settings: None draws everything."""
        self.settings = settings

    def part(self, inputs: Sequence[Input | None], kept: Callable[[Sequence[str]], Mapping[str, bytes]]) -> Part:
        """The first of these, cut where a task's pace has to be looked at again after what was drawn of it before.

        inputs: None where an observation holds none. kept: reads paces, as `to_bytes` has written them.
        """
        settings = self.settings
        if settings is None:
            return Part(len(inputs), [one for one in inputs if one is not None])
        tasks = list(dict.fromkeys(task for task, _ in filter(None, inputs)))
        known = {task: Paced.from_bytes(data) for task, data in kept(tasks).items()}
        paces: dict[str, Paced] = {}
        drawn: list[Input] = []
        skipped: set[int] = set()
        embedded: set[str] = set()
        for place, one in enumerate(inputs):
            if one is None:
                continue
            task = one[0]
            now = paces.get(task) or known.get(task) or Paced()
            if task in embedded and now.is_at_a_boundary:
                return Part(place, drawn, frozenset(skipped), paces)
            paces[task], is_taken = now.draw(task, settings)
            if is_taken:
                drawn.append(one)
                embedded.add(task)
            else:
                skipped.add(place)
        return Part(len(inputs), drawn, frozenset(skipped), paces)
