"""Thinning in a fleet: whoever holds a shard, and however often that changes, draws what one program would draw."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.distributed import scripts
from gateway.distributed.codec import JSON, Lease
from gateway.distributed.leases import acquire_lease
from gateway.distributed.producer import ShardProducer
from gateway.distributed.redis_client import RedisArg, RedisClient
from gateway.distributed.redis_keys import Shard
from gateway.distributed.scripts import ADD, Script
from gateway.distributed.shard_worker import ScoringContext, ShardWorker
from gateway.distributed.store import LeaseLost, RedisStore
from gateway.errors import StateError
from gateway.scorer.messages import Configure, Observation, ScoreSettings, TaskPolicy
from gateway.scorer.scorer import Scorer
from gateway.scorer.service import NO_RETRY, OpenPack, ScorerService, ServiceHooks
from gateway.scorer.task_reader import TaskReader
from gateway.state.sqlite import SqliteStore
from gateway.state.store import Store
from routing.pack import Pack, open_pack
from routing.router import Router
from tests.gateway.distributed.comparison import differing_tasks
from tests.gateway.distributed.deployments import MODELS, letters_pack
from tests.gateway.letters import Letters
from tests.gateway.packs import inputs
from tests.gateway.redis_servers import RedisServer

SHARD = Shard(0)
START = Configure(
    "",
    "",
    ScoreSettings(score="auto"),
    TaskPolicy(MODELS),
    {"few": TaskPolicy(MODELS, score="s3"), "declared": TaskPolicy(MODELS, dataset="sums")},
)
"""Both scores, and a task that is a dataset: all must decide the same in a fleet."""
STEPS = ("scores", "scores", "dies", "dies with a batch", "hears no answer", "is told nothing")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return open_pack(letters_pack(Path(tmp_path_factory.mktemp("packs")) / "letters"))


class Losing(RedisClient):
    """A connection that breaks when it is told to: behind a batch that was written, or before one."""

    breaks = ""

    def eval_script(self, script: Script, keys: Sequence[str], arguments: Sequence[RedisArg]) -> Any:
        breaks, self.breaks = (self.breaks, "") if script is scripts.APPLY else ("", self.breaks)
        answer = None if breaks == "before" else super().eval_script(script, keys, arguments)
        if breaks:
            raise StateError("the connection broke")
        return answer


@dataclass
class Shop:
    """One shard and the scorers that come and go at it."""

    pack: Pack
    client: Losing
    sending: ShardProducer = field(default_factory=ShardProducer)
    count: int = 0

    def add(self, observations: Sequence[Observation]) -> None:
        for seen in observations:
            self.sending.push_observation(seen.task, JSON + seen.messages)
        keys = [SHARD.stream_key, SHARD.info_key, SHARD.producers_key, SHARD.seen_key, SHARD.counts_key]
        while waiting := self.sending.unsent_entries(100):
            code, epoch, last, _ = self.client.eval_script(
                ADD, keys, self.sending.script_args("gateway", "epoch", waiting, 10_000)
            )
            self.sending.on_add_reply(code, epoch.decode(), last)

    def scorer(self, store: Store) -> Scorer:
        return Scorer(TaskReader(Router(self.pack), store, START, lambda: 0.0), Letters())

    def next_desk(self) -> ShardWorker:
        self.client.execute("DEL", SHARD.lease_key)
        self.count += 1
        store = acquire_lease(self.client, SHARD, str(self.count), Lease(lease_ms=60_000))
        assert store is not None
        pack = OpenPack(Router(self.pack), Letters(), {})
        hooks = ServiceHooks(NO_RETRY, fatal=(LeaseLost,))
        context = ScoringContext(0, lambda store: ScorerService(pack, store, START, hooks, lambda: 0.0))
        return ShardWorker(store, context, str(self.count))

    def through(self, steps: Sequence[str]) -> None:
        desk = self.next_desk()
        for step in steps:
            self.client.breaks = {"hears no answer": "behind", "is told nothing": "before"}.get(step, "")
            if step == "dies with a batch" and not desk.left:
                desk.store.read_batch(str(self.count), 40)
            if step.startswith("dies"):
                desk = self.next_desk()
            with suppress(StateError):
                desk.serve_batch()
        self.client.breaks = ""
        while desk.serve_batch():
            pass


def observations(many: int) -> list[Observation]:
    """Of a task with most of them and of two with few."""
    texts = inputs("sums", many)
    return [
        Observation(
            {4: "few", 5: "declared"}.get(place % 9, "many"), json.dumps([{"role": "user", "content": text}]).encode()
        )
        for place, text in enumerate(texts)
    ]


@pytest.mark.slow
@given(st.lists(st.sampled_from(STEPS), max_size=25))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_after_kills_and_lost_answers_a_fleet_has_drawn_what_one_program_draws(
    pack: Pack, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    with redis_server.client() as client:
        client.flushall()
    shop, given_ = Shop(pack, Losing(redis_server.url, shards=1)), observations(320)
    shop.add(given_)
    shop.through(steps)
    single = SqliteStore(str(tmp_path_factory.mktemp("single") / "state.db"))
    told = shop.scorer(single).observe_batch(given_)
    assert told.counts.skipped > 50
    assert differing_tasks(RedisStore(shop.client), single) == []
    counted = shop.client.execute("HMGET", SHARD.counts_key, "gateway:done", "gateway:observed", "gateway:skipped")
    assert [int(count) for count in counted] == [320, 320, told.counts.skipped]
    assert shop.client.execute("HGET", SHARD.info_key, "waiting") == b"0"
    shop.client.close_connections()
    single.close()
