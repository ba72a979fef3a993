"""`benchroute pack public`, `pack fetch`, and what `init` writes about public evidence."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gateway.config import load_config
from routing.catalogue.public_pack import public_pack_path
from tests.gateway.cli.conftest import run_command
from tests.gateway.cli.endpoints import listing

CONFIG = """
models:
  - name: gpt-4o
    backends: [{kind: openai, base_url: "http://127.0.0.1:9/v1"}]
  - name: fast
    backends: [{kind: openai, base_url: "http://127.0.0.1:9/v1", model: meta-llama/Llama-3.3-70B-Instruct}]
  - name: own
    backends: [{kind: openai, base_url: "http://127.0.0.1:9/v1"}]
routing: {pack: public}
"""


@contextmanager
def serving_file(content: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/pack.tar" else 404)
            self.end_headers()
            if self.path == "/pack.tar":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_shows_sources_and_what_it_has_of_your_models(folder: Path) -> None:
    (folder / "config.yaml").write_text(CONFIG)
    told = run_command("pack", "public")
    assert told.exit_code == 0, told.output
    for expected in ("CC-BY-4.0", "Apache-2.0", "Bojie Li", "gpt-4o-2024-11-20", "another version", "no outcomes of"):
        assert expected in told.stdout
    shown = json.loads(run_command("pack", "public", "--json").stdout)
    assert [model["evidence"] for model in shown["models"]] == ["gpt-4o-2024-11-20", "llama-3.3-70b-instruct", None]
    assert shown["models"][1]["outcomes"]["textclass"] == "llama3.3"
    assert "texts" not in json.dumps(shown["sources"])


def test_without_a_configuration_it_says_so() -> None:
    told = run_command("pack", "public")
    assert told.exit_code == 0
    assert "config.yaml does not exist" in told.stdout


def test_a_config_in_which_evidence_names_nothing_is_refused(folder: Path) -> None:
    (folder / "config.yaml").write_text(CONFIG.replace("- name: own", "- name: own\n    evidence: nothing-such"))
    told = run_command("config", "check", folder / "config.yaml")
    assert told.exit_code == 2
    assert "model own: evidence names nothing-such" in told.output


def test_a_fetched_pack_is_kept_only_if_it_is_the_named_one(folder: Path) -> None:
    content = public_pack_path().read_bytes()
    right = hashlib.sha256(content).hexdigest()
    with serving_file(content) as url:
        wrong = run_command("pack", "fetch", f"{url}/pack.tar", "--sha256", "0" * 64)
        assert (wrong.exit_code, "nothing was written" in wrong.output) == (2, True)
        assert not list((folder / "packs").iterdir())
        done = run_command("pack", "fetch", f"{url}/pack.tar", "--sha256", right.upper())
        again = run_command("pack", "fetch", f"{url}/pack.tar", "--sha256", right)
        forced = run_command("pack", "fetch", f"{url}/pack.tar", "--sha256", right, "--force", "--json")
        missing = run_command("pack", "fetch", f"{url}/other.tar", "--sha256", right, "-o", "other.tar")
    assert done.exit_code == 0, done.output
    assert (folder / "packs/public.tar").read_bytes() == content
    assert (again.exit_code, missing.exit_code) == (2, 2)
    assert "already exists" in again.output
    shown = json.loads(forced.stdout)
    assert (shown["path"], shown["sha256"]) == ("packs/public.tar", right)
    assert len(shown["hash"]) == 64
    assert "returned 404" in missing.output


def test_what_is_no_pack_and_what_is_no_url_is_refused(folder: Path) -> None:
    content = b"<html>not found</html>"
    with serving_file(content) as url:
        told = run_command("pack", "fetch", f"{url}/pack.tar", "--sha256", hashlib.sha256(content).hexdigest())
    assert (told.exit_code, "is not a pack" in told.output) == (2, True)
    for other in ("file:///etc/passwd", "http://example.com/pack.tar", "pack.tar"):
        refused = run_command("pack", "fetch", other, "--sha256", "0" * 64)
        assert (refused.exit_code, "expected an https:// URL" in refused.output) == (2, True)
    gone = run_command("pack", "fetch", "http://127.0.0.1:9/pack.tar", "--sha256", "0" * 64)
    assert (gone.exit_code, "cannot be fetched" in gone.output) == (2, True)


def test_init_uses_public_evidence_where_it_can_choose(folder: Path) -> None:
    with listing(["gpt-4o", "claude-3-5-haiku-20241022", "own"]) as url:
        told = run_command("init", "--yes", "--timeout-s", 2, "--endpoint", f"mine={url}", "--provider", "mine")
    assert told.exit_code == 0, told.output
    assert load_config(folder / "config.yaml", {}).routing.pack == "public"
    assert "gpt-4o has the public outcomes of gpt-4o-2024-11-20 (another version)" in told.stderr
    assert "claude-3-5-haiku-20241022 has the public outcomes of claude-3.5-haiku-2024-10-22" in told.stderr
    assert "evidence: none for own" in told.stderr


@pytest.mark.parametrize(("models", "options"), [(["own", "gpt-4o"], ()), (["gpt-4o", "o3"], ("--pack", "none"))])
def test_init_leaves_it_out_where_it_cannot_choose_or_is_told_to(
    folder: Path, models: list[str], options: tuple[str, ...]
) -> None:
    with listing(models) as url:
        told = run_command("init", "-y", "--timeout-s", 2, "--endpoint", f"mine={url}", "--provider", "mine", *options)
    assert told.exit_code == 0, told.output
    assert load_config(folder / "config.yaml", {}).routing.pack is None


def test_init_refuses_a_pack_that_is_not_there() -> None:
    with listing(["gpt-4o"]) as url:
        told = run_command("init", "-y", "--endpoint", f"mine={url}", "--provider", "mine", "--pack", "nowhere.tar")
    assert (told.exit_code, "--pack nowhere.tar: no such file" in told.output) == (2, True)
