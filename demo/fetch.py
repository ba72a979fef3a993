"""GET of a small JSON document."""

import json
from http.client import HTTPConnection, HTTPException
from typing import Any

from demo.errors import WrongAnswer

TIMEOUT_S = 5.0


def get_json(port: int, path: str) -> dict[str, Any] | None:
    """The JSON object at a path of a server on this machine, whatever its status; None for 404.

    Raises WrongAnswer if nobody answers, or not with a JSON object.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        found = json.loads(response.read())
    except (OSError, HTTPException, ValueError) as error:
        raise WrongAnswer(f"GET {path} on port {port}: {error}") from error
    finally:
        connection.close()
    if not isinstance(found, dict):
        raise WrongAnswer(f"GET {path} on port {port}: no JSON object")
    return None if response.status == 404 else found
