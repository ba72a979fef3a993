"""What a configuration and its pack's manifest come to, before anything is started or changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.config import LOOPBACK, Config
from gateway.errors import ConfigError
from gateway.scorer.messages import Configure, ScoreSettings, TaskPolicy
from gateway.state.store import StoredPolicy
from gateway.tasks.decision_table import Policies, Policy
from gateway.tasks.overrides import apply_overrides
from gateway.tasks.policies import build_policies
from gateway.upstream.timeouts import Timeouts
from routing.errors import RoutingError
from routing.manifest import Manifest, read_manifest


@dataclass(frozen=True, slots=True)
class ResolvedConfig:
    """config: with what was said of tasks over it. start: what the scorer is told, None without a pack.

    timeouts: by model. faults: by task, why what was said of it is not in force.
    """

    config: Config
    manifest: Manifest | None
    policies: Policies
    start: Configure | None
    timeouts: dict[str, Timeouts]
    errors: Mapping[str, str]


def resolve_config(
    config: Config, said: Sequence[StoredPolicy] = (), manifest: Manifest | None = None
) -> ResolvedConfig:
    """said: of tasks, while the gateway runs. manifest: of the fleet's pack, where the configuration names none.

    Raises ConfigError for a pack that is none, a task without candidates, and a door left open by mistake.
    """
    _refuse_strangers(config)
    manifest = _manifest(config) or manifest
    build_policies(config, manifest)
    over = apply_overrides(config, manifest, said)
    config = over.config
    made = build_policies(config, manifest)
    general = Timeouts().overridden_by(config.upstream.timeouts)
    timeouts = {model.name: general.overridden_by(model.timeouts) for model in config.models}
    start = _start(config, made) if manifest else None
    return ResolvedConfig(config, manifest, made, start, timeouts, over.errors)


def check_reloadable(old: Config, new: Config) -> None:
    """Raises ConfigError for what only a restart can change."""
    fixed = {
        "state.url": (old.state.url, new.state.url),
        "server": (old.server, new.server),
        "log": (old.log, new.log),
        "metrics": (old.metrics, new.metrics),
        "otel": (old.otel, new.otel),
        "routing.feedback_window": (old.routing.feedback_window, new.routing.feedback_window),
        "routing.pack": (old.routing.pack is None, new.routing.pack is None),
    }
    faults = [(path, "only a restart can change this") for path, (before, after) in fixed.items() if before != after]
    if faults:
        raise ConfigError("the new configuration", faults)


def _refuse_strangers(config: Config) -> None:
    """Without keys whoever reaches the port may spend our money: beyond this machine only if that is meant."""
    server = config.server
    if config.keys or config.admin.keys or server.allow_unauthenticated or server.host in LOOPBACK:
        return
    fault = f"listening on {server.host} without any key: configure keys, or set allow_unauthenticated if it is meant"
    raise ConfigError("server", [("server.host", fault)])


def _manifest(config: Config) -> Manifest | None:
    """What the configured pack says of itself."""
    if config.routing.pack is None:
        return None
    try:
        return read_manifest(Path(config.routing.pack))
    except RoutingError as error:
        raise ConfigError("routing", [("routing.pack", str(error))]) from error


def score_settings(config: Config) -> ScoreSettings:
    """Return the scorer's part of the routing section: the fields of the same names, so that none is left out."""
    return ScoreSettings(**{name: getattr(config.routing, name) for name in ScoreSettings.__struct_fields__})


def _start(config: Config, made: Policies) -> Configure:
    return Configure(
        pack=config.routing.pack or "",
        state_url=config.state.url,
        routing=score_settings(config),
        policy=task_policy(made.default),
        tasks={name: task_policy(policy) for name, policy in made.tasks.items()},
    )


def task_policy(policy: Policy) -> TaskPolicy:
    """A policy as the scorer is told of it."""
    return TaskPolicy(
        policy.candidates,
        policy.input,
        policy.score,
        policy.max_regret,
        policy.costs,
        policy.objective,
        policy.prices,
        policy.keep_texts,
    )
