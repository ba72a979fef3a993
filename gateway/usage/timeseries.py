"""The last hours by minute, for lists and while the state cannot be read: in memory, bounded, of this gateway alone.

A request is counted in three series: the gateway's, its task's and its backend's. Latencies are histograms with
buckets about a fifth wide, exact enough for a chart, and can be added over any number of minutes. Money is a float
here; the exact amounts are in the ledger.
"""

from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import floor
from typing import Literal

import msgspec

MINUTE_S = 60
RETAINED_MINUTES = 180
"""Length of a series."""

MAX_ROWS = 4096
"""Maximum number of series. Clients name tasks, so it is bounded; the least recently used are evicted first."""

SERVER_ERROR = 500
CLIENT_ERROR = 400
US = 1e6

SeriesKind = Literal["gateway", "task", "model", "backend", "key"]


@dataclass(frozen=True, slots=True)
class TimeSums:
    """Times of several requests, as they are counted everywhere.

    Attributes:
        us: their sum in microseconds.
        buckets: how many there are by `bucket_index`.
    """

    us: int = 0
    buckets: Mapping[int, int] = field(default_factory=dict)


NO_TIMES = TimeSums()


@dataclass(frozen=True, slots=True)
class RequestSample:
    """Finished requests that are counted alike.

    Attributes:
        task: None where none was known.
        backend: the backend that responded, None where none did.
        status: HTTP status.
        broke: true for streams that ended early.
        requests: their number.
        totals: times from each request's first byte to its response's last.
        overheads: the gateway's share of them.
        usd: cost of all together.
        baseline_usd: cost of those that routing chose a model for, at the best model on average.
        compared_usd: what these did cost.
        faults: backends that failed each of them.
    """

    task: str | None
    backend: str | None
    status: int
    broke: bool
    requests: int
    totals: TimeSums
    overheads: TimeSums
    usd: float
    baseline_usd: float
    faults: tuple[str, ...] = ()
    compared_usd: float = 0.0


class Minute(msgspec.Struct, gc=False):
    """Counts of one minute. There are up to 700,000: the garbage collector would look at all of them, for 200 ms.

    Attributes:
        number: minutes since 1970.
        requests: all of them.
        errors: responses with 5xx, and streams that ended early.
        refused: responses with 4xx.
        total_us: sum of times in microseconds.
        overhead_us: the gateway's share of it.
        usd: cost.
        baseline_usd: cost of routed requests at the best model on average.
        compared_usd: what these did cost.
        total_buckets: histogram of times, by `bucket_index`.
        overhead_buckets: histogram of the gateway's share.
    """

    number: int
    requests: int = 0
    errors: int = 0
    refused: int = 0
    total_us: int = 0
    overhead_us: int = 0
    usd: float = 0.0
    baseline_usd: float = 0.0
    total_buckets: dict[int, int] = msgspec.field(default_factory=dict)
    overhead_buckets: dict[int, int] = msgspec.field(default_factory=dict)
    compared_usd: float = 0.0

    def add_sample(self, sample: RequestSample) -> None:
        """Add finished requests."""
        self.requests += sample.requests
        if sample.broke or sample.status >= SERVER_ERROR:
            self.errors += sample.requests
        elif sample.status >= CLIENT_ERROR:
            self.refused += sample.requests
        self.total_us += sample.totals.us
        self.overhead_us += sample.overheads.us
        self.usd += sample.usd
        self.baseline_usd += sample.baseline_usd
        self.compared_usd += sample.compared_usd
        _add_buckets(self.total_buckets, sample.totals.buckets)
        _add_buckets(self.overhead_buckets, sample.overheads.buckets)

    def merge_minute(self, other: "Minute") -> None:
        """Add the counts of another minute."""
        self.requests += other.requests
        self.errors += other.errors
        self.refused += other.refused
        self.total_us += other.total_us
        self.overhead_us += other.overhead_us
        self.usd += other.usd
        self.baseline_usd += other.baseline_usd
        self.compared_usd += other.compared_usd
        _add_buckets(self.total_buckets, other.total_buckets)
        _add_buckets(self.overhead_buckets, other.overhead_buckets)


def _add_buckets(counts: dict[int, int], added: Mapping[int, int]) -> None:
    for bucket, number in added.items():
        counts[bucket] = counts.get(bucket, 0) + number


class MinuteSeries:
    """All series, each with the minutes in which something happened."""

    def __init__(self, clock: Callable[[], float], retained: int = RETAINED_MINUTES, max_rows: int = MAX_ROWS) -> None:
        """clock: Unix time in seconds."""
        self._clock = clock
        self._retained = retained
        self._max_rows = max_rows
        self._rows: OrderedDict[tuple[SeriesKind, str], deque[Minute]] = OrderedDict()

    def add_sample(self, sample: RequestSample) -> None:
        """Count finished requests."""
        now = self.current_minute()
        self._minute("gateway", "", now).add_sample(sample)
        if sample.task is not None:
            self._minute("task", sample.task, now).add_sample(sample)
        if sample.backend is not None:
            self._minute("backend", sample.backend, now).add_sample(sample)
        for backend in sample.faults:
            failed = self._minute("backend", backend, now)
            failed.requests += sample.requests
            failed.errors += sample.requests

    def series_of(self, kind: SeriesKind, name: str = "", minutes: int = RETAINED_MINUTES) -> list[Minute]:
        """Return the non-empty minutes of the last `minutes`, the present one included, oldest first."""
        first = self.current_minute() - minutes + 1
        return [minute for minute in self._rows.get((kind, name), ()) if minute.number >= first]

    def series_names(self, kind: SeriesKind) -> list[str]:
        """Return the names with a series, sorted."""
        return sorted(name for of_kind, name in self._rows if of_kind == kind)

    def requests_by_name(self, kind: SeriesKind, minutes: int) -> Iterator[tuple[str, int]]:
        """Yield the names with a series, and their requests in the last `minutes`, the present one included."""
        first = self.current_minute() - minutes + 1
        for (of_kind, name), row in list(self._rows.items()):
            if of_kind == kind:
                count = 0
                for minute in reversed(row):
                    if minute.number < first:
                        break
                    count += minute.requests
                yield name, count

    def discard(self, kind: SeriesKind, name: str) -> None:
        """Remove a series if it is there."""
        self._rows.pop((kind, name), None)

    def now(self) -> float:
        """Return Unix time in seconds."""
        return self._clock()

    def current_minute(self) -> int:
        """Return the number of the present minute since 1970."""
        return int(self._clock() // MINUTE_S)

    def _minute(self, kind: SeriesKind, name: str, number: int) -> Minute:
        row = self._rows.get((kind, name))
        if row is None:
            if len(self._rows) >= self._max_rows:
                # The gateway's own series is never evicted.
                if ("gateway", "") in self._rows:
                    self._rows.move_to_end(("gateway", ""))
                self._rows.popitem(last=False)
            row = self._rows[kind, name] = deque(maxlen=self._retained)
        if not row or row[-1].number != number:
            row.append(Minute(number))
            self._rows.move_to_end((kind, name))
        return row[-1]


def sum_times(times_s: Iterable[float]) -> TimeSums:
    """Return the sums of times in seconds, none below 0."""
    # In order, so that a bucket's times are found by its bounds: there are few buckets, and many times.
    times = sorted(map(floor, [seconds * US for seconds in times_s]))
    buckets, place, count = dict[int, int](), 0, len(times)
    while place < count:
        bucket = bucket_index(times[place])
        end = bisect_left(times, bucket_upper_us(bucket), place)
        buckets[bucket] = end - place
        place = end
    return TimeSums(sum(times), buckets)


def bucket_index(us: int) -> int:
    """Return the bucket of a time: four per octave, and one per microsecond below 8."""
    if us < 8:
        return max(us, 0)
    octave = us.bit_length()
    return 4 * octave + (us >> (octave - 3)) % 4 - 8


def bucket_upper_us(number: int) -> int:
    """Return the exclusive upper bound of a bucket, in microseconds."""
    if number < 8:
        return number + 1
    octave, quarter = divmod(number + 8, 4)
    return (5 + quarter) << (octave - 3)


def quantile_us(buckets: Mapping[int, int], share: float) -> int | None:
    """Return a quantile of times in microseconds, at most a quarter too high; None without requests."""
    rest = share * sum(buckets.values())
    for number in sorted(buckets):
        rest -= buckets[number]
        if rest <= 0:
            return bucket_upper_us(number)
    return None


def merge_minutes(minutes: Iterable[Minute]) -> Minute:
    """Return the sum of minutes, with the last one's number."""
    total = Minute(0)
    for minute in minutes:
        total.number = minute.number
        total.merge_minute(minute)
    return total
