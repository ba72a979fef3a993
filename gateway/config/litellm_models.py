"""Conversion of litellm's deployments: an entry of `model_list` becomes a model, or a further backend of one."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.config.litellm_settings import Loss, drop_setting

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_COMPATIBLE = ("openai", "hosted_vllm", "text-completion-openai", "litellm_proxy", "lm_studio", "llamafile")
"""litellm's providers with OpenAI's API at `api_base`."""

PARAMS = (
    *(
        "model",
        "api_base",
        "base_url",
        "api_key",
        "api_version",
        "extra_headers",
        "headers",
        "organization",
        "ssl_verify",
    ),
    *("weight", "rpm", "tpm", "timeout", "request_timeout", "stream_timeout", "litellm_credential_name"),
)
PRICES = {
    "input_cost_per_token": "input_usd_per_mtok",
    "output_cost_per_token": "output_usd_per_mtok",
    "cache_read_input_token_cost": "cached_input_usd_per_mtok",
    "cache_creation_input_token_cost": "cache_write_usd_per_mtok",
    "output_cost_per_reasoning_token": "reasoning_usd_per_mtok",
}
CAPABILITIES = {
    "supports_function_calling": "tools",
    "supports_response_schema": "json_schema",
    "supports_vision": "vision",
    "supports_audio_input": "audio",
}
KINDS = {
    "embedding": "embedding",
    "image_generation": "image",
    "audio_transcription": "audio",
    "audio_speech": "audio",
    "moderation": "moderation",
    "rerank": "rerank",
}
"""Our kinds of models by litellm's `mode`; chat, completion and responses are chat."""
INFO = ("max_input_tokens", "mode", *PRICES, *CAPABILITIES)
PROVIDER_PARAMETER = re.compile(
    r"(aws|vertex|azure|watsonx|oci|sap|gigachat)_[a-z0-9_]+|region_name|tenant_id|client_id|client_secret|project"
)
"""Parameters of a provider that the litellm backend passes on: `parameters`."""

_SECRET = re.compile(r"^os\.environ/([A-Za-z_][A-Za-z0-9_]*)$")


def convert_deployment(params: Mapping[str, Any], info: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of the model, and of the backend."""
    return {**_about({**_priced(params), **info}), **_timeouts(params)}, _backend(params)


def dropped_settings(params: Mapping[str, Any], info: Mapping[str, Any], path: str, kind: str) -> Iterator[Loss]:
    """Yield what a deployment loses. kind: of its backend."""
    for key in params:
        is_provider = kind == "litellm" and PROVIDER_PARAMETER.fullmatch(str(key))
        if key not in PARAMS and key not in PRICES and not is_provider:
            yield drop_setting("litellm_params", str(key), f"{path}.litellm_params.{key}")
    if "weight" in params and ("rpm" in params or "tpm" in params):
        yield Loss(f"{path}.litellm_params.rpm", "`weight` spreads the load already", changes_behaviour=False)
    for key in info:
        if key not in INFO:
            yield drop_setting("model_info", str(key), f"{path}.model_info.{key}")


def convert_value(value: object) -> str:
    """Convert litellm's `os.environ/NAME` to `${NAME}`; other values are literal."""
    text = str(value)
    found = _SECRET.match(text)
    return "${" + found[1] + "}" if found else text.replace("${", "$${")


def _priced(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: params[key] for key in PRICES if key in params}


def _about(info: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if (kind := KINDS.get(str(info.get("mode")))) is not None:
        made["kind"] = kind
    prices = {
        ours: round(cost * 1e6, 6) for theirs, ours in PRICES.items() if (cost := _cost(info.get(theirs))) is not None
    }
    if {"input_usd_per_mtok", "output_usd_per_mtok"} <= set(prices):
        made["price"] = prices
    window = info.get("max_input_tokens")
    if isinstance(window, int) and window > 0:
        made["context_window"] = window
    if any(name in info for name in CAPABILITIES):
        made["supports"] = [ours for theirs, ours in CAPABILITIES.items() if info.get(theirs, True)]
    return made


def _cost(value: object) -> float | None:
    """Return a price; YAML reads 1e-6 as a text."""
    try:
        found = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
    except ValueError:
        return None
    return found if 0 <= found < float("inf") else None


def _timeouts(params: Mapping[str, Any]) -> dict[str, Any]:
    total, between = params.get("timeout", params.get("request_timeout")), params.get("stream_timeout")
    given = {"total_s": total, "between_chunks_s": between}
    made = {name: float(value) for name, value in given.items() if is_positive(value)}
    return {"timeouts": made} if made else {}


def is_positive(value: object) -> bool:
    """Return True for a number above 0."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _backend(params: Mapping[str, Any]) -> dict[str, Any]:
    made = _address(params)
    if params.get("api_key"):
        made["api_key"] = convert_value(params["api_key"])
    elif made.get("base_url") == OPENAI_URL:
        made["api_key"] = "${OPENAI_API_KEY}"  # where litellm looks for it
    elif made["kind"] == "azure":
        made["api_key"] = "${AZURE_API_KEY}"  # likewise
    # litellm's default strategy takes them in this order as shares of the load, not as limits.
    weight = next((params[name] for name in ("weight", "rpm", "tpm") if is_positive(params.get(name))), None)
    if weight is not None:
        made["weight"] = weight
    return {**made, **_connection(params, str(made["kind"]))}


def _address(params: Mapping[str, Any]) -> dict[str, Any]:
    whole = params["model"]
    provider, _, rest = whole.partition("/")
    url = params.get("api_base") or params.get("base_url")
    if not rest or provider in OPENAI_COMPATIBLE:
        return {"kind": "openai", "base_url": convert_value(url) if url else OPENAI_URL, "model": rest or whole}
    if provider == "azure" and url and "/" not in rest:
        return {"kind": "azure", "base_url": convert_value(url), "model": rest}
    return {"kind": "litellm", "model": whole, **({"base_url": convert_value(url)} if url else {})}


def _connection(params: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return API version, headers, TLS and the provider's own parameters of a backend."""
    made: dict[str, Any] = {}
    if params.get("api_version") and kind != "openai":
        made["api_version"] = convert_value(params["api_version"])
    headers = {"OpenAI-Organization": params["organization"]} if params.get("organization") else {}
    for name in ("headers", "extra_headers"):
        headers |= params[name] if isinstance(params.get(name), Mapping) else {}
    if headers:
        made["headers"] = {str(name): convert_value(value) for name, value in headers.items()}
    if params.get("ssl_verify") is False and kind != "litellm":
        made["tls"] = {"verify": False}
    own = {str(key): convert_value(value) for key, value in params.items() if PROVIDER_PARAMETER.fullmatch(str(key))}
    if own and kind == "litellm":
        made["parameters"] = own
    return made
