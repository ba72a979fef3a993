"""What a single program makes of the same inputs, and whether the fleet made the same."""

from collections.abc import Sequence
from pathlib import Path

from gateway.distributed.redis_client import RedisClient
from gateway.distributed.store import RedisStore
from gateway.distributed.stream_entries import StreamEntry, parse_entries
from gateway.scorer.messages import Configure, Observation, ScoreSettings, TaskPolicy
from gateway.scorer.scorer import Scorer
from gateway.state.sqlite import SqliteStore
from gateway.state.store import Store
from qa.faults.letters import Letters
from qa.faults.material import MODELS
from routing.pack import open_pack
from routing.router import Router

AT_ONCE = 64


def scorer_on(store: Store, pack: Path, models: Sequence[str] = MODELS) -> Scorer:
    """A scorer as a gateway by itself has it."""
    start = Configure("", "", ScoreSettings(), TaskPolicy(models))
    return Scorer(Router(open_pack(pack)), Letters(), store, start, lambda: 0.0)


def streamed(client: RedisClient) -> list[StreamEntry]:
    """What lies in the streams, shard by shard: all that was scored, where the fleet keeps it."""
    shards = RedisStore(client).all_shards()
    found = [parse_entries(client.execute("XRANGE", shard.stream_key, "-", "+")) for shard in shards]
    return [entry for some in found for entry in some]


def single(client: RedisClient, pack: Path, folder: Path, models: Sequence[str] = MODELS) -> SqliteStore:
    """One program, on SQLite."""
    store = SqliteStore(str(folder / "single.db"))
    scorer = scorer_on(store, pack, models)
    entries = streamed(client)
    for start in range(0, len(entries), AT_ONCE):
        scorer.observe_batch([Observation(entry.task, entry.body[1:]) for entry in entries[start : start + AT_ONCE]])
    return store


def differences(found: Store, expected: Store) -> list[str]:
    """Where two stores differ: in any task's sums and pace to the bit, ring, model, version, ranking, or history."""
    if list(found.task_names()) != list(expected.task_names()):
        return [f"tasks: {len(found.task_names())} and {len(expected.task_names())}"]
    return [task for task in expected.task_names() if _told(found, task) != _told(expected, task)]


def _told(store: Store, task: str) -> object:
    kept = store.read_task(task)
    made = kept.decision
    decision = made and (made.version, made.n, made.model, made.reason, tuple(made.ranking), made.explanation)
    turns = [(turn.version, turn.n, turn.model) for turn in store.decision_changes(task)]
    return kept.task, kept.sampling_state, decision, list(store.recent_embeddings(task)), turns
