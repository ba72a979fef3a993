"""Backends: where a model is served, and how to get there."""

import re
from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from gateway.config.exclusions import BOTH_KEYS, HEADER_WITHOUT_KEY
from gateway.config.fields import ConfigSection, HttpUrl
from gateway.config.header_fields import ApiKey, HeaderName, HeaderPattern, HeaderValue, QueryValue
from gateway.config.key_file import KeyFile
from gateway.config.network_fields import NetworkConfig
from gateway.config.schema_paths import Expected

RESERVED_PARAMETERS = (
    *("model", "messages", "stream", "api_key", "api_base", "base_url", "api_version", "extra_headers", "num_retries"),
    *("drop_params", "timeout", "max_retries", "fallbacks", "mock_response"),
)
"""Arguments that the gateway gives, or that would change what a request is."""


def _parameter_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"expected the name of an argument of litellm, such as aws_region_name: {name!r}")
    if name in RESERVED_PARAMETERS:
        raise ValueError(f"{name} is given by the gateway, and cannot be set here")
    return name


ApiVersion = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9._-]+$"), Expected("a version such as 2024-10-21: letters, digits and `._-`")
]
KeyScheme = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]*$"), Expected("one word, such as Bearer")]


ParameterName = Annotated[str, AfterValidator(_parameter_name)]


class CredentialConfig(ConfigSection):
    """The key of a backend, and the headers that it gets besides."""

    api_key: ApiKey | None = None
    """API key. White space around it is removed."""
    api_key_file: str | None = Field(default=None, min_length=1)
    """File with the API key, in place of `api_key`. It is read again when it changes, within a second."""
    headers: dict[HeaderName, HeaderValue] = {}  # noqa: RUF012  # pydantic copies defaults
    """Headers of every request to the backend. They replace a client's of the same names."""
    deny_headers: tuple[HeaderPattern, ...] = ()
    """Headers of clients that this backend does not get, besides those of `upstream.forwarding`. `*` at the beginning
    or the end of a name stands for anything."""

    @model_validator(mode="after")
    def _has_one_key(self) -> Self:
        if self.api_key is not None and self.api_key_file is not None:
            raise ValueError(BOTH_KEYS)
        if self.api_key_file is not None:
            KeyFile(self.api_key_file).read_key()
        return self


class HttpBackendConfig(CredentialConfig, NetworkConfig):
    """What backends have in common that the gateway asks over HTTP itself."""

    model: str | None = Field(default=None, min_length=1)
    """Name of the model at the endpoint. Default: the model's `name`."""
    api_key_header: HeaderName | None = None
    """Header with the key, in place of `Authorization`."""
    api_key_scheme: KeyScheme | None = None
    """Word before the key in its header. Default: `Bearer` in `Authorization`, none in any other header."""
    query: dict[str, QueryValue] = {}  # noqa: RUF012  # pydantic copies defaults
    """Parameters in the URL of every request, for instance `api-version`."""
    weight: float = Field(default=1.0, gt=0)
    """Share of the load relative to the model's other backends."""
    stream_usage: bool = True
    """Ask for token usage in streams (`stream_options.include_usage`)."""

    @model_validator(mode="after")
    def _has_the_key_once(self) -> Self:
        has_key = self.api_key is not None or self.api_key_file is not None
        if self.api_key_header is not None and not has_key:
            raise ValueError(HEADER_WITHOUT_KEY)
        if has_key and (name := self.key_header) in self.headers:
            raise ValueError(f"headers: {name} holds the API key; remove one of the two")
        return self

    @property
    def key_header(self) -> str:
        """Name of the header with the key."""
        return self.api_key_header or "authorization"


class OpenAIBackendConfig(HttpBackendConfig):
    """An endpoint with OpenAI's API."""

    kind: Literal["openai"]
    """The backend kind."""
    base_url: HttpUrl
    """Base URL with its version, for instance `https://api.openai.com/v1`."""
    speaks_messages: bool = False
    """The endpoint also serves Anthropic's /v1/messages; see `upstream.translate_messages` for those that do not."""


DEPLOYMENT_URL = re.compile(r"(.*?)/openai(?:/v1|/deployments/[^/]+(?:/.*)?)?/?", re.DOTALL)


def _azure_resource(url: str) -> str:
    """Return the resource's own URL, for URLs that the portal shows with a path behind it."""
    path = urlsplit(url).path
    found = DEPLOYMENT_URL.fullmatch(path)
    return url if found is None else url.removesuffix(path) + found[1]


class AzureBackendConfig(HttpBackendConfig):
    """A deployment of Azure OpenAI (Azure AI Foundry)."""

    kind: Literal["azure"]
    """The backend kind."""
    base_url: Annotated[HttpUrl, AfterValidator(_azure_resource)]
    """URL of the resource, for instance `https://NAME.openai.azure.com`."""
    api_version: ApiVersion | None = None
    """API version of the deployment's paths, for instance `2024-10-21`. Default: none, and
    paths of `/openai/v1`."""
    model: str | None = Field(default=None, min_length=1)
    """Name of the deployment. Default: the model's `name`."""
    speaks_messages: Literal[False] = False
    """Azure OpenAI does not serve Anthropic's /v1/messages; see `upstream.translate_messages`."""

    @property
    def key_header(self) -> str:
        """Name of the header with the key."""
        return self.api_key_header or "api-key"


class LitellmBackendConfig(CredentialConfig):
    """A provider reached through the litellm library, by its own connections: proxies and certificates as litellm reads
    them from the environment."""

    kind: Literal["litellm"]
    """The backend kind."""
    model: str = Field(min_length=1)
    """Name of the model in litellm's notation, for instance `anthropic/claude-…`."""
    base_url: HttpUrl | None = None
    """Base URL, if it is not the provider's default."""
    api_version: ApiVersion | None = None
    """API version, for providers that need one."""
    parameters: dict[ParameterName, QueryValue] = {}  # noqa: RUF012  # pydantic copies defaults
    """Further arguments of litellm for the provider, for instance `aws_region_name` or `vertex_project`."""
    weight: float = Field(default=1.0, gt=0)
    """Share of the load relative to the model's other backends."""


BackendConfig = Annotated[OpenAIBackendConfig | AzureBackendConfig | LitellmBackendConfig, Field(discriminator="kind")]

BACKEND_KINDS = frozenset(
    str(kind) for section in get_args(get_args(BackendConfig)[0]) for kind in get_args(section.__annotations__["kind"])
)
"""The values of `kind`."""


def secret_headers(headers: dict[str, SecretStr]) -> list[tuple[bytes, bytes]]:
    """Return configured headers as they are written."""
    return [(name.encode(), value.get_secret_value().encode()) for name, value in headers.items()]
