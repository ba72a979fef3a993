"""Construction of backends from a configuration."""

import logging
import os
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from pydantic import SecretStr

from gateway.config import BackendConfig, Config
from gateway.config.schema import AzureBackendConfig, LitellmBackendConfig, OpenAIBackendConfig
from gateway.config.service import LOOPBACK, ForwardingConfig
from gateway.errors import ConfigError
from gateway.http.forwarding import REQUEST_DENIALS, RESPONSE_DENIALS, Forwarding, HeaderRules
from gateway.upstream.interface import Backend
from gateway.upstream.openai_backend import OpenAIBackend
from gateway.upstream.pool import ConnectionPool
from gateway.upstream.proxies import Proxy, find_proxy

LITELLM_PROVIDER = "hosted_vllm"
"""litellm's provider for any URL that answers OpenAI's chat completions; to `openai` it would send /v1/responses."""

KEY_HEADERS = ("authorization", "x-api-key", "api-key")

log = logging.getLogger("benchroute")


def build_backends(
    config: Config, pool: ConnectionPool, environment: Mapping[str, str] = os.environ
) -> Mapping[str, Sequence[Backend]]:
    """Return every model's backends, by the model's name. environment: names proxies.

    Raises ConfigError where a kind's library is missing, or a file or a proxy cannot be used.
    """
    upstream = config.upstream
    factory = _BackendFactory(pool, upstream.translate_messages, environment)
    # Only where an operator lets clients' credentials through is there something to keep from a backend with a key.
    guard = _without_clients_key if upstream.forwarding.allow_request else _unchanged
    return {
        model.name: [
            factory.build(f"{model.name}/{place}", model.name, guard(backend))
            for place, backend in enumerate(model.backends, 1)
        ]
        for model in config.models
    }


def build_forwarding(config: ForwardingConfig) -> Forwarding:
    """Return the rules for the headers of requests and of responses."""
    return Forwarding(
        HeaderRules(REQUEST_DENIALS, config.deny_request, config.allow_request),
        HeaderRules(RESPONSE_DENIALS, config.deny_response, config.allow_response),
    )


def _unchanged(config: BackendConfig) -> BackendConfig:
    return config


def _without_clients_key(config: BackendConfig) -> BackendConfig:
    """Return a backend's configuration, by which a client's key never stands beside the backend's own."""
    if config.api_key is None and config.api_key_file is None:
        return config
    return config.model_copy(update={"deny_headers": (*config.deny_headers, *KEY_HEADERS)})


class _BackendFactory:
    """Builder of backends."""

    def __init__(self, pool: ConnectionPool, translates: bool, environment: Mapping[str, str]) -> None:
        self._pool, self._translates, self._environment = pool, translates, environment

    def build(self, name: str, model: str, config: BackendConfig) -> Backend:
        """Return a backend. model: its name where the configuration has no other."""
        if isinstance(config, LitellmBackendConfig):
            return _through_litellm(name, config)
        adapter = None
        if self._translates and not config.speaks_messages:
            adapter = _through_litellm(name, _translating(config, model))
        proxy = find_proxy(config.base_url, config.proxy, self._environment)
        _tell_way(name, config, proxy)
        try:
            return OpenAIBackend(name, model, config, self._pool, adapter, proxy)
        except ValueError as error:
            # Its files were sound when the configuration was read.
            raise ConfigError("models", [(name, str(error))]) from error


def _translating(config: OpenAIBackendConfig | AzureBackendConfig, model: str) -> LitellmBackendConfig:
    """Return the configuration of the adapter for Anthropic's endpoint."""
    base_url, version = config.base_url, None
    provider = LITELLM_PROVIDER
    if isinstance(config, AzureBackendConfig):
        version = config.api_version
        provider = "azure" if version else LITELLM_PROVIDER
        base_url = base_url if version else f"{base_url}/openai/v1"
    return LitellmBackendConfig(
        kind="litellm",
        model=f"{provider}/{config.model or model}",
        base_url=base_url,
        api_version=version,
        api_key=config.api_key or (None if config.api_key_file else SecretStr("none")),
        api_key_file=config.api_key_file,
        headers=config.headers,
        deny_headers=config.deny_headers,
    )


def _tell_way(name: str, config: OpenAIBackendConfig | AzureBackendConfig, proxy: Proxy | None) -> None:
    """Log what an operator may not expect of the way to a backend."""
    if not config.tls.verify:
        log.warning("backend %s: tls.verify is off: anybody on the way can read its key and the prompts", name)
    if proxy is None:
        return
    if config.proxy is None and urlsplit(config.base_url).hostname in LOOPBACK:
        log.warning(
            "backend %s is on this machine, and HTTP_PROXY or HTTPS_PROXY sends its requests to the proxy %s:%d; "
            "set NO_PROXY=localhost,127.0.0.1 or the backend's `proxy: none`",
            *(name, proxy.host, proxy.port),
        )
    else:
        log.info("backend %s: through the proxy %s:%d", name, proxy.host, proxy.port)


def _through_litellm(name: str, config: LitellmBackendConfig) -> Backend:
    from gateway.upstream.litellm_backend import LitellmBackend  # hundreds of megabytes, only where it is asked for

    return LitellmBackend(name, config)
