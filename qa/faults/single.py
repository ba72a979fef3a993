"""The same inputs, scored by one program on SQLite: what the distributed deployment is compared with."""

from collections.abc import Sequence
from pathlib import Path

from gateway.distributed.codec import StreamEntry, parse_entries
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.store import RedisStore
from gateway.scorer.messages import Configure, Observation, ScoreSettings, TaskPolicy
from gateway.scorer.scorer import Scorer
from gateway.scorer.task_reader import TaskReader
from gateway.state.sqlite import SqliteStore
from gateway.state.store import Store
from qa.faults.material import MODELS
from routing.pack import open_pack
from routing.router import Router
from tests.gateway.letters import Letters

BATCH_SIZE = 64


def create_scorer(store: Store, pack: Path, models: Sequence[str] = MODELS) -> Scorer:
    """Return a scorer as an embedded gateway has it."""
    start = Configure("", "", ScoreSettings(), TaskPolicy(models))
    return Scorer(TaskReader(Router(open_pack(pack)), store, start, lambda: 0.0), Letters())


def read_streams(client: RedisClient) -> list[StreamEntry]:
    """Return the entries of all shards' streams, shard by shard: every observation that Redis still has."""
    shards = RedisStore(client).all_shards()
    found = [parse_entries(client.execute("XRANGE", shard.stream_key, "-", "+")) for shard in shards]
    return [entry for entries in found for entry in entries]


def score_streams(client: RedisClient, pack: Path, folder: Path, models: Sequence[str] = MODELS) -> SqliteStore:
    """Score the streams' observations in one program and return its store, in folder/single.db."""
    store = SqliteStore(str(folder / "single.db"))
    scorer = create_scorer(store, pack, models)
    entries = read_streams(client)
    for start in range(0, len(entries), BATCH_SIZE):
        batch = entries[start : start + BATCH_SIZE]
        scorer.observe_batch([Observation(entry.task, entry.body[1:]) for entry in batch])
    return store
