"""Backends from a configuration."""

from collections.abc import Mapping, Sequence

import aiohttp

from gateway.config import BackendConfig, Config
from gateway.config.schema import OpenAIBackend
from gateway.upstream.contract import Backend
from gateway.upstream.openai_kind import HttpBackend


def build_backends(config: Config, session: aiohttp.ClientSession) -> Mapping[str, Sequence[Backend]]:
    """Every model's backends, by the model's name. Raises ConfigError where a kind's library is missing."""
    return {
        model.name: [
            _backend(f"{model.name}/{place}", model.name, backend, session)
            for place, backend in enumerate(model.backends, 1)
        ]
        for model in config.models
    }


def _backend(name: str, model: str, config: BackendConfig, session: aiohttp.ClientSession) -> Backend:
    if isinstance(config, OpenAIBackend):
        return HttpBackend(name, model, config, session)
    from gateway.upstream.litellm_kind import LitellmModel  # hundreds of megabytes, only where it is asked for

    return LitellmModel(name, config)
