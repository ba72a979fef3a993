"""Constants that several packages share: the task ID's rule, the names that ask for routing, decision reasons."""

import re

TASK_ID = re.compile(r"[A-Za-z0-9._:/-]{1,128}\Z")
TASK_ID_RULE = "1 to 128 of the characters A-Z a-z 0-9 . _ : / -"
DEFAULT_TASK = "default"

AUTO = "auto"
TASK_PREFIX = "task/"

REDIS_SCHEMES = ("redis", "rediss", "redis-cluster", "rediss-cluster")
"""What a state URL begins with where many gateways share the state; -cluster for a Cluster, an s for TLS."""

INPUT_SELECTORS = ("last_user", "first_user", "all_user", "all")
"""Which messages of a request are the task's input. Anything else is a JSONPath (RFC 9535) into the request's body."""

JSON_PATH = "$"
"""First character of a JSONPath."""

ROUTER_UNAVAILABLE = "router-unavailable"
PINNED = "pinned"
REQUESTED = "requested"
SESSION = "session"
SHADOW = "shadow"
EXPLORED = "explored"
CACHED = "cached"
COLD_START = "cold-start"


def is_task_id(text: str) -> bool:
    """Whether a text can name a task."""
    return TASK_ID.match(text) is not None


def is_routed_model(model: str) -> bool:
    """Whether a request's `model` leaves the choice to the gateway."""
    return model == AUTO or model.startswith(TASK_PREFIX)
