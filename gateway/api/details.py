"""What a list of tasks tells of each beyond its decision: for the dashboard."""

from collections.abc import Sequence
from typing import Any

from gateway.api.activity import requests_by_minute
from gateway.api.services import Services
from gateway.api.task_views import explanation_view
from gateway.state.store import DecisionRecord
from gateway.usage.ledger import to_json as spent_shown

SPARK_MINUTES = 60


def detailed_summary(task: str, made: DecisionRecord | None, services: Services) -> dict[str, Any]:
    """Where a task's requests go and why, the chosen model's scores, what it saved, and its last hour's requests."""
    shown = explanation_view(task, services.table.route_task(task), made, ())
    chosen = shown["decision"]["model"]
    return {
        "object": "task",
        "id": task,
        "n": shown["n"],
        "u": shown["u"],
        "decision": shown["decision"],
        "scored": shown.get("scored"),
        "chosen": next((row for row in shown["scores"] or () if row["model"] == chosen), None),
        "spent": spent_shown(services.ledger.usage_on("task", task)),
        "requests_by_minute": requests_by_minute(services, task, SPARK_MINUTES),
    }


def undecided_summary(services: Services, after: str, known: Sequence[str]) -> list[str]:
    """Tasks that had requests in the last hours and no decision yet, by name: all of them, where there is no pack."""
    return [name for name in services.minutes.series_names("task") if name > after and name not in set(known)]
