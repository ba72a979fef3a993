"""Addresses of Redis: one server, a Cluster, or a master that Sentinels name.

redis://[user:password@]host[:port][/database]                    one server
redis-cluster://[user:password@]host[:port],host[:port]…          a Cluster, found through any of its nodes
redis-sentinel://[user:password@]host[:port],…/master[/database]  a master, named by Sentinels

`rediss` in place of `redis` uses TLS. Parameters: those of redis-py (`ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`,
`ssl_cert_reqs`, …), and `sentinel_username` and `sentinel_password` where Sentinels have credentials of their own.
Messages show nothing of a URL: what looks like its port may be a part of the password.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from gateway.vocabulary import PERCENT_ENCODE, REDIS_SCHEMES

REDIS_PORT, SENTINEL_PORT = 6379, 26379
EXPECTED = {
    "server": "redis://[user:password@]host[:port][/database]",
    "cluster": "redis-cluster://[user:password@]host[:port],host[:port]",
    "sentinel": "redis-sentinel://[user:password@]host[:port],host[:port]/master[/database]",
}
SENTINEL_PARAMETERS = ("sentinel_username", "sentinel_password")
PARAMETERS = (
    *("client_name", "db", "health_check_interval", "max_connections", "password", "username"),
    *("socket_connect_timeout", "socket_keepalive", "socket_timeout"),
    *("ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile"),
)
"""Parameters that are passed to redis-py: those of redis.connection.URL_QUERY_ARGUMENT_PARSERS, and of TLS."""


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """Parts of a state URL.

    Attributes:
        hosts: (host, port) of servers, of a Cluster's nodes, or of Sentinels.
        master: name of the master that Sentinels watch, else empty.
        parameters: of the query, as text.
    """

    kind: Literal["server", "cluster", "sentinel"]
    is_tls: bool
    hosts: Sequence[tuple[str, int]]
    username: str
    password: str
    database: int
    master: str
    parameters: Mapping[str, str]


def parse_redis_url(url: str) -> RedisUrl:
    """Parse a state URL. Raises ValueError with what was expected, and nothing of the URL."""
    scheme = url.partition("://")[0]
    if scheme not in REDIS_SCHEMES:
        raise ValueError(f"expected a URL that begins with {', '.join(f'{name}://' for name in REDIS_SCHEMES)}")
    kind = _kind(scheme)
    invalid = f"not a valid Redis URL, {EXPECTED[kind]}; {PERCENT_ENCODE}"
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(invalid) from None
    # An @ behind the host: the password holds a slash, a question mark or a hash, which ended the host for the parser.
    if not parts.netloc or "@" in parts.path + parts.query + parts.fragment or parts.fragment:
        raise ValueError(invalid)
    user, _, hosts = parts.netloc.rpartition("@")
    username, _, password = user.partition(":")
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    allowed = {*PARAMETERS, *(SENTINEL_PARAMETERS if kind == "sentinel" else ())}
    if set(parameters) - allowed:
        # Not named either: an unescaped & in a password makes its rest look like one.
        raise ValueError(f"unknown parameter behind `?`: expected {', '.join(sorted(allowed))}; {PERCENT_ENCODE}")
    master, database = _split_path(kind, parts.path, parameters)
    port = SENTINEL_PORT if kind == "sentinel" else REDIS_PORT
    places = [_split_host(host, port, invalid) for host in hosts.split(",")]
    if kind == "server" and len(places) > 1:
        raise ValueError(f"{invalid}; several hosts need redis-cluster:// or redis-sentinel://")
    is_tls = scheme.startswith("rediss")
    return RedisUrl(kind, is_tls, places, unquote(username), unquote(password), database, master, parameters)


def _kind(scheme: str) -> Literal["server", "cluster", "sentinel"]:
    if scheme.endswith("-cluster"):
        return "cluster"
    return "sentinel" if scheme.endswith("-sentinel") else "server"


def _split_host(text: str, default_port: int, invalid: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        host, port = text, ""
    # A host may be missing (redis-py: localhost), as in redis://:6379, but not where a comma promised one.
    if colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise ValueError(invalid)
    return host.strip("[]") or "localhost", int(port) if port else default_port


def _split_path(kind: str, path: str, parameters: Mapping[str, str]) -> tuple[str, int]:
    """Return master and database."""
    steps = [unquote(step) for step in path.strip("/").split("/")] if path.strip("/") else []
    master = ""
    if kind == "sentinel":
        if not steps:
            raise ValueError(f"the name of the master is missing: expected {EXPECTED[kind]}")
        master, *steps = steps
    if kind == "cluster" and steps not in ([], ["0"]):
        raise ValueError(f"a Cluster has no other database than 0: expected {EXPECTED[kind]}")
    number = (steps or [parameters.get("db", "0")])[0]
    if len(steps) > 1 or not (number.isascii() and number.isdigit()):
        raise ValueError(f"the database is not a number: expected {EXPECTED[kind]}")
    return master, int(number)
