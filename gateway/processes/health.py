"""Health check of a gateway for container engines: `python -m gateway.processes.health [URL]`, exit code 0 or 1.

Its own connection, never a proxy's: HTTP_PROXY of the container is for backends, and a proxy knows no loopback of ours.
Few imports: it runs every few seconds.
"""

import http.client
import sys
from urllib.parse import urlsplit

DEFAULT_URL = "http://127.0.0.1:8080/health/live"
TIMEOUT_S = 4.0


def find_fault(url: str) -> str | None:
    """Return why the gateway is unhealthy; None where it is not. url: http, with the path to ask."""
    parts = urlsplit(url)
    try:
        if parts.scheme != "http" or parts.hostname is None:
            return f"{url}: expected http://HOST:PORT/PATH"
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
    except ValueError as error:
        return f"{url}: {error}"
    try:
        connection.request("GET", parts.path or "/health/live")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {error or type(error).__name__}"
    finally:
        connection.close()
    return None if status == http.client.OK else f"{url}: status {status}"


def main() -> None:
    """Print why the gateway is unhealthy, and exit with 1 then."""
    found = find_fault(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_URL)
    if found is not None:
        sys.exit(found)


if __name__ == "__main__":
    main()
