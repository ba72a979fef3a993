"""Which tasks are told apart."""

from gateway.observability.metrics import Metrics, TaskLabels


def test_configured_tasks_come_first_then_those_that_come_first() -> None:
    labels = TaskLabels(3, ["invoices"])
    assert [labels.label_of(task) for task in ("a", "b", "c", "invoices", "a", "d")] == [
        "a",
        "b",
        "other",
        "invoices",
        "a",
        "other",
    ]


def test_tasks_beyond_the_bound_count_as_one() -> None:
    metrics = Metrics(TaskLabels(1))
    for task in ("a", "b", "c", "a"):
        metrics.task_requests(task, "m").inc()
    told = metrics.render_text().decode()
    assert 'benchroute_task_requests_total{model="m",task="a"} 2.0' in told
    assert 'benchroute_task_requests_total{model="m",task="other"} 2.0' in told
    assert told.count("benchroute_task_requests_total{") == 2
