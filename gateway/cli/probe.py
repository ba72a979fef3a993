"""What an endpoint that speaks OpenAI's API says of its models."""

import http.client
import json
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

TIMEOUT_S = 5.0
AT_ONCE = 8
MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """An endpoint's answer to GET /models. status: 0 for none, told in `fault`. models: None for no list."""

    status: int = 0
    models: tuple[str, ...] | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """base_url: with its version, as in a configuration. key: never shown."""

    base_url: str
    key: str | None = None

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url!r})"


def probe_endpoint(endpoint: ProbeTarget, timeout_s: float = TIMEOUT_S) -> ProbeResult:
    """Asks for the models. No proxies and no redirects: the key goes to that endpoint alone."""
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
        return ProbeResult(fault=f"its certificate cannot be verified: {error.verify_message}")
    except TimeoutError:
        return ProbeResult(fault=f"no answer within {timeout_s:g} s")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return ProbeResult(fault=getattr(error, "strerror", None) or str(error) or type(error).__name__)
    finally:
        connection.close()


def probe_endpoints(
    endpoints: Sequence[ProbeTarget], done: Callable[[int, int], None], timeout_s: float = TIMEOUT_S
) -> Mapping[ProbeTarget, ProbeResult]:
    """Asks every endpoint once, some at a time. done: called with (answers, endpoints)."""
    different = list(dict.fromkeys(endpoints))
    if not different:
        return {}
    with ThreadPoolExecutor(min(AT_ONCE, len(different))) as pool:
        return dict(
            _reported(
                zip(different, pool.map(lambda one: probe_endpoint(one, timeout_s), different), strict=True),
                done,
                len(different),
            )
        )


def _reported(
    pairs: Iterator[tuple[ProbeTarget, ProbeResult]], done: Callable[[int, int], None], total: int
) -> Iterator[tuple[ProbeTarget, ProbeResult]]:
    done(0, total)
    for count, pair in enumerate(pairs, 1):
        done(count, total)
        yield pair


def _headers(key: str | None) -> dict[str, str]:
    """The key as OpenAI's endpoints take it, and as Anthropic's do."""
    told = {"accept": "application/json", "user-agent": "benchroute"}
    if key:
        told |= {"authorization": f"Bearer {key}", "x-api-key": key, "anthropic-version": "2023-06-01"}
    return told


def _models(body: bytes) -> tuple[str, ...] | None:
    try:
        listed = json.loads(body)["data"]
        return tuple(str(model["id"]) for model in listed)
    except (ValueError, KeyError, TypeError):
        return None
