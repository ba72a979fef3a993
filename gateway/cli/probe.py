"""Model lists of OpenAI-compatible endpoints: GET /models."""

import http.client
import json
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from gateway.config.network_fields import SYSTEM_TLS, TlsConfig
from gateway.upstream.proxies import DEFAULT_PORTS, Proxy

TIMEOUT_S = 5.0
CONCURRENCY = 8
MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """An endpoint's response to GET /models.

    Attributes:
        status: 0 if there is no response; then `error` has the reason.
        models: None if the response is not a list of models.
    """

    status: int = 0
    models: tuple[str, ...] | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class ProbeWay:
    """Target and headers of a probe, and the way to it, as the gateway's own requests have them.

    Attributes:
        target: Path and query of the list of models.
        headers: With the key.
    """

    target: str
    headers: tuple[tuple[str, str], ...]
    tls: TlsConfig
    proxy: Proxy | None

    def __repr__(self) -> str:
        return f"ProbeWay({self.target.partition('?')[0]!r})"


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """An endpoint to probe.

    Attributes:
        base_url: With its version, as in a configuration.
        key: Never printed.
        way: How to ask it, where the key in the usual headers is not enough.
    """

    base_url: str
    key: str | None = None
    way: "ProbeWay | None" = None

    def __repr__(self) -> str:
        return f"ProbeTarget({self.base_url!r})"


def probe_endpoint(endpoint: ProbeTarget, timeout_s: float = TIMEOUT_S) -> ProbeResult:
    """Ask an endpoint for its models. Without redirects: only this endpoint gets the key."""
    parts, way = urlsplit(endpoint.base_url), endpoint.way
    connection = _connection(parts, way, timeout_s)
    target = f"{parts.path.rstrip('/')}/models" if way is None else way.target
    try:
        connection.request("GET", target, headers=_headers(endpoint.key) if way is None else dict(way.headers))
        response = connection.getresponse()
        return ProbeResult(
            response.status, _models(response.read(MAX_BYTES)) if response.status == http.client.OK else None
        )
    except ssl.SSLCertVerificationError as error:
        return ProbeResult(error=f"certificate verification failed: {error.verify_message}")
    except TimeoutError:
        return ProbeResult(error=f"no response within {timeout_s:g} s")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return ProbeResult(error=getattr(error, "strerror", None) or str(error) or type(error).__name__)
    finally:
        connection.close()


def _connection(parts: SplitResult, way: ProbeWay | None, timeout_s: float) -> http.client.HTTPConnection:
    """Return a connection that is not open yet. Plain HTTP through a proxy has a whole URL as its target."""
    proxy = None if way is None else way.proxy
    host, port = (parts.hostname or "", parts.port) if proxy is None else (proxy.host, proxy.port)
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=timeout_s)
    context = (SYSTEM_TLS if way is None else way.tls).build_context()
    connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
    if proxy is not None:
        headers = {name.decode(): value.decode() for name, value in proxy.header}
        connection.set_tunnel(parts.hostname or "", parts.port or DEFAULT_PORTS["https"], headers)
    return connection


def probe_endpoints(
    endpoints: Sequence[ProbeTarget], done: Callable[[int, int], None], timeout_s: float = TIMEOUT_S
) -> Mapping[ProbeTarget, ProbeResult]:
    """Probe every endpoint once, several concurrently. done: called with (responses so far, endpoints)."""
    unique = list(dict.fromkeys(endpoints))
    if not unique:
        return {}
    with ThreadPoolExecutor(min(CONCURRENCY, len(unique))) as pool:
        results = pool.map(lambda one: probe_endpoint(one, timeout_s), unique)
        return dict(_reported(zip(unique, results, strict=True), done, len(unique)))


def _reported(
    pairs: Iterator[tuple[ProbeTarget, ProbeResult]], done: Callable[[int, int], None], total: int
) -> Iterator[tuple[ProbeTarget, ProbeResult]]:
    done(0, total)
    for count, pair in enumerate(pairs, 1):
        done(count, total)
        yield pair


def _headers(key: str | None) -> dict[str, str]:
    """With the key in the header of OpenAI's API and in that of Anthropic's."""
    headers = {"accept": "application/json", "user-agent": "benchroute"}
    if key:
        headers |= {"authorization": f"Bearer {key}", "x-api-key": key, "anthropic-version": "2023-06-01"}
    return headers


def _models(body: bytes) -> tuple[str, ...] | None:
    try:
        listed = json.loads(body)["data"]
        return tuple(str(model["id"]) for model in listed)
    except (ValueError, KeyError, TypeError):
        return None
