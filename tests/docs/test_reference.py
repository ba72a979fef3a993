"""The reference says of every setting, endpoint, metric, error code, command and header what it is."""

import re
from functools import cache
from pathlib import Path

import pytest

from docs.tables.pages import FOLDER, GENERATORS, render_page
from docs.tables.settings import undescribed_settings

TOP = Path(__file__).parents[2]
HEADER = re.compile(r"[\"'](x-(?:benchroute|task|session|request)-[a-z-]+)[\"']")
page = cache(render_page)


@pytest.mark.parametrize("name", GENERATORS)
def test_a_page_that_is_made_from_the_code_is_as_the_code_says(name: str) -> None:
    written = (FOLDER / name).read_text(encoding="utf-8")
    assert written == page(name), (
        f"docs/reference/{name} is behind the code: run `python -m docs.tables` and commit what it writes"
    )


def test_every_setting_has_a_description() -> None:
    assert undescribed_settings() == [], "add a string below the field in gateway/config/"
    for line in page("settings.md").splitlines():
        assert not line.startswith("| `") or line.split(" | ")[-1].rstrip(" |").endswith("."), line


def test_every_header_is_told() -> None:
    """Whoever adds a header writes a line on it into docs/reference/headers.md."""
    told = (FOLDER / "headers.md").read_text(encoding="utf-8")
    code = "\n".join(path.read_text(encoding="utf-8") for path in (TOP / "gateway").rglob("*.py"))
    known = set(HEADER.findall(code))
    assert len(known) >= 14
    missing = sorted(header for header in known if f"`{header}`" not in told and f"`{header}:" not in told)
    assert missing == [], "docs/reference/headers.md does not say what these headers are"


def test_every_reason_is_told() -> None:
    from gateway import vocabulary
    from routing.decision import DecisionReason

    told = (FOLDER / "headers.md").read_text(encoding="utf-8")
    ours = {
        vocabulary.NO_PACK,
        vocabulary.ROUTER_UNAVAILABLE,
        vocabulary.PINNED,
        vocabulary.REQUESTED,
        vocabulary.SESSION,
        vocabulary.SHADOW,
        vocabulary.COLD_START,
    }
    ours.add(vocabulary.EXPLORED)
    missing = sorted(
        reason for reason in ours | {reason.value for reason in DecisionReason} if f"| `{reason}` |" not in told
    )
    assert missing == [], "docs/reference/headers.md does not say what these reasons mean"


def test_nothing_is_missing_that_a_person_would_look_for() -> None:
    """The generators find things by themselves; these must be among them."""
    assert "`models[].backends[].base_url`" in page("settings.md")
    assert "| `POST` | `/v1/chat/completions` | client |" in page("endpoints.md")
    assert "`/v1/tasks/{task}`" in page("endpoints.md")
    assert "`benchroute_requests_total`" in page("metrics.md")
    assert "`model_not_found`" in page("errors.md")
    assert "## benchroute tasks show" in page("cli.md")
    assert "| 130 | Ctrl-C |" in page("cli.md")
