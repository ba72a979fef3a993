"""What backends are asked, and by which way: keys, headers, queries, Azure's paths, proxies, TLS. Both entrances."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml

from tests.gateway.asking import HELLO, Response, ask, chat
from tests.gateway.fake_upstream import BODY, STREAM
from tests.gateway.serving import Serving, serving_gateway
from tests.gateway.upstream.servers import Authority, Server, make_authority, running_proxy, running_server, whole

KEY = "sk-upstream"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(params=["express", "asgi"])
def lane(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


def document(folder: Path, backend: Mapping[str, Any], **sections: Any) -> str:
    upstream = {"retries": 0, "breaker": {"consecutive_faults": 1000}, **sections.pop("upstream", {})}
    return yaml.safe_dump(
        {
            "models": [{"name": "m", "backends": [{"kind": "openai", **backend}]}],
            "state": {"url": f"sqlite:///{folder}/s.db"},
            "upstream": upstream,
            **sections,
        }
    )


@contextmanager
def serving(folder: Path, backend: Mapping[str, Any], lane: str = "express", **sections: Any) -> Iterator[Serving]:
    with serving_gateway(document(folder, backend, server={"lane": lane}, **sections)) as made:
        yield made


def sent(server: Server, folder: Path, lane: str, backend: Mapping[str, Any], **sections: Any) -> Response:
    """Ask once through a gateway with such a backend."""
    with serving(folder, {"base_url": f"{server.url}/v1", **backend}, lane, **sections) as made:
        headers = {"x_title": "client", "openai_organization": "org-1", "x_forwarded_for": "10.0.0.1"}
        return ask(made.url, body={**HELLO, "model": "m"}, authorization="Bearer client", user_agent="me/1", **headers)


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as made:
        yield made


def test_a_backend_gets_the_clients_headers_and_its_own_key(server: Server, tmp_path: Path, lane: str) -> None:
    assert sent(server, tmp_path, lane, {"api_key": f" {KEY}\n"}).body == BODY
    got = server.last.headers
    assert (got["x-title"], got["openai-organization"], got["user-agent"]) == ("client", "org-1", "me/1")
    assert got["authorization"] == f"Bearer {KEY}"
    assert "x-forwarded-for" not in got
    assert server.last.target == "/v1/chat/completions"


def test_headers_and_query_of_a_backend_replace_the_clients(server: Server, tmp_path: Path, lane: str) -> None:
    backend = {
        "headers": {"X-Title": "ours", "User-Agent": "ours/2", "X-Account": " a b ", "Host": "virtual.example"},
        "query": {"api-version": "2024-10-21", "q": "a b&c=ü"},
        "deny_headers": ["OpenAI-*"],
    }
    assert sent(server, tmp_path, lane, backend).status == 200
    got = server.last.headers
    assert (got["x-title"], got["user-agent"], got["x-account"]) == ("ours", "ours/2", "a b")
    assert got["host"] == "virtual.example"
    assert "openai-organization" not in got
    assert server.last.target == "/v1/chat/completions?api-version=2024-10-21&q=a%20b%26c%3D%C3%BC"


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        ({"api_key_header": "X-My-Key"}, "x-my-key", KEY),
        ({"api_key_header": "X-My-Key", "api_key_scheme": "Token"}, "x-my-key", f"Token {KEY}"),
        ({"api_key_scheme": "Api-Key"}, "authorization", f"Api-Key {KEY}"),
        ({"api_key_scheme": ""}, "authorization", KEY),
    ],
)
def test_a_key_goes_into_the_header_that_is_configured(
    server: Server, tmp_path: Path, settings: dict[str, str], name: str, value: str
) -> None:
    assert sent(server, tmp_path, "express", {"api_key": KEY, **settings}).status == 200
    assert server.last.headers[name] == value
    assert ("authorization" in server.last.headers) is (name == "authorization")


def test_the_lists_of_headers_are_configurable(server: Server, tmp_path: Path, lane: str) -> None:
    forwarding = {"deny_request": ["openai-*"], "allow_request": ["X-Forwarded-For"]}
    assert sent(server, tmp_path, lane, {}, upstream={"forwarding": forwarding}).status == 200
    assert "openai-organization" not in server.last.headers
    assert server.last.headers["x-forwarded-for"] == "10.0.0.1"


def test_another_list_holds_from_a_reload_on_for_open_connections_too(server: Server, tmp_path: Path) -> None:
    backend = {"kind": "openai", "base_url": f"{server.url}/v1"}
    denying = document(tmp_path, backend, upstream={"forwarding": {"deny_request": ["x-stainless-*"]}})
    with serving(tmp_path, backend) as made, openai.OpenAI(base_url=f"{made.url}/v1", api_key="k") as client:
        for text, expected in ((None, True), (denying, False)):
            if text is not None:
                made.reload(text)
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            assert ("x-stainless-lang" in server.last.headers) is expected
        assert len(server.requests) == 2


def test_a_clients_key_that_an_operator_forwards_does_not_meet_the_backends(server: Server, tmp_path: Path) -> None:
    upstream = {"forwarding": {"allow_request": ["authorization"]}}
    assert sent(server, tmp_path, "express", {}, upstream=upstream).status == 200
    assert server.last.headers["authorization"] == "Bearer client"
    assert sent(server, tmp_path, "express", {"api_key": KEY}, upstream=upstream).status == 200
    assert server.last.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.slow
def test_a_key_file_is_read_again_when_it_changes(server: Server, tmp_path: Path, lane: str) -> None:
    path = tmp_path / "key"
    path.write_text("first\n")
    with serving(tmp_path, {"base_url": server.url, "api_key_file": str(path)}, lane) as made:
        assert chat(made.url, "m").status == 200
        assert server.last.headers["authorization"] == "Bearer first"
        for content, expected in (("second\n", "second"), ("bad\nkey", "second"), (None, "second"), ("3rd", "3rd")):
            if content is None:
                path.unlink()
            else:
                (tmp_path / "next").write_text(content)
                os.replace(tmp_path / "next", path)
            time.sleep(1.1)
            assert chat(made.url, "m").status == 200
            assert server.last.headers["authorization"] == f"Bearer {expected}"
        assert server.connections == 1


# Azure


@pytest.mark.parametrize(
    ("backend", "target"),
    [
        ({"api_version": "2024-10-21"}, "/openai/deployments/gpt%2Fa/chat/completions?api-version=2024-10-21"),
        ({}, "/openai/v1/chat/completions"),
        ({"query": {"api-version": "preview"}}, "/openai/v1/chat/completions?api-version=preview"),
    ],
)
def test_a_deployment_of_azure_is_asked_by_its_paths(
    server: Server, tmp_path: Path, backend: dict[str, Any], target: str
) -> None:
    azure = {"kind": "azure", "base_url": server.url, "model": "gpt/a", "api_key": KEY, **backend}
    assert sent(server, tmp_path, "express", azure).body == BODY
    assert server.last.target == target
    assert server.last.headers["api-key"] == KEY
    assert "authorization" not in server.last.headers
    assert json.loads(server.last.body)["model"] == "gpt/a"


def test_other_endpoints_of_azure_have_no_deployment_in_their_path(server: Server, tmp_path: Path) -> None:
    azure = {"kind": "azure", "base_url": server.url, "api_key": KEY, "api_version": "2025-04-01-preview"}
    with serving(tmp_path, azure) as made:
        assert ask(made.url, "/v1/responses", {"model": "m", "input": "hi"}).status == 200
        assert server.last.target == "/openai/responses?api-version=2025-04-01-preview"
        assert ask(made.url, "/v1/embeddings", {"model": "m", "input": "hi"}).status == 200
        assert server.last.target == "/openai/deployments/m/embeddings?api-version=2025-04-01-preview"
        assert ask(made.url, "/v1/messages", {"model": "m", "messages": [], "max_tokens": 1}).status == 502


def test_a_token_of_entra_goes_into_authorization(server: Server, tmp_path: Path) -> None:
    azure = {"kind": "azure", "base_url": server.url, "api_key": "ey.j", "api_key_header": "Authorization"}
    assert sent(server, tmp_path, "express", azure).status == 200
    assert server.last.headers["authorization"] == "Bearer ey.j"


@pytest.fixture
def azure_gateway(server: Server, tmp_path: Path, lane: str) -> Iterator[str]:
    keys = [{"name": "team", "sha256": sha256(b"team-key").hexdigest()}]
    azure = {"kind": "azure", "base_url": server.url, "api_key": KEY, "api_version": "2024-10-21"}
    with serving(tmp_path, azure, lane, keys=keys) as made:
        yield made.url


def test_azures_client_is_answered(azure_gateway: str, server: Server) -> None:
    """The official client against the gateway, and the gateway against a deployment."""
    with openai.AzureOpenAI(
        azure_endpoint=azure_gateway, api_key="team-key", api_version="2024-10-21", max_retries=0
    ) as client:
        said = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        assert said.choices[0].message.content == "hello"
        assert server.last.target == "/openai/deployments/m/chat/completions?api-version=2024-10-21"
        assert server.last.headers["api-key"] == KEY
        chunks = client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "hi"}], stream=True, extra_headers={"x-task-id": "t"}
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "hello"
        tagged = client.chat.completions.with_raw_response.create(model="task/a/b", messages=[])
        assert tagged.headers["x-benchroute-task"] == "a/b"
        with pytest.raises(openai.NotFoundError, match="none"):
            client.chat.completions.create(model="none", messages=[])
        assert [model.id for model in client.models.list()][-1] == "m"


def test_azures_client_with_a_fixed_deployment_is_answered(azure_gateway: str, server: Server) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=azure_gateway, azure_deployment="m", api_key="team-key", api_version="2024-10-21", max_retries=0
    ) as client:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
        assert json.loads(server.last.body)["model"] == "m"


def test_azures_newer_paths_are_openais(azure_gateway: str, server: Server) -> None:
    with openai.OpenAI(base_url=f"{azure_gateway}/openai/v1/", api_key="team-key", max_retries=0) as client:
        assert client.chat.completions.create(model="m", messages=[]).model == "upstream-name"


@pytest.mark.parametrize(
    "body", [b'{"messages":[],"big":123456789012345678901234567890}', b'{"model":"x","messages":[]}']
)
def test_the_deployment_is_the_model_whatever_the_body_says(azure_gateway: str, server: Server, body: bytes) -> None:
    path = "/openai/deployments/m/chat/completions?api-version=2024-10-21"
    assert ask(azure_gateway, path, body, api_key="team-key").status == 200
    assert json.loads(server.last.body) == {**json.loads(body), "model": "m"}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/openai/deployments/m/chat/completions", b"{", 400),
        ("/openai/deployments/m/chat/completions", b"[]", 400),
        ("/openai/deployments/m/chat/completions", b"", 400),
        ("/openai/deployments/m/nothing", b"{}", 404),
        ("/openai/deployments/chat/completions", b"{}", 404),
        ("/openai/nothing", b"{}", 404),
    ],
)
def test_what_is_wrong_with_azures_requests_is_told(azure_gateway: str, path: str, body: bytes, status: int) -> None:
    response = ask(azure_gateway, path, body, api_key="team-key")
    assert (response.status, bool(response.error["message"])) == (status, True)


def test_azures_paths_need_a_key_too(azure_gateway: str, server: Server) -> None:
    path = "/openai/deployments/m/chat/completions?api-version=1"
    assert ask(azure_gateway, path, HELLO).status == 401
    assert ask(azure_gateway, path, HELLO, api_key="wrong").status == 401
    assert server.requests == []


def test_a_body_that_is_too_large_for_azures_paths_is_refused(server: Server, tmp_path: Path, lane: str) -> None:
    text = document(tmp_path, {"base_url": server.url}, server={"lane": lane, "max_body_bytes": 1024})
    with serving_gateway(text) as made:
        body = json.dumps({"messages": [], "pad": "x" * 5000}).encode()
        assert ask(made.url, "/openai/deployments/m/chat/completions", body).status == 413


# Proxies


def test_plain_http_goes_through_a_proxy_by_whole_urls(server: Server, tmp_path: Path, lane: str) -> None:
    with running_proxy("user:p@ss") as proxy:
        backend = {"proxy": f"http://user:p%40ss@127.0.0.1:{proxy.port}", "api_key": KEY}
        assert sent(server, tmp_path, lane, backend).body == BODY
    assert proxy.last.target == f"{server.url}/v1/chat/completions"
    assert server.last.headers["host"] == f"127.0.0.1:{server.port}"
    assert "proxy-authorization" not in server.last.headers


@pytest.mark.parametrize("proxy_tls", [False, True], ids=["http proxy", "https proxy"])
def test_https_goes_through_a_tunnel(
    authority: Authority, tmp_path: Path, lane: str, proxy_tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority.path("ca.pem"))  # for the proxy's own certificate
    with ExitStack() as stack:
        proxy = stack.enter_context(running_proxy("user:pass", authority.server_context() if proxy_tls else None))
        server = stack.enter_context(running_server(tls=authority.server_context()))
        url = proxy.url.replace("://", "://user:pass@")
        backend = {"base_url": server.url, "proxy": url, "tls": {"ca_file": authority.path("ca.pem")}, "api_key": KEY}
        with serving(tmp_path, backend, lane) as made:
            assert chat(made.url, "m").body == BODY
            assert chat(made.url, "m", stream=True).body == b"".join(STREAM)
    assert [(one.method, one.target) for one in proxy.requests] == [("CONNECT", f"127.0.0.1:{server.port}")]
    assert KEY not in str(proxy.requests)
    assert "proxy-authorization" not in server.last.headers


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_environment_names_proxies(
    authority: Authority, tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        proxy = stack.enter_context(running_proxy())
        server = stack.enter_context(running_server(tls=authority.server_context() if scheme == "https" else None))
        backend = {"base_url": server.url, "tls": {"ca_file": authority.path("ca.pem")}}
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"127.0.0.1:{proxy.port}")
        assert sent(server, tmp_path, "express", backend).body == BODY
        assert len(proxy.requests) == 1
        assert sent(server, tmp_path, "express", {**backend, "proxy": "none"}).body == BODY
        monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.0/8")
        assert sent(server, tmp_path, "express", backend).body == BODY
        assert (len(proxy.requests), len(server.requests)) == (1, 3)


def test_a_proxy_that_refuses_is_named_without_its_password(authority: Authority, tmp_path: Path) -> None:
    with ExitStack() as stack:
        proxy = stack.enter_context(running_proxy("user:pass"))
        server = stack.enter_context(running_server(tls=authority.server_context()))
        tls = {"ca_file": authority.path("ca.pem")}
        url = proxy.url.replace("://", "://user:wrong-secret@")
        response = sent(server, tmp_path, "express", {"base_url": server.url, "tls": tls, "proxy": url})
        assert "its proxy wants other credentials (407)" in response.error["message"]
        assert "wrong-secret" not in response.error["message"]
        unreachable = {
            "base_url": "https://127.0.0.1:1",
            "tls": tls,
            "proxy": proxy.url.replace("://", "://user:pass@"),
        }
        assert (
            "its proxy refused the connection with status 502"
            in sent(server, tmp_path, "express", unreachable).error["message"]
        )
        gone = {"base_url": server.url, "tls": tls, "proxy": "http://127.0.0.1:1"}
        assert "its proxy cannot be reached" in sent(server, tmp_path, "express", gone).error["message"]


@pytest.mark.parametrize("said", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nearly", b"x" * 70_000])
def test_a_proxy_that_speaks_no_http_is_a_fault(authority: Authority, tmp_path: Path, said: bytes) -> None:
    with running_server(lambda _: said) as proxy:
        backend = {"base_url": "https://there.example", "proxy": proxy.url}
        response = sent(proxy, tmp_path, "express", backend)
    assert response.status == 502
    assert "its proxy answered what is no HTTP" in response.error["message"]


# TLS


def test_a_backend_of_a_private_authority_wants_a_clients_certificate(
    authority: Authority, tmp_path: Path, lane: str
) -> None:
    with running_server(tls=authority.server_context(wants_client=True)) as server:
        mine = {"cert_file": authority.path("client.pem"), "key_file": authority.path("client.key")}
        trusting = {"ca_file": authority.path("ca.pem")}
        assert sent(server, tmp_path, lane, {"tls": {**trusting, **mine}}).body == BODY
        assert sent(server, tmp_path, lane, {"tls": {"verify": False, **mine}}).body == BODY
        assert sent(server, tmp_path, lane, {"tls": trusting}).status == 502
        assert "TLS failed" in sent(server, tmp_path, lane, {"tls": mine}).error["message"]


def test_backends_of_one_address_do_not_share_connections_of_other_certificates(
    authority: Authority, tmp_path: Path
) -> None:
    with running_server(tls=authority.server_context()) as server:
        trusting = {"base_url": server.url, "tls": {"ca_file": authority.path("ca.pem")}}
        with serving(tmp_path, trusting) as made:
            assert chat(made.url, "m").status == 200
            made.reload(document(tmp_path, {"base_url": server.url}))
            assert "TLS failed" in chat(made.url, "m").error["message"]
            made.reload(document(tmp_path, trusting))
            assert chat(made.url, "m").status == 200


def test_a_proxys_refusal_of_a_plain_request_is_not_the_clients(server: Server, tmp_path: Path) -> None:
    """407 is between the gateway and its proxy; a client that got it would look for a proxy of its own."""
    with running_server(lambda _: whole(b"", "407 Proxy Authentication Required")) as proxy:
        response = sent(server, tmp_path, "express", {"proxy": proxy.url})
    assert "answered 407" in response.error["message"]
    assert "proxy-authenticate" not in response.headers
