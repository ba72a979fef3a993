"""Sections about the service: state, scorer, server, upstream, metrics, log, otel."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_serializer

from gateway.config.fields import ConfigSection, HttpUrl, Origin, RegularExpression, Seconds, Share
from gateway.config.header_fields import HeaderPattern
from gateway.config.schema_paths import Expected
from gateway.config.secrets import mask_url
from gateway.vocabulary import REDIS_SCHEMES

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Host names that accept connections from this machine only."""


KeyPrefix = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    Expected("a text of 1 to 64 letters, digits and `._-`, a letter or digit first"),
]


class TimeoutConfig(ConfigSection):
    """Timeouts for backends, in seconds. A model's timeouts take precedence over `upstream.timeouts`."""

    connect_s: Seconds | None = None
    """Connect timeout. Default: 5."""
    first_byte_s: Seconds | None = None
    """Timeout from sending the request until the first byte of the response. Default: 600."""
    between_chunks_s: Seconds | None = None
    """Idle timeout within a stream. Default: 120."""
    total_s: Seconds | None = None
    """Timeout of the request, from its last byte to the last byte of the response, including retries. Default: 3600."""


class StateConfig(ConfigSection):
    """Storage of task state, decisions, usage and created keys, and the limits on tasks. `prefix`, `shards`,
    `max_backlog`, `stream_retention` and `cache_dir` apply to Redis only.
    """

    url: str = "sqlite:///benchroute.db"
    """`sqlite:///path`, relative to the working directory; to share the state between gateways, `redis://…`, or
    `redis-sentinel://…` or `redis-cluster://…`, each with a second `s` behind `redis` for TLS."""
    max_tasks: int = Field(default=100_000, ge=1)
    """Maximum number of tasks with stored inputs; beyond it the least recently used are evicted. In Redis, each shard
    has an equal part. Tasks with settings of their own are never evicted."""
    idle_days: float | None = Field(default=90.0, gt=0, le=36_500)
    """Days without an input after which a task is evicted; four times as many if it has labels or feedback. null: none
    is. What was spent on it stays in the totals."""
    prefix: KeyPrefix | None = None
    """First part of every key and channel in Redis. Default: `benchroute`, and then another installation's state is
    refused. Installations that share a database need different prefixes."""
    shards: int = Field(default=16, ge=1, le=4096)
    """Number of shards. Fixed by the first process that connects to an empty Redis."""
    max_backlog: int = Field(default=10_000, ge=1)
    """Maximum number of unscored observations per shard; beyond it the oldest are dropped."""
    stream_retention: int = Field(default=0, ge=0)
    """Number of scored observations that stay in a shard's stream."""
    cache_dir: str = "~/.cache/benchroute/fleet"
    """Folder for packs fetched from Redis, and for the counters that a gateway leaves behind when it crashes."""

    @property
    def is_shared(self) -> bool:
        """True for Redis: several gateways and scorers share the state."""
        return self.url.partition("://")[0] in REDIS_SCHEMES

    @field_serializer("url")
    def _without_password(self, url: str) -> str:
        return mask_url(url)


class ScorerConfig(ConfigSection):
    """The scorer process."""

    nice: int = Field(default=5, ge=0, le=19)
    """CPU niceness relative to the gateway; 19 is the lowest priority. Requires a restart."""


class ServerConfig(ConfigSection):
    """Listening address, limits on requests, worker processes."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8100, ge=0, le=65_535)
    """Port to listen on; 0 picks a free one."""
    max_body_bytes: int = Field(default=20 * 1024 * 1024, ge=1024, le=1024**3)
    """Maximum size of a request body; larger ones get 413."""
    max_upload_bytes: int = Field(default=512 * 1024 * 1024, ge=1024, le=2**40)
    """Maximum size of a form with files (`multipart/form-data`); larger ones get 413. Forms are passed on as they come
    and never held whole in memory."""
    allow_unauthenticated: bool = False
    """Allow listening on other addresses than localhost without any API key."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names, besides localhost, under which a gateway without API keys accepts requests. Others are refused: a
    page on the web could reach the gateway through a visitor's browser (DNS rebinding)."""
    body_timeout_s: Seconds = 300.0
    """Seconds that a request's body may take from its head to its last byte; slower ones get 408. A pause of 60 seconds
    ends it too."""
    write_timeout_s: Seconds = 120.0
    """Seconds that a client may leave its response unread while the gateway's buffer for it is full. Then the gateway
    closes the connection and logs the request with status 499; the backend is not blamed."""
    keep_alive_s: Seconds = 75.0
    """Seconds until an idle connection of a client is closed. Set it above the idle timeout of a load balancer in
    front, which is 60 to 65 seconds for most."""
    drain_s: float = Field(default=0.0, ge=0, le=3600)
    """Seconds after SIGTERM in which /health/ready returns 503 and requests are still served, before the gateway stops
    listening: the time for load balancers to take it out. A second SIGTERM ends at once."""
    cors_origins: tuple[Origin, ...] = ()
    """Origins whose pages may use the gateway from a browser, for instance `https://app.example.com`; `*` allows all
    and requires API keys. Not set: no cross-origin requests."""
    shutdown_grace_s: float = Field(default=30.0, ge=0, le=86_400)
    """Seconds that requests in flight may take to complete after SIGTERM and `drain_s`."""
    lane: Literal["express", "asgi"] = "express"
    """`express` serves model requests below ASGI; `asgi` serves all requests through ASGI, at more CPU time."""
    workers: int = Field(default=1, ge=1, le=64)
    """Number of worker processes sharing the port; each also listens on a port of its own, from `port` + 1, for its
    metrics and health. They share limits, keys and one scorer, on a SQLite state as with Redis."""


class BreakerConfig(ConfigSection):
    """Circuit breaker of each backend. It opens after consecutive failures, or at a failure rate within a window."""

    consecutive_faults: int = Field(default=5, ge=1)
    """Number of consecutive failures that opens the breaker."""
    fault_share: float = Field(default=0.5, gt=0, le=1)
    """Failure rate within the window that opens the breaker."""
    min_requests: int = Field(default=20, ge=1)
    """Minimum number of requests in the window for `fault_share` to apply."""
    window_s: Seconds = 30.0
    """Length of the window, seconds."""
    open_s: Seconds = 10.0
    """Seconds until an open breaker admits one trial request; doubles each time the trial fails."""


class ForwardingConfig(ConfigSection):
    """Headers that are forwarded: all, in both directions, but those that the headers reference lists, and those here.

    An entry is a header's name, with `*` at its beginning or its end for anything. Headers that belong to one
    connection or frame a body are never forwarded.
    """

    deny_request: tuple[HeaderPattern, ...] = ()
    """Headers of clients that backends do not get, besides the default list."""
    allow_request: tuple[HeaderPattern, ...] = ()
    """Headers of clients that backends get although the default list denies them."""
    deny_response: tuple[HeaderPattern, ...] = ()
    """Headers of backends that clients do not get, besides the default list."""
    allow_response: tuple[HeaderPattern, ...] = ()
    """Headers of backends that clients get although the default list denies them."""


class UpstreamConfig(ConfigSection):
    """Requests to backends: timeouts, failover, retries, circuit breakers."""

    timeouts: TimeoutConfig = TimeoutConfig()
    """Timeouts for all models."""
    max_attempts: int = Field(default=4, ge=1, le=20)
    """Maximum number of backend attempts per request, over all models."""
    retries: int = Field(default=1, ge=0, le=10)
    """Number of further rounds over a model's backends after the first."""
    retry_pause_s: Seconds = 0.25
    """Maximum backoff before the first retry, seconds; the backoff is random between 0 and this, doubling per round."""
    max_retry_after_s: float = Field(default=5.0, ge=0, le=3600)
    """Longest `Retry-After` of a backend to wait for, seconds."""
    retry_budget: Share = 0.2
    """Maximum number of a backend's retries as a share of its requests; one per second is always allowed."""
    max_response_bytes: int = Field(default=64 * 1024 * 1024, ge=1024, le=1024**3)
    """Maximum size of a response that is not a stream, decompressed: it is held in memory until it is complete. A
    larger one is a fault of the backend."""
    forwarding: ForwardingConfig = ForwardingConfig()
    """Headers that are forwarded to backends and to clients."""
    breaker: BreakerConfig = BreakerConfig()
    """Circuit breaker settings."""
    keepalive_s: Seconds | None = 15.0
    """Interval of SSE comments sent to a client while its stream is silent, seconds; null disables them."""
    files_backend: str | None = None
    """Backend that serves /v1/files, /v1/batches and /v1/conversations, by its name in x-benchroute-backend: the
    model's name, a slash, and the backend's number from 1. Not set: 404."""
    translate_messages: bool = False
    """Translate Anthropic's /v1/messages with litellm for `openai` backends without `speaks_messages`."""


DEFAULT_REDACT = (
    r"(?<![A-Za-z0-9_-])(?:sk|pk|rk|gsk|xai|pplx|hf|ghp|gho|ghs|glpat|AIza|AKIA|ASIA|xox[abpr])[-_]?[A-Za-z0-9_\-]{16,}",
    r"(?i)(?<![A-Za-z0-9])bearer\s+[A-Za-z0-9._~+/=\-]{8,}",
    r"(?i)(?<![A-Za-z0-9])authorization[\"']?\s*[:=]\s*[\"']?(?:basic\s+)?[A-Za-z0-9._~+/=\-]{8,}",
    r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*",
    r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9.\-]{1,190}\.[A-Za-z]{2,24}",
    r"(?<!\d)(?<!\d\.)\d(?:[ -]?\d){12,18}(?!\d)",
)
"""API keys of known forms, bearer tokens, credentials in Authorization, JSON web tokens, e-mail, card numbers."""


class LogConfig(ConfigSection):
    """The log on standard error (`format`, `requests`, `sample_rate`), and the request log of the dashboard and of
    /v1/requests (all others). Keys are never logged; prompts and answers only with `bodies`. Changes require a restart.
    """

    format: Literal["text", "json"] = "text"
    """`text`, or `json`: one object per line."""
    requests: Literal["none", "errors", "all"] = "errors"
    """Requests to log: `none`, `errors` (those with a failed backend attempt), or `all`."""
    sample_rate: Share = 1.0
    """With `requests: all`, the share of requests without errors that is logged."""
    enabled: bool = True
    """Store a row for every request: in a file beside the state, or in Redis for all gateways."""
    retention_days: float = Field(default=14.0, gt=0, le=3650)
    """Days after which a row is removed."""
    max_mb: int = Field(default=256, ge=1, le=1_000_000)
    """Maximum size of all rows, megabytes; beyond it the oldest are removed. A million requests take about 105."""
    bodies: bool = False
    """Store prompts and answers too, redacted by `redact`; images and files as placeholders."""
    max_body_kb: int = Field(default=16, ge=1, le=512)
    """Maximum length of a stored prompt, and of an answer, thousands of characters; the rest is cut off."""
    redact: tuple[RegularExpression, ...] = DEFAULT_REDACT
    """Regular expressions (Python's); what matches in a prompt or an answer is replaced before it is stored. Default:
    API keys, bearer tokens, e-mail addresses and card numbers. A list replaces the default."""


class MetricsConfig(ConfigSection):
    """Prometheus metrics."""

    max_tasks: int = Field(default=100, ge=0, le=10_000)
    """Maximum number of tasks in metric labels, configured tasks first; further tasks are labelled `other`."""


class OtelConfig(ConfigSection):
    """OpenTelemetry export, OTLP over HTTP. Changes require a restart."""

    endpoint: HttpUrl | None = None
    """URL of the collector, without `/v1/traces`. Not set: no export."""
    headers: dict[str, SecretStr] = {}  # noqa: RUF012  # pydantic copies defaults
    """HTTP headers sent to the collector."""
    service_name: str = Field(default="benchroute", min_length=1)
    """The resource attribute `service.name`."""
    traces: bool = True
    """Export traces."""
    metrics: bool = True
    """Export metrics."""
    sample_rate: Share = 1.0
    """Sampling ratio for root traces; child traces follow the parent's decision."""
    metrics_every_s: Seconds = 60.0
    """Export interval of metrics, seconds."""
