"""Settings of backends: what is accepted, what is refused and where, and that no secret is shown."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import Config, parse_config
from gateway.config.backends import AzureBackendConfig, HttpBackendConfig
from gateway.config.key_file import KeyFile
from gateway.config.secrets import MASK
from gateway.errors import ConfigError
from tests.gateway.upstream.servers import Authority, make_authority

SECRET = "hunter2-SECRET"  # noqa: S105 - a made-up one
PLACE = "models[0].backends[0]"


def parse(backend: Mapping[str, Any], **environment: str) -> Config:
    made = {"kind": "openai", "base_url": "https://there.example/v1", **backend}
    return parse_config(yaml.safe_dump({"models": [{"name": "m", "backends": [made]}]}), "c", environment)


def backend_of(backend: Mapping[str, Any], **environment: str) -> HttpBackendConfig:
    (made,) = parse(backend, **environment).models[0].backends
    assert isinstance(made, HttpBackendConfig)
    return made


def faults_of(backend: Mapping[str, Any], **environment: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        parse(backend, **environment)
    assert SECRET not in str(caught.value)
    return dict(caught.value.faults)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("written", ["key", " key", "key\n", "\tkey\r\n", "\u00a0key "])
def test_white_space_around_a_key_is_removed(written: str, tmp_path: Path) -> None:
    made = backend_of({"api_key": "${KEY}"}, KEY=written)
    assert made.api_key is not None
    assert made.api_key.get_secret_value() == "key"
    (tmp_path / "key").write_text(written, encoding="utf-8")
    assert KeyFile(str(tmp_path / "key")).read_key() == "key"


def test_an_empty_variable_is_no_key() -> None:
    assert backend_of({"api_key": "${KEY:-}"}).api_key is None


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (f"{SECRET}\nx: y", "a line end"),
        (f"{SECRET}\rx", "a line end"),
        (f"{SECRET}\0", "a control character"),
        (f"\x7f{SECRET}", "a control character"),
        (f"{SECRET} {SECRET}", "white space"),
        (f"{SECRET}\u200b", "a character other than ASCII"),
        (f"\ufeff{SECRET}", "a character other than ASCII"),
        (f"{SECRET}ü", "a character other than ASCII"),
    ],
)
def test_a_key_that_cannot_be_a_header_is_refused_before_any_request(bad: str, told: str, tmp_path: Path) -> None:
    assert told in faults_of({"api_key": "${KEY}"}, KEY=bad)[f"{PLACE}.api_key"]
    (tmp_path / "key").write_text(bad, encoding="utf-8")
    assert told in faults_of({"api_key_file": str(tmp_path / "key")})[PLACE]


@pytest.mark.parametrize("bad", [f"{SECRET}\r\nx: y", f"a\nb{SECRET}", f"\0{SECRET}", f"{SECRET}é"])
def test_a_value_that_cannot_be_a_header_is_refused(bad: str) -> None:
    assert "line end" in faults_of({"headers": {"X-A": "${V}"}}, V=bad)[f"{PLACE}.headers.X-A"]


@pytest.mark.parametrize("bad", [f"{SECRET}\r\nx", f"\0{SECRET}"])
def test_a_value_that_cannot_be_a_parameter_is_refused(bad: str) -> None:
    assert "line end" in faults_of({"query": {"a": "${V}"}}, V=bad)[f"{PLACE}.query.a"]


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "a:b",
        "a\nb",
        "",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "Content-Type",
        "accept-encoding",
        "te",
    ],
)
def test_a_header_that_cannot_be_set_is_refused(name: str) -> None:
    (path,) = faults_of({"headers": {name: "v"}})
    assert path.startswith(f"{PLACE}.headers")


@pytest.mark.parametrize(
    ("backend", "path", "told"),
    [
        ({"api_key": "k", "api_key_file": "/none"}, PLACE, "not both"),
        ({"api_key_header": "x-key"}, PLACE, "needs api_key"),
        ({"api_key": "k", "headers": {"Authorization": "Basic x"}}, PLACE, "holds the API key"),
        ({"api_key": "k", "api_key_header": "X-Key", "headers": {"x-key": "y"}}, PLACE, "holds the API key"),
        ({"api_key": "k", "api_key_scheme": "a b"}, f"{PLACE}.api_key_scheme", "must be one word"),
        ({"api_key_file": "/no/such/file"}, PLACE, "cannot be read: No such file"),
        ({"deny_headers": ["x-*-y"]}, f"{PLACE}.deny_headers[0]", "`*` at its beginning or its end"),
        ({"proxy": "socks5://h:1"}, f"{PLACE}.proxy", "SOCKS"),
        ({"proxy": "h:3128"}, f"{PLACE}.proxy", "expected a proxy's URL"),
        ({"proxy": f"http://u:{SECRET}/x@h:1"}, f"{PLACE}.proxy", "percent-encode"),
        ({"proxy": "http://h:99999"}, f"{PLACE}.proxy", "expected a proxy's URL"),
        ({"proxy": "http://h/\r\nx"}, f"{PLACE}.proxy", "proxy's URL"),
        ({"tls": {"ca_file": "/no/such/file"}}, f"{PLACE}.tls.ca_file", "cannot be read: No such file"),
        ({"tls": {"ca_file": __file__}}, f"{PLACE}.tls.ca_file", "not a PEM file with a certificate"),
        ({"tls": {"ca_file": "/"}}, f"{PLACE}.tls.ca_file", "cannot be read: Is a directory"),
    ],
)
def test_what_does_not_fit_is_refused_where_it_stands(backend: dict[str, Any], path: str, told: str) -> None:
    assert told in faults_of(backend)[path]


def test_a_file_that_is_empty_or_large_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for content, told in (("", "the key is empty"), (" \n", "the key is empty"), ("a" * 10**6, "not a key")):
        path.write_text(content)
        assert told in faults_of({"api_key_file": str(path)})[PLACE]
    path.write_bytes(b"\xff\xfe")
    assert "not UTF-8" in faults_of({"api_key_file": str(path)})[PLACE]


def test_certificates_and_keys_are_checked_together(authority: Authority, tmp_path: Path) -> None:
    path = authority.path

    def tls(**files: str) -> dict[str, str]:
        return faults_of({"tls": files})

    assert backend_of({"tls": {"cert_file": path("client.pem"), "key_file": path("client.key")}}).tls.verify
    assert "is not that of" in tls(cert_file=path("client.pem"), key_file=path("server.key"))[f"{PLACE}.tls"]
    assert "is encrypted" in tls(cert_file=path("client.pem"), key_file=path("encrypted.key"))[f"{PLACE}.tls"]
    assert "key_file needs cert_file" in tls(key_file=path("client.key"))[f"{PLACE}.tls"]
    assert "not a PEM file with a private key" in tls(key_file=path("client.pem"))[f"{PLACE}.tls.key_file"]
    assert "cannot be used as a client's certificate" in tls(cert_file=path("client.pem"))[f"{PLACE}.tls"]
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert "holds no valid certificate" in tls(ca_file=str(broken))[f"{PLACE}.tls"]


def test_no_secret_of_a_backend_is_shown() -> None:
    config = parse(
        {
            "api_key": SECRET,
            "headers": {"X-A": SECRET},
            "query": {"key": SECRET},
            "proxy": f"http://user:{SECRET}@proxy.example:3128",
        }
    )
    assert SECRET not in json.dumps(config.mask_secrets())
    assert SECRET not in repr(config)
    assert config.mask_secrets()["models"][0]["backends"][0]["proxy"] == f"http://{MASK}@proxy.example:3128"


@pytest.mark.parametrize(
    "url",
    [
        "https://mine.openai.azure.com",
        "https://mine.openai.azure.com/",
        "https://mine.openai.azure.com/openai",
        "https://mine.openai.azure.com/openai/v1/",
        "https://mine.openai.azure.com/openai/deployments/gpt/chat/completions",
    ],
)
def test_azures_resource_is_found_in_what_the_portal_shows(url: str) -> None:
    made = backend_of({"kind": "azure", "base_url": url})
    assert isinstance(made, AzureBackendConfig)
    assert made.base_url == "https://mine.openai.azure.com"


def test_a_url_keeps_a_path_of_its_own() -> None:
    assert backend_of({"kind": "azure", "base_url": "https://apim.example/team/openai"}).base_url == (  # type: ignore[attr-defined]
        "https://apim.example/team"
    )


def test_the_systems_certificates_are_not_read_before_a_backend_needs_them() -> None:
    """They take a tenth of a second, at the start of every command."""
    code = "import ssl; ssl.create_default_context = None; import gateway.config.network_fields"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
