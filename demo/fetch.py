"""GET of a small JSON document."""

import json
from http.client import HTTPConnection, HTTPException
from typing import Any

from demo.errors import RequestFailed

TIMEOUT_S = 5.0


def get_json(port: int, path: str) -> dict[str, Any] | None:
    """Return the JSON object at a path of a local server, whatever its status; None for 404.

    Raises RequestFailed if the server does not answer, or not with a JSON object.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        found = json.loads(response.read())
    except (OSError, HTTPException, ValueError) as error:
        raise RequestFailed(f"GET {path} on port {port}: {error}") from error
    finally:
        connection.close()
    if not isinstance(found, dict):
        raise RequestFailed(f"GET {path} on port {port}: not a JSON object")
    return None if response.status == 404 else found
