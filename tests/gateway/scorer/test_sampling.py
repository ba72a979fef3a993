"""Thinning in the scorer: fewer inputs embedded, the same ones in every replay, and all told."""

import itertools
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import StateError
from gateway.scorer.messages import Observation, SeedInputs
from gateway.scorer.sampling import SamplingState
from gateway.scorer.scorer import Scorer
from gateway.scorer.task_reader import TaskReader
from gateway.state.sqlite import SqliteStore
from routing.adaptive_sampling import BLOCK, SamplingRate, SamplingSettings, ShiftDetector, decision_z
from routing.arrays import Embeddings
from routing.pack import Pack
from routing.router import Router
from routing.scores import TaskScores
from routing.task import TaskState
from tests.gateway.letters import Letters
from tests.gateway.packs import inputs, small_pack
from tests.gateway.scorer.test_scorer import START, explanation_of, seen

LETTERS = Letters()
MANY = inputs("sums", 400)


@dataclass(frozen=True)
class Counting(Letters):
    """Letters, and which texts it was asked for."""

    asked: list[str] = field(default_factory=list)

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        self.asked.extend(texts)
        return super().embed_texts(texts)


@pytest.fixture(scope="module")
def pack() -> Pack:
    return small_pack(LETTERS)


def fed(pack: Pack, folder: Path, sizes: Sequence[int], thinning: bool = True) -> tuple[Counting, SqliteStore, int]:
    """All of MANY as inputs of one task, in batches of these sizes in turn, and another task's between them."""
    folder.mkdir()
    store, embedder = SqliteStore(str(folder / "state.db")), Counting()
    start = msgspec.structs.replace(START, routing=msgspec.structs.replace(START.routing, adaptive_sampling=thinning))
    scorer, skipped, place = Scorer(TaskReader(Router(pack), store, start, lambda: 0.0), embedder), 0, 0
    for size in itertools.cycle(sizes):
        batch = MANY[place : place + size]
        place += size
        skipped += scorer.observe_batch([*seen("t", *batch), *seen("other", *batch[:1])]).counts.skipped
        if place >= len(MANY):
            break
    return embedder, store, skipped


def test_a_settled_task_is_embedded_less_and_keeps_its_model(pack: Pack, tmp_path: Path) -> None:
    embedder, store, skipped = fed(pack, tmp_path / "thin", [40])
    stored = store.read_task("t")
    assert stored.decision is not None
    assert stored.task is not None
    assert stored.decision.model == "calc"
    assert stored.decision.n == stored.task.n < 220
    assert stored.decision.n + skipped == len(MANY)
    state = SamplingState.from_bytes(stored.sampling_state)
    account = explanation_of(Scorer(TaskReader(Router(pack), store, START, lambda: 0.0), LETTERS))
    assert account["skipped"] == skipped - state.pending_skips
    assert stored.explanation.skipped == account["skipped"] - state.unexplained_skips
    assert 0 <= state.pending_skips < 2 * SamplingSettings().sparsest  # one of each run of 16 is embedded
    assert store.read_task("other").task.n == 10  # type: ignore[union-attr]
    assert len(embedder.asked) == stored.decision.n + 10


def test_however_inputs_are_cut_the_same_ones_are_embedded(pack: Pack, tmp_path: Path) -> None:
    made = []
    for number, sizes in enumerate(([64], [1, 2, 3], [7], [127, 5])):
        _, store, _ = fed(pack, tmp_path / str(number), sizes)
        stored = store.read_task("t")
        assert stored.task is not None
        made.append(
            (stored.task.n, stored.task.total_seen, list(store.recent_embeddings("t")), store.decision_changes("t"))
        )
    assert all(one == made[0] for one in made)


def test_inputs_given_on_purpose_are_all_embedded(pack: Pack, tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "state.db"))
    scorer = Scorer(TaskReader(Router(pack), store, START, lambda: 0.0), LETTERS)
    scorer.observe_batch(seen("t", *MANY[:300]))
    before = store.read_task("t").task
    assert before is not None
    assert before.n < 300
    assert scorer.seed_task(SeedInputs(1, "t", MANY[:50]))[1]["n"] == before.n + 50


def test_a_forgotten_task_is_embedded_in_full_again(pack: Pack, tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "state.db"))
    scorer = Scorer(TaskReader(Router(pack), store, START, lambda: 0.0), LETTERS)
    scorer.observe_batch(seen("t", *MANY[:300]))
    store.forget_task("t")
    assert scorer.observe_batch(seen("t", *MANY[:32])).counts.skipped == 0


@pytest.mark.parametrize("size", [1, 7, 50])
def test_a_scorer_that_is_started_again_goes_on_where_it_was(pack: Pack, tmp_path: Path, size: int) -> None:
    _, expected, _ = fed(pack, tmp_path / "one", [64])
    for place in range(0, len(MANY), size):
        store = SqliteStore(str(tmp_path / "state.db"))
        Scorer(TaskReader(Router(pack), store, START, lambda: 0.0), LETTERS).observe_batch(
            seen("t", *MANY[place : place + size])
        )
        store.close()
    store = SqliteStore(str(tmp_path / "state.db"))
    assert store.read_task("t") == expected.read_task("t")
    assert store.recent_embeddings("t") == expected.recent_embeddings("t")


def test_a_task_without_a_pace_begins_one(pack: Pack, tmp_path: Path) -> None:
    """As those are that an earlier version has kept."""
    _, store, _ = fed(pack, tmp_path / "thin", [64])
    with sqlite3.connect(tmp_path / "thin" / "state.db") as connection:
        connection.execute("DELETE FROM paces")
    connection.close()
    before = store.read_task("t").task
    assert before is not None
    made = Scorer(TaskReader(Router(pack), store, START, lambda: 0.0), LETTERS).observe_batch(seen("t", *MANY[:64]))
    assert (made.counts.skipped, made.decisions[0].n) == (0, before.n + 64)


def test_passed_over_inputs_leave_the_sums_alone(pack: Pack, tmp_path: Path) -> None:
    _, store, _ = fed(pack, tmp_path / "thin", [64])
    scorer, before = Scorer(TaskReader(Router(pack), store, START, lambda: 0.0), LETTERS), store.read_task("t")
    while not scorer.observe_batch(seen("t", MANY[0])).counts.skipped:
        before = store.read_task("t")
    after = store.read_task("t")
    assert (after.task, after.decision) == (before.task, before.decision)
    assert (
        SamplingState.from_bytes(after.sampling_state).number
        == SamplingState.from_bytes(before.sampling_state).number + 1
    )


NUMBERS = st.floats(allow_nan=False)
WATCHES = st.builds(ShiftDetector, st.integers(0, 2**40), NUMBERS, NUMBERS, NUMBERS)
COUNTS = st.integers(0, 2**40)


@given(
    st.builds(
        SamplingState,
        st.builds(SamplingRate, st.integers(1, 32), COUNTS, COUNTS, WATCHES, WATCHES),
        COUNTS,
        NUMBERS,
        COUNTS,
    )
)
def test_a_pace_is_kept_to_the_bit(pace: SamplingState) -> None:
    assert SamplingState.from_bytes(pace.to_bytes()) == pace


@pytest.mark.parametrize("weight", [1, 2, 4, 8, 16, 32])
def test_scores_are_read_once_a_block_after_its_last_drawn_input(pack: Pack, weight: int) -> None:
    """Before the next block's rate is chosen; what is drawn before it leaves the stored z alone."""
    router, steady = Router(pack), SamplingSettings(least=10**9, enough=10**9)
    evidence = router.find_evidence(LETTERS.embed_texts(MANY[:1]))
    scores = router.score_task(TaskState.from_evidence(evidence), router.select_candidates())
    state, read, drawn = SamplingState(SamplingRate(weight)), list[int](), list[int]()

    def read_scores() -> TaskScores:
        read.append(state.number - 1)
        return scores

    for _ in range(6 * BLOCK):
        state, is_drawn = state.draw_next("t", steady)
        if is_drawn:
            drawn.append(state.number - 1)
            state = state.after_scoring(evidence, router.empty_state(), read_scores, scores.models[0])
    assert read == [max(place for place in drawn if place // BLOCK == block) for block in range(6)]
    assert state.decision_z == decision_z(scores, scores.models[0])


def test_what_is_no_pace_is_a_state_error() -> None:
    assert SamplingState.from_bytes(b"") == SamplingState()
    with pytest.raises(StateError, match="sampling state cannot be read"):
        SamplingState.from_bytes(b"nonsense")


def test_switched_off_everything_is_embedded(pack: Pack, tmp_path: Path) -> None:
    _, store, skipped = fed(pack, tmp_path / "all", [50], thinning=False)
    assert (store.read_task("t").task.n, skipped) == (len(MANY), 0)  # type: ignore[union-attr]


def test_what_is_not_drawn_is_not_read(pack: Pack, tmp_path: Path) -> None:
    """Of a settled task, what cannot be read is an error only where it would have been embedded."""
    _, store, _ = fed(pack, tmp_path / "thin", [64])
    scorer = Scorer(TaskReader(Router(pack), store, START, lambda: 0.0), LETTERS)
    number = SamplingState.from_bytes(store.read_task("t").sampling_state).number
    counts = scorer.observe_batch([Observation("t", b"nonsense")] * 64).counts
    # The one to be drawn stays the next: it is drawn of the first input that can be read.
    assert counts.errors + counts.skipped == 64
    assert counts.errors > 0
    state = SamplingState.from_bytes(store.read_task("t").sampling_state)
    assert state.number == number + counts.skipped
    n = store.read_task("t").task.n  # type: ignore[union-attr]
    assert scorer.observe_batch(seen("t", MANY[0])).decisions[0].n == n + 1
