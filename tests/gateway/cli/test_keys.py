"""`benchroute keys …` against a real gateway."""

import json
import socket
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import Result

from tests.gateway.api.test_keys import call, text
from tests.gateway.cli.conftest import run_command
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import running_gateway


@pytest.fixture
def url(upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("BENCHROUTE_ADMIN_KEY", "sk-root\n")
    monkeypatch.setenv("CLIENT", "sk-configured")
    monkeypatch.delenv("NOTHING", raising=False)
    with running_gateway(text(upstream, tmp_path)) as running:
        yield running


def keys(url: str, *arguments: object) -> Result:
    return run_command("keys", *arguments, "--url", url)


def test_a_keys_life(url: str) -> None:
    limits = ("--requests-per-minute", 60, "--budget-usd-per-day", "2.50", "--default-task", "a")
    made = keys(url, "create", "team/a", "--model", "other", "--task", "a", "--task", "b", *limits)
    assert (made.exit_code, made.stderr) == (
        0,
        "key team/a created; copy its secret now, it will not be shown again:\n",
    )
    key = {"authorization": f"Bearer {made.stdout.strip()}"}
    assert call(url, key).ours("model") == "other"
    listed = keys(url, "list")
    line, *_ = [line.split() for line in listed.stdout.splitlines() if "team/a" in line]
    assert (line[1], line[3:6], line[6], line[9]) == ("api", ["other", "a,", "b"], "60", "2.5")
    assert "configured" in listed.stdout
    assert keys(url, "revoke", "team/a").stdout == "key team/a revoked\n"
    assert call(url, key).status == 401


def test_a_key_is_rotated_changed_and_relieved_of_its_old_secret(url: str) -> None:
    old = {"authorization": f"Bearer {keys(url, 'create', 'team/a', '--expires', '90d').stdout.strip()}"}
    rotated = keys(url, "rotate", "team/a", "--old-expires", "12h")
    assert "the former secret is valid until 20" in rotated.stderr
    assert "`benchroute keys revoke team/a --secret 1`" in rotated.stderr
    new = {"authorization": f"Bearer {rotated.stdout.strip()}"}
    assert [call(url, key).status for key in (old, new)] == [200, 200]
    assert keys(url, "update", "team/a", "--model", "other", "--clear", "expires-at").stdout == "key team/a changed\n"
    assert call(url, new).ours("model") == "other"
    listed = json.loads(keys(url, "list", "--json").stdout)["data"][-1]
    assert (listed["expires_at"], len(listed["secrets"])) == (None, 2)
    assert "1 (former)" in keys(url, "list").stdout
    assert keys(url, "revoke", "team/a", "--secret", 1).stdout == "secret 1 of key team/a revoked\n"
    assert [call(url, key).status for key in (old, new)] == [401, 200]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("create", "x", "--expires", "soon"), "--expires 'soon': expected `30d`"),
        (("rotate", "x", "--old-expires", "999999999d"), "too far in the future"),
        (("update", "x"), "nothing to change"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_sent(url: str, arguments: tuple[str, ...], told: str) -> None:
    refused = keys(url, *arguments)
    assert (refused.exit_code, told in refused.stderr) == (2, True)


def test_everything_can_be_had_as_json(url: str) -> None:
    made = json.loads(keys(f"{url}/v1/", "create", "mine", "--json").stdout)
    assert (made["name"], made["secret"][:3]) == ("mine", "br-")
    listed = json.loads(keys(url, "list", "--json").stdout)
    assert [key["name"] for key in listed["data"]] == ["configured", "mine"]
    assert json.loads(keys(url, "revoke", "mine", "--json").stdout)["deleted"] is True


def test_a_refusal_is_told_with_exit_code_one(url: str) -> None:
    for arguments, told in (
        (("create", "configured"), "A key named 'configured' exists already"),
        (("create", "x", "--model", "gpt-4"), "'gpt-4' is not a configured model"),
        (("revoke", "nobody"), "Unknown key: 'nobody'"),
        (("list", "--admin-key-env", "CLIENT"), "This endpoint requires an admin key"),
    ):
        refused = keys(url, *arguments)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert refused.stderr.startswith("error: the gateway returned status 4")
        assert told in refused.stderr
        assert "sk-" not in refused.stderr


def test_what_the_caller_did_not_say_is_told_with_exit_code_two(url: str) -> None:
    assert "environment variable NOTHING is not set" in keys(url, "list", "--admin-key-env", "NOTHING").stderr
    for wrong in ("127.0.0.1:8100", "ftp://x"):
        refused = keys(wrong, "list")
        assert (refused.exit_code, "expected an http:// or https:// URL" in refused.stderr) == (2, True)


def test_where_there_is_no_gateway_it_is_said(url: str, upstream: Upstream) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    refused = keys(nobody, "list")
    assert (refused.exit_code, refused.stderr.startswith(f"error: {nobody}: ")) == (1, True)
    refused = keys(url + "/elsewhere", "list")
    assert (refused.exit_code, "status 404" in refused.stderr) == (1, True)


def test_a_secret_is_hashed_as_the_configuration_takes_it() -> None:
    digest = sha256(b"sk-root").hexdigest()
    assert run_command("keys", "hash", stdin="sk-root\n").stdout == f"{digest}\n"
    assert json.loads(run_command("keys", "hash", "--json", stdin="sk-root").stdout) == {"sha256": digest}


@pytest.mark.parametrize("nothing", ["", "\n", "two\nlines\n"])
def test_what_is_no_secret_is_refused(nothing: str) -> None:
    refused = run_command("keys", "hash", stdin=nothing)
    assert (refused.exit_code, refused.stderr) == (2, "error: expected a secret of one line on standard input\n")
