"""Base class and field types of the configuration's sections. A type's error states what was expected."""

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from gateway.config.descriptions import add_descriptions
from gateway.config.schema_paths import Expected
from gateway.vocabulary import INPUT_SELECTORS, JSON_PATH, TASK_ID_RULE, is_task_id


class ConfigSection(BaseModel):
    """Base class of all sections: rejects unknown settings, immutable after parsing.

    The string below a field is its description in the settings reference and in the OpenAPI document.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True, json_schema_extra=add_descriptions
    )

    def mask_secrets(self) -> dict[str, Any]:
        """Return the settings for printing, without secrets."""
        return self.model_dump(mode="json")


def _http_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid or re.search(r"\s", url):
        raise ValueError("expected an http:// or https:// URL")
    if parts.username or parts.password:
        raise ValueError("URL contains credentials: set api_key instead")
    if parts.query or parts.fragment:
        raise ValueError("URL contains a query or a fragment")
    return url.rstrip("/")


def _input_rule(rule: str) -> str:
    if rule in INPUT_SELECTORS:
        return rule
    if not rule.startswith(JSON_PATH):
        raise ValueError(f"expected {', '.join(INPUT_SELECTORS)}, or a JSONPath that begins with {JSON_PATH}")
    import jsonpath  # slow to import, and few configurations use it

    try:
        jsonpath.compile(rule)
    except jsonpath.JSONPathError as error:
        raise ValueError(f"invalid JSONPath: {str(error).splitlines()[0]}") from error
    return rule


def _task_id(task: str) -> str:
    if not is_task_id(task):
        raise ValueError(f"invalid task ID: expected {TASK_ID_RULE}")
    return task


def _origin(origin: str) -> str:
    if origin == "*":
        return origin
    url = _http_url(origin)
    if urlsplit(url).path or "*" in url:
        raise ValueError("expected an origin without a path, https://host or https://host:port, or *")
    return url.lower()


def _point_in_time(value: object) -> datetime:
    """Return a time in UTC: numbers are refused, since seconds and milliseconds look alike."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(EXPECTED_TIME) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ValueError(EXPECTED_TIME)
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError(EXPECTED_TIME) from None


EXPECTED_TIME = "expected a time, for instance 2027-01-31T00:00:00Z, or a date"


def _regular_expression(pattern: str) -> str:
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"invalid regular expression: {error}") from error
    if compiled.search("") is not None:
        raise ValueError("matches the empty text: it would replace everything")
    return pattern


Name = Annotated[
    str,
    Field(min_length=1, max_length=256, pattern=r"^[\x21-\x7e]+$"),
    Expected("a text of 1 to 256 ASCII characters without spaces"),
]
InputRule = Annotated[str, AfterValidator(_input_rule)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Origin = Annotated[str, AfterValidator(_origin)]
TaskId = Annotated[str, AfterValidator(_task_id)]
RegularExpression = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_regular_expression)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Usd = Annotated[Decimal, Field(ge=0)]
PointInTime = Annotated[datetime, BeforeValidator(_point_in_time)]
"""A time in UTC: ISO 8601, for instance 2027-01-31T00:00:00Z; a date is its beginning, no zone means UTC."""
Share = Annotated[float, Field(ge=0, le=1)]
Capability = Literal["tools", "json_schema", "vision", "audio"]
ModelKind = Literal["chat", "embedding", "image", "audio", "moderation", "rerank"]
