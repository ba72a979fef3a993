from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decision import Decision
from gateway.http.token_usage import Usage
from gateway.usage.history import (
    HOUR_S,
    MAX_NAMES,
    MAX_RANKED,
    MINUTE_S,
    ChangeMark,
    HistoryBuffer,
    HistoryRows,
    HistorySample,
    NameRanking,
    SeriesName,
    count_changes,
    is_retained,
    place_changes,
    sum_samples,
    with_hours,
)
from gateway.usage.history_counts import (
    FIRST_TOKEN_TIMES,
    OVERHEAD_TIMES,
    TOTAL_TIMES,
    Counts,
    Slot,
    add_counts,
    cost_at,
    decode_counts,
    encode_counts,
    histogram_of,
    usd_of,
)
from gateway.usage.ledger import OTHER_NAMES, UsageBatch
from gateway.usage.prices import Price
from gateway.usage.timeseries import bucket_index, sum_times

NOW = 1_780_000_000.0
COUNTS = st.dictionaries(st.integers(0, 447).filter(lambda slot: slot not in (9, 14, 16, 19)), st.integers(1, 2**52))


def usage_of(*responses: Usage, usd: Decimal | None = Decimal("0.25")) -> UsageBatch:
    batch = UsageBatch()
    for one in responses:
        batch.add_usage(one, usd)
    return batch


def sample(
    task: str | None = "t",
    status: int = 200,
    at: float = NOW,
    times: Sequence[tuple[float, float]] = ((0.02, 0.0003),),
    first_token_s: Sequence[float] = (),
    **others: object,
) -> HistorySample:
    names: tuple[SeriesName, ...] = () if task is None else (("task", task),)
    about: dict[str, object] = {
        "names": names,
        "broke": False,
        "requests": len(times),
        "totals": sum_times([seconds for seconds, _ in times]),
        "overheads": sum_times([overhead_s for _, overhead_s in times]),
        "first_tokens": sum_times(first_token_s),
        "usage": UsageBatch(),
        "usd": Decimal(0),
        "unpriced": 0,
        "compared_usd": Decimal(0),
        "baseline_usd": Decimal(0),
        "is_routed": False,
        "faults": (),
    }
    return HistorySample(status=status, at=at, **{**about, **others})  # type: ignore[arg-type]  # a row of examples


def of_gateway(rows: HistoryRows, step_s: int) -> Counts:
    total = Counts()
    for (step, _), series in rows.items():
        if step == step_s:
            add_counts(total, series.get(("gateway", ""), {}))
    return total


@given(COUNTS)
def test_counts_are_decoded_as_they_were(counts: Counts) -> None:
    assert decode_counts(encode_counts(counts)) == counts


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x93\x01\x02\x03", b"\x92\xa1a\x01"])
def test_other_bytes_are_no_counts(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_counts(data)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 4 * HOUR_S),
            st.sampled_from(["a", "b", None]),
            st.sampled_from([200, 404, 503]),
            st.integers(1, 3),
        )
    )
)
def test_minutes_and_hours_have_the_same_sums_as_the_requests(
    requests: Sequence[tuple[float, str | None, int, int]],
) -> None:
    samples = [
        sample(task, status, NOW + later, times=[(0.02 * count, 0.0003)] * count)
        for later, task, status, count in requests
    ]
    rows = with_hours(sum_samples(samples), NameRanking(), NOW)
    minutes, hours = of_gateway(rows, MINUTE_S), of_gateway(rows, HOUR_S)
    assert minutes == hours
    assert minutes.get(Slot.REQUESTS, 0) == sum(count for *_, count in requests)
    assert minutes.get(Slot.ERRORS, 0) == sum(count for _, _, status, count in requests if status == 503)
    assert sum(histogram_of(minutes, TOTAL_TIMES).values()) == minutes.get(Slot.REQUESTS, 0)
    for step_s, number in rows:
        assert any(int((NOW + later) // step_s) == number for later, *_ in requests)


def test_a_request_counts_in_each_of_its_series_and_a_fault_in_its_backends() -> None:
    names = (("task", "t"), ("model", "m"), ("backend", "m/1"), ("key", "k"))
    streams = sample(names=names, times=[(0.5, 0.001), (0.5, 0.001)], first_token_s=[0.1], faults=("m/0",))
    (series,) = sum_samples([streams, sample(None, 404), sample("t", 200, broke=True)]).values()
    assert {place: counts[Slot.REQUESTS] for place, counts in series.items()} == {
        ("gateway", ""): 4,
        ("task", "t"): 3,
        ("model", "m"): 2,
        ("backend", "m/1"): 2,
        ("key", "k"): 2,
        ("backend", "m/0"): 2,
    }
    total = series["gateway", ""]
    assert (total[Slot.ERRORS], total[Slot.REJECTED], series["backend", "m/0"][Slot.ERRORS]) == (1, 1, 2)
    assert histogram_of(total, FIRST_TOKEN_TIMES) == {bucket_index(100_000): 1}
    assert histogram_of(total, OVERHEAD_TIMES)[bucket_index(1000)] == 2
    assert total[Slot.TOTAL_US] == 1_040_000


def test_money_is_exact() -> None:
    usage = usage_of(Usage(10, 5), Usage(10, 5))
    spent = sample(
        usage=usage, usd=Decimal("0.000000000003"), baseline_usd=Decimal("123456.789012345678"), is_routed=True
    )
    total = of_gateway(sum_samples([spent] * 3), MINUTE_S)
    again = decode_counts(encode_counts(total))
    assert usd_of(again, Slot.USD) == Decimal("0.000000000009")
    assert usd_of(again, Slot.BASELINE_USD) == Decimal("370370.367037037034")
    assert (again[Slot.INPUT_TOKENS], again[Slot.ROUTED]) == (60, 6)


def test_requests_without_a_price_or_a_routed_model_are_in_no_comparison() -> None:
    usage = usage_of(Usage(10, 5))
    named = sample(usage=usage, usd=Decimal(1))
    unpriced = sample(usage=usage_of(Usage(10, 5), usd=None), unpriced=1, is_routed=True)
    total = of_gateway(sum_samples([named, unpriced]), MINUTE_S)
    assert (usd_of(total, Slot.USD), total[Slot.UNPRICED], total[Slot.INPUT_TOKENS]) == (Decimal(1), 1, 20)
    assert (total.get(Slot.ROUTED, 0), cost_at(total, Price(Decimal(1), Decimal(1)))) == (0, Decimal(0))


TOKEN_COUNTS = st.builds(
    lambda size, output, read, reasoning: Usage(size, output, min(read, size), 0, min(reasoning, output)),
    st.sampled_from([0, 1, 31_999, 32_001, 128_000, 128_001, 199_999, 200_001, 300_000, 900_000]),
    st.integers(0, 10_000),
    st.integers(0, 50_000),
    st.integers(0, 5_000),
)


@given(st.lists(TOKEN_COUNTS, min_size=1, max_size=6), st.sampled_from([0, 128_000, 200_000, 272_000]))
def test_the_cost_at_another_model_is_that_of_each_response_alone(responses: Sequence[Usage], threshold: int) -> None:
    plain = Price(Decimal("2.5"), Decimal("15"), Decimal("0.25"), None, Decimal("7"))
    price = plain
    if threshold:
        long = Price(Decimal("5"), Decimal("22.5"), Decimal("0.5"))
        price = Price(Decimal("2.5"), Decimal("15"), Decimal("0.25"), None, Decimal("7"), long, threshold)
    routed = sample(usage=usage_of(*responses), usd=Decimal(1), is_routed=True)
    assert cost_at(of_gateway(sum_samples([routed]), MINUTE_S), price) == sum(map(price.cost_usd, responses))


def busy_minute(names: dict[str, int]) -> dict[SeriesName, Counts]:
    return {("task", name): {Slot.REQUESTS: requests} for name, requests in names.items()}


def test_the_busiest_names_have_series_and_the_others_one_together() -> None:
    ranking = NameRanking()

    def fold(names: dict[str, int], now: float) -> dict[SeriesName, Counts]:
        ranking.count_requests(busy_minute(names), now)
        return ranking.fold_others(busy_minute(names), 2)

    folded = fold({"a": 1, "b": 9, "c": 5, "d": 2}, NOW)
    assert folded == busy_minute({"b": 9, "c": 5, OTHER_NAMES: 3})
    assert list(folded)[:2] == [("task", "b"), ("task", "c")]
    # A quiet moment does not cost a busy task its series, and some hours of silence do.
    assert fold({"b": 1, "c": 1, "d": 2}, NOW) == busy_minute({"b": 1, "c": 1, OTHER_NAMES: 2})
    for hours in range(1, 5):
        late = fold({"c": 9, "d": 9}, NOW + hours * HOUR_S)
    assert late == busy_minute({"c": 9, "d": 9})


def test_any_number_of_tasks_takes_a_bounded_number_of_series() -> None:
    ranking = NameRanking()
    names = {f"task-{number}": 1 + number % 7 for number in range(20_000)}
    for minute in range(3):
        rows = with_hours({(MINUTE_S, minute): busy_minute(names)}, ranking, NOW + minute * MINUTE_S)
        for (step_s, _), series in rows.items():
            assert len(series) == MAX_NAMES[step_s] + 1
            assert sum(counts[Slot.REQUESTS] for counts in series.values()) == sum(names.values())
        assert len(ranking) == MAX_RANKED


def test_changes_count_for_the_gateway_and_the_task_at_the_time_of_the_decision() -> None:
    buffer = HistoryBuffer(lambda: NOW)
    for version, later in ((2, 0.0), (3, 61.0)):
        buffer.add_change(Decision("t", version, 9, "m", "score", ("m",), NOW + later))
    _, changes = buffer.drain()
    rows = count_changes(changes)
    by_step = Counter[int]()
    for (step_s, _), series in rows.items():
        assert series["gateway", ""] == series["task", "t"]
        by_step[step_s] += series["gateway", ""][Slot.CHANGES]
    assert by_step == {MINUTE_S: 2, HOUR_S: 2}
    assert len({change.identity for change in changes}) == 2
    assert buffer.drain() == ([], [])


def test_a_new_pack_takes_no_series_from_busy_tasks() -> None:
    """A thousand tasks change their models at once; a few of them have requests."""
    ranking = NameRanking()
    ranking.count_requests(busy_minute({"busy-1": 50, "busy-2": 40}), NOW)
    few = [ChangeMark(task, 2, NOW, task) for task in ("busy-1", "quiet-1")]
    assert list(place_changes(few, ranking)) == few
    many = [*few, *(ChangeMark(f"quiet-{number}", 2, NOW, f"quiet-{number}") for number in range(2, 1000))]
    placed = place_changes(many, ranking)
    assert {change.name for change in placed} == {"busy-1", OTHER_NAMES}
    assert [change.identity for change in placed] == [change.identity for change in many]
    (minute, _) = count_changes(placed).values()
    assert {place: counts[Slot.CHANGES] for place, counts in minute.items()} == {
        ("gateway", ""): 1000,
        ("task", "busy-1"): 1,
        ("task", OTHER_NAMES): 999,
    }


def test_minutes_are_kept_for_two_days_and_hours_for_ninety() -> None:
    assert is_retained((MINUTE_S, int(NOW // 60) - 2879), NOW)
    assert not is_retained((MINUTE_S, int(NOW // 60) - 2881), NOW)
    assert is_retained((HOUR_S, int(NOW // 3600) - 2159), NOW)
    assert not is_retained((HOUR_S, int(NOW // 3600) - 2161), NOW)
