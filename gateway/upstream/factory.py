"""Construction of backends from a configuration."""

from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from gateway.config import BackendConfig, Config
from gateway.config.schema import LitellmBackendConfig
from gateway.upstream.interface import Backend
from gateway.upstream.openai_backend import OpenAIBackend
from gateway.upstream.pool import ConnectionPool

LITELLM_PROVIDER = "hosted_vllm"
"""litellm's provider for any URL that answers OpenAI's chat completions; to `openai` it would send /v1/responses."""


def build_backends(config: Config, pool: ConnectionPool) -> Mapping[str, Sequence[Backend]]:
    """Return every model's backends, by the model's name. Raises ConfigError where a kind's library is missing."""
    return {
        model.name: [
            _backend(f"{model.name}/{place}", model.name, backend, pool, config.upstream.translate_messages)
            for place, backend in enumerate(model.backends, 1)
        ]
        for model in config.models
    }


def _backend(name: str, model: str, config: BackendConfig, pool: ConnectionPool, translate_messages: bool) -> Backend:
    if isinstance(config, LitellmBackendConfig):
        return _through_litellm(name, config)
    if not translate_messages or config.speaks_messages:
        return OpenAIBackend(name, model, config, pool)
    same = LitellmBackendConfig(
        kind="litellm",
        model=f"{LITELLM_PROVIDER}/{config.model or model}",
        base_url=config.base_url,
        api_key=config.api_key or SecretStr("none"),
    )
    return OpenAIBackend(name, model, config, pool, adapter=_through_litellm(name, same))


def _through_litellm(name: str, config: LitellmBackendConfig) -> Backend:
    from gateway.upstream.litellm_backend import LitellmBackend  # hundreds of megabytes, only where it is asked for

    return LitellmBackend(name, config)
