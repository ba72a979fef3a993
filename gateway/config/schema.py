"""config.yaml as a whole: models, routing and tasks here, the other sections in gateway.config.service."""

from collections.abc import Mapping

from pydantic import Field, PrivateAttr

from gateway.config.backends import (
    BACKEND_KINDS,
    AzureBackendConfig,
    BackendConfig,
    LitellmBackendConfig,
    OpenAIBackendConfig,
)
from gateway.config.fields import Capability, ConfigSection, InputRule, ModelKind, Name, Seconds, TaskId, Usd
from gateway.config.key_sections import AdminConfig, AdminKeyConfig, KeyConfig, KeyLimits, KeyTerms
from gateway.config.service import (
    LOOPBACK,
    BreakerConfig,
    LogConfig,
    MetricsConfig,
    OtelConfig,
    ScorerConfig,
    ServerConfig,
    StateConfig,
    TimeoutConfig,
    UpstreamConfig,
)
from gateway.errors import ConfigError
from gateway.vocabulary import TASK_SOURCES, ScoreSetting, TaskSource

__all__ = [
    "BACKEND_KINDS",
    "LOOPBACK",
    "AdminKeyConfig",
    "AzureBackendConfig",
    "BackendConfig",
    "BreakerConfig",
    "CacheConfig",
    "Config",
    "KeyConfig",
    "KeyLimits",
    "KeyTerms",
    "LitellmBackendConfig",
    "ModelConfig",
    "ObjectiveConfig",
    "OpenAIBackendConfig",
    "OtelConfig",
    "PriceConfig",
    "RoutingConfig",
    "ServerConfig",
    "StateConfig",
    "TaskConfig",
    "TimeoutConfig",
    "UpstreamConfig",
]


class LongContextPriceConfig(ConfigSection):
    """Price of requests with a long prompt, where a provider charges them differently as a whole."""

    above_tokens: int = Field(ge=32_000)
    """Input tokens above which this price applies."""
    input_usd_per_mtok: Usd
    """Price of input tokens."""
    output_usd_per_mtok: Usd
    """Price of output tokens."""
    cached_input_usd_per_mtok: Usd | None = None
    """Price of input read from the provider's prompt cache. Default: the input price."""
    cache_write_usd_per_mtok: Usd | None = None
    """Price of input written to the provider's prompt cache. Default: the input price."""


class PriceConfig(ConfigSection):
    """Price of a model, US dollars per million tokens."""

    input_usd_per_mtok: Usd
    """Price of input tokens."""
    output_usd_per_mtok: Usd
    """Price of output tokens."""
    cached_input_usd_per_mtok: Usd | None = None
    """Price of input read from the provider's prompt cache. Default: the input price."""
    cache_write_usd_per_mtok: Usd | None = None
    """Price of input written to the provider's prompt cache. Default: the input price."""
    reasoning_usd_per_mtok: Usd | None = None
    """Price of reasoning tokens. Default: the output price."""
    long_context: LongContextPriceConfig | None = None
    """Price of requests with a long prompt. Default: the same price."""


class ModelConfig(ConfigSection):
    """A model that requests can be routed to."""

    name: Name
    """Name of the model, as in the pack."""
    evidence: str | None = Field(default=None, min_length=1)
    """Model of the pack whose outcomes count for this one. Default: the one of the same name, else of the same model
    under another provider's id or in another version."""
    kind: ModelKind = "chat"
    """Kind of the model. Only `chat` models are candidates of tasks and answer chat; /v1/images, /v1/audio,
    /v1/moderations and /v1/rerank use the only model of their kind where a request names none."""
    params_b: float | None = Field(default=None, gt=0)
    """Size, billions of parameters. Default: the pack's figure."""
    price: PriceConfig | None = None
    """Price, for cost tracking, budgets and cost-aware routing. Default: unknown."""
    context_window: int | None = Field(default=None, gt=0)
    """Context window, tokens. Default: unlimited."""
    supports: tuple[Capability, ...] | None = None
    """Capabilities; requests that need another one are not routed to the model. Default: all."""
    timeouts: TimeoutConfig = TimeoutConfig()
    """Timeouts of this model, in place of `upstream.timeouts`."""
    backends: tuple[BackendConfig, ...] = Field(min_length=1)
    """Endpoints that serve the model."""


class ObjectiveConfig(ConfigSection):
    """Weights of the objective: `quality` times the score minus `price` times the relative cost, which is maximized.

    The relative cost is the share of the most expensive candidate's cost. With `quality: 1`, `price` is the accuracy
    traded for the full cost of the most expensive model.
    """

    quality: float = Field(default=1.0, gt=0, le=1000)
    """Weight of the score."""
    price: float = Field(default=0.0, ge=0, le=1000)
    """Weight of the relative cost."""


class RoutingConfig(ConfigSection):
    """The pack, and the parameters of routing. Without a pack, every task uses the first configured model."""

    pack: str | None = None
    """Path of the pack: a folder or a .tar file; `public` for the pack of public outcomes that Benchroute ships."""
    max_pack_mb: int = Field(default=16_384, ge=1)
    """Largest pack that a scorer reads, MB after decompression."""
    score: ScoreSetting = "recommended"
    """Score that ranks the candidates: `recommended` (`s3` or `auto`, as the pack's report says), `s1`, `s2`, `s3` (the
    paper's), or `auto`. A task with `max_regret` or `dataset` is scored by `auto` under `recommended`."""
    task_sources: tuple[TaskSource, ...] = TASK_SOURCES
    """Where a request's task is looked for, first to last: the header `X-Task-Id`, `metadata.task_id`, model
    `task/<id>`, the template of the system prompt, the key's `default_task`. Without any, the task is `default`.
    Sources that are left out are not used."""
    k: int = Field(default=5, ge=1, le=1000)
    """Number of nearest benchmark inputs that predict correctness (eq. 7)."""
    kappa: int = Field(default=19, ge=1, le=1000)
    """Number of nearest benchmark inputs that measure the distance to the benchmark (eq. 8)."""
    threshold: float = Field(default=0.5, ge=0, le=1)
    """Mean outcome of the nearest inputs above which a model is predicted to be correct (t in eq. 2)."""
    sigma: float = Field(default=0.09, gt=0)
    """Bandwidth of the kernel smoother from distance to reliability (eq. 10)."""
    eta: float = Field(default=0.6, ge=0, le=1)
    """Minimum probability of being better required to switch models (eq. 6)."""
    objective: ObjectiveConfig = ObjectiveConfig()
    """Objective of tasks with neither `objective` nor `max_regret`."""
    embedding_model: str | None = None
    """Model of /v1/embeddings with `auto`, for all tasks without one of their own. Default: the only model of kind
    `embedding`. Evidence never changes it: vectors of two models do not mix."""
    session_ttl_s: Seconds = 3600.0
    """Seconds after its last request until a session's model and backend are no longer fixed."""
    response_ttl_s: Seconds = 86_400.0
    """Seconds for which a gateway remembers the backend of a response or conversation, for `previous_response_id`,
    `conversation` and /v1/responses/{id}."""
    adaptive_sampling: bool = True
    """Embed only a sample of the inputs of tasks whose decision is settled."""
    exploration: float = Field(default=0.0, ge=0, le=0.5)
    """Share of requests sent to a random other candidate, so that feedback covers it. Does not apply to pinned tasks,
    shadow mode and sessions."""
    feedback_window: int = Field(default=20_000, ge=0, le=10_000_000)
    """Number of most recent responses of a gateway that accept feedback. Requires a restart."""
    keep_texts: bool = False
    """Store the texts of each task's last 256 inputs in the state, for label suggestions."""


class CacheConfig(ConfigSection):
    """Response cache: identical requests, byte for byte, get the stored response."""

    ttl_s: Seconds = 3600.0
    """Seconds until a cached response expires."""
    any_temperature: bool = False
    """Also cache requests whose temperature is not 0."""


class TaskConfig(ConfigSection):
    """Settings of one task. Limits exclude models whose size or price is unknown.

    Costs in `objective` and `max_regret` are prices weighted by the task's own token usage once 20 responses reported
    it, and model sizes where no price is known.
    """

    candidates: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Models that the task may use. Default: all."""
    max_params_b: float | None = Field(default=None, gt=0)
    """Maximum model size, billions of parameters."""
    max_input_usd_per_mtok: Usd | None = None
    """Maximum price of input tokens, US dollars per million."""
    max_output_usd_per_mtok: Usd | None = None
    """Maximum price of output tokens, US dollars per million."""
    pin: str | None = None
    """Model that always serves the task."""
    fallbacks: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Failover order, in place of the score's ranking."""
    embedding_model: str | None = None
    """Model of the task's /v1/embeddings requests with `auto`. Default: `routing.embedding_model`."""
    score: ScoreSetting | None = None
    """Score of this task. Default: `routing.score`."""
    dataset: str | None = Field(default=None, min_length=1)
    """Dataset of the pack that the task's inputs belong to. The task uses the dataset's best model from its first
    request. Excludes the scores `s1`, `s2` and `s3` of the task."""
    max_regret: float | None = Field(default=None, ge=0, le=1)
    """Accuracy that a cheaper model may lose against the best, with probability above `eta`. Requires `score: auto`
    or `recommended`; excludes `objective`."""
    objective: ObjectiveConfig | None = None
    """Objective of this task. Default: `routing.objective`."""
    input: InputRule = "last_user"
    """Messages of a request that are the task's input: `last_user`, `first_user`, `all_user`, `all`, or a JSONPath
    (RFC 9535) into the body."""
    shadow: bool = False
    """Shadow mode: route as without evidence; response headers, metrics and /v1/tasks report the model that routing
    would have chosen."""
    cache: CacheConfig | None = None
    """Response cache. Default: off."""
    exploration: float | None = Field(default=None, ge=0, le=0.5)
    """Exploration rate of this task. Default: `routing.exploration`."""
    keep_texts: bool | None = None
    """Store input texts of this task. Default: `routing.keep_texts`."""


class Config(ConfigSection):
    """All sections of `config.yaml`."""

    models: tuple[ModelConfig, ...] = Field(min_length=1)
    """Models and their backends."""
    routing: RoutingConfig = RoutingConfig()
    """The pack, and the parameters of routing."""
    tasks: dict[TaskId, TaskConfig] = {}  # noqa: RUF012  # pydantic copies defaults
    """Settings of tasks, by task ID. Tasks that are not listed have the defaults."""
    state: StateConfig = StateConfig()
    """Storage of the state."""
    scorer: ScorerConfig = ScorerConfig()
    """The scorer process."""
    keys: tuple[KeyConfig, ...] = ()
    """API keys of clients. With neither client nor admin keys, no key is required."""
    admin: AdminConfig = AdminConfig()
    """Access to the management API."""
    server: ServerConfig = ServerConfig()
    """Listening address, limits on requests, worker processes."""
    upstream: UpstreamConfig = UpstreamConfig()
    """Requests to backends."""
    metrics: MetricsConfig = MetricsConfig()
    """Prometheus metrics."""
    log: LogConfig = LogConfig()
    """Log format and request log."""
    otel: OtelConfig = OtelConfig()
    """OpenTelemetry export."""

    _source: str = PrivateAttr(default="")
    _lines: Mapping[str, int] = PrivateAttr(default_factory=dict)

    def remember_lines(self, source: str, lines: Mapping[str, int]) -> None:
        """Note where the settings were read, for errors that show later. lines: from 1, by path."""
        self._source, self._lines = source, lines

    def locate_error(self, error: ConfigError) -> ConfigError:
        """Return an error about these settings with the file and the lines that they were read from."""
        return ConfigError(self._source, error.faults, self._lines) if self._source else error
