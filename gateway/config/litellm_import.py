"""Conversion of litellm's proxy configuration (https://docs.litellm.ai/docs/proxy/configs).

Models, backends, prices and timeouts are converted; everything without a counterpart is reported. Entries with the same
`model_name` become one model with several backends.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from gateway.config.expand import ConfigFault
from gateway.config.yaml_text import read_yaml
from gateway.errors import ConfigError

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_COMPATIBLE = ("openai", "hosted_vllm", "text-completion-openai", "litellm_proxy", "lm_studio", "llamafile")
"""litellm's providers with OpenAI's API at `api_base`."""

PARAMS = (
    *("model", "api_base", "base_url", "api_key", "api_version", "extra_headers", "organization", "ssl_verify"),
    *("weight", "timeout"),
)
INFO = ("id", "input_cost_per_token", "output_cost_per_token", "max_input_tokens", "mode", "base_model", "max_tokens")
PARTS = {
    "cache_read_input_token_cost": "cached_input_usd_per_mtok",
    "cache_creation_input_token_cost": "cache_write_usd_per_mtok",
    "output_cost_per_reasoning_token": "reasoning_usd_per_mtok",
}
"""Prices of parts of a response."""
CAPABILITIES = {
    "supports_function_calling": "tools",
    "supports_response_schema": "json_schema",
    "supports_vision": "vision",
    "supports_audio_input": "audio",
}
ROUTER = ("num_retries", "timeout", "allowed_fails", "cooldown_time")
SECTIONS = ("model_list", "router_settings", "litellm_settings")

_SECRET = re.compile(r"^os\.environ/([A-Za-z_][A-Za-z0-9_]*)$")


@dataclass(frozen=True, slots=True)
class ImportedConfig:
    """The converted configuration, and the settings of litellm's that it omits: (path, reason)."""

    document: Mapping[str, Any]
    left_out: Sequence[ConfigFault]

    def to_yaml(self) -> str:
        """Return the text of config.yaml."""
        return yaml.safe_dump(dict(self.document), sort_keys=False, allow_unicode=True, width=120)


def import_litellm(text: str, source: str) -> ImportedConfig:
    """Convert the text of litellm's file. Raises ConfigError with every error."""
    raw = read_yaml(text, source)
    listed = raw.get("model_list") if isinstance(raw, dict) else None
    if not isinstance(listed, list) or not listed:
        raise ConfigError(source, [("model_list", "expected the list of models of a litellm proxy configuration")])
    left_out: list[ConfigFault] = [(name, _why(name)) for name in raw if name not in SECTIONS]
    faults: list[ConfigFault] = []
    models: dict[str, dict[str, Any]] = {}
    for place, entry in enumerate(listed):
        _add(models, entry, f"model_list[{place}]", faults, left_out)
    if faults:
        raise ConfigError(source, faults)
    document: dict[str, Any] = {"models": list(models.values())}
    upstream = _upstream(raw, left_out)
    if upstream:
        document["upstream"] = upstream
    return ImportedConfig(document, left_out)


def _why(section: str) -> str:
    if section == "general_settings":
        return "create keys and budgets with `benchroute keys create`, or `keys:` in the configuration"
    return "has no counterpart"


def _add(
    models: dict[str, dict[str, Any]], entry: object, path: str, faults: list[ConfigFault], out: list[ConfigFault]
) -> None:
    """Add a deployment: a new model, or another backend of a known one."""
    given: Mapping[str, Any] = entry if isinstance(entry, Mapping) else {}
    name, params, info = given.get("model_name"), given.get("litellm_params"), given.get("model_info")
    if not isinstance(name, str) or not isinstance(params, Mapping) or not isinstance(params.get("model"), str):
        faults.append((path, "expected model_name, and litellm_params with a model"))
        return
    if "*" in name:
        out.append((f"{path}.model_name", f"wildcard {name!r}: list the models that you use"))
        return
    info = info if isinstance(info, Mapping) else {}
    out += [(f"{path}.litellm_params.{key}", "has no counterpart") for key in params if key not in PARAMS]
    known = {*INFO, *PARTS, *CAPABILITIES}
    out += [(f"{path}.model_info.{key}", "has no counterpart") for key in info if key not in known]
    model = models.setdefault(name, {"name": name, **_about(info), **_limits(params)})
    model.setdefault("backends", []).append(_backend(params))


def _about(info: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    costs = [info.get("input_cost_per_token"), info.get("output_cost_per_token")]
    if all(isinstance(cost, int | float) for cost in costs):
        given, taken = (round(float(cost or 0) * 1e6, 6) for cost in costs)
        made["price"] = {"input_usd_per_mtok": given, "output_usd_per_mtok": taken}
        made["price"] |= {
            ours: round(float(info[theirs]) * 1e6, 6)
            for theirs, ours in PARTS.items()
            if isinstance(info.get(theirs), int | float)
        }
    if isinstance(info.get("max_input_tokens"), int):
        made["context_window"] = info["max_input_tokens"]
    if any(name in info for name in CAPABILITIES):
        made["supports"] = [ours for theirs, ours in CAPABILITIES.items() if info.get(theirs, True)]
    return made


def _limits(params: Mapping[str, Any]) -> dict[str, Any]:
    timeout = params.get("timeout")
    return {"timeouts": {"total_s": float(timeout)}} if isinstance(timeout, int | float) and timeout > 0 else {}


def _backend(params: Mapping[str, Any]) -> dict[str, Any]:
    whole = params["model"]
    provider, _, rest = whole.partition("/")
    url = params.get("api_base") or params.get("base_url")
    made: dict[str, Any] = {"kind": "litellm", "model": whole}
    if not rest or provider in OPENAI_COMPATIBLE:
        made = {"kind": "openai", "base_url": _secret(url) if url else OPENAI_URL, "model": rest or whole}
    elif provider == "azure" and url and "/" not in rest:
        made = {"kind": "azure", "base_url": _secret(url), "model": rest}
    elif url:
        made["base_url"] = _secret(url)
    if params.get("api_key"):
        made["api_key"] = _secret(params["api_key"])
    elif made.get("base_url") == OPENAI_URL:
        made["api_key"] = "${OPENAI_API_KEY}"  # where litellm looks for it
    elif made["kind"] == "azure":
        made["api_key"] = "${AZURE_API_KEY}"  # likewise
    if isinstance(params.get("weight"), int | float):
        made["weight"] = params["weight"]
    return {**made, **_connection(params, str(made["kind"]))}


def _connection(params: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return API version, headers and TLS of a backend."""
    made: dict[str, Any] = {}
    if params.get("api_version") and kind != "openai":
        made["api_version"] = _secret(params["api_version"])
    headers = params.get("extra_headers")
    named = dict(headers) if isinstance(headers, Mapping) else {}
    if params.get("organization"):
        named = {"OpenAI-Organization": params["organization"], **named}
    if named:
        made["headers"] = {str(name): _secret(value) for name, value in named.items()}
    if params.get("ssl_verify") is False and kind != "litellm":
        made["tls"] = {"verify": False}
    return made


def _secret(value: object) -> str:
    """Convert litellm's `os.environ/NAME` to `${NAME}`; other values are literal."""
    text = str(value)
    found = _SECRET.match(text)
    return "${" + found[1] + "}" if found else text.replace("${", "$${")


def _upstream(raw: Mapping[str, Any], out: list[ConfigFault]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for path, key, value in _settings(raw):
        if key not in ROUTER or isinstance(value, bool) or not isinstance(value, int | float):
            hint = "set fallbacks per task: `tasks.<task>.fallbacks`" if key == "fallbacks" else "has no counterpart"
            out.append((path, hint))
        elif key == "num_retries":
            made["retries"] = min(int(value), 10)
        elif key == "timeout":
            made["timeouts"] = {"total_s": float(value)}
        elif key == "allowed_fails":
            made.setdefault("breaker", {})["consecutive_faults"] = int(value) + 1
        else:
            made.setdefault("breaker", {})["open_s"] = float(value)
    return made


def _settings(raw: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for section in ("litellm_settings", "router_settings"):  # the router's settings take precedence
        settings = raw.get(section)
        for key, value in (settings if isinstance(settings, Mapping) else {}).items():
            name = "timeout" if key == "request_timeout" else str(key)
            yield f"{section}.{key}", name, value
