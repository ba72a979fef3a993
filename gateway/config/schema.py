"""The sections of config.yaml. Unknown keys are errors; secrets show as asterisks wherever they are printed."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_serializer

from gateway.vocabulary import INPUT_SELECTORS, JSON_PATH, REDIS_SCHEMES, TASK_ID_RULE, is_task_id


class ConfigSection(BaseModel):
    """Base of all: no unknown keys, no changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _http_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid or re.search(r"\s", url):
        raise ValueError("is no http:// or https:// URL")
    if parts.username or parts.password:
        raise ValueError("holds credentials: give them as api_key")
    if parts.query or parts.fragment:
        raise ValueError("has a query or a fragment")
    return url.rstrip("/")


def _input_rule(rule: str) -> str:
    if rule in INPUT_SELECTORS:
        return rule
    if not rule.startswith(JSON_PATH):
        raise ValueError(f"is neither {', '.join(INPUT_SELECTORS)} nor a JSONPath, which begins with {JSON_PATH}")
    import jsonpath  # takes a while to load, and few configurations have one

    try:
        jsonpath.compile(rule)
    except jsonpath.JSONPathError as error:
        raise ValueError(f"is no JSONPath: {str(error).splitlines()[0]}") from error
    return rule


def _task_id(task: str) -> str:
    if not is_task_id(task):
        raise ValueError(f"is no task ID: {TASK_ID_RULE}")
    return task


LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Hosts that mean this machine alone."""

Name = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[\x21-\x7e]+$")]
InputRule = Annotated[str, AfterValidator(_input_rule)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
TaskId = Annotated[str, AfterValidator(_task_id)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Usd = Annotated[Decimal, Field(ge=0)]


Capability = Literal["tools", "json_schema", "vision", "audio"]


class PriceConfig(ConfigSection):
    """What a model charges, US dollars for a million tokens."""

    input_usd_per_mtok: Usd
    output_usd_per_mtok: Usd


class OpenAIBackendConfig(ConfigSection):
    """An endpoint that speaks OpenAI's API. model: its name there, the model's own by default.

    stream_usage: whether its streams may be asked what they took. speaks_messages: whether it answers Anthropic's
    /v1/messages too; if not, those requests are translated where upstream.translate_messages says so.
    """

    kind: Literal["openai"]
    base_url: HttpUrl
    api_key: SecretStr | None = None
    model: str | None = Field(default=None, min_length=1)
    weight: float = Field(default=1.0, gt=0)
    stream_usage: bool = True
    speaks_messages: bool = False


class LitellmBackendConfig(ConfigSection):
    """An endpoint that litellm speaks to. model: as litellm spells it, for instance anthropic/claude-…."""

    kind: Literal["litellm"]
    model: str = Field(min_length=1)
    base_url: HttpUrl | None = None
    api_key: SecretStr | None = None
    weight: float = Field(default=1.0, gt=0)


BackendConfig = Annotated[OpenAIBackendConfig | LitellmBackendConfig, Field(discriminator="kind")]


class TimeoutConfig(ConfigSection):
    """How long to wait for a backend, in seconds. Left out: the value of the section above, or its default.

    connect_s: until there is a connection. first_byte_s: from sending to the answer's first byte. between_chunks_s:
    silence allowed inside a stream. total_s: from the request's last byte to the answer's, retries included.
    """

    connect_s: Seconds | None = None
    first_byte_s: Seconds | None = None
    between_chunks_s: Seconds | None = None
    total_s: Seconds | None = None


class ModelConfig(ConfigSection):
    """A model that requests can go to. name: the pack's column.

    params_b: billions of parameters; the pack's figure where it is left out. context_window: tokens. supports: what it
    can do, everything where it is left out. limits: its own, in place of upstream.timeouts.
    """

    name: Name
    params_b: float | None = Field(default=None, gt=0)
    price: PriceConfig | None = None
    context_window: int | None = Field(default=None, gt=0)
    supports: tuple[Capability, ...] | None = None
    timeouts: TimeoutConfig = TimeoutConfig()
    backends: tuple[BackendConfig, ...] = Field(min_length=1)


class ObjectiveConfig(ConfigSection):
    """What is maximised: quality times the score, less price times the cost as a share of the dearest candidate's.

    With quality 1, price is the accuracy that one would give up for the whole of the dearest model's cost.
    """

    quality: float = Field(default=1.0, gt=0, le=1000)
    price: float = Field(default=0.0, ge=0, le=1000)


class RoutingConfig(ConfigSection):
    """The paper's parameters, and the pack. No pack: every task gets the first configured model.

    objective: of tasks that have no max_regret or objective of their own.
    session_ttl_s: how long after its last request a session keeps its model. thinning: whether of tasks whose decision
    is settled only some inputs are embedded. exploration: the share of requests that goes to another candidate than the
    chosen one, each as likely as the next, so that feedback tells of those too; pinned tasks, tasks in the shadow and
    sessions are left out. answers_kept: answers that feedback may still be given on, the last so many of a gateway;
    takes a restart. keep_texts: whether a task's most recent inputs, 256 at most, are kept in the state as
    texts too, for label suggestions.
    """

    pack: str | None = None
    score: Literal["s1", "s2", "s3", "auto"] = "s3"
    k: int = Field(default=5, ge=1, le=1000)
    kappa: int = Field(default=19, ge=1, le=1000)
    threshold: float = Field(default=0.5, ge=0, le=1)
    sigma: float = Field(default=0.09, gt=0)
    eta: float = Field(default=0.6, ge=0, le=1)
    objective: ObjectiveConfig = ObjectiveConfig()
    session_ttl_s: Seconds = 3600.0
    adaptive_sampling: bool = True
    exploration: float = Field(default=0.0, ge=0, le=0.5)
    feedback_window: int = Field(default=20_000, ge=0, le=10_000_000)
    keep_texts: bool = False


class CacheConfig(ConfigSection):
    """Answers kept for requests that are the same to the byte. any_temperature: not only those of temperature 0."""

    ttl_s: Seconds = 3600.0
    any_temperature: bool = False


class TaskConfig(ConfigSection):
    """What holds for one task.

    max_params_b, max_input_usd_per_mtok, max_output_usd_per_mtok: no larger or dearer model; one of which that is not
    known fits no limit. pin: always this model. fallbacks: who is asked next, in this order, in place of the score's.
    score: in place of the routing section's. max_regret: accuracy that a cheaper model may lose against the best, with
    probability above eta; for score auto. objective: in place of the routing section's; not beside max_regret. Costs
    are prices, weighted by the task's own tokens once 20 answers told them; sizes, where no price is known. input:
    which of a request's messages are the task's input, or a JSONPath (RFC 9535) into its body. shadow: requests go
    where they would without any evidence, and the answer's headers, the metrics and /v1/tasks tell where the evidence
    would have sent them. exploration, keep_texts: in place of the routing
    section's.
    """

    candidates: tuple[str, ...] | None = Field(default=None, min_length=1)
    max_params_b: float | None = Field(default=None, gt=0)
    max_input_usd_per_mtok: Usd | None = None
    max_output_usd_per_mtok: Usd | None = None
    pin: str | None = None
    fallbacks: tuple[str, ...] | None = Field(default=None, min_length=1)
    score: Literal["s1", "s2", "s3", "auto"] | None = None
    max_regret: float | None = Field(default=None, ge=0, le=1)
    objective: ObjectiveConfig | None = None
    input: InputRule = "last_user"
    shadow: bool = False
    cache: CacheConfig | None = None
    exploration: float | None = Field(default=None, ge=0, le=0.5)
    keep_texts: bool | None = None


class StateConfig(ConfigSection):
    """Where tasks are kept: sqlite:///path, relative to the working directory, or a Redis that many gateways share.

    The rest is for Redis. shards: into how many parts tasks are dealt; the first program on an empty Redis says it for
    good. max_backlog: observations that wait in a shard; the oldest make room. kept: scored observations that stay in a
    shard's stream. cache: a folder for fetched packs, and for what a gateway that dies leaves to be counted.
    """

    url: str = "sqlite:///benchroute.db"
    shards: int = Field(default=16, ge=1, le=4096)
    max_backlog: int = Field(default=10_000, ge=1)
    stream_retention: int = Field(default=0, ge=0)
    cache_dir: str = "~/.cache/benchroute/fleet"

    @property
    def is_shared(self) -> bool:
        """Whether many gateways share it."""
        return self.url.partition("://")[0] in REDIS_SCHEMES

    @field_serializer("url")
    def _without_password(self, url: str) -> str:
        return re.sub(r"//[^/@]*@", "//**********@", url)


class ScorerConfig(ConfigSection):
    """The process that scores. nice: by how much it stands back where requests need the processor; 19 comes last.

    Takes a restart.
    """

    nice: int = Field(default=5, ge=0, le=19)


class HashedKey(ConfigSection):
    """A key of which only the SHA-256 is kept; even that is shown as asterisks."""

    name: Name
    sha256: str = Field(pattern=r"^[0-9a-fA-F]{64}$", repr=False)

    @field_serializer("sha256")
    def _mask(self, _: str) -> str:
        return "**********"


class KeyTerms(ConfigSection):
    """What a client's key may do. models, tasks: those it may use, all by default. Limits left out: none.

    default_task: of calls that name none.
    """

    name: Name
    default_task: TaskId | None = None
    models: tuple[str, ...] | None = Field(default=None, min_length=1)
    tasks: tuple[TaskId, ...] | None = Field(default=None, min_length=1)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    budget_usd_per_day: Usd | None = None
    budget_usd_per_month: Usd | None = None


class KeyConfig(HashedKey, KeyTerms):
    """A client's key."""


class AdminKeyConfig(HashedKey):
    """A key that manages the gateway, and sends no requests. read_only: it looks, and changes nothing."""

    read_only: bool = False


class AdminConfig(ConfigSection):
    """Who may manage the gateway over HTTP: nobody, where no key is configured."""

    keys: tuple[AdminKeyConfig, ...] = ()


class ServerConfig(ConfigSection):
    """Where the gateway listens, and the largest body it reads.

    allow_unauthenticated: whether it may listen beyond this machine although no key is configured.
    shutdown_grace_s: how long
    requests under way may take to end once the gateway is told to stop. lane: `express` answers requests to backends
    below ASGI where it can; `asgi` takes every request the ordinary way, at some more CPU time. workers: processes that
    share the port, each with the port after it (and so on) for itself; more than one need their state in Redis.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8100, ge=0, le=65_535)
    max_body_bytes: int = Field(default=20 * 1024 * 1024, ge=1024, le=1024**3)
    allow_unauthenticated: bool = False
    shutdown_grace_s: float = Field(default=30.0, ge=0, le=86_400)
    lane: Literal["express", "asgi"] = "express"
    workers: int = Field(default=1, ge=1, le=64)


class BreakerConfig(ConfigSection):
    """When a backend is left alone: after so many faults in a row, or such a share of min_requests or more in a window.

    open_s: for how long at first; twice as long each time that the request after it fails.
    """

    consecutive_faults: int = Field(default=5, ge=1)
    fault_share: float = Field(default=0.5, gt=0, le=1)
    min_requests: int = Field(default=20, ge=1)
    window_s: Seconds = 30.0
    open_s: Seconds = 10.0


class UpstreamConfig(ConfigSection):
    """A request's way to a backend.

    max_attempts: backends asked for one request. retries: rounds over one model's backends after the first, with a
    pause drawn from 0 to retry_pause_s, doubling; a backend's Retry-After is waited for up to max_retry_after_s.
    retry_budget: retries allowed, as a share of requests. keepalive_s: how often a client whose stream has not begun is
    sent a comment; null for never. translate_messages: whether Anthropic's /v1/messages is translated, by litellm, for
    backends of kind openai that do not answer it themselves.
    """

    timeouts: TimeoutConfig = TimeoutConfig()
    max_attempts: int = Field(default=4, ge=1, le=20)
    retries: int = Field(default=1, ge=0, le=10)
    retry_pause_s: Seconds = 0.25
    max_retry_after_s: float = Field(default=5.0, ge=0, le=3600)
    retry_budget: float = Field(default=0.2, ge=0, le=1)
    breaker: BreakerConfig = BreakerConfig()
    keepalive_s: Seconds | None = 15.0
    translate_messages: bool = False


class LogConfig(ConfigSection):
    """What is logged of requests, and how. format: text, or JSON, an object a line.

    requests: none; faults, those of which a backend failed; all. share: of the requests without a fault, where all are
    logged. Prompts, answers and keys never are.
    """

    format: Literal["text", "json"] = "text"
    requests: Literal["none", "errors", "all"] = "errors"
    sample_rate: float = Field(default=1.0, ge=0, le=1)


class MetricsConfig(ConfigSection):
    """What /metrics tells. max_tasks: tasks told apart in labels, configured ones first; the others count as one."""

    max_tasks: int = Field(default=100, ge=0, le=10_000)


class OtelConfig(ConfigSection):
    """OpenTelemetry, by OTLP over HTTP. endpoint: where a collector listens, without /v1/traces; none: nothing is told.

    headers: sent along. share: of the traces that begin here; those of a client that says are as it says.
    metrics_every_s: how often figures are sent. Takes a restart.
    """

    endpoint: HttpUrl | None = None
    headers: dict[str, SecretStr] = {}
    service_name: str = Field(default="benchroute", min_length=1)
    traces: bool = True
    metrics: bool = True
    sample_rate: float = Field(default=1.0, ge=0, le=1)
    metrics_every_s: Seconds = 60.0


class Config(ConfigSection):
    """All of config.yaml."""

    models: tuple[ModelConfig, ...] = Field(min_length=1)
    routing: RoutingConfig = RoutingConfig()
    tasks: dict[TaskId, TaskConfig] = {}
    state: StateConfig = StateConfig()
    scorer: ScorerConfig = ScorerConfig()
    keys: tuple[KeyConfig, ...] = ()
    admin: AdminConfig = AdminConfig()
    server: ServerConfig = ServerConfig()
    upstream: UpstreamConfig = UpstreamConfig()
    metrics: MetricsConfig = MetricsConfig()
    log: LogConfig = LogConfig()
    otel: OtelConfig = OtelConfig()

    def mask_secrets(self) -> dict[str, Any]:
        """The configuration for printing, without secrets."""
        return self.model_dump(mode="json")
