"""Proxies on the way to backends: which one, from a backend's settings or the environment.

The environment's variables mean what they mean to curl (https://curl.se/docs/manpage.html, ENVIRONMENT): the name in
lower case goes before that in upper case, the scheme's own before ALL_PROXY, and NO_PROXY before all of them.
"""

import ipaddress
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from gateway.config.network_fields import NO_PROXY, proxy_fault
from gateway.errors import ConfigError

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        is_tls: The connection to the proxy itself is TLS.
        authorization: Value of Proxy-Authorization, None without a user.
    """

    host: str
    port: int
    is_tls: bool = False
    authorization: bytes | None = field(default=None, repr=False)

    @property
    def header(self) -> list[tuple[bytes, bytes]]:
        """The header with the credentials, if there are any."""
        return [] if self.authorization is None else [(b"proxy-authorization", self.authorization)]


def parse_proxy(url: str) -> Proxy:
    """Return the proxy of a valid URL."""
    parts = urlsplit(url)
    authorization = None
    if parts.username is not None or parts.password is not None:
        credentials = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        authorization = b"Basic " + b64encode(credentials.encode())  # RFC 7617, 2
    # A proxy without a port: 80 or 443, as in any URL; curl's 1080 is its own habit.
    return Proxy(
        parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme], parts.scheme == "https", authorization
    )


def find_proxy(url: str, configured: str | None, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for a backend's URL, None for a direct connection.

    configured: the backend's own setting. Raises ConfigError for a variable that cannot be used.
    """
    if configured is not None:
        return None if configured == NO_PROXY else parse_proxy(configured)
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    name, value = _first_set((f"{parts.scheme}_proxy", "all_proxy"), environment)
    if not value or is_excluded(host, port, _first_set(("no_proxy",), environment)[1]):
        return None
    value = value if "://" in value else f"http://{value}"
    if fault := proxy_fault(value):
        hint = "correct it, exclude the host in NO_PROXY, or set the backend's `proxy`"
        raise ConfigError("environment", [(name, f"{fault}; {hint}")])
    return parse_proxy(value)


def _first_set(names: tuple[str, ...], environment: Mapping[str, str]) -> tuple[str, str]:
    for name in (form for lower in names for form in (lower, lower.upper())):
        if value := environment.get(name, "").strip():
            return name, value
    return "", ""


def is_excluded(host: str, port: int, no_proxy: str) -> bool:
    """Return whether NO_PROXY excludes a host: by its name, a domain above it, an address, a network, or `*`."""
    host = host.lower().rstrip(".")
    return any(_matches(host, port, entry) for entry in re.split(r"[,\s]+", no_proxy.lower()) if entry)


def _matches(host: str, port: int, entry: str) -> bool:
    if entry == "*":
        return True
    if network := _network(entry):
        address = _address(host)
        return address is not None and address in network
    name, _, digits = entry.rpartition(":") if re.search(r"[^:]:\d+$|\]:\d+$", entry) else (entry, "", "")
    if digits and int(digits) != port:
        return False
    name = name.strip("[]").removeprefix("*").strip(".")
    return bool(name) and (host == name or (host.endswith(f".{name}") and _address(host) is None))


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
