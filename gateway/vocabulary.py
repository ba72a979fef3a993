"""Constants of several packages: rule of task IDs, model names that request routing, scores, decision reasons."""

import re
from typing import Literal

TASK_ID = re.compile(r"[A-Za-z0-9._:/-]{1,128}\Z")
TASK_ID_RULE = "1 to 128 of the characters A-Z a-z 0-9 . _ : / -"
DEFAULT_TASK = "default"

AUTO = "auto"
TASK_PREFIX = "task/"

REDIS_SCHEMES = ("redis", "rediss", "redis-cluster", "rediss-cluster", "redis-sentinel", "rediss-sentinel")
"""Schemes of a state URL that gateways share: see gateway.config.redis_url."""

INPUT_SELECTORS = ("last_user", "first_user", "all_user", "all")
"""Selectors of the messages that are a task's input. Any other is a JSONPath (RFC 9535) into the request body."""

JSON_PATH = "$"
"""First character of a JSONPath."""

ScoreSetting = Literal["recommended", "s1", "s2", "s3", "auto"]
"""Values of the setting `score`. `recommended` is the score that the pack's report names: routing.recommendation."""

TaskSource = Literal["header", "metadata", "model", "system_prompt", "key"]
"""Where a request's task is looked for."""

TASK_SOURCES: tuple[TaskSource, ...] = ("header", "metadata", "model", "system_prompt", "key")
"""All of them, in their default order."""

TaskSort = Literal["id", "requests", "recent", "cost", "savings", "confidence", "inputs", "used"]
"""What lists of tasks are sorted by."""

TaskFilterKind = Literal["tagged", "automatic", "default", "pinned", "worse"]
"""Kinds of tasks that lists select."""

PUBLIC_PACK = "public"
"""Value of `routing.pack` for the pack that the distribution ships."""

PAPER_SCORES = ("s1", "s2", "s3")
"""Scores that know nothing of whole datasets."""

LABELLED_SCORES = ("auto",)
"""Scores that use labels and feedback."""

ROUTER_UNAVAILABLE = "router-unavailable"
NO_PACK = "no-pack"
PINNED = "pinned"
REQUESTED = "requested"
SESSION = "session"
SHADOW = "shadow"
EXPLORED = "explored"
CACHED = "cached"
COLD_START = "cold-start"

UNROUTED = frozenset({REQUESTED, PINNED, SHADOW, NO_PACK, "none"})
"""Reasons of requests whose model no decision chose: their cost is not routing's, and no savings count it."""


def is_task_id(text: str) -> bool:
    """Return True if a text is a valid task ID."""
    return TASK_ID.match(text) is not None


def is_routed_model(model: str) -> bool:
    """Return True if a request's `model` requests routing."""
    return model == AUTO or model.startswith(TASK_PREFIX)


PERCENT_ENCODE = "percent-encode `/`, `?`, `#`, `@` and `:` in its password (RFC 3986, 2.1)"
"""Advice for a URL that cannot be parsed; it shows nothing of the URL."""

HOP_BY_HOP_HEADERS = (
    *("connection", "proxy-connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
    *("http2-settings", "proxy-authenticate", "proxy-authorization", "proxy-authentication-info"),
)
"""Headers of one connection (RFC 9110, 7.6.1; RFC 9113, 3.1)."""
