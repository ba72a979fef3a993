"""Which tasks are told apart, and that no counter ever falls."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from gateway.observability.metrics import MAX_SAMPLES, BreakerCollector, Metrics
from gateway.observability.task_labels import CANDIDATES, HALF_LIFE, OTHER, MetricTasks

NAMES = st.sampled_from("abcdefghij")


def labels_of(labels: MetricTasks) -> set[str]:
    return {label for (label, _), _ in labels.counts()}


def test_configured_tasks_come_first_then_those_that_come_first() -> None:
    labels = MetricTasks(3, ["invoices"])
    assert [labels.count_requests(task, "m") for task in ("a", "b", "c", "invoices", "a", "d")] == [
        "a",
        "b",
        OTHER,
        "invoices",
        "a",
        OTHER,
    ]


def test_tasks_beyond_the_bound_count_as_one() -> None:
    metrics = Metrics(MetricTasks(1))
    for task in ("a", "b", "c", "a"):
        metrics.tasks.count_requests(task, "m")
    told = metrics.render_text().decode()
    assert 'benchroute_task_requests_total{model="m",task="a"} 2.0' in told
    assert 'benchroute_task_requests_total{model="m",task="other"} 2.0' in told
    assert told.count("benchroute_task_requests_total{") == 2


def test_many_series_are_rendered_in_parts_that_make_one_text() -> None:
    metrics = Metrics(MetricTasks(5 * MAX_SAMPLES))
    for number in range(3 * MAX_SAMPLES + 7):
        metrics.tasks.count_requests(f"t{number}", "m")
    parts = list(metrics.render_parts())
    assert max(part.count(b"\n") for part in parts) <= MAX_SAMPLES + 2
    text = b"".join(parts).decode()
    assert metrics.render_text().decode() == text
    assert text.count("# TYPE benchroute_task_requests_total counter") == 1
    found = {family.name: family for family in text_string_to_metric_families(text)}
    assert len(found["benchroute_task_requests"].samples) == 3 * MAX_SAMPLES + 7
    assert {"benchroute_requests", "benchroute_retries", "benchroute_request_seconds"} <= set(found)


def merged(metrics: Metrics) -> bytes:
    """All metrics by prometheus_client alone, each family in one piece."""
    families = dict[str, Metric]()
    for part in metrics.registry.collect():
        known = families.setdefault(part.name, part)
        if known is not part:
            known.samples += part.samples
    return generate_latest(SimpleNamespace(collect=families.values))


@given(st.lists(st.tuples(NAMES, NAMES, st.integers(1, 5)), max_size=30), st.sampled_from([1, 3, MAX_SAMPLES]))
def test_parts_are_the_text_of_prometheus_client(requests: list[tuple[str, str, int]], repeated: int) -> None:
    metrics = Metrics(MetricTasks(200))
    for model, reason, count in requests:
        for number in range(repeated):
            metrics.requests(f"{model}{number}", reason, "200").inc(count)
            metrics.duration.add_values((f"{model}{number}",), (0.1 * count,))
            metrics.tasks.count_requests(f"{reason}{number}", model, count)
    metrics.registry.register(BreakerCollector(lambda: {f"{model}/{place}": "open" for model, place, _ in requests}))
    assert metrics.render_text() == merged(metrics)


def test_a_busy_task_takes_the_label_of_one_that_nobody_uses_any_more() -> None:
    labels = MetricTasks(2, ["configured"])
    labels.count_requests("early", "m")
    for _ in range(20):
        labels.count_requests("busy", "m")
    assert labels_of(labels) == {"busy", OTHER}  # nobody has asked for the configured one yet
    labels.count_requests("configured", "m")
    labels.count_requests("early", "m")
    assert labels_of(labels) == {"busy", "configured", OTHER}


def test_of_two_tasks_alike_none_takes_the_others_label() -> None:
    labels = MetricTasks(1)
    assert {labels.count_requests(task, "m") for task in ["first", "second"] * 200} == {"first", OTHER}


def test_a_flood_of_names_takes_no_busy_tasks_label() -> None:
    labels = MetricTasks(2)
    for task in ("a", "b") * 5:
        labels.count_requests(task, "m")
    for number in range(20 * CANDIDATES):
        assert labels.count_requests(f"flood-{number}", "m") == OTHER
    assert labels_of(labels) == {"a", "b", OTHER}


def test_a_busy_task_is_found_within_a_flood_of_names() -> None:
    labels = MetricTasks(1)
    labels.count_requests("quiet", "m")
    found = set()
    for number in range(20 * CANDIDATES):
        labels.count_requests(f"flood-{number}", "m")
        found.add(labels.count_requests("busy", "m"))
    assert found == {OTHER, "busy"}
    assert labels_of(labels) == {"busy", OTHER}


def test_no_task_has_a_label_where_none_is_allowed() -> None:
    labels = MetricTasks(0, ["configured"])
    assert {labels.count_requests(task, "m") for task in ("a", "configured") * 9} == {OTHER}


@given(most=st.integers(0, 4), seen=st.lists(st.tuples(NAMES, st.integers(1, 6000)), max_size=60))
def test_labels_are_bounded_and_a_counter_rises_until_its_series_ends(most: int, seen: list[tuple[str, int]]) -> None:
    labels, before, total = MetricTasks(most, "a"), dict[tuple[str, str], int](), 0
    for task, count in seen:
        label = labels.count_requests(task, "m", count)
        now = dict(labels.counts())
        total += count
        assert len(labels_of(labels) - {OTHER}) <= most
        assert label in (task, OTHER)
        for series, counted in now.items():
            grown = counted - (before.get(series, 0) if series != (task, "m") or series in before else 0)
            assert grown == (count if series == (label, "m") else 0)
        before = now
    assert sum(before.values()) <= total


class AllLookedAt(MetricTasks):
    """Looks at all labels for the least busy one."""

    def _least_busy(self) -> str:
        free = (name for name in self._activity if name not in self._fixed)
        return min(free, key=self._activity.__getitem__, default="")


@given(
    st.lists(st.tuples(NAMES, st.sampled_from([1, 2, 3, 7, HALF_LIFE // 2])), max_size=60),
    st.integers(0, 4),
    st.lists(NAMES, max_size=2, unique=True),
)
def test_labels_are_taken_from_the_least_busy_task(
    requests: list[tuple[str, int]], most: int, configured: list[str]
) -> None:
    labels, slow = MetricTasks(most, configured), AllLookedAt(most, configured)
    for task, count in requests:
        assert labels.count_requests(task, "m", count) == slow.count_requests(task, "m", count)
    assert list(labels.counts()) == list(slow.counts())
