"""The one module here that knows the gateway's own code: it opens a state as the programs do, and reads all of it."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.distributed.redis_client import RedisClient
from gateway.distributed.store import RedisStore
from gateway.state.sqlite import open_store
from gateway.state.store import Store


def read_state(url: str) -> dict[str, Any]:
    """Everything a state holds, as JSON; bytes as their SHA-256."""
    store: Store = open_store(url) if url.startswith("sqlite:") else RedisStore(RedisClient(url))
    try:
        return {
            "tasks": {name: _task(store, name) for name in store.task_names()},
            "decisions": sorted(store.read_decisions()),
            "sampling states": {
                name: _digest(state) for name, state in store.sampling_states(store.task_names()).items()
            },
            "keys": [msgspec.to_builtins(key) for key in store.created_keys()],
            "policies": [msgspec.to_builtins(policy) for policy in store.current_policies()],
            "policy history": [msgspec.to_builtins(policy) for policy in store.policy_history("pinned")],
            "usage": sorted(
                [*who, spent.requests, spent.input_tokens, spent.output_tokens, str(spent.usd), str(spent.baseline_usd)]
                for who, spent in store.read_usage().items()
            ),
        }
    finally:
        store.close()


def _task(store: Store, name: str) -> dict[str, Any]:
    stored, ring = store.read_task(name), store.recent_embeddings(name)
    task, decision = stored.task, stored.decision
    assert task is not None
    return {
        "sums": [task.sums_version, task.n, task.total_seen, _digest(task.sums)],
        "decision": None if decision is None else [decision.version, decision.model, decision.reason, decision.at],
        "ranking": None if decision is None else list(decision.ranking),
        "ring": [len(ring), _digest(ring)],
        "changes": [[made.version, made.n, made.model, made.reason, made.at] for made in store.decision_changes(name)],
    }


def _digest(data: bytes | Sequence[bytes]) -> str:
    pieces = [data] if isinstance(data, bytes) else data
    return hashlib.sha256(b"".join(b"%d:%b" % (len(piece), piece) for piece in pieces)).hexdigest()[:16]
