"""What is said of single tasks while the gateway runs, over what the configuration says.

It lies in the state store, version by version, and outlives restarts and other configurations. One that does not fit
the configuration in force (a model that is gone) is left out, and said to be: a reload never fails for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from gateway.config import Config
from gateway.config.schema import TaskConfig
from gateway.errors import ConfigError
from gateway.state.store import StoredPolicy
from gateway.tasks.policies import build_policies
from routing.manifest import Manifest


@dataclass(frozen=True, slots=True)
class ConfigWithOverrides:
    """A configuration with what was said over it. faults: by task, why what was said of it is not in force."""

    config: Config
    errors: Mapping[str, str]


def apply_overrides(config: Config, manifest: Manifest | None, said: Sequence[StoredPolicy]) -> ConfigWithOverrides:
    """Lays what was said of tasks over a configuration."""
    tasks, faults = dict(config.tasks), {}
    for policy in said:
        if policy.settings_json is None:
            continue
        try:
            tasks[policy.task] = _merged(config, manifest, policy.task, policy.settings_json)
        except ConfigError as error:
            faults[policy.task] = "; ".join(message for _, message in error.faults)
    return ConfigWithOverrides(config.model_copy(update={"tasks": tasks}), faults)


def _merged(config: Config, manifest: Manifest | None, name: str, terms: str) -> TaskConfig:
    """A task's configuration with these terms over it. Raises ConfigError where that cannot be."""
    configured = config.tasks.get(name, TaskConfig())
    try:
        said = TaskConfig.model_validate_json(terms)
    except ValidationError as error:
        found = [(".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors()]
        raise ConfigError(f"tasks.{name}", found) from error
    merged = configured.model_copy(update={field: getattr(said, field) for field in said.model_fields_set})
    if faults := list(_unknown(config, merged)):
        raise ConfigError(f"tasks.{name}", faults)
    build_policies(config.model_copy(update={"tasks": {name: merged}}), manifest)
    return merged


def _unknown(config: Config, task: TaskConfig) -> Iterator[tuple[str, str]]:
    known = {model.name for model in config.models}
    for field, named in (("pin", (task.pin,)), ("candidates", task.candidates), ("fallbacks", task.fallbacks)):
        for model in named or ():
            if model is not None and model not in known:
                yield field, f"{field}: {model!r} is no configured model"
