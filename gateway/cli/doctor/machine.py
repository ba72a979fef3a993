"""What is installed, whether the port is free, and how many files may be open."""

import http.client
import importlib.util
import platform
import socket
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from gateway.cli.doctor.finding import Finding, make_error, make_ok, make_warning
from gateway.config import Config

REPORTED_PACKAGES = (
    "aiohttp",
    "fastapi",
    "httptools",
    "uvicorn",
    "uvloop",
    "hnswlib",
    "sentence-transformers",
    "litellm",
    "redis",
)
LOW_FILE_LIMIT = 4096
TIMEOUT_S = 3.0


def check_versions() -> Iterator[Finding]:
    """What runs here."""
    found = [f"{name} {told}" for name in REPORTED_PACKAGES if (told := _version(name))]
    yield make_ok(
        "versions", f"benchroute {version('benchroute')}, Python {platform.python_version()}, {', '.join(found)}"
    )
    if sys.platform != "win32" and importlib.util.find_spec("uvloop") is None:
        yield make_warning("uvloop", "not installed: requests take about twice the CPU", "pip install uvloop")


def check_port(config: Config) -> Iterator[Finding]:
    """Whether a gateway could listen, or one does already."""
    host, number = config.server.host, config.server.port
    what = f"port {number}"
    try:
        family = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, number))
    except OSError as error:
        if ready := _gateway(host, number):
            yield make_ok(what, f"a gateway answers there already: {ready}")
        else:
            told = f"{host}:{number} cannot be had: {error.strerror or error}"
            yield make_error(what, told, "end what listens there, or `benchroute serve --port` another")
    else:
        yield make_ok(what, f"{host}:{number} is free")


def check_file_limit() -> Iterator[Finding]:
    """Every request takes a connection on either side."""
    if importlib.util.find_spec("resource") is None:
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= limit < LOW_FILE_LIMIT:
        told = f"{limit} may be open at once: about {limit // 2} requests under way"
        yield make_warning("open files", told, "ulimit -n 65536, or LimitNOFILE= in a systemd unit")
    else:
        yield make_ok("open files", f"{limit} may be open at once")


def _gateway(host: str, number: int) -> str:
    """What the gateway there says of itself, empty where there is none."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - where it listens, we ask at home
    connection = http.client.HTTPConnection(local, number, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        told = connection.getresponse().read(4096).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    return told if '"scorer"' in told else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
