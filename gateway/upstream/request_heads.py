"""Heads of requests to a backend, as far as they are the same for all requests: target, address, key, own headers."""

from urllib.parse import quote, urlencode, urlsplit

from gateway.config.backends import AzureBackendConfig, OpenAIBackendConfig, secret_headers
from gateway.config.key_file import KeyFile
from gateway.http.azure import DEPLOYMENT_PATHS
from gateway.http.endpoints import CHAT, MESSAGES, Endpoint
from gateway.http.forwarding import BackendFilter
from gateway.http.headers import Headers
from gateway.upstream.proxies import Proxy

PATH_SAFE = "/:@!$&'()*+,;=~%"
"""Characters that a path may contain besides letters, digits and `-._` (RFC 3986, 3.3); % for what is encoded."""

HOST, AUTHORIZATION, X_API_KEY = b"host", b"authorization", b"x-api-key"
CONTENT_TYPE = b"content-type"
VERSIONS = ("/v1", "/v2")


class RequestHeads:
    """Heads of the requests to one backend.

    Attributes:
        has_key_file: the key may change.
        client_filter: takes out of a client's headers what is not for this backend; None where nothing is to be.
    """

    def __init__(
        self, config: OpenAIBackendConfig | AzureBackendConfig, model: str, proxy: Proxy | None = None
    ) -> None:
        """model: its name at the backend. Raises ValueError if the key's file cannot be used."""
        self._config, self._model = config, model
        parts = urlsplit(config.base_url)
        self._host = parts.netloc.encode() if parts.netloc.isascii() else parts.netloc.encode("idna")
        self._path = quote(parts.path, safe=PATH_SAFE)
        # Through a proxy, plain HTTP goes to whole URLs (RFC 9112, 3.2.2); https goes through a tunnel, as without.
        is_relayed = proxy is not None and parts.scheme == "http"
        self._before = b"http://" + self._host if is_relayed else b""
        self._proxy_headers = proxy.header if proxy is not None and is_relayed else []
        self._own = secret_headers(config.headers)
        self._key_file = None if config.api_key_file is None else KeyFile(config.api_key_file)
        if self._key_file is not None:
            self._key_file.current_key()
        self.has_key_file = self._key_file is not None
        self.client_filter = self._build_filter()

    def build_head(self, endpoint: Endpoint) -> bytes:
        """Return the request line and the fixed headers; the client's follow."""
        headers: Headers = [*self._common_headers(), *self._key_headers(endpoint), *self._own, *self._proxy_headers]
        lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
        return b"POST %b%b HTTP/1.1\r\n%b" % (self._before, self.build_target(endpoint.path), lines)

    def build_relay_head(self, method: str, target: str) -> bytes:
        """Return the request line and the fixed headers of a request that is passed through; its body's type is not
        among them. target: `/v1/...` or `/v2/...`, with its query.
        """
        version, rest = target[:3], target[3:]
        path, _, query = rest.partition("?")
        endpoint = MESSAGES if path.startswith(MESSAGES.path) else CHAT
        common = [pair for pair in self._common_headers() if pair[0] != CONTENT_TYPE]
        headers: Headers = [*common, *self._key_headers(endpoint), *self._own, *self._proxy_headers]
        lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
        url = self.build_target(path, version, query)
        return b"%b %b%b HTTP/1.1\r\n%b" % (method.encode(), self._before, url, lines)

    def build_target(self, path: str, version: str = "", client_query: str = "") -> bytes:
        """Return path and query of an endpoint's URL.

        path: below /v1. version: `/v1` or `/v2`, in place of the base URL's own; one of another form, such as Gemini's
        /v1beta/openai, keeps its. client_query: of the client's URL, before the backend's own.
        """
        query = {name: value.get_secret_value() for name, value in self._config.query.items()}
        below = path
        if isinstance(self._config, AzureBackendConfig):
            below = _azure_path(path, self._config.api_version, self._model)
            if self._config.api_version is not None:
                query = {"api-version": self._config.api_version, **query}
        base = self._path[:-3] + version if version and self._path.endswith(VERSIONS) else self._path
        joined = "&".join(part for part in (client_query, urlencode(query, quote_via=quote)) if part)
        return f"{base}{below}{'?' if joined else ''}{joined}".encode()

    def list_target(self) -> str:
        """Return the target of a request for the list of models."""
        return (self._before + self.build_target("/models")).decode()

    def list_headers(self) -> list[tuple[str, str]]:
        """Return the headers of a request for the list of models: with the key as Anthropic's endpoint wants it too."""
        version = [
            (b"anthropic-version", b"2023-06-01"),
            (b"accept", b"application/json"),
            (b"user-agent", b"benchroute"),
        ]
        own = {name for name, _ in self._own}
        common = [pair for pair in version if pair[0] not in own]
        headers = [*common, *self._key_headers(MESSAGES), *self._own, *self._proxy_headers]
        return [(name.decode(), value.decode()) for name, value in headers]

    def _common_headers(self) -> Headers:
        """Return the headers of every request.

        Bodies come uncompressed (RFC 9110, 12.5.3), so that they are relayed and inspected as they are.
        """
        host = [] if any(name == HOST for name, _ in self._own) else [(HOST, self._host)]
        return [*host, (CONTENT_TYPE, b"application/json"), (b"accept-encoding", b"identity")]

    def _key_headers(self, endpoint: Endpoint) -> Headers:
        """Return the headers with the key. Anthropic's endpoints get it in both of theirs."""
        key = self._current_key()
        if key is None:
            return []
        config = self._config
        name = config.key_header.encode()
        bearer = "Bearer" if name == AUTHORIZATION else ""
        scheme = bearer if config.api_key_scheme is None else config.api_key_scheme
        headers = [(name, f"{scheme} {key}".strip().encode())]
        if endpoint is MESSAGES and config.api_key_header is None and name == AUTHORIZATION:
            headers.append((X_API_KEY, key.encode()))
        return headers

    def _current_key(self) -> str | None:
        if self._key_file is not None:
            return self._key_file.current_key()
        return None if self._config.api_key is None else self._config.api_key.get_secret_value()

    def _build_filter(self) -> BackendFilter | None:
        """Return the filter; a header that is written here must not be a client's to repeat (RFC 9110, 5.3)."""
        config = self._config
        denied = [*config.headers, *config.deny_headers]
        if config.api_key_header is not None:
            denied.append(config.api_key_header)
        return BackendFilter(denied, "user-agent" in config.headers) if denied else None


def _azure_path(path: str, api_version: str | None, deployment: str) -> str:
    if api_version is None:
        return f"/openai/v1{path}"
    if path in DEPLOYMENT_PATHS:
        return f"/openai/deployments/{quote(deployment, safe='')}{path}"
    return f"/openai{path}"
