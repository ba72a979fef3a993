"""Checks of the setup: configuration, file permissions, keys, state, versions, port, open files."""

import http.client
import importlib.util
import os
import platform
import socket
import sqlite3
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from gateway.cli.doctor.finding import Finding, make_error, make_ok, make_warning
from gateway.config import LOOPBACK, Config, load_config
from gateway.errors import ConfigError, StateError
from gateway.state.state_file import malformed
from gateway.tasks.resolved_config import ResolvedConfig, resolve_config

SQLITE = "sqlite:///"
READABLE_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH

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


def check_config(path: Path) -> tuple[ResolvedConfig | None, list[Finding]]:
    """Check the configuration file. Returns None and its errors if a gateway would not start with it."""
    if not path.exists():
        fix = "create it with `benchroute init`, or name another file with --config"
        return None, [make_error("config", f"{path} does not exist", fix)]
    try:
        plan = resolve_config(load_config(path))
    except ConfigError as error:
        fix = f"correct it in {path}"
        return None, [make_error(f"config {place}".strip(), message, fix) for place, message in error.faults]
    return plan, [make_ok("config", f"{path}: {len(plan.config.models)} models")]


def check_exposure(path: Path) -> Iterator[Finding]:
    """Check that other users of this machine cannot read API keys in the file."""
    mode = path.stat().st_mode
    if mode & READABLE_BY_OTHERS and _has_plaintext_key(yaml.safe_load(path.read_text(encoding="utf-8"))):
        message = f"{path} contains a plaintext api_key, and other users can read the file ({stat.filemode(mode)})"
        yield make_warning("permissions", message, f"replace the key with ${{VARIABLE}}, or `chmod 600 {path}`")
    else:
        yield make_ok(
            "permissions", f"no plaintext API keys in {path} that other users can read ({stat.filemode(mode)})"
        )


def check_keys(config: Config) -> Iterator[Finding]:
    """Check who can use the gateway, and who can manage it."""
    if config.keys:
        yield make_ok("keys", f"{len(config.keys)} client keys in the configuration")
    elif config.admin.keys:
        yield make_ok("keys", "clients need a key; create one with `benchroute keys create`")
    elif config.server.host in LOOPBACK:
        yield make_ok("keys", f"no keys: no authentication, localhost only ({config.server.host})")
    else:
        message = (
            f"no keys, and the gateway listens on {config.server.host}: anyone who reaches the port can spend money"
        )
        yield make_warning("keys", message, "add an admin key: `benchroute keys hash`, then `benchroute keys create`")
    if config.admin.keys:
        yield make_ok("admin", f"{len(config.admin.keys)} admin keys")
    elif config.server.host in LOOPBACK:
        yield make_ok("admin", "no admin key: management API disabled, /metrics open on localhost")
    else:
        message = "no admin key: management API disabled, and anyone can read /metrics"
        fix = "`openssl rand -base64 32 | tee admin.key | benchroute keys hash`, then set admin.keys"
        yield make_warning("admin", message, fix)


def check_state(config: Config) -> Iterator[Finding]:
    """Check that the state can be opened and read."""
    url = config.state.url
    if not url.startswith(SQLITE):
        from gateway.cli.doctor.redis_state import check_redis

        yield from check_redis(config)
        return
    try:
        _try_file(Path(url.removeprefix(SQLITE)))
    except (StateError, OSError, sqlite3.Error) as error:
        fix = "set state.url to a file that this user can write"
        if "malformed" in str(error) or "not a database" in str(error):
            fix = "restore a backup, or move the file away and start with an empty state"
        yield make_error("state", f"{url}: {' '.join(str(error).split())}", fix)
    else:
        yield make_ok("state", url)


def check_versions() -> Iterator[Finding]:
    """Report versions of Python and of packages."""
    found = [f"{name} {installed}" for name in REPORTED_PACKAGES if (installed := _version(name))]
    yield make_ok(
        "versions", f"benchroute {version('benchroute')}, Python {platform.python_version()}, {', '.join(found)}"
    )
    if sys.platform != "win32" and importlib.util.find_spec("uvloop") is None:
        yield make_warning("uvloop", "not installed: requests take about twice the CPU time", "pip install uvloop")


def check_port(config: Config) -> Iterator[Finding]:
    """Check that the port is free, or that a gateway already listens on it."""
    host, number = config.server.host, config.server.port
    check = f"port {number}"
    try:
        family = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, number))
    except OSError as error:
        if ready := _running_gateway(host, number):
            yield make_ok(check, f"a gateway is already running there: {ready}")
        else:
            message = f"{host}:{number} is not available: {error.strerror or error}"
            yield make_error(check, message, "stop the program that listens there, or use `benchroute serve --port`")
    else:
        yield make_ok(check, f"{host}:{number} is free")


def check_file_limit() -> Iterator[Finding]:
    """Check the limit on open files: each request uses a connection to the client and one to a backend."""
    if importlib.util.find_spec("resource") is None:
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= limit < LOW_FILE_LIMIT:
        message = f"limit of {limit} open files: about {limit // 2} concurrent requests"
        yield make_warning("open files", message, "ulimit -n 65536, or LimitNOFILE= in a systemd unit")
    else:
        yield make_ok("open files", f"limit of {limit}")


def _has_plaintext_key(document: object) -> bool:
    """True if an api_key is not a variable."""
    if isinstance(document, Mapping):
        key = document.get("api_key")
        return (isinstance(key, str) and "${" not in key) or any(map(_has_plaintext_key, document.values()))
    return isinstance(document, list) and any(map(_has_plaintext_key, document))


def _try_file(path: Path) -> None:
    """Read the file without creating or migrating it, as opening the store would."""
    if not path.exists():
        if not os.access(path.absolute().parent, os.W_OK):
            raise StateError(f"{path.absolute().parent} is not writable")
        return
    if not os.access(path, os.W_OK):
        raise StateError(f"{path} is not writable")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
        # Every page, but not every index against its table: seconds for gigabytes.
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise malformed(found)


def _running_gateway(host: str, number: int) -> str:
    """The readiness of the gateway that listens there, empty if there is none."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - a listening address, asked locally
    connection = http.client.HTTPConnection(local, number, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        ready = connection.getresponse().read(4096).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    return ready if '"scorer"' in ready else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
