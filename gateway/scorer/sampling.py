"""Adaptive sampling of a batch's inputs (see routing.adaptive_sampling), by each task's sampling state.

A state is written with the sums that it is based on, and read again before the next inputs. So the sample does not
depend on how inputs were batched, nor on which scorer draws it: the next one goes on where the one before it stopped.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import msgspec

from gateway.errors import StateError
from gateway.scorer.input_text import NoInputText
from gateway.scorer.messages import BatchCounts, Observation
from routing.adaptive_sampling import BLOCK, SamplingRate, SamplingSettings, ShiftDetector, decision_z, is_sampled
from routing.scores import TaskScores
from routing.task import InputEvidence, TaskState

InputValues = tuple[str, str]
"""Task and text."""

ReadText = Callable[[Observation], str | None]
"""Reads an observation's input, None without any text. Raises NoInputText."""

InputNumbers = tuple[int, float, float, float]


class SamplingState(msgspec.Struct, frozen=True):
    """Sampling state of a task.

    Attributes:
        rate: how many are embedded.
        number: of the next input, from 0.
        decision_z: how clear the decision was after the last scored input of the block before: the rate changes only
            between blocks.
        pending_skips: inputs skipped since the last drawn one.
        unexplained_skips: those before the last drawn one that the stored explanation does not count.
        skips_at_draws: unexplained_skips at each input drawn in this batch; not stored.
    """

    rate: SamplingRate = SamplingRate()
    number: int = 0
    decision_z: float = 0.0
    pending_skips: int = 0
    unexplained_skips: int = 0
    skips_at_draws: tuple[int, ...] = ()

    def draw_next(self, task: str, settings: SamplingSettings) -> tuple["SamplingState", bool]:
        """Return the state behind the next input, and whether that one is to be embedded."""
        rate = self.rate
        if self.is_block_start and self.number:
            rate = rate.next_rate(self.decision_z, settings)
        if not is_sampled(task, self.number, rate.weight):
            skips = self.pending_skips + 1
            state = SamplingState(
                rate, self.number + 1, self.decision_z, skips, self.unexplained_skips, self.skips_at_draws
            )
            return state, False
        skips = self.unexplained_skips + self.pending_skips
        draws = (*self.skips_at_draws, skips)
        return SamplingState(rate, self.number + 1, self.decision_z, 0, skips, draws), True

    def after_scoring(
        self, evidence: InputEvidence, before: TaskState, read_scores: Callable[[], TaskScores | None], chosen: str
    ) -> "SamplingState":
        """Return the state after some inputs were scored. before: the task without them. read_scores: returns those
        with them, or None; called once for a block.
        """
        z = self.decision_z
        if self._ends_block:
            scores = read_scores()
            z = decision_z(scores, chosen) if scores else 0.0
        rate = self.rate.record_input(evidence, before.embedding_sum)
        return SamplingState(rate, self.number, z, self.pending_skips, self.unexplained_skips)

    def skips_until(self, place: int | None) -> int:
        """Return the unexplained skips before a drawn input of this batch, or before the last one for None."""
        return self.unexplained_skips if place is None or not self.skips_at_draws else self.skips_at_draws[place]

    def after_explanation(self, skips: int) -> "SamplingState":
        """Return the state once an explanation counts so many more skips."""
        return msgspec.structs.replace(self, unexplained_skips=self.unexplained_skips - skips)

    @property
    def _ends_block(self) -> bool:
        """True where the last drawn input is the last that is drawn of its block: each run has one."""
        return (self.number - 1 - self.pending_skips) % BLOCK >= BLOCK - self.rate.weight

    @property
    def is_block_start(self) -> bool:
        """True where the next input begins a block, for which the rate may change."""
        return self.number % BLOCK == 0

    def to_bytes(self) -> bytes:
        """Encode the state, numbers to the last bit."""
        rate = self.rate
        stored = rate.weight, rate.embedded, rate.drifts, _numbers(rate.distance), _numbers(rate.nearness)
        return _encode(_StoredState(self.number, self.decision_z, self.pending_skips, *stored, self.unexplained_skips))

    @classmethod
    def from_bytes(cls, data: bytes) -> "SamplingState":
        """Decode a state; nothing is that of a task without inputs. Raises StateError."""
        if not data:
            return cls()
        try:
            stored = _decoder.decode(data)
        except msgspec.MsgspecError as error:
            raise StateError(f"a task's sampling state cannot be read: {error}") from error
        rate = SamplingRate(
            stored.weight,
            stored.embedded,
            stored.drifts,
            ShiftDetector(*stored.distance),
            ShiftDetector(*stored.nearness),
        )
        return cls(rate, stored.number, stored.decision_z, stored.pending_skips, stored.unexplained_skips)


def _numbers(detector: ShiftDetector) -> InputNumbers:
    # Not dataclasses.astuple, which copies every number deeply: with every input that took longer than all else here.
    return detector.n, detector.mean, detector.squares, detector.recent


class _StoredState(msgspec.Struct, frozen=True, array_like=True):
    """A sampling state as an array; unexplained_skips came later, and is not read by earlier versions."""

    number: int
    decision_z: float
    pending_skips: int
    weight: int
    embedded: int
    drifts: int
    distance: InputNumbers
    nearness: InputNumbers
    unexplained_skips: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(_StoredState)


@dataclass(frozen=True, slots=True)
class SampledBatch:
    """Observations that are taken together.

    Attributes:
        size: how many of the given places, those without an input among them.
        drawn: inputs to embed.
        skipped: places of inputs that are not embedded.
        unreadable: places of observations that cannot be read.
        states: of every task in it, behind it; none where everything is embedded.
    """

    size: int
    drawn: Sequence[InputValues]
    skipped: frozenset[int] = frozenset()
    unreadable: frozenset[int] = frozenset()
    states: Mapping[str, SamplingState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchPart:
    """Consecutive observations of a batch that are written together.

    Attributes:
        start: the place of the first in the batch.
        sampled: what becomes of them; places are counted from `start`.
    """

    start: int
    sampled: SampledBatch

    @property
    def size(self) -> int:
        """The number of observations."""
        return self.sampled.size

    def count_places(self, places: Iterable[int]) -> BatchCounts:
        """Count some of its observations, once they are stored."""
        places = [place - self.start for place in places]
        errors = sum(place in self.sampled.unreadable for place in places)
        skipped = sum(place in self.sampled.skipped for place in places)
        return BatchCounts(len(places) - errors, errors, skipped)


Commit = Callable[[BatchPart], AbstractContextManager[None]]
"""Wraps the write of a part, for a transport that acknowledges observations with it."""


def commit_alone(part: BatchPart) -> AbstractContextManager[None]:
    """Write a part with nothing beside it."""
    return nullcontext()


class InputSampler:
    """Draws inputs of a batch."""

    def __init__(self, settings: SamplingSettings | None) -> None:
        """settings: None draws everything."""
        self.settings = settings

    def sample_batch(
        self,
        observations: Sequence[Observation],
        read_text: ReadText,
        read_states: Callable[[Sequence[str]], Mapping[str, bytes]],
    ) -> SampledBatch:
        """Draw from the first observations, up to where a task's rate may change by what was drawn of it before.

        Only what is drawn is read. One without an input is not numbered: its number is that of the next observation,
        which is drawn in its place. read_states: reads stored sampling states.
        """
        settings = self.settings
        drawn: list[InputValues] = []
        skipped, unreadable = set[int](), set[int]()
        stored, states = self._stored_states(observations, read_states), dict[str, SamplingState]()
        embedded: set[str] = set()
        size = len(observations)
        for place, one in enumerate(observations):
            task = one.task
            state = states.get(task) or stored.get(task) or SamplingState()
            # The next block's rate depends on the scores of inputs that are only embedded after this batch.
            if task in embedded and state.is_block_start:
                size = place
                break
            after, is_drawn = state.draw_next(task, settings) if settings else (state, True)
            if not is_drawn:
                states[task] = after
                skipped.add(place)
                continue
            try:
                text = read_text(one)
            except NoInputText:
                unreadable.add(place)
                continue
            if text is not None:
                drawn.append((task, text))
                if settings:
                    states[task] = after
                    embedded.add(task)
        return SampledBatch(size, drawn, frozenset(skipped), frozenset(unreadable), states)

    def _stored_states(
        self, observations: Sequence[Observation], read_states: Callable[[Sequence[str]], Mapping[str, bytes]]
    ) -> Mapping[str, SamplingState]:
        if self.settings is None:
            return {}
        tasks = list(dict.fromkeys(one.task for one in observations))
        return {task: SamplingState.from_bytes(data) for task, data in read_states(tasks).items()}
