"""The last hours, minute by minute: what the dashboard draws. In memory, bounded, of this gateway alone.

A request adds to three rows: the gateway's, its task's and its backend's. Latencies are counted in classes a fifth
apart, which is as exact as a drawing needs, and of which any number of minutes can be added up. Money is a float here;
what is owed stands in the ledger.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

MINUTE_S = 60
RETAINED_MINUTES = 180
"""How far back."""

MAX_ROWS = 4096
"""Tasks and backends told apart. Clients name tasks, so there must be a bound; the least recently seen go first."""

SERVER_ERROR = 500
CLIENT_ERROR = 400
US = 1_000_000

SeriesKind = Literal["gateway", "task", "backend"]


@dataclass(frozen=True, slots=True)
class RequestSample:
    """A request that has ended. seconds: from its first byte to its answer's last; own_s: of these, ours.

    usd, baseline_usd: what it cost, and would have at the best model on average. faults: backends that failed it.
    """

    task: str | None
    backend: str | None
    status: int
    broke: bool
    seconds: float
    overhead_s: float
    usd: float
    baseline_usd: float
    faults: tuple[str, ...] = ()


class Latency(NamedTuple):
    """How long a request took, in microseconds, and which classes that is."""

    total_us: int
    overhead_us: int
    total_bucket: int
    overhead_bucket: int


@dataclass(slots=True)
class Minute:
    """What happened in one minute. errors: 5xx, and streams that broke; refused: 4xx.

    all_us, own_us: sums in microseconds; all_classes, own_classes: how many requests took that long, see `class_of`.
    """

    number: int
    requests: int = 0
    errors: int = 0
    refused: int = 0
    total_us: int = 0
    overhead_us: int = 0
    usd: float = 0.0
    baseline_usd: float = 0.0
    total_buckets: Counter[int] = field(default_factory=Counter)
    overhead_buckets: Counter[int] = field(default_factory=Counter)

    def add_sample(self, seen: RequestSample, took: Latency) -> None:
        """One more request."""
        self.requests += 1
        if seen.broke or seen.status >= SERVER_ERROR:
            self.errors += 1
        elif seen.status >= CLIENT_ERROR:
            self.refused += 1
        self.total_us += took.total_us
        self.overhead_us += took.overhead_us
        self.total_buckets[took.total_bucket] += 1
        self.overhead_buckets[took.overhead_bucket] += 1
        self.usd += seen.usd
        self.baseline_usd += seen.baseline_usd

    def merge_minute(self, other: "Minute") -> None:
        """All that is in another one."""
        self.requests += other.requests
        self.errors += other.errors
        self.refused += other.refused
        self.total_us += other.total_us
        self.overhead_us += other.overhead_us
        self.usd += other.usd
        self.baseline_usd += other.baseline_usd
        self.total_buckets.update(other.total_buckets)
        self.overhead_buckets.update(other.overhead_buckets)


class MinuteSeries:
    """The rows, each with the minutes in which something happened."""

    def __init__(self, clock: Callable[[], float], kept: int = RETAINED_MINUTES, max_rows: int = MAX_ROWS) -> None:
        """clock: Unix time in seconds."""
        self._clock = clock
        self._kept = kept
        self._max_rows = max_rows
        self._rows: OrderedDict[tuple[SeriesKind, str], deque[Minute]] = OrderedDict()

    def add_sample(self, seen: RequestSample) -> None:
        """A request has ended. Takes a few microseconds, and never waits."""
        now, all_us, own_us = self.current_minute(), int(seen.seconds * US), int(seen.overhead_s * US)
        took = Latency(all_us, own_us, bucket_index(all_us), bucket_index(own_us))
        self._minute("gateway", "", now).add_sample(seen, took)
        if seen.task is not None:
            self._minute("task", seen.task, now).add_sample(seen, took)
        if seen.backend is not None:
            self._minute("backend", seen.backend, now).add_sample(seen, took)
        for backend in seen.faults:
            failed = self._minute("backend", backend, now)
            failed.requests += 1
            failed.errors += 1

    def add_samples(
        self, task: str, backend: str, times: Sequence[tuple[float, float]], usd: float, baseline_usd: float
    ) -> None:
        """Requests that went as they should. times: seconds and own_s of each; the rest as in Seen, of all together."""
        now, many = self.current_minute(), Minute(0, requests=len(times), usd=usd, baseline_usd=baseline_usd)
        for seconds, own_s in times:
            all_us, own_us = int(seconds * US), int(own_s * US)
            many.total_us += all_us
            many.overhead_us += own_us
            many.total_buckets[bucket_index(all_us)] += 1
            many.overhead_buckets[bucket_index(own_us)] += 1
        self._minute("gateway", "", now).merge_minute(many)
        self._minute("task", task, now).merge_minute(many)
        self._minute("backend", backend, now).merge_minute(many)

    def series_of(self, kind: SeriesKind, name: str = "", minutes: int = RETAINED_MINUTES) -> list[Minute]:
        """The minutes in which something happened, oldest first, of the last `minutes`, this one included."""
        first = self.current_minute() - minutes + 1
        return [minute for minute in self._rows.get((kind, name), ()) if minute.number >= first]

    def series_names(self, kind: SeriesKind) -> list[str]:
        """Those that have a row."""
        return sorted(name for of_kind, name in self._rows if of_kind == kind)

    def current_minute(self) -> int:
        """This minute, by number since 1970."""
        return int(self._clock() // MINUTE_S)

    def _minute(self, kind: SeriesKind, name: str, number: int) -> Minute:
        row = self._rows.get((kind, name))
        if row is None:
            if len(self._rows) >= self._max_rows:
                if ("gateway", "") in self._rows:
                    self._rows.move_to_end(("gateway", ""))
                self._rows.popitem(last=False)
            row = self._rows[kind, name] = deque(maxlen=self._kept)
        if not row or row[-1].number != number:
            row.append(Minute(number))
            self._rows.move_to_end((kind, name))
        return row[-1]


def bucket_index(us: int) -> int:
    """Which class a time belongs to: four to a doubling, the first ones a microsecond wide."""
    if us < 8:
        return max(us, 0)
    octave = us.bit_length()
    return 4 * octave + (us >> (octave - 3)) % 4 - 8


def bucket_upper_us(number: int) -> int:
    """Where a class ends, in microseconds: the least time that belongs to the next one."""
    if number < 8:
        return number + 1
    octave, quarter = divmod(number + 8, 4)
    return (5 + quarter) << (octave - 3)


def quantile_us(classes: Mapping[int, int], share: float) -> int | None:
    """The time that this share of requests did not exceed, in microseconds, at most a quarter too high."""
    rest = share * sum(classes.values())
    for number in sorted(classes):
        rest -= classes[number]
        if rest <= 0:
            return bucket_upper_us(number)
    return None


def merge_minutes(minutes: Iterable[Minute]) -> Minute:
    """All of them as one; its number is the last one's."""
    total = Minute(0)
    for minute in minutes:
        total.number = minute.number
        total.merge_minute(minute)
    return total
