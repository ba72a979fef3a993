"""Tasks beyond a limit are evicted, least recently used first; those with settings never, those with labels last."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.scorer.eviction import DAY_S, LABELLED_LIMITS, MAX_EVICTED, TaskEvictor
from gateway.scorer.messages import Configure, EvictionLimits, Observation, ScoreSettings, SeedInputs, TaskPolicy
from gateway.scorer.service import OpenPack, ScorerService
from gateway.state.sqlite import SqliteStore
from gateway.usage.ledger import OTHER_NAMES, UsageTotals
from routing.pack import Pack
from routing.router import Router
from tests.gateway.letters import Letters
from tests.gateway.packs import inputs, small_pack

ALL = ("calc", "atlas", "broad")
BODY = b'[{"role": "user", "content": "What is 1 plus 2?"}]'


class Clock:
    """Time that a test sets."""

    now = 1_000_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture(scope="module")
def pack() -> Pack:
    return small_pack(Letters())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(str(tmp_path / "state.db"))
    yield opened
    opened.close()


def service(
    pack: Pack, store: SqliteStore, clock: Clock, max_tasks: int = 3, idle_days: float | None = 10
) -> ScorerService:
    limits = EvictionLimits(max_tasks, idle_days)
    start = Configure("", "", ScoreSettings(), TaskPolicy(ALL), {"pinned": TaskPolicy(("calc",))}, limits)
    return ScorerService(OpenPack(Router(pack), Letters(), {}), store, start, clock=clock)


def use(made: ScorerService, *tasks: str) -> None:
    for task in tasks:
        made.apply([Observation(task, BODY)])


def evicted(made: ScorerService) -> list[tuple[str, str]]:
    return [(one.task, one.reason) for one in made.evictor.evict_tasks()]


def test_the_least_recently_used_go_until_the_limit_holds(pack: Pack, store: SqliteStore) -> None:
    made = service(pack, store, Clock())
    use(made, "a", "b", "c")
    assert evicted(made) == []
    use(made, "a", "d", "e")
    assert evicted(made) == [("b", "max_tasks"), ("c", "max_tasks")]
    assert store.task_names() == ["a", "d", "e"]
    assert evicted(made) == []
    use(made, "b")
    record = store.read_task("b")
    assert record.decision is not None
    assert (record.decision.n, record.decision.version) == (1, 1)  # it starts cold


def test_idle_tasks_go_however_few_there_are(pack: Pack, store: SqliteStore) -> None:
    clock = Clock()
    made = service(pack, store, clock)
    use(made, "old")
    clock.now += 9 * DAY_S
    use(made, "new")
    assert evicted(made) == []
    clock.now += 2 * DAY_S
    assert evicted(made) == [("old", "idle_days")]
    assert store.task_names() == ["new"]


def test_without_an_idle_limit_nothing_goes_by_time(pack: Pack, store: SqliteStore) -> None:
    clock = Clock()
    made = service(pack, store, clock, idle_days=None)
    use(made, "old")
    clock.now += 10_000 * DAY_S
    assert evicted(made) == []


def test_a_task_with_settings_of_its_own_is_never_evicted(pack: Pack, store: SqliteStore) -> None:
    clock = Clock()
    made = service(pack, store, clock, max_tasks=1)
    use(made, "pinned", "a", "b")
    assert evicted(made) == [("a", "max_tasks")]
    clock.now += 1000 * DAY_S
    assert evicted(made) == [("b", "idle_days")]
    assert (evicted(made), store.task_names()) == ([], ["pinned"])


def test_a_task_with_labels_goes_last_and_after_a_longer_time(pack: Pack, store: SqliteStore) -> None:
    clock = Clock()
    made = service(pack, store, clock, max_tasks=2)
    made.answer(SeedInputs(1, "labelled", inputs("sums", 1), [{"calc": 1.0}]))
    use(made, "a", "b", "c")
    assert evicted(made) == [("a", "max_tasks"), ("b", "max_tasks")]
    clock.now += (LABELLED_LIMITS + 0.5) * 10 * DAY_S
    assert evicted(made) == [("c", "idle_days")]
    clock.now += 10 * DAY_S
    assert evicted(made) == [("labelled", "idle_days")]


def test_inputs_that_sampling_skips_count_as_use(pack: Pack, store: SqliteStore) -> None:
    clock = Clock()
    made = service(pack, store, clock)
    use(made, "settled")
    clock.now += 9 * DAY_S
    store.update_task([], lambda _: {}, {"settled": b""}, used_at=clock())
    clock.now += 9 * DAY_S
    assert evicted(made) == []


def test_tasks_of_earlier_versions_count_as_used_now(pack: Pack, store: SqliteStore) -> None:
    clock = Clock()
    made = service(pack, store, clock)
    use(made, "a")
    with store._file.transaction() as connection:
        connection.execute("UPDATE tasks SET used = NULL")
    clock.now += 1000 * DAY_S
    assert evicted(made) == []
    clock.now += 11 * DAY_S
    assert evicted(made) == [("a", "idle_days")]


def test_rescoring_is_no_use(pack: Pack, store: SqliteStore) -> None:
    clock = Clock()
    made = service(pack, store, clock)
    use(made, "a")
    clock.now += 9 * DAY_S
    made.scorer.rescore_tasks(["a"])
    clock.now += 2 * DAY_S
    assert evicted(made) == [("a", "idle_days")]


def test_one_pass_takes_a_bounded_number(pack: Pack, store: SqliteStore) -> None:
    clock = Clock()
    made = service(pack, store, clock, max_tasks=1)
    made.apply([Observation(f"t{number}", BODY) for number in range(MAX_EVICTED + 20)])
    assert len(evicted(made)) == MAX_EVICTED
    assert len(evicted(made)) == 19
    assert isinstance(made.evictor, TaskEvictor)


def test_what_was_spent_stays_in_the_sum_of_all_others(store: SqliteStore) -> None:
    spent = UsageTotals(2, 30, 4)
    store.add_usage({("task", name, "2026-11-01"): spent for name in ("a", "b", "c")})
    store.fold_usage(["a", "b", "unknown"])
    assert store.read_usage() == {
        ("task", "c", "2026-11-01"): spent,
        ("task", OTHER_NAMES, "2026-11-01"): spent + spent,
    }
