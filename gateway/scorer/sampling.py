"""Which inputs of a batch are embedded (see routing.adaptive_sampling), by what is kept of each task's pace.

A pace is written with the sums that it rests on, and read again before the next inputs. So it does not matter how
inputs were cut into batches, nor who draws them: a scorer that takes over goes on where the one before it stopped.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import astuple, dataclass, field

import msgspec

from gateway.errors import StateError
from routing.adaptive_sampling import BLOCK, SamplingRate, SamplingSettings, ShiftDetector, decision_z, is_sampled
from routing.scores import TaskScores
from routing.task import InputEvidence, TaskState

InputValues = tuple[str, str]
"""Task and text."""

InputNumbers = tuple[int, float, float, float]


class SamplingState(msgspec.Struct, frozen=True):
    """Where a task is. number: of its next input, from 0. clearness: of its decision after the last scored input.

    untold: inputs passed over since the last drawn one. telling: those before it, of which the account tells that is
    written next; nothing of that is kept.
    """

    rate: SamplingRate = SamplingRate()
    number: int = 0
    decision_z: float = 0.0
    pending_skips: int = 0
    skips_to_report: int = 0

    def draw_next(self, task: str, settings: SamplingSettings) -> tuple["SamplingState", bool]:
        """The task behind its next input, and whether that one is to be embedded."""
        pace = self.rate
        if self.is_block_start and self.number:
            pace = pace.next_rate(self.decision_z, settings)
        drawn = is_sampled(task, self.number, pace.weight)
        untold, telling = (
            (0, self.skips_to_report + self.pending_skips) if drawn else (self.pending_skips + 1, self.skips_to_report)
        )
        return SamplingState(pace, self.number + 1, self.decision_z, untold, telling), drawn

    def after_scoring(
        self, evidence: InputEvidence, before: TaskState, scores: TaskScores | None, chosen: str
    ) -> "SamplingState":
        """The task after some inputs of it were scored. before: its state without them; scores: with them, or None."""
        now = decision_z(scores, chosen) if scores else 0.0
        return SamplingState(
            self.rate.record_input(evidence, before.embedding_sum), self.number, now, self.pending_skips
        )

    @property
    def is_block_start(self) -> bool:
        """Whether the next input begins a block, for which the pace is looked at again."""
        return self.number % BLOCK == 0

    def to_bytes(self) -> bytes:
        """Numbers to the last bit."""
        pace = self.rate
        about = pace.weight, pace.embedded, pace.drifts, astuple(pace.distance), astuple(pace.nearness)
        return _encode(_Kept(self.number, self.decision_z, self.pending_skips, *about))

    @classmethod
    def from_bytes(cls, data: bytes) -> "SamplingState":
        """Nothing is a task that begins. Raises StateError for what `to_bytes` has not written."""
        if not data:
            return cls()
        try:
            kept = _decoder.decode(data)
        except msgspec.MsgspecError as error:
            raise StateError(f"a task's pace cannot be read: {error}") from error
        pace = SamplingRate(
            kept.weight, kept.embedded, kept.drifts, ShiftDetector(*kept.distance), ShiftDetector(*kept.nearness)
        )
        return cls(pace, kept.number, kept.clearness, kept.untold)


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """A task's pace as bytes."""

    number: int
    clearness: float
    untold: int
    weight: int
    embedded: int
    drifts: int
    distance: InputNumbers
    nearness: InputNumbers


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(_Kept)


@dataclass(frozen=True, slots=True)
class SampledBatch:
    """Inputs that are taken together. size: how many places of what was given, those without an input among them.

    drawn: what is to be embedded. skipped: the places that are passed over. paces: of every task in it, behind it; none
    where nothing is thinned.
    """

    size: int
    drawn: Sequence[InputValues]
    skipped: frozenset[int] = frozenset()
    states: Mapping[str, SamplingState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchPart:
    """Consecutive observations of a batch that are written together.

    Attributes:
        start: the place of the first in the batch.
        errors: places of those that cannot be read.
        skipped: places of those that are not embedded.
    """

    start: int
    errors: frozenset[int]
    skipped: frozenset[int]
    sampled: SampledBatch

    @property
    def size(self) -> int:
        """The number of observations."""
        return self.sampled.size


Commit = Callable[[BatchPart], AbstractContextManager[None]]
"""Wraps the write of a part, for a transport that acknowledges observations with it."""


def commit_alone(part: BatchPart) -> AbstractContextManager[None]:
    """Write a part with nothing beside it."""
    return nullcontext()


class InputSampler:
    """Draws from what comes."""

    def __init__(self, settings: SamplingSettings | None) -> None:
        """settings: None draws everything."""
        self.settings = settings

    def sample_batch(
        self, inputs: Sequence[InputValues | None], kept: Callable[[Sequence[str]], Mapping[str, bytes]]
    ) -> SampledBatch:
        """The first of these, cut where a task's pace has to be looked at again after what was drawn of it before.

        inputs: None where an observation holds none. kept: reads paces, as `to_bytes` has written them.
        """
        settings = self.settings
        if settings is None:
            return SampledBatch(len(inputs), [one for one in inputs if one is not None])
        tasks = list(dict.fromkeys(task for task, _ in filter(None, inputs)))
        known = {task: SamplingState.from_bytes(data) for task, data in kept(tasks).items()}
        paces: dict[str, SamplingState] = {}
        drawn: list[InputValues] = []
        skipped: set[int] = set()
        embedded: set[str] = set()
        for place, one in enumerate(inputs):
            if one is None:
                continue
            task = one[0]
            now = paces.get(task) or known.get(task) or SamplingState()
            if task in embedded and now.is_block_start:
                return SampledBatch(place, drawn, frozenset(skipped), paces)
            paces[task], is_taken = now.draw_next(task, settings)
            if is_taken:
                drawn.append(one)
                embedded.add(task)
            else:
                skipped.add(place)
        return SampledBatch(len(inputs), drawn, frozenset(skipped), paces)
