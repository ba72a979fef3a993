"""Backends from a configuration."""

from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from gateway.config import BackendConfig, Config
from gateway.config.schema import LitellmBackend
from gateway.upstream.interface import Backend
from gateway.upstream.openai_backend import HttpBackend
from gateway.upstream.pool import Pool

TRANSLATED = "hosted_vllm"
"""litellm's provider for any URL that answers OpenAI's chat completions; to `openai` it would send /v1/responses."""


def build_backends(config: Config, pool: Pool) -> Mapping[str, Sequence[Backend]]:
    """Every model's backends, by the model's name. Raises ConfigError where a kind's library is missing."""
    return {
        model.name: [
            _backend(f"{model.name}/{place}", model.name, backend, pool, config.upstream.translate_messages)
            for place, backend in enumerate(model.backends, 1)
        ]
        for model in config.models
    }


def _backend(name: str, model: str, config: BackendConfig, pool: Pool, translate_messages: bool) -> Backend:
    if isinstance(config, LitellmBackend):
        return _through_litellm(name, config)
    if not translate_messages or config.speaks_messages:
        return HttpBackend(name, model, config, pool)
    same = LitellmBackend(
        kind="litellm",
        model=f"{TRANSLATED}/{config.model or model}",
        base_url=config.base_url,
        api_key=config.api_key or SecretStr("none"),
    )
    return HttpBackend(name, model, config, pool, adapter=_through_litellm(name, same))


def _through_litellm(name: str, config: LitellmBackend) -> Backend:
    from gateway.upstream.litellm_backend import LitellmModel  # hundreds of megabytes, only where it is asked for

    return LitellmModel(name, config)
