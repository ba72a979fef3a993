import gc
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from gateway.usage.timeseries import (
    MinuteSeries,
    RequestSample,
    bucket_index,
    bucket_upper_us,
    merge_minutes,
    quantile_us,
    sum_times,
)


@dataclass
class Clock:
    now: float = 6000.0

    def __call__(self) -> float:
        return self.now


def seen(
    task: str | None = "t",
    status: int = 200,
    times: Sequence[tuple[float, float]] = ((0.02, 0.0003),),
    **others: object,
) -> RequestSample:
    seconds, overhead_s = zip(*times, strict=True)
    about: dict[str, object] = {
        "backend": "b/1",
        "broke": False,
        "requests": len(times),
        "totals": sum_times(seconds),
        "overheads": sum_times(overhead_s),
        "usd": 0.25,
        "baseline_usd": 1.0,
    }
    return RequestSample(task=task, status=status, **{**about, **others})  # type: ignore[arg-type]  # a row of examples


@given(st.lists(st.floats(0, 10**5) | st.sampled_from([0.0, 7e-6, 8e-6, 9e-6, 0.02, 0.5])))
def test_times_that_are_summed_together_count_as_if_one_after_the_other(times_s: list[float]) -> None:
    summed = sum_times(times_s)
    assert summed.us == sum(int(seconds * 1_000_000) for seconds in times_s)
    assert summed.buckets == Counter(bucket_index(int(seconds * 1_000_000)) for seconds in times_s)


@given(st.integers(0, 10**12))
def test_a_time_lies_in_its_class(us: int) -> None:
    number = bucket_index(us)
    assert us < bucket_upper_us(number) <= max(us + 1, us * 1.25)
    assert bucket_index(bucket_upper_us(number)) == number + 1


def test_a_request_counts_for_the_gateway_its_task_and_its_backend() -> None:
    minutes = MinuteSeries(Clock())
    minutes.add_sample(seen())
    minutes.add_sample(seen("other", 503, backend=None, faults=("b/1", "b/2")))
    minutes.add_sample(seen(None, 401, backend=None))
    minutes.add_sample(seen(broke=True))
    (all_of_it,) = minutes.series_of("gateway")
    assert (all_of_it.number, all_of_it.requests, all_of_it.errors, all_of_it.refused) == (100, 4, 2, 1)
    assert (all_of_it.usd, all_of_it.baseline_usd) == (1.0, 4.0)
    assert minutes.series_of("task", "other")[0].errors == 1
    assert minutes.series_of("backend", "b/2")[0].errors == 1
    assert minutes.series_of("backend", "b/1")[0].requests == 3
    assert minutes.series_names("task") == ["other", "t"]


def test_requests_that_are_added_together_count_as_if_one_after_the_other() -> None:
    times = [(0.02, 0.0003), (0.5, 0.001), (0.02, 0.0)]
    together, alone = MinuteSeries(Clock()), MinuteSeries(Clock())
    together.add_sample(seen(status=502, times=times, usd=0.75, baseline_usd=3.0, faults=("b/2",)))
    for one in times:
        alone.add_sample(seen(status=502, times=[one], faults=("b/2",)))
    for kind, name in (("gateway", ""), ("task", "t"), ("backend", "b/1"), ("backend", "b/2")):
        assert together.series_of(kind, name) == alone.series_of(kind, name)  # type: ignore[arg-type]  # of a literal


def test_only_the_last_minutes_are_told() -> None:
    clock = Clock()
    minutes = MinuteSeries(clock, retained=3)
    for _ in range(5):
        minutes.add_sample(seen())
        clock.now += 60
    assert [minute.number for minute in minutes.series_of("gateway")] == [102, 103, 104]
    assert [minute.number for minute in minutes.series_of("gateway", minutes=2)] == [104]
    assert merge_minutes(minutes.series_of("gateway")).requests == 3
    assert minutes.series_of("task", "unknown") == []


def test_names_have_a_bound_and_the_gateways_row_stays() -> None:
    minutes = MinuteSeries(Clock(), max_rows=3)
    for number in range(20):
        minutes.add_sample(seen(f"t{number}", backend=None))
    assert minutes.series_names("task") == ["t18", "t19"]
    assert minutes.series_of("gateway")[0].requests == 20


def test_quantiles_are_at_most_a_quarter_too_high() -> None:
    minutes = MinuteSeries(Clock())
    for milliseconds in range(1, 101):
        minutes.add_sample(seen(times=[(milliseconds / 1000, 0.0003)]))
    (minute,) = minutes.series_of("gateway")
    assert 50_000 <= (quantile_us(minute.total_buckets, 0.5) or 0) <= 62_500
    assert 95_000 <= (quantile_us(minute.total_buckets, 0.95) or 0) <= 118_750
    assert quantile_us({}, 0.5) is None


def test_the_garbage_collector_looks_at_no_minute() -> None:
    """Four thousand series have 700,000 of them, and a full collection holds the event loop."""
    now = [0.0]
    minutes = MinuteSeries(lambda: now[0])
    gc.collect()
    before = len(gc.get_objects())
    for number in range(100):
        now[0] = 60.0 * number
        for task in ("a", "b", "c"):
            minutes.add_sample(seen(task=task))
    gc.collect()
    assert len(gc.get_objects()) - before < 100
