"""The proxy of a backend: the environment's variables as curl reads them, and a backend's own setting before them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.upstream.proxies import Proxy, find_proxy, is_excluded, parse_proxy

URL = "https://api.example.com/v1"


def host_of(proxy: Proxy | None) -> str | None:
    return None if proxy is None else proxy.host


@pytest.mark.parametrize(
    ("url", "environment", "host"),
    [
        (URL, {}, None),
        (URL, {"HTTPS_PROXY": "http://a:1"}, "a"),
        (URL, {"https_proxy": "http://b:1", "HTTPS_PROXY": "http://a:1"}, "b"),
        (URL, {"HTTP_PROXY": "http://a:1"}, None),
        ("http://api.example.com", {"HTTP_PROXY": "a:1"}, "a"),
        ("http://api.example.com", {"HTTPS_PROXY": "http://a:1"}, None),
        (URL, {"ALL_PROXY": "http://a:1"}, "a"),
        (URL, {"ALL_PROXY": "http://a:1", "HTTPS_PROXY": "http://b:1"}, "b"),
        (URL, {"HTTPS_PROXY": "  "}, None),
        (URL, {"HTTPS_PROXY": "http://a:1", "NO_PROXY": "example.com"}, None),
        (URL, {"HTTPS_PROXY": "http://a:1", "no_proxy": "other.com", "NO_PROXY": "example.com"}, "a"),
        (URL, {"ALL_PROXY": "socks5://a:1", "NO_PROXY": "*"}, None),
        (URL, {"ALL_PROXY": "socks5://a:1", "HTTPS_PROXY": "http://b:1"}, "b"),
    ],
)
def test_the_environment_names_a_proxy(url: str, environment: dict[str, str], host: str | None) -> None:
    assert host_of(find_proxy(url, None, environment)) == host
    assert host_of(find_proxy(url, "http://mine:1", environment)) == "mine"
    assert find_proxy(url, "none", environment) is None


@pytest.mark.parametrize(
    ("host", "port", "no_proxy", "excluded"),
    [
        ("a.example.com", 443, "example.com", True),
        ("a.example.com", 443, ".example.com", True),
        ("a.example.com", 443, "*.example.com", True),
        ("example.com", 443, ".example.com", True),
        ("badexample.com", 443, "example.com", False),
        ("A.Example.COM.", 443, "example.com", True),
        ("a", 443, "x, y a,z", True),
        ("a", 8000, "a:8000", True),
        ("a", 8001, "a:8000", False),
        ("10.1.2.3", 80, "10.0.0.0/8", True),
        ("11.1.2.3", 80, "10.0.0.0/8", False),
        ("10.1.2.3", 80, "10.1.2.3", True),
        ("10.1.2.3", 80, "2.3", False),
        ("10.1.2.3", 80, "10.1.2.3:80", True),
        ("::1", 80, "::1", True),
        ("::1", 80, "[::1]", True),
        ("fd00::5", 80, "fd00::/8", True),
        ("a", 443, "*", True),
        ("a", 443, "", False),
        ("a", 443, ",, ,", False),
    ],
)
def test_no_proxy_excludes_hosts(host: str, port: int, no_proxy: str, excluded: bool) -> None:
    assert is_excluded(host, port, no_proxy) is excluded


@given(st.text(max_size=40))
def test_any_no_proxy_can_be_read(no_proxy: str) -> None:
    assert isinstance(is_excluded("api.example.com", 443, no_proxy), bool)


@pytest.mark.parametrize(
    "value", ["socks5://a:1", "http://u:hunter2@/x", "http://a:99999", "ftp://a", "http://u:hunter2/x@a:1"]
)
def test_a_variable_that_cannot_be_used_is_named_and_not_shown(value: str) -> None:
    with pytest.raises(ConfigError, match="HTTPS_PROXY: ") as caught:
        find_proxy(URL, None, {"HTTPS_PROXY": value})
    assert "hunter2" not in str(caught.value)


def test_a_proxys_password_is_decoded_and_never_shown() -> None:
    proxy = parse_proxy("https://me:p%40ss@proxy.example")
    assert (proxy.host, proxy.port, proxy.is_tls) == ("proxy.example", 443, True)
    assert proxy.header == [(b"proxy-authorization", b"Basic bWU6cEBzcw==")]
    assert "bWU6" not in repr(proxy)
    assert parse_proxy("http://proxy.example").header == []
