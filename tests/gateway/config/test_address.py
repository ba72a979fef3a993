"""The address of the gateway that a configuration starts, for commands on the same machine."""

from pathlib import Path

import pytest

from gateway.config.address import base_url, read_base_url
from gateway.errors import ConfigError
from tests.gateway.cli.conftest import run_command
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway


def read(folder: Path, text: str, **environment: str) -> str:
    (folder / "config.yaml").write_text(text)
    return read_base_url(folder / "config.yaml", environment)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:8100"),
        ("0.0.0.0", "http://127.0.0.1:8100"),  # noqa: S104 - a text
        ("", "http://127.0.0.1:8100"),
        ("::", "http://[::1]:8100"),
        ("localhost", "http://localhost:8100"),
        ("fe80::1", "http://[fe80::1]:8100"),
    ],
)
def test_a_host_is_reached_from_its_own_machine(host: str, expected: str) -> None:
    assert base_url(host, 8100) == expected


def test_only_host_and_port_are_read(tmp_path: Path) -> None:
    """Keys of backends may be in the gateway's environment alone; what else is wrong is the gateway's to report."""
    text = (
        'models: [{name: a, api_key: "${NOWHERE}"}]\nserver: {host: 127.0.0.2, port: "${PORT:-9000}", lane: "${LANE}"}'
    )
    assert read(tmp_path, text) == "http://127.0.0.2:9000"
    assert read(tmp_path, text, PORT="9001") == "http://127.0.0.2:9001"
    assert read(tmp_path, "models: []") == "http://127.0.0.1:8100"
    assert read(tmp_path, "server:") == "http://127.0.0.1:8100"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("server: {host: 192.0.2.7}", "server.host: 192.0.2.7 is no address of this machine"),
        ("server: {host: host.invalid}", "server.host: host.invalid is no address of this machine"),
        ("server: {port: 0}", "server.port: 0 picks a free port"),
        ("server: {port: seven}", "server: host or port is invalid"),
        ("server: {port: 70000}", "server: host or port is invalid"),
        ('server: {port: "${NOWHERE}"}', "environment variable NOWHERE is not set"),
        ("server: {port: 1", "invalid YAML"),
    ],
)
def test_an_address_that_is_not_known_is_an_error(text: str, fault: str, tmp_path: Path) -> None:
    """A key must not be sent to a host that a file in the working directory names."""
    with pytest.raises(ConfigError, match=r"config\.yaml") as error:
        read(tmp_path, text)
    assert fault in str(error.value)


def test_commands_find_the_gateway_of_the_configuration(
    shared_upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCHROUTE_URL", raising=False)
    text = configuration(shared_upstream.base_url, ["good"], state={"url": f"sqlite:///{tmp_path}/state.db"})
    with running_gateway(text) as url:
        port = url.rpartition(":")[2]
        (tmp_path / "config.yaml").write_text(f'models: [{{name: "${{UNSET}}"}}]\nserver: {{port: {port}}}\n')
        for command in (("tasks",), ("tasks", "evicted")):
            found = run_command(*command)
            assert found.exit_code == 0, found.output
        refused = run_command("tasks", "--url", "http://127.0.0.1:9")
        assert refused.stderr.startswith("error: http://127.0.0.1:9: connection refused")
    (tmp_path / "config.yaml").write_text("server: {port: 0}\n")
    unknown = run_command("tasks")
    assert (unknown.exit_code, "set --url or BENCHROUTE_URL" in unknown.stderr) == (2, True)
