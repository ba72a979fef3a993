"""Batches of finished requests as samples of the history."""

from collections.abc import Collection, Iterable
from functools import partial

from gateway.config import ModelConfig
from gateway.http import headers as names
from gateway.proxy.accounting import Batch, BatchKey
from gateway.usage.history import HistoryBuffer, HistorySample, SeriesName
from gateway.usage.ledger import UsageTotals
from gateway.vocabulary import UNROUTED


class HistoryRecorder:
    """Adds batches to a buffer of history."""

    def __init__(self, buffer: HistoryBuffer, other_kinds: Collection[str]) -> None:
        """other_kinds: models of a kind that is not chosen by score: embeddings, images and others."""
        self._buffer = buffer
        self._other_kinds = other_kinds

    def add_batch(self, key: BatchKey, batch: Batch, spent: UsageTotals) -> None:
        """Add requests that are counted together, and what they cost."""
        # A call to make the sample, in place of the sample: this runs in the event loop, and that in a thread.
        self._buffer.add_sample(partial(_to_sample, key, batch, spent, self._other_kinds, self._buffer.clock()))


def _to_sample(
    key: BatchKey, batch: Batch, spent: UsageTotals, other_kinds: Collection[str], at: float
) -> HistorySample:
    return HistorySample(
        names=_series_of(key),
        status=key.status,
        broke=key.is_broken,
        requests=batch.requests,
        totals=batch.totals,
        overheads=batch.overheads,
        first_tokens=batch.first_tokens,
        usage=batch.usage,
        usd=spent.usd,
        unpriced=spent.unpriced,
        compared_usd=spent.compared_usd,
        baseline_usd=spent.baseline_usd,
        # As the ledger's: what no decision chose is compared with nothing.
        is_routed=key.reason not in UNROUTED and not key.is_cached and key.model not in other_kinds,
        faults=key.failed_backends,
        at=at,
    )


def names_of_other_kinds(models: Iterable[ModelConfig]) -> Collection[str]:
    """Return the models that are not for chat: those are not chosen by score."""
    return frozenset([model.name for model in models if model.kind != "chat"])


def _series_of(key: BatchKey) -> tuple[SeriesName, ...]:
    named: list[SeriesName] = []
    if key.task is not None:
        named.append(("task", key.task))
    if key.model != names.NONE:
        named.append(("model", key.model))
    if key.backend != names.NONE:
        named.append(("backend", key.backend))
    if key.key is not None:
        named.append(("key", key.key))
    return tuple(named)
