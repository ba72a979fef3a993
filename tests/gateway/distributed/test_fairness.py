"""Keys that share a shard's stream: counted in batches, with a gateway's end and a scorer's end in this process."""

import json
from collections.abc import Iterator

import msgspec
import pytest

from gateway.distributed.codec import Lease, encode_question
from gateway.distributed.crash_counters import open_crash_counter
from gateway.distributed.leases import acquire_lease
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.redis_keys import DEFAULT_KEYS, Shard
from gateway.distributed.shard_worker import ScoringContext, ShardWorker
from gateway.distributed.store import LeaseLost, RedisStore
from gateway.distributed.transport import KEY_WINDOW, MAX_HOLD_S, EventHandlers, RedisTransport
from gateway.observability.metrics import ScorerStats
from gateway.scorer.messages import BATCH_SIZE, BatchCounts, DryRun, Reply
from gateway.scorer.observation_queue import ObservationQueue
from gateway.scorer.service import NO_RETRY, OpenPack, ScorerService, ServiceHooks
from routing.router import Router
from tests.gateway.letters import Letters
from tests.gateway.packs import inputs, small_pack
from tests.gateway.redis_servers import RedisServer
from tests.gateway.scorer.test_scorer import START


class Fleet:
    """One gateway, one shard, one scorer."""

    def __init__(self, url: str) -> None:
        self.client = RedisClient(url, shards=1)
        self.stats = ScorerStats(BatchCounts())
        self.counter = open_crash_counter(None, "gateway")
        self.queue = ObservationQueue(self.stats)
        self.replies: list[Reply] = []
        handlers = EventHandlers(
            lambda decisions: None,
            lambda decisions, is_gone: None,
            lambda tasks: None,
            lambda data: self.replies.append(msgspec.msgpack.decode(data, type=Reply)),
        )
        self.transport = RedisTransport("gateway", self.client, self.queue, lambda task: "last_user", handlers, 10_000)
        self.transport.has_scorers = True
        self.transport.subscribe_events()
        self.store = RedisStore(self.client)
        leased = acquire_lease(self.client, Shard(0), "scorer", Lease(lease_ms=60_000))
        assert leased is not None
        pack = OpenPack(Router(small_pack(Letters())), Letters(), {})
        hooks = ServiceHooks(NO_RETRY, fatal=(LeaseLost,))
        context = ScoringContext(0, lambda store: ScorerService(pack, store, START, hooks, lambda: 0.0))
        self.worker = ShardWorker(leased, context, "scorer")
        self.batches = 0

    def observe(self, task: str, count: int, key: str | None) -> None:
        texts = inputs("sums", 50)
        for place in range(count):
            message = [{"role": "user", "content": texts[place % 50]}]
            self.queue.put_observation(task, json.dumps(message).encode(), key)

    def waiting(self) -> int:
        return int(self.client.execute("XLEN", Shard(0).stream_key))

    def send(self) -> None:
        self.transport.sync_counts(self.stats, self.counter)
        while self.transport.send_observations():
            pass

    def step(self) -> None:
        """What a gateway's thread and a scorer do while one batch is scored."""
        self.send()
        self.batches += self.worker.serve_batch()
        self.worker.work.stepwise.run_step()
        while self.transport.poll_events(0.01):
            pass


@pytest.fixture
def fleet(redis_server: RedisServer) -> Iterator[Fleet]:
    made = Fleet(redis_server.url)
    yield made
    made.transport.unsubscribe()
    made.client.close_connections()


def test_a_keys_one_input_is_decided_within_a_few_batches_of_another_keys_flood(fleet: Fleet) -> None:
    fleet.observe("flood", 5000, "a")
    for _ in range(3):
        fleet.step()
    assert fleet.waiting() <= KEY_WINDOW
    fleet.observe("one", 1, "b")
    begun = fleet.batches
    while fleet.store.read_task("one").decision is None:
        fleet.step()
        assert fleet.batches - begun <= KEY_WINDOW // BATCH_SIZE + 2
    assert fleet.stats.queued > 4000
    while fleet.queue.has_pending or fleet.transport.open_observations:
        fleet.step()
    assert fleet.stats.scored.observed == 5001
    assert fleet.stats.dropped == {}
    flood = fleet.store.read_task("flood").decision
    assert flood is not None
    assert all(not producer.by_key for producer in fleet.transport._producers.values())


def test_a_thousand_texts_to_decide_on_delay_no_batch(fleet: Fleet) -> None:
    question = encode_question(DEFAULT_KEYS.replies_channel("gateway"), DryRun(1, inputs("sums", 1000)))
    fleet.transport.send_question("any", question)
    fleet.transport.send_question(
        "any", encode_question(DEFAULT_KEYS.replies_channel("gateway"), DryRun(2, ["What is 1 plus 2?"]))
    )
    fleet.observe("one", 1, "b")
    fleet.step()
    assert fleet.store.read_task("one").decision is not None
    for _ in range(6):
        fleet.step()
    assert [reply.id for reply in fleet.replies] == [2]
    for _ in range(20):
        fleet.step()
    assert [reply.id for reply in fleet.replies] == [2, 1]
    assert fleet.replies[1].document is not None
    assert fleet.replies[1].document["n"] == 1000


def test_a_stream_that_is_full_takes_no_question(fleet: Fleet) -> None:
    fleet.transport._max_backlog = 3
    question = encode_question(DEFAULT_KEYS.replies_channel("gateway"), DryRun(1, ["What is 1 plus 2?"]))
    assert [fleet.transport.send_question("any", question) for _ in range(5)] == [True, True, True, False, False]
    assert fleet.waiting() == 3
    fleet.step()
    assert fleet.transport.send_question("any", question)


def test_without_keys_or_without_scorers_the_stream_takes_everything(fleet: Fleet) -> None:
    """It outlives the gateway, which the queue does not."""
    fleet.observe("anyone", 1000, None)
    fleet.send()
    assert (fleet.waiting(), fleet.stats.queued) == (1000, 0)
    fleet.transport.has_scorers = False
    fleet.observe("keyed", 1000, "a")
    fleet.send()
    assert (fleet.waiting(), fleet.stats.queued) == (2000, 0)


def test_a_shard_that_acknowledges_nothing_for_long_holds_nobody_back(fleet: Fleet) -> None:
    fleet.observe("flood", 1000, "a")
    fleet.send()
    assert (fleet.waiting(), fleet.transport.is_held_back) == (KEY_WINDOW, True)
    acked, since = fleet.transport._held[0]
    fleet.transport._held[0] = acked, since - MAX_HOLD_S
    fleet.send()
    assert (fleet.waiting(), fleet.transport.is_held_back) == (1000, False)
