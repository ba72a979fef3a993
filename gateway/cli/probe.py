"""Model lists of OpenAI-compatible endpoints: GET /models."""

import http.client
import json
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

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
class ProbeTarget:
    """An endpoint to probe. base_url: with its version, as in a configuration. key: never printed."""

    base_url: str
    key: str | None = None

    def __repr__(self) -> str:
        return f"ProbeTarget({self.base_url!r})"


def probe_endpoint(endpoint: ProbeTarget, timeout_s: float = TIMEOUT_S) -> ProbeResult:
    """Ask an endpoint for its models. Without proxies and redirects: only this endpoint gets the key."""
    parts = urlsplit(endpoint.base_url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=timeout_s)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/models", headers=_headers(endpoint.key))
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
