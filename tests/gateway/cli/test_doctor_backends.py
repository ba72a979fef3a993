"""`doctor` asks backends by the way of the gateway's own requests."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.cli.doctor.finding import Finding
from gateway.cli.doctor.routing import backend_endpoints, check_backends
from gateway.cli.probe import probe_endpoints
from gateway.config import parse_config
from tests.gateway.upstream.servers import make_authority, running_proxy, running_server, whole

KEY = "sk-upstream"
LISTED = whole(b'{"data":[{"id":"m"}]}')


def findings(**backend: Any) -> list[Finding]:
    document = {"models": [{"name": "m", "backends": [{"kind": "openai", **backend}]}]}
    config = parse_config(yaml.safe_dump(document), "c", {})
    endpoints = backend_endpoints(config)
    assert KEY not in repr(endpoints)
    return list(check_backends(config, probe_endpoints(endpoints, lambda done, total: None)))


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_a_backend_is_asked_with_its_own_headers_and_query() -> None:
    with running_server(lambda request: LISTED) as server:
        (found,) = findings(
            base_url=f"{server.url}/v1", api_key=KEY, api_key_header="x-key", headers={"X-A": "b"}, query={"v": "1"}
        )
    assert found.level == "ok"
    assert (server.last.method, server.last.target) == ("GET", "/v1/models?v=1")
    assert (server.last.headers["x-key"], server.last.headers["x-a"]) == (KEY, "b")
    assert "authorization" not in server.last.headers


def test_a_deployment_of_azure_is_asked_whether_it_takes_the_key() -> None:
    with running_server(lambda request: LISTED) as server:
        (found,) = findings(kind="azure", base_url=server.url, api_key=KEY, api_version="2024-10-21", model="other")
        assert "does not list deployments" in found.message
    assert server.last.target == "/openai/models?api-version=2024-10-21"
    assert server.last.headers["api-key"] == KEY


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_backend_is_asked_through_its_proxy_and_with_its_certificates(tls: bool, tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    files = {"ca_file": authority.path("ca.pem"), "cert_file": authority.path("client.pem")}
    with ExitStack() as stack:
        context = authority.server_context(wants_client=True) if tls else None
        server = stack.enter_context(running_server(lambda request: LISTED, context))
        proxy = stack.enter_context(running_proxy("user:pass"))
        url = proxy.url.replace("://", "://user:pass@")
        (found,) = findings(base_url=server.url, proxy=url, tls={**files, "key_file": authority.path("client.key")})
    assert found.level == "ok"
    assert [one.target for one in proxy.requests] == [f"127.0.0.1:{server.port}" if tls else f"{server.url}/models"]


def test_a_certificate_that_is_not_verified_is_warned_of(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    with running_server(lambda request: LISTED, authority.server_context()) as server:
        assert [found.level for found in findings(base_url=server.url, tls={"verify": False})] == ["ok", "warning"]
        (found,) = findings(base_url=server.url)
    assert "certificate verification failed" in found.message
