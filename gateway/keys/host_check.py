"""Requests of other sites' pages to a gateway without API keys: refused by their Host and by Fetch Metadata.

Without keys only the address protects a gateway, and a browser on this machine, or in this network, also runs pages of
other sites. One whose own name resolves to the gateway (DNS rebinding) is recognized by the Host header; one that posts
across sites by Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/) or Origin.
"""

import ipaddress
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from gateway.config import LOOPBACK
from gateway.errors import Forbidden
from gateway.http.headers import Headers, first_value

OWN_SITE = (b"same-origin", b"none")
"""Values of Sec-Fetch-Site: a page of the gateway's own, and the user's own action."""

PRIVATE_SUFFIXES = (".local", ".internal", ".home.arpa", ".svc")
"""Endings that the public DNS does not have (RFC 6762, RFC 8375; ICANN keeps .internal), and Kubernetes' services."""


class HostCheck:
    """Check of a request's origin, where clients need no key."""

    def __init__(
        self, is_open: Callable[[], bool], host: str, allowed_hosts: Sequence[str], origins: Sequence[str] = ()
    ) -> None:
        """is_open: True while clients need no key. host: address that the gateway listens on.

        origins: of pages that may send requests across sites.
        """
        self._origins = frozenset(origin.encode() for origin in origins)
        self._is_open = is_open
        self._is_local = host in LOOPBACK
        self._names = frozenset(name.lower() for name in (*LOOPBACK, host, *allowed_hosts))

    def check_request(self, headers: Headers, is_change: bool) -> None:
        """Raise Forbidden for a request by another site's page. is_change: its method is neither GET nor HEAD."""
        if not self._is_open():
            return
        name = _host_name(first_value(headers, b"host"))
        if name is not None and not self._is_own_name(name):
            raise Forbidden(
                f"Without API keys, requests to the host name {name!r} are refused (DNS rebinding). Add it to "
                "server.allowed_hosts, or configure keys.",
                code="host_not_allowed",
            )
        # Reading is left to the browser's own rules, so that links to the dashboard work.
        if is_change and self._is_cross_site(headers, name):
            raise Forbidden(
                "Without API keys, requests of other sites' pages are refused. Configure keys for them.",
                code="cross_site_request",
            )

    def _is_own_name(self, name: str) -> bool:
        if name in self._names or name.endswith(".localhost"):
            return True
        # A rebound name is one of the public DNS: neither an address nor a name without a dot, such as a container's.
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return "." not in name or (not self._is_local and name.endswith(PRIVATE_SUFFIXES))
        return address.is_loopback or not self._is_local

    def _is_cross_site(self, headers: Headers, name: str | None) -> bool:
        if first_value(headers, b"origin") in self._origins:
            return False
        site = first_value(headers, b"sec-fetch-site")
        if site is not None:
            return site not in OWN_SITE
        origin = first_value(headers, b"origin")
        return origin is not None and _host_name(urlsplit(origin.decode("latin-1")).netloc.encode("latin-1")) != name


def _host_name(value: bytes | None) -> str | None:
    """Return the name of a Host header, without its port and brackets (RFC 9110, 7.2); None for an empty one."""
    if not value:
        return None
    text = value.decode("latin-1").strip().lower()
    name = text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]
    return name.removesuffix(".") or None
