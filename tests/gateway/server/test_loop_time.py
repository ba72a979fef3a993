"""Work that grows with the number of tasks, keys and settings does not hold the event loop.

With so many of them that one look at all holds it several times as long as the limit.
"""

import asyncio
import gc
import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.decision import Decision
from gateway.keys.client_keys import to_client_keys
from gateway.keys.quotas import QuotaShare, QuotaUsage
from gateway.server.template_writer import TemplateWriter
from gateway.sharing.buckets import CommonBuckets
from gateway.sharing.changes import SharedSettings
from gateway.sharing.event_loop import run_in_loop
from gateway.sharing.limits import LimitEvent, LocalState, SharedLimits
from gateway.state.sqlite import SqliteStore
from gateway.state.store import Eviction, StoredKey, StoredPolicy
from gateway.task_records import TaskEntry
from gateway.tasks.prompt_templates import PromptTemplates
from gateway.usage.ledger import NO_USAGE, UsageRows, UsageTotals
from gateway.usage.timeseries import RequestSample, sum_times
from tests.gateway.api.many_tasks import store_tasks
from tests.gateway.asking import ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.loop_time import MeasuredLoop
from tests.gateway.serving import Serving, configuration, serving_gateway

TASKS, BUSY, CONFIGURED, KEYS, ENTRIES = 30_000, 2_000, 1_000, 10_000, 3_000
UNDECIDED = [f"undecided-{number}" for number in range(1_500)]
MODELS = [f"model-{number:03}" for number in range(500)]
LIMIT_S = 0.01
"""CPU time of the longest callback: five slices of LoopShare, and half of what one look at all tasks takes here."""

NAMES = [f"team-{number % 97:02}/task-{number * 7919 % 1_000_003:07}" for number in range(TASKS)]
ADMIN = {"authorization": "Bearer admin"}
TASK = NAMES[4242]


@dataclass(frozen=True)
class Loaded:
    """A gateway with many tasks. text: its configuration."""

    serving: Serving
    loop: MeasuredLoop
    file: Path
    text: str

    def call(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """Call an endpoint; return its document."""
        sent = {} if body is None else {"content_type": "application/json"}
        response = ask(self.serving.url, path, body, method, **ADMIN, **sent)
        assert response.status == 200, response.body
        return response.body

    def run(self, work: Callable[[], Any]) -> None:
        """Run a job in the event loop."""

        async def run() -> None:
            found = work()
            if asyncio.iscoroutine(found):
                await found

        asyncio.run_coroutine_threadsafe(run(), self.serving.loop).result(60)

    def assert_short(self, *attempts: Callable[[], object]) -> None:
        """Each attempt does the same work: what holds the loop each time is the work, and not a busy machine."""
        found = []
        for attempt in attempts:
            self.loop.restart()
            attempt()
            self.run(lambda: None)  # a callback that sends a response ends after the client has it
            found.append(self.loop.restart())
            if found[-1].cpu_s < LIMIT_S:
                return
        raise AssertionError(f"held the event loop: {min(found, key=lambda one: one.cpu_s)}")


def fill(path: Path) -> None:
    store, spent = (
        SqliteStore(str(path)),
        UsageTotals(3, 10, 1, Decimal("0.01"), Decimal("0.02"), compared_usd=Decimal(0)),
    )
    for start in range(0, TASKS, 5000):
        store_tasks(store, NAMES[start : start + 5000], 1e9 + start)
    store.add_usage({("task", name, f"2026-11-{place % 28 + 1:02}"): spent for place, name in enumerate(NAMES)})
    for number in range(KEYS):
        terms = json.dumps({"name": f"key-{number:05}", "requests_per_minute": 100, "default_task": f"of-{number % 9}"})
        digest = hashlib.sha256(f"secret {number}".encode()).hexdigest()
        store.add_key(StoredKey(f"key-{number:05}", digest, float(number), terms))
    merged = [TaskEntry(f"old-{number}", merged_into=NAMES[number % 500]) for number in range(ENTRIES // 2)]
    named = [TaskEntry(name, name=f"Name of {name}") for name in NAMES[500 : 500 + ENTRIES // 2]]
    store.put_entries([*merged, *named])
    for name in NAMES[:50]:
        store.put_policy(StoredPolicy(name, 1, 1.0, "test", '{"shadow":true}'))
    store.close()


def add_minutes(serving: Serving) -> None:
    """Let many tasks have had requests in each minute of the last hour."""
    minutes, now, times = serving.gateway._minutes, time.time(), (sum_times([0.1]), sum_times([0.001]))
    clock = minutes._clock
    for age in range(60, -1, -1):
        minutes._clock = lambda age=age: now - 60 * age  # type: ignore[misc]
        for name in (*NAMES[:BUSY], *UNDECIDED):
            minutes.add_sample(RequestSample(name, "good/1", 200, False, 1, *times, 0.001, 0.002))
        for model in MODELS:
            minutes.add_sample(RequestSample(None, f"{model}/1", 200, False, 1, *times, 0.0, 0.0))
    minutes._clock = clock


def add_counts(serving: Serving) -> None:
    """Let all models have had requests."""
    metrics = serving.gateway._metrics
    for name in MODELS:
        for reason in ("score", "requested"):
            metrics.requests(name, reason, "200").inc()
        metrics.attempts(f"{name}/1", "ok").inc()
        metrics.tokens(name, "input").inc()
        metrics.duration.add_values((name,), (0.1,))


@pytest.fixture(scope="module")
def loaded(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    folder = tmp_path_factory.mktemp("loaded")
    fill(folder / "state.db")
    tasks = {f"configured-{number}": {"candidates": ["good"], "input": "all_user"} for number in range(CONFIGURED)}
    tasks |= {name: {"candidates": ["good", "other"]} for name in NAMES[1000:1100]}
    sections: dict[str, Any] = {
        "state": {"url": f"sqlite:///{folder}/state.db"},
        "admin": {"keys": [{"name": "root", "sha256": hashlib.sha256(b"admin").hexdigest()}]},
    }
    text = configuration(shared_upstream.base_url, ["good", "other", *MODELS], tasks=tasks, **sections)
    loop, file = MeasuredLoop(), folder / "config.yaml"
    with serving_gateway(text, file, loop) as serving:
        add_minutes(serving)
        add_counts(serving)
        ask(serving.url, "/v1/me", **ADMIN)  # builds the management API
        gc.collect()
        gc.freeze()  # the objects of all other tests are not this gateway's
        yield Loaded(serving, loop, file, text)


READS = (
    *("/v1/tasks", "/v1/tasks?limit=1000", "/v1/tasks?details=true&limit=1000", "/v1/tasks?search=task-0042"),
    *(
        "/v1/tasks?prefix=team-3",
        "/v1/tasks?details=true&search=task-00",
        "/v1/tasks?details=true&kind=worse&sort=savings",
    ),
    *(f"/v1/tasks?sort={sort}&limit=1000" for sort in ("recent", "cost", "confidence", "used")),
    *(
        "/v1/tasks?kind=pinned",
        "/v1/tasks?details=true&kind=automatic",
        f"/v1/tasks/{TASK}",
        f"/v1/tasks/{TASK}/policy",
    ),
    *("/v1/overview?limit=100", "/v1/usage?by=task&limit=1000", "/v1/usage?by=task&period=2020", "/v1/usage?by=key"),
    *("/v1/keys", "/v1/keys?limit=1000", "/v1/config", "/v1/decisions?limit=1000", "/v1/evictions?limit=1000"),
    *("/v1/activity", f"/v1/activity?task={TASK}", "/v1/packs", "/metrics"),
    *("/v1/models", "/v1/models/model-400", "/v1/backends?limit=1000", "/v1/tasks?sort=used&order=asc"),
    *("/v1/requests?limit=1000", "/v1/requests/export?format=json&limit=100000"),
)


@pytest.mark.parametrize("path", READS)
def test_a_page_does_not_hold_the_loop(loaded: Loaded, path: str) -> None:
    loaded.assert_short(*[lambda: loaded.call(path)] * 3)


def change_key(loaded: Loaded) -> None:
    loaded.call("/v1/keys", "POST", {"name": "another"})
    loaded.call("/v1/keys/another", "PATCH", {"requests_per_minute": 5})
    loaded.call("/v1/keys/another/rotate", "POST")
    loaded.call("/v1/keys/another", "DELETE")


def change_policy(loaded: Loaded) -> None:
    loaded.call(f"/v1/tasks/{TASK}/policy", "PUT", {"shadow": True})
    loaded.call(f"/v1/tasks/{TASK}/policy", "DELETE")


def change_task(loaded: Loaded) -> None:
    loaded.call(f"/v1/tasks/{TASK}", "PATCH", {"name": "A name"})
    loaded.call(f"/v1/tasks/{TASK}/merge", "POST", {"sources": NAMES[4000:4100]})
    for source in NAMES[4000:4003]:
        loaded.call(f"/v1/tasks/{source}/merge", "DELETE")


def delete_tasks(loaded: Loaded) -> None:
    deleted.extend(NAMES[5000 + len(deleted) : 5003 + len(deleted)])
    for name in deleted[-3:]:
        loaded.call(f"/v1/tasks/{name}", "DELETE")


deleted: list[str] = []


def reload(loaded: Loaded) -> None:
    """With other candidates for all tasks, and back: every route is derived again."""
    loaded.file.write_text(loaded.text.replace("- backends:", "- supports: []\n  backends:", 1))
    loaded.call("/v1/config/reload", "POST")
    loaded.file.write_text(loaded.text.replace("name: other", "name: third").replace("- other", "- third"))
    loaded.call("/v1/config/reload", "POST")
    loaded.file.write_text(loaded.text)
    loaded.call("/v1/config/reload", "POST")


@pytest.mark.parametrize("change", [change_key, change_policy, change_task, delete_tasks, reload])
def test_a_change_does_not_hold_the_loop(loaded: Loaded, change: Callable[[Loaded], None]) -> None:
    loaded.assert_short(*[lambda: change(loaded)] * 3)


def adopt_settings(loaded: Loaded) -> None:
    """Apply keys, policies and entries that another gateway has changed."""
    gateway = loaded.serving.gateway
    store = gateway.runtime.serving.services.store  # type: ignore[union-attr]  # it serves
    handlers = gateway._node_handlers().changes
    keys = to_client_keys(store.created_keys(), handlers.known_keys())
    settings = SharedSettings(keys, store.task_entries(), store.current_policies())
    loaded.run(lambda: settings.apply(handlers))


def adopt_other_keys(loaded: Loaded) -> None:
    """Apply keys of which all are others, as the first ones that a gateway on Redis gets."""
    gateway = loaded.serving.gateway
    store = gateway.runtime.serving.services.store  # type: ignore[union-attr]  # it serves
    keys = to_client_keys(store.created_keys())
    loaded.run(lambda: gateway._client_keys.replace_created(keys))


class OtherGateways:
    """What two gateways have in common: all keys are in use, and many tasks have other usage."""

    def __init__(self) -> None:
        self._buckets, self._keys = CommonBuckets(), [f"key-{number:05}" for number in range(KEYS)]
        self._spent = UsageTotals(5, 10, 1, Decimal("0.01"), Decimal("0.02"), compared_usd=Decimal(0))

    def active_keys(self, used: Sequence[str]) -> Collection[str]:
        return self._keys

    def exchange_quotas(
        self, gateway: str, gateways: int, usages: Mapping[str, QuotaUsage]
    ) -> Mapping[str, QuotaShare]:
        return self._buckets.exchange_quotas(gateway, gateways, usages, 1000 * time.monotonic())

    def publish_event(self, event: LimitEvent) -> None:
        pass

    def read_events(self, ttl_s: float) -> Iterable[LimitEvent]:
        return ()

    def usage_of(self, who: Sequence[tuple[str, str]]) -> UsageRows:
        return {(*one, "2026-11-01"): self._spent for one in who}

    def read_usage(self) -> UsageRows:
        return {("task", name, "2026-11-01"): self._spent for name in NAMES[:3000]}


def share_limits(loaded: Loaded) -> None:
    """Sync rate limits and usage with the other gateways, which become two, and one again."""
    gateway, counts = loaded.serving.gateway, iter((2, 1))
    parts = gateway._shared_parts()
    local = LocalState(
        *("own", parts.quotas, parts.ledger, parts.sessions, parts.responses, parts.backends), lambda: next(counts)
    )
    shared = SharedLimits(OtherGateways(), local, lambda work: run_in_loop(loaded.serving.loop, work))
    shared.sync()
    shared.sync()


def keep_usage(loaded: Loaded) -> None:
    """Keep the usage of an hour that the store could not take."""
    ledger = loaded.serving.gateway._ledger
    rows = {("task", name, "2026-11-01"): NO_USAGE for name in NAMES}

    def restore() -> None:
        ledger.restore_unsaved(rows)
        ledger._unsaved = {}

    loaded.run(restore)


def store_templates(loaded: Loaded) -> None:
    """Store all templates again, since Redis was emptied, and take in others' templates."""
    gateway, templates = loaded.serving.gateway, PromptTemplates()
    store = gateway.runtime.serving.services.store  # type: ignore[union-attr]  # it serves
    for number in range(2000):
        words = (hashlib.sha256(f"{number} {place}".encode()).hexdigest() for place in range(40))
        templates.find_task(f"key-{number % 20}", " ".join(word.translate(LETTERS) for word in words))
    writer = TemplateWriter(templates, store, gateway._minutes, gateway._task_manager.merge_twins, is_shared=False)
    loaded.run(writer.sync)
    loaded.run(TemplateWriter(PromptTemplates(), store, gateway._minutes, writer.on_twins, is_shared=True).load)


LETTERS = str.maketrans("0123456789", "ghijklmnop")
"""Words with digits count as values, which are masked."""


def add_names(loaded: Loaded) -> None:
    """List usage after many tasks have come."""

    def add() -> None:
        for number in range(200):
            loaded.serving.gateway._ledger._names["task"].add(f"new-{number}")

    loaded.run(add)
    loaded.call("/v1/usage?by=task")


def apply_news(loaded: Loaded) -> None:
    """Apply the largest messages of a scorer."""
    gateway = loaded.serving.gateway
    made = [Decision(name, 2, 2, "other", "score", ("other", "good"), 2.5) for name in NAMES[:100]]
    loaded.run(lambda: gateway._apply_decisions(made))
    loaded.run(lambda: gateway._on_evicted([Eviction(name, "max_tasks", 1.0) for name in NAMES[9000:9100]]))


JOBS = (adopt_settings, adopt_other_keys, share_limits, keep_usage, store_templates, add_names, apply_news)


@pytest.mark.parametrize("job", JOBS)
def test_a_job_does_not_hold_the_loop(loaded: Loaded, job: Callable[[Loaded], None]) -> None:
    loaded.assert_short(*[lambda: job(loaded)] * 3)


def test_one_look_at_all_tasks_does(loaded: Loaded) -> None:
    """That the limit means something: a stall that is planted is found, and named."""

    def look_at_all_tasks() -> None:
        table = loaded.serving.gateway._table
        assert len([table.route_task(name).ranking for name in NAMES]) == TASKS

    with pytest.raises(AssertionError, match="held the event loop"):
        loaded.assert_short(lambda: loaded.run(look_at_all_tasks))
