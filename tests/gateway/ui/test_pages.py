"""The static files and how they are served, without a browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.ui.pages import CSP, read_assets
from tests.gateway.asking import ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway

STATIC = Path(__file__).parents[3] / "gateway" / "ui" / "static"


@pytest.fixture(scope="module")
def url(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state = tmp_path_factory.mktemp("state") / "state.db"
    with running_gateway(configuration(shared_upstream.base_url, ["good"], state={"url": f"sqlite:///{state}"})) as url:
        yield url


def test_index_has_a_strict_csp_and_takes_no_key(url: str) -> None:
    page = ask(url, "/ui/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["content-security-policy"] == CSP
    assert page.headers["x-content-type-options"] == "nosniff"
    for word in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
        assert word in CSP
    assert "unsafe" not in CSP


def test_ui_redirects_with_a_relative_location(url: str) -> None:
    answer = ask(url, "/ui")
    assert (answer.status, answer.headers["location"]) == (308, "ui/")


@pytest.mark.parametrize("accept", ["text/html,application/xhtml+xml,*/*;q=0.8", "text/html"])
def test_root_leads_browsers_to_the_dashboard(url: str, accept: str) -> None:
    answer = ask(url, "/", accept=accept)
    assert (answer.status, answer.headers["location"], answer.headers["vary"]) == (307, "ui/", "accept")


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
def test_root_tells_api_clients_the_paths(url: str, accept: str) -> None:
    answer = ask(url, "/", accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    paths = [value for name, value in answer.json.items() if name not in ("object", "name", "api")]
    assert [ask(url, path).status for path in paths] == [200] * len(paths)
    assert ask(url, answer.json["api"] + "/models").status == 200
    assert ask(url, "/", method="HEAD").body == b""


def test_files_are_revalidated_by_etag(url: str) -> None:
    first = ask(url, "/ui/app.js")
    assert (first.status, first.headers["cache-control"]) == (200, "no-cache")
    again = ask(url, "/ui/app.js", if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert ask(url, "/ui/app.js", if_none_match='"another"').status == 200


def test_api_responses_are_not_stored(url: str) -> None:
    assert [ask(url, path).headers["cache-control"] for path in ("/v1/me", "/v1/nowhere")] == ["no-store"] * 2


@pytest.mark.parametrize("path", ["nowhere.js", "../pages.py", "%2e%2e/pages.py", "vendor"])
def test_other_paths_are_404(url: str, path: str) -> None:
    assert ask(url, f"/ui/{path}").status == 404


def test_every_import_resolves_to_a_served_file() -> None:
    assets = read_assets()
    assert {str(path.relative_to(STATIC)) for path in STATIC.rglob("*") if path.is_file()} == set(assets)
    for name, asset in assets.items():
        if name.endswith(".js") and not name.startswith("vendor/"):
            folder = Path("/") / Path(name).parent
            for named in re.findall(r'from "(\.[^"]+)"', asset.body.decode()):
                assert str((folder / named).resolve())[1:] in assets, (name, named)


def test_own_files_reference_no_other_origin() -> None:
    for name, asset in read_assets().items():
        if not name.startswith("vendor/"):
            external = set(re.findall(r"https?://[^\s\"'`)]+", asset.body.decode())) - {"http://www.w3.org/2000/svg"}
            assert external == set(), name


def test_index_has_no_inline_script_or_style() -> None:
    page = read_assets()["index.html"].body.decode()
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", page) == []
