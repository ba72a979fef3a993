"""Paths of the client's API, as clients write them: with a slash too many, or with /v1 missing or doubled.

A base URL is joined to a path by every client in its own way. What is meant is unmistakable, so it is served; a
redirect would lose the body in some clients. Only the endpoints that clients call are found this way: rules of a proxy
in front about the management API cannot be passed by another spelling.
"""

import re
from collections.abc import Callable

from gateway.http.endpoints import BY_PATH

MODELS = "/v1/models"
CLIENT_PATHS = frozenset({*BY_PATH, MODELS, "/v1/route", "/v1/feedback", "/health/live", "/health/ready"})
VERSION = "/v1"

_SLASHES = re.compile("/{2,}")


def canonical_path(path: str, is_passed_through: Callable[[str], bool] = lambda path: False) -> str:
    """Return the path of the endpoint that is meant; the path itself where that is none of the client's API.

    is_passed_through: tells the paths of endpoints that are passed through.
    """
    if path in CLIENT_PATHS or is_passed_through(path):
        return path
    merged = _SLASHES.sub("/", path)
    if merged != "/":
        merged = merged.removesuffix("/")
    # A client that appends /v1/… to a base URL that ends with /v1.
    while merged.startswith(f"{VERSION}{VERSION}/"):
        merged = merged[len(VERSION) :]
    for candidate in (merged, VERSION + merged):
        # A model's name may have slashes of its own.
        if candidate in CLIENT_PATHS or candidate.startswith(f"{MODELS}/") or is_passed_through(candidate):
            return candidate
    return path
