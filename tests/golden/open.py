"""The one module here that knows the gateway's own code: it opens a state as the programs do, and reads all of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gateway.state import Store, open_store


def read_state(url: str) -> dict[str, Any]:
    """Everything a state holds, as JSON; bytes as their SHA-256."""
    store = open_store(url)
    try:
        return {
            "tasks": {name: _task(store, name) for name in store.names()},
            "decisions": sorted(store.decisions()),
            "sampling states": {name: _digest(state) for name, state in store.paces(store.names()).items()},
            "keys": [asdict(key) for key in store.created_keys()],
            "policies": [asdict(policy) for policy in store.policies()],
            "policy history": [asdict(policy) for policy in store.policy_history("pinned")],
            "usage": sorted(
                [*who, spent.requests, spent.input_tokens, spent.output_tokens, str(spent.usd), str(spent.baseline_usd)]
                for who, spent in store.spent().items()
            ),
        }
    finally:
        store.close()


def _task(store: Store, name: str) -> dict[str, Any]:
    stored, ring = store.stored(name), store.ring(name)
    task, decision = stored.task, stored.decision
    assert task is not None
    return {
        "sums": [task.basis, task.n, task.seen, _digest(task.sums)],
        "decision": None if decision is None else [decision.version, decision.model, decision.reason, decision.at],
        "ranking": None if decision is None else list(decision.ranking),
        "ring": [len(ring), _digest(ring)],
        "changes": [[made.version, made.n, made.model, made.reason, made.at] for made in store.history(name)],
    }


def _digest(data: bytes | Sequence[bytes]) -> str:
    pieces = [data] if isinstance(data, bytes) else data
    return hashlib.sha256(b"".join(b"%d:%b" % (len(piece), piece) for piece in pieces)).hexdigest()[:16]
