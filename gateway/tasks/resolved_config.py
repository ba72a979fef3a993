"""The resolved configuration: with policy overrides, policies and timeouts, before anything is started or changed.

Overrides of single tasks are set over HTTP. They are stored with their versions, and survive restarts and reloads. An
override that does not fit the present configuration (a model was removed) is skipped and reported: a reload never fails
because of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from gateway.config import LOOPBACK, Config
from gateway.config.field_faults import find_faults
from gateway.config.schema import TaskConfig
from gateway.errors import ConfigError
from gateway.packs import configured_path
from gateway.scorer.evidence import match_evidence
from gateway.scorer.messages import Configure, EvictionLimits, ModelNames, ScoreSettings, TaskPolicy
from gateway.state.store import StoredPolicy
from gateway.tasks.decision_table import Policies, Policy
from gateway.tasks.policies import build_policies, build_prices, unknown_datasets
from gateway.upstream.timeouts import Timeouts
from gateway.usage.prices import Price
from routing.catalogue.evidence import EvidenceMatch, rename_models
from routing.errors import PackMismatch, RoutingError
from routing.manifest import Manifest, read_manifest


@dataclass(frozen=True, slots=True)
class ConfigWithOverrides:
    """A configuration with the overrides applied. errors: by task, why its override was skipped."""

    config: Config
    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ResolvedConfig:
    """A configuration and all that follows from it and the pack's manifest.

    Attributes:
        config: with policy overrides applied.
        manifest: of the pack, with the configured names of models; None without one.
        policies: of all tasks.
        start: the scorer's first message, None without a pack.
        timeouts: by model.
        prices: of every model that has one.
        errors: by task, why its override was skipped.
        unknown_datasets: by task, why the dataset that it names has no effect.
        evidence: whose outcomes in the pack every configured model has; none without a pack.
    """

    config: Config
    manifest: Manifest | None
    policies: Policies
    start: Configure | None
    timeouts: dict[str, Timeouts]
    prices: Mapping[str, Price]
    errors: Mapping[str, str]
    unknown_datasets: Mapping[str, str]
    evidence: Sequence[EvidenceMatch] = ()

    @property
    def evidence_by_model(self) -> Mapping[str, EvidenceMatch]:
        """The matches by the configured model's name."""
        return {match.model: match for match in self.evidence}


def resolve_config(
    config: Config, overrides: Sequence[StoredPolicy] = (), manifest: Manifest | None = None
) -> ResolvedConfig:
    """Resolve a configuration. manifest: of the shared pack, where the configuration names none.

    Raises ConfigError for an unreadable pack, a task without candidates, and unintended access without keys.
    """
    try:
        return _resolve(config, overrides, manifest)
    except ConfigError as error:
        raise config.locate_error(error) from error


def _resolve(config: Config, overrides: Sequence[StoredPolicy], manifest: Manifest | None) -> ResolvedConfig:
    _check_access(config)
    manifest = _read_manifest(config) or manifest
    matches = _match_evidence(config, manifest)
    if manifest is not None:
        manifest = rename_models(manifest, matches)
    build_policies(config, manifest)
    overridden = apply_overrides(config, manifest, overrides)
    config = overridden.config
    policies = build_policies(config, manifest)
    general = Timeouts().overridden_by(config.upstream.timeouts)
    timeouts = {model.name: general.overridden_by(model.timeouts) for model in config.models}
    start = _first_message(config, policies) if manifest else None
    unknown = unknown_datasets(config, manifest)
    prices = build_prices(config, manifest)
    return ResolvedConfig(config, manifest, policies, start, timeouts, prices, overridden.errors, unknown, matches)


def check_reloadable(old: Config, new: Config) -> None:
    """Raise ConfigError for changes that need a restart."""
    fixed = {
        "state.url": (old.state.url, new.state.url),
        "server": (old.server, new.server),
        "log": (old.log, new.log),
        "metrics": (old.metrics, new.metrics),
        "otel": (old.otel, new.otel),
        "routing.feedback_window": (old.routing.feedback_window, new.routing.feedback_window),
        "routing.pack": (old.routing.pack is None, new.routing.pack is None),
    }
    faults = [
        (path, "cannot be changed by a reload: restart the gateway")
        for path, (before, after) in fixed.items()
        if before != after
    ]
    if faults:
        raise ConfigError("the new configuration", faults)


def _check_access(config: Config) -> None:
    """Raise ConfigError where clients of other machines would need no key, unless the configuration allows it."""
    server = config.server
    if config.keys or config.admin.keys or server.allow_unauthenticated or server.host in LOOPBACK:
        return
    fault = f"listening on {server.host} without API keys: configure `keys`, or set `server.allow_unauthenticated`"
    raise ConfigError("server", [("server.host", fault)])


def _read_manifest(config: Config) -> Manifest | None:
    """Return the configured pack's manifest, None without one. Raises ConfigError."""
    path = configured_path(config.routing.pack)
    if path is None:
        return None
    try:
        return read_manifest(path)
    except RoutingError as error:
        raise ConfigError("routing", [("routing.pack", str(error))]) from error


def _match_evidence(config: Config, manifest: Manifest | None) -> Sequence[EvidenceMatch]:
    """Return whose outcomes in the pack every configured model has; none without a pack. Raises ConfigError."""
    if manifest is None:
        return ()
    try:
        return match_evidence(model_names(config), manifest)
    except PackMismatch as error:
        raise ConfigError("models", [("models", str(error))]) from error


def model_names(config: Config) -> tuple[ModelNames, ...]:
    """Return the configured models with the ids at their backends."""
    served = [[one.model for one in model.backends if one.model is not None] for model in config.models]
    return tuple(ModelNames(model.name, ids, model.evidence) for model, ids in zip(config.models, served, strict=True))


def score_settings(config: Config) -> ScoreSettings:
    """Return the scorer's part of the routing section: the fields of the same names, so that none is left out."""
    of_routing = {name for name in ScoreSettings.__struct_fields__ if name != "models"}
    return ScoreSettings(**{name: getattr(config.routing, name) for name in of_routing}, models=model_names(config))


def _first_message(config: Config, policies: Policies) -> Configure:
    return Configure(
        pack=str(configured_path(config.routing.pack) or ""),
        state_url=config.state.url,
        routing=score_settings(config),
        policy=task_policy(policies.default),
        tasks={name: task_policy(policy) for name, policy in policies.tasks.items()},
        limits=EvictionLimits(config.state.max_tasks, config.state.idle_days),
    )


def task_policy(policy: Policy) -> TaskPolicy:
    """Return the part of a policy that the scorer uses."""
    return TaskPolicy(
        policy.candidates,
        policy.input,
        policy.score,
        policy.max_regret,
        policy.costs,
        policy.objective,
        policy.prices,
        policy.keep_texts,
        policy.dataset,
    )


def apply_overrides(
    config: Config, manifest: Manifest | None, overrides: Sequence[StoredPolicy]
) -> ConfigWithOverrides:
    """Apply policy overrides to a configuration."""
    tasks, skipped = dict(config.tasks), {}
    for policy in overrides:
        if policy.settings_json is None:
            continue
        try:
            tasks[policy.task] = _merge_task(config, manifest, policy.task, policy.settings_json)
        except ConfigError as error:
            skipped[policy.task] = "; ".join(message for _, message in error.faults)
    return ConfigWithOverrides(config.model_copy(update={"tasks": tasks}), skipped)


def _merge_task(config: Config, manifest: Manifest | None, name: str, settings_json: str) -> TaskConfig:
    """Return a task's configuration with an override applied. Raises ConfigError for one that does not fit."""
    configured = config.tasks.get(name, TaskConfig())
    try:
        override = TaskConfig.model_validate_json(settings_json)
    except ValidationError as error:
        raise ConfigError(f"tasks.{name}", find_faults(TaskConfig, error, set())) from error
    merged = configured.model_copy(update={field: getattr(override, field) for field in override.model_fields_set})
    if faults := list(_unknown_models(config, merged)):
        raise ConfigError(f"tasks.{name}", faults)
    build_policies(config.model_copy(update={"tasks": {name: merged}}), manifest)
    return merged


def _unknown_models(config: Config, task: TaskConfig) -> Iterator[tuple[str, str]]:
    kinds = {model.name: model.kind for model in config.models}
    for field, named in (("pin", (task.pin,)), ("candidates", task.candidates), ("fallbacks", task.fallbacks)):
        for model in named or ():
            if model is not None and model not in kinds:
                yield field, f"{field}: {model!r} is not a configured model"
            elif model is not None and kinds[model] != "chat":
                yield field, f"{field}: {model!r} is of kind {kinds[model]}: a task's models are of kind chat"
    if task.embedding_model is not None and task.embedding_model not in kinds:
        yield "embedding_model", f"embedding_model: {task.embedding_model!r} is not a configured model"
