"""History: what requests were, by minute and by hour, of the gateway and of each task, model, backend and key.

    batches (event loop)  ->  HistoryBuffer  ->  HistoryRows (a thread)  ->  store, which adds them to what it has

The event loop appends each batch of requests; a thread makes samples of them and sums these. Every sample is counted in
its minute and in its hour at once, so both always have the same sum. Series are bounded: the busiest MAX_NAMES names of
a kind have counts of their own in a minute or hour, and all others are one series, OTHER_NAMES.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from heapq import nlargest

import msgspec

from gateway.decision import Decision
from gateway.usage.history_counts import (
    FIRST_TOKEN_TIMES,
    OVERHEAD_TIMES,
    TOTAL_TIMES,
    Counts,
    Slot,
    add_counts,
    add_routed,
    add_times,
    to_pico_usd,
)
from gateway.usage.ledger import OTHER_NAMES, UsageBatch
from gateway.usage.timeseries import CLIENT_ERROR, SERVER_ERROR, SeriesKind, TimeSums

MINUTE_S, HOUR_S = 60, 3600
RETENTION_S: Mapping[int, int] = {MINUTE_S: 48 * HOUR_S, HOUR_S: 90 * 24 * HOUR_S}
"""How long minutes and hours are stored, by their length."""

MAX_NAMES: Mapping[int, int] = {MINUTE_S: 100, HOUR_S: 200}
"""Names of a kind with counts of their own in one minute, and in one hour."""

MAX_RANKED = 2_000
MAX_QUIET_CHANGES = 20
"""Tasks without many requests that get series of their own because their models changed."""

HALF_LIFE_S = HOUR_S
GIVE_WAY_EVERY = 64
"""Samples or rows between two calls of `give_way`: half a millisecond of work."""

PAUSE_S = 50e-6

SampleMaker = Callable[[], "HistorySample"]
SeriesName = tuple[SeriesKind, str]
Bucket = tuple[int, int]
"""Length in seconds, MINUTE_S or HOUR_S, and start divided by it: minutes or hours since 1970."""

HistoryRows = dict[Bucket, dict[SeriesName, Counts]]
GATEWAY_SERIES: SeriesName = ("gateway", "")


class HistorySample(msgspec.Struct, frozen=True):
    """Finished requests that are counted alike.

    Attributes:
        names: the series that they belong to, beside the gateway's.
        status: HTTP status.
        broke: true for streams that ended early.
        requests: their number.
        totals: times from each request's first byte to its response's last.
        overheads: the gateway's share of them.
        first_tokens: of streams, from the request's last byte to the first token.
        usage: of those with any.
        usd: cost of all together.
        unpriced: requests without a price.
        compared_usd, baseline_usd: as in gateway.usage.ledger.UsageTotals.
        is_routed: true where routing chose their model.
        faults: backends that failed each of them.
        at: Unix time in seconds.
    """

    names: tuple[SeriesName, ...]
    status: int
    broke: bool
    requests: int
    totals: TimeSums
    overheads: TimeSums
    first_tokens: TimeSums
    usage: UsageBatch
    usd: Decimal
    unpriced: int
    compared_usd: Decimal
    baseline_usd: Decimal
    is_routed: bool
    faults: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class ChangeMark:
    """A decision that changed a task's model. Every gateway of a fleet sees it, and it counts once.

    Attributes:
        at: Unix time of the decision in seconds, the same for all of them.
        name: the task whose series it counts in, OTHER_NAMES for that of the less busy ones.
    """

    task: str
    version: int
    at: float
    name: str

    @property
    def identity(self) -> str:
        """Text that is the same in all gateways, and another one for every other decision."""
        return f"{self.task} {self.version} {self.at!r}"


class HistoryBuffer:
    """Samples and changes since the last `drain`. Nothing in here waits or sums."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """clock: Unix time in seconds."""
        self.clock = clock
        self._samples: list[SampleMaker] = []
        self._changes: list[ChangeMark] = []

    def add_sample(self, make: SampleMaker) -> None:
        """Take requests that have ended. make: called later, in a thread."""
        self._samples.append(make)

    def add_change(self, decision: Decision) -> None:
        """Take a decision that changed a task's model."""
        self._changes.append(ChangeMark(decision.task, decision.version, decision.at, decision.task))

    def drain(self) -> tuple[Sequence[SampleMaker], Sequence[ChangeMark]]:
        """Return what was added since the last call."""
        drained = self._samples, self._changes
        self._samples, self._changes = [], []
        return drained


class NameRanking:
    """Names of each kind by their recent requests: those that have series of their own."""

    def __init__(self) -> None:
        self._weights: dict[SeriesKind, dict[str, float]] = {}
        self._halved_at = 0.0

    def __len__(self) -> int:
        """Return the number of names that are remembered."""
        return sum(map(len, self._weights.values()))

    def count_requests(self, series: Mapping[SeriesName, Counts], now: float) -> None:
        """Take in the requests of series. now: Unix time in seconds."""
        self._age_weights(now)
        for (kind, name), counts in series.items():
            weights = self._weights.setdefault(kind, {})
            weights[name] = weights.get(name, 0.0) + counts.get(Slot.REQUESTS, 0)
        for kind, weights in self._weights.items():
            if len(weights) > MAX_RANKED:
                # Clients name tasks. A name that is dropped here begins again with its next request.
                self._weights[kind] = {name: weights[name] for name in _heaviest(weights, MAX_RANKED)}

    def fold_others(self, series: Mapping[SeriesName, Counts], max_names: int) -> dict[SeriesName, Counts]:
        """Return series, the busiest first; of each kind, those beyond the busiest `max_names` are summed."""
        kept = {kind: self.busiest_names(kind, max_names) for kind in self._weights}
        folded: dict[SeriesName, Counts] = {}
        for number, (kind, name) in enumerate(sorted(series, key=self._weight_of, reverse=True)):
            give_way(number)
            place = (kind, name if name in kept[kind] else OTHER_NAMES)
            add_counts(folded.setdefault(place, {}), series[kind, name])
        return folded

    def busiest_names(self, kind: SeriesKind, max_names: int) -> set[str]:
        """Return the busiest names of a kind."""
        return set(_heaviest(self._weights.get(kind, {}), max_names))

    def _weight_of(self, series: SeriesName) -> float:
        return self._weights[series[0]].get(series[1], 0.0)

    def _age_weights(self, now: float) -> None:
        if now - self._halved_at >= HALF_LIFE_S:
            self._halved_at = now
            for weights in self._weights.values():
                for name in weights:
                    weights[name] /= 2


def give_way(number: int = 0, every: int = GIVE_WAY_EVERY) -> None:
    """Let the event loop have its turn after every so many pieces of work in a thread. number: of the piece.

    A pause above 0: a thread that only gives up Python's lock has it again before the one that waits for it wakes up,
    and that one may then wait for 5 ms (sys.getswitchinterval).
    """
    if number % every == 0:
        time.sleep(PAUSE_S)


def sum_samples(samples: Iterable[HistorySample]) -> HistoryRows:
    """Return the counts of samples by minute and by series."""
    # Samples of one kind of request first, which come several times a second: only their sums go into each series.
    alike: dict[tuple[int, tuple[SeriesName, ...], tuple[str, ...]], Counts] = {}
    for number, sample in enumerate(samples):
        give_way(number)
        place = int(sample.at // MINUTE_S), sample.names, sample.faults
        add_counts(alike.setdefault(place, {}), _count(sample))
    minutes = HistoryRows()
    for number, ((minute, names, faults), counts) in enumerate(alike.items()):
        give_way(number)
        series = minutes.setdefault((MINUTE_S, minute), {})
        for name in (GATEWAY_SERIES, *names):
            add_counts(series.setdefault(name, {}), counts)
        for backend in faults:
            failed: Counts = {Slot.REQUESTS: counts[Slot.REQUESTS], Slot.ERRORS: counts[Slot.REQUESTS]}
            add_counts(series.setdefault(("backend", backend), {}), failed)
    return minutes


def with_hours(minutes: HistoryRows, ranking: NameRanking, now: float) -> HistoryRows:
    """Return minutes and their hours, both with the less busy names folded. now: Unix time in seconds."""
    rows = HistoryRows()
    for (_, number), series in minutes.items():
        ranking.count_requests(series, now)
        rows[MINUTE_S, number] = ranking.fold_others(series, MAX_NAMES[MINUTE_S])
        hour = rows.setdefault((HOUR_S, number * MINUTE_S // HOUR_S), {})
        add_series(hour, ranking.fold_others(series, MAX_NAMES[HOUR_S]))
    return rows


def _heaviest(weights: Mapping[str, float], count: int) -> Iterable[str]:
    return weights if len(weights) <= count else nlargest(count, weights, key=weights.__getitem__)


def place_changes(changes: Sequence[ChangeMark], ranking: NameRanking) -> Sequence[ChangeMark]:
    """Return changes with the series they count in.

    With a new pack thousands of tasks may change at once: those without many requests take no series from those with.
    """
    busy = ranking.busiest_names("task", MAX_NAMES[MINUTE_S])
    if len({change.task for change in changes} - busy) <= MAX_QUIET_CHANGES:
        return changes
    return [change if change.task in busy else replace(change, name=OTHER_NAMES) for change in changes]


def count_changes(changes: Iterable[ChangeMark]) -> HistoryRows:
    """Return changes as counts of the gateway and of their tasks, by minute and by hour."""
    rows = HistoryRows()
    for change in changes:
        for step_s in (MINUTE_S, HOUR_S):
            series = rows.setdefault((step_s, int(change.at // step_s)), {})
            for place in (GATEWAY_SERIES, ("task", change.name)):
                add_counts(series.setdefault(place, {}), {Slot.CHANGES: 1})
    return rows


def add_rows(total: HistoryRows, added: HistoryRows) -> None:
    """Add rows to a total."""
    for bucket, series in added.items():
        add_series(total.setdefault(bucket, {}), series)


def add_series(total: dict[SeriesName, Counts], added: Mapping[SeriesName, Counts]) -> None:
    """Add the counts of series to a total."""
    for number, (place, counts) in enumerate(added.items()):
        give_way(number)
        add_counts(total.setdefault(place, {}), counts)


def is_retained(bucket: Bucket, now: float) -> bool:
    """Return True for a minute or hour that is still stored. now: Unix time in seconds."""
    step_s, number = bucket
    return (number + 1) * step_s > now - RETENTION_S[step_s]


def _count(sample: HistorySample) -> Counts:
    requests, usage = sample.requests, sample.usage
    counts: Counts = {Slot.REQUESTS: requests}
    if sample.broke or sample.status >= SERVER_ERROR:
        counts[Slot.ERRORS] = requests
    elif sample.status >= CLIENT_ERROR:
        counts[Slot.REJECTED] = requests
    add_times(counts, TOTAL_TIMES, Slot.TOTAL_US, sample.totals)
    add_times(counts, OVERHEAD_TIMES, Slot.OVERHEAD_US, sample.overheads)
    add_times(counts, FIRST_TOKEN_TIMES, Slot.FIRST_TOKEN_US, sample.first_tokens)
    if usage.requests:
        counts[Slot.INPUT_TOKENS], counts[Slot.OUTPUT_TOKENS] = usage.all_input_tokens, usage.all_output_tokens
        counts[Slot.USD] = to_pico_usd(sample.usd)
        counts[Slot.UNPRICED], counts[Slot.ESTIMATED] = sample.unpriced, usage.estimated
        counts[Slot.COMPARED_USD] = to_pico_usd(sample.compared_usd)
        counts[Slot.BASELINE_USD] = to_pico_usd(sample.baseline_usd)
        if sample.is_routed and not sample.unpriced:
            add_routed(counts, usage, sample.usd)
    return counts
