"""Conversion of litellm's proxy configuration (https://docs.litellm.ai/docs/proxy/configs).

Entries with the same `model_name` become one model with several backends. What has no counterpart is reported by kind:
see `litellm_settings`.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from gateway.config.expand import ConfigFault
from gateway.config.litellm_models import convert_deployment, dropped_settings, is_positive
from gateway.config.litellm_settings import Loss, LossGroup, drop_setting, group_losses
from gateway.config.yaml_text import read_yaml
from gateway.errors import ConfigError
from gateway.vocabulary import is_routed_model, is_task_id

ROUTER = ("num_retries", "timeout", "stream_timeout", "allowed_fails", "cooldown_time", "retry_after")
SETTINGS = ("litellm_settings", "router_settings", "general_settings")
SECTIONS = ("model_list", "credential_list", *SETTINGS)
MASTER_HASH = "LITELLM_MASTER_KEY_SHA256"


@dataclass(frozen=True, slots=True)
class ImportedConfig:
    """The converted configuration.

    Attributes:
        document: config.yaml.
        losses: settings of litellm's that it omits.
        notes: what a reader of the result should know.
    """

    document: Mapping[str, Any]
    losses: Sequence[Loss]
    notes: Sequence[str]

    @property
    def loss_groups(self) -> Sequence[LossGroup]:
        """What is omitted, by kind."""
        return group_losses(self.losses)

    @property
    def changes_behaviour(self) -> bool:
        """True if something that answers depend on is omitted."""
        return any(loss.changes_behaviour for loss in self.losses)

    def to_yaml(self) -> str:
        """Return the text of config.yaml."""
        return yaml.safe_dump(dict(self.document), sort_keys=False, allow_unicode=True, width=120)


@dataclass(slots=True)
class _Import:
    """A conversion under way."""

    environment: Mapping[str, str]
    names: Sequence[str]
    credentials: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[ConfigFault] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def import_litellm(
    text: str, source: str, environment: Mapping[str, str] | None = None, names: Sequence[str] = ()
) -> ImportedConfig:
    """Convert the text of litellm's file. Raises ConfigError with every error.

    environment: in which a master key is looked up, to be hashed. names: models to take from wildcards.
    """
    raw = read_yaml(text, source)
    listed = raw.get("model_list") if isinstance(raw, dict) else None
    if not isinstance(listed, list) or not listed:
        raise ConfigError(source, [("model_list", "expected the list of models of a litellm proxy configuration")])
    made = _Import(environment or {}, [*names, *_names_in_use(raw)])
    made.losses += [drop_setting("", str(name), str(name)) for name in raw if name not in SECTIONS]
    made.credentials = dict(_credentials(raw))
    for place, entry in enumerate(listed):
        _add_deployment(made, entry, f"model_list[{place}]")
    if made.faults:
        raise ConfigError(source, made.faults)
    if not made.models:
        raise ConfigError(source, [("model_list", "only wildcards: name the models that you use with --model")])
    document: dict[str, Any] = {"models": []}
    for path, section, key, value in _settings(raw):
        _convert_setting(made, document, path, section, key, value)
    document["models"] = list(made.models.values())
    return ImportedConfig(document, made.losses, made.notes)


def _credentials(raw: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    listed = raw.get("credential_list")
    for one in listed if isinstance(listed, list) else []:
        values = one.get("credential_values") if isinstance(one, Mapping) else None
        if isinstance(values, Mapping):
            yield str(one.get("credential_name")), values


def _names_in_use(raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield models that fallbacks and aliases name, which a wildcard may cover."""
    for _, _, key, value in _settings(raw):
        if key == "fallbacks" and isinstance(value, list):
            for first, others in _fallbacks(value):
                yield from (first, *others)
        elif key == "model_group_alias" and isinstance(value, Mapping):
            yield from map(_alias_target, value.values())


def _add_deployment(made: _Import, entry: object, path: str) -> None:
    """Add a deployment: a new model, or another backend of a known one."""
    given: Mapping[str, Any] = entry if isinstance(entry, Mapping) else {}
    name, params, info = given.get("model_name"), given.get("litellm_params"), given.get("model_info")
    if not isinstance(name, str) or not isinstance(params, Mapping) or not isinstance(params.get("model"), str):
        made.faults.append((path, "expected model_name, and litellm_params with a model"))
        return
    params = {**made.credentials.get(str(params.get("litellm_credential_name")), {}), **params}
    info = info if isinstance(info, Mapping) else {}
    covered = _covered(name, params["model"], made.names) if "*" in name else [(name, params["model"])]
    if "*" in name:
        made.losses.append(Loss(f"{path}.model_name", f"wildcard {name!r}: name the models that you use with --model"))
    kind = "litellm"
    for given_name, model in covered:
        each = _usable_name(given_name)
        if each != given_name:
            made.losses.append(Loss(f"{path}.model_name", f"{given_name!r} cannot name a model, and became {each!r}"))
        about, backend = convert_deployment({**params, "model": model}, info)
        kind = backend["kind"]
        made.models.setdefault(each, {"name": each, **about}).setdefault("backends", []).append(backend)
    made.losses += dropped_settings(params, info, path, kind)


def _usable_name(name: str) -> str:
    """Return a name that a model can have: visible ASCII, and none that requests routing."""
    usable = re.sub(r"[^\x21-\x7e]+", "-", name)[:256] or "model"
    return f"model-{usable}".replace("/", "-")[:256] if is_routed_model(usable) else usable


def _covered(name: str, model: str, used: Sequence[str]) -> list[tuple[str, str]]:
    """Return the models in use that a wildcard covers, each with litellm's name."""
    before, _, after = name.partition("*")
    found = [one for one in dict.fromkeys(used) if one.startswith(before) and one.endswith(after) and "*" not in one]
    return [(one, model.replace("*", one[len(before) : len(one) - len(after) or None])) for one in found]


def _settings(raw: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Any]]:
    for section in SETTINGS:  # the router's settings take precedence over litellm's
        settings = raw.get(section)
        for key, value in (settings if isinstance(settings, Mapping) else {}).items():
            name = "timeout" if key == "request_timeout" and section == "litellm_settings" else str(key)
            yield f"{section}.{key}", section, name, value


def _convert_setting(made: _Import, document: dict[str, Any], path: str, section: str, key: str, value: Any) -> None:
    if section == "general_settings":
        if key == "master_key" and isinstance(value, str) and value:
            document["admin"] = {"keys": [{"name": "master", "sha256": _hash_master_key(made, value)}]}
        else:
            made.losses.append(drop_setting(section, key, path))
    elif key == "fallbacks" and isinstance(value, list):
        _convert_fallbacks(made, document, path, value)
    elif key == "model_group_alias" and isinstance(value, Mapping):
        _convert_aliases(made, path, value)
    elif key in ROUTER and (is_positive(value) or value == 0):
        _convert_upstream(document.setdefault("upstream", {}), key, value)
    elif (section, key, value) == ("router_settings", "routing_strategy", "simple-shuffle"):
        pass  # the default: a random deployment by weight, as here
    else:
        made.losses.append(drop_setting(section, key, path))


def _convert_upstream(upstream: dict[str, Any], key: str, value: float) -> None:
    if key == "num_retries":
        upstream["retries"] = min(int(value), 10)
    elif key == "allowed_fails":
        upstream.setdefault("breaker", {})["consecutive_faults"] = int(value) + 1
    elif value > 0:
        section, name = {
            "timeout": ("timeouts", "total_s"),
            "stream_timeout": ("timeouts", "between_chunks_s"),
            "cooldown_time": ("breaker", "open_s"),
            "retry_after": ("", "retry_pause_s"),
        }[key]
        (upstream.setdefault(section, {}) if section else upstream)[name] = float(value)


def _hash_master_key(made: _Import, value: str) -> str:
    """Return the key's hash, or a variable for it where the key is in an environment that is not this one."""
    made.notes.append(
        "the master key manages the gateway (admin.keys) and sends no requests: create clients' keys with "
        "`benchroute keys create`"
    )
    variable = value.removeprefix("os.environ/")
    secret = made.environment.get(variable) if variable != value else value
    if secret:
        return hashlib.sha256(secret.strip().encode()).hexdigest()
    made.notes.append(f'set {MASTER_HASH} to the hash of {variable}: echo -n "${variable}" | benchroute keys hash')
    return "${" + MASTER_HASH + "}"


def _fallbacks(listed: Sequence[Any]) -> Iterator[tuple[str, Sequence[str]]]:
    for one in listed:
        for first, others in (one if isinstance(one, Mapping) else {}).items():
            yield (
                str(first),
                [str(other) for other in others if isinstance(other, str)] if isinstance(others, list) else [],
            )


def _convert_fallbacks(made: _Import, document: dict[str, Any], path: str, listed: Sequence[Any]) -> None:
    """Make a task of each model with fallbacks: a request that names a model goes to that model alone."""
    for place, (first, others) in enumerate(_fallbacks(listed)):
        known = [other for other in others if other in made.models]
        task = first if first in made.models and is_task_id(first) else None
        if task is None or not known:
            made.losses.append(Loss(f"{path}[{place}]", "names no configured model, or one that cannot name a task"))
            continue
        if len(known) < len(others):
            made.losses.append(Loss(f"{path}[{place}]", "some models are not configured"))
        document.setdefault("tasks", {})[task] = {"pin": first, "fallbacks": known}
    if document.get("tasks"):
        made.notes.append(
            "models with fallbacks are tasks: send `model: task/NAME` in place of `model: NAME` to use them"
        )


def _alias_target(target: object) -> str:
    return str(target.get("model")) if isinstance(target, Mapping) else str(target)


def _convert_aliases(made: _Import, path: str, aliases: Mapping[Any, Any]) -> None:
    for alias, target in aliases.items():
        model = made.models.get(_alias_target(target))
        if model is None or str(alias) in made.models:
            made.losses.append(Loss(f"{path}.{alias}", "names no configured model, or is one's own name"))
        else:
            made.models[str(alias)] = {**model, "name": str(alias)}
