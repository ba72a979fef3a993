"""A state with many tasks, each with one scored input: a sample is scored, and stored again under other names."""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import msgspec

from gateway.scorer.messages import Configure, Observation, ScoreSettings, TaskPolicy
from gateway.scorer.service import ScorerService, open_pack
from gateway.state.sqlite import SqliteStore
from gateway.state.store import StateChange, TaskRecord
from gateway.usage.ledger import UsageRows, UsageTotals

SAMPLE = 200
BATCH = 1000
TEXTS = ("What is {a} plus {b}?", "Name the longest river in region {a}.", "{a} lamps cost {b} euros each.")
SPENT = UsageTotals(1, 120, 40, Decimal("0.00031"), Decimal("0.00042"))


def task_name(number: int) -> str:
    """Return the name of a task, in no order, as a gateway is given one per customer."""
    return f"team-{number % 97:02}/customer-{number * 7919 % 1_000_003:07}"


def fill_state(path: Path, pack: Path, count: int) -> float:
    """Store `count` tasks, and what was spent on each; return seconds. pack: of the scored sample."""
    begun = time.perf_counter()
    store = SqliteStore(str(path))
    sample = _score_sample(store, pack)
    for start in range(0, count, BATCH):
        names = [task_name(number) for number in range(start, min(count, start + BATCH))]
        records = {name: sample[place % len(sample)] for place, name in enumerate(names)}
        store.update_task(names, lambda _, records=records: _copies(records, time.time()))  # type: ignore[misc]
        store.add_usage(_usage(names))
    store.close()
    return time.perf_counter() - begun


def _score_sample(store: SqliteStore, pack: Path) -> list[tuple[TaskRecord, bytes]]:
    """Score inputs of some tasks, and return what was stored of each; nothing of it stays."""
    opened = open_pack(pack, ScoreSettings())
    names = [f"sample-{number}" for number in range(SAMPLE)]
    policy = TaskPolicy(opened.router.pack.manifest.model_names)
    service = ScorerService(opened, store, Configure(str(pack), "", ScoreSettings(), policy))
    for number, name in enumerate(names):
        text = TEXTS[number % len(TEXTS)].format(a=number, b=3 * number)
        service.apply([Observation(name, json.dumps([{"role": "user", "content": text}]).encode())])
    found = [(store.read_task(name), store.recent_embeddings(name)[0]) for name in names]
    for name in names:
        store.forget_task(name)
    return found


def _copies(records: Mapping[str, tuple[TaskRecord, bytes]], now: float) -> dict[str, StateChange]:
    changes = {}
    for name, (record, embedding) in records.items():
        assert record.task is not None and record.decision is not None  # noqa: S101, PT018 - both were just stored
        decision = msgspec.structs.replace(record.decision, task=name)
        explanation = record.explanation
        change = StateChange(record.task, [embedding], decision, [decision], record.sampling_state, explanation)
        changes[name] = replace(change, used_at=now)
    return changes


def _usage(names: list[str]) -> UsageRows:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return {("task", name, day): SPENT for name in names}
