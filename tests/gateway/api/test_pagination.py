"""Pages by cursor: every row once, whatever comes or goes meanwhile, and an error for a cursor of something else."""

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.pagination import (
    MAX_LIMIT,
    PageRequest,
    decode_cursor,
    encode_cursor,
    page_of_sorted,
)
from gateway.errors import InvalidRequest
from gateway.loop_share import SLICE_S, LoopShare
from gateway.state.sqlite import SqliteStore
from tests.gateway.api.many_tasks import store_tasks
from tests.gateway.asking import ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway

ADMIN = {"authorization": "Bearer root"}
NAMES = st.lists(st.text("ab/-.", min_size=1, max_size=6), unique=True, max_size=30)
LISTS = (
    "/v1/tasks",
    "/v1/tasks?details=true",
    "/v1/decisions",
    "/v1/evictions",
    "/v1/usage?by=task",
    "/v1/usage?by=key",
    "/v1/backends",
    "/v1/packs",
)


@given(key=st.one_of(st.text(max_size=128), st.integers(0, 2**53)))
def test_a_cursor_gives_the_key_back_and_only_to_its_own_list(key: str | int) -> None:
    cursor = encode_cursor("tasks", key)
    assert decode_cursor("tasks", cursor) == key
    with pytest.raises(InvalidRequest, match="not a cursor of this list"):
        decode_cursor("keys", cursor)


@given(text=st.text(max_size=40))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_cursor("tasks", text)
    assert (refused.value.code, refused.value.param) == ("invalid_cursor", "cursor")


@given(names=NAMES, limit=st.integers(1, 7), gone=st.integers(0, 30), new=NAMES)
def test_pages_hold_every_row_that_stays_once(names: list[str], limit: int, gone: int, new: list[str]) -> None:
    rows, found, cursor, turn = sorted(names), list[str](), "", 0
    while True:
        page, last = page_of_sorted(rows, lambda row: row, PageRequest(cursor, limit), "names")
        assert len(page) <= limit
        found += page
        if last is None:
            break
        cursor = encode_cursor("names", last)
        turn += 1
        if turn == 1:  # some go, the last one shown among them, and others come
            removed = {*rows[gone : gone + 3], found[-1]}
            rows = sorted(({*rows} - removed) | {*new})
    assert found == sorted(set(found))
    stayed = {*names} & {*rows}
    assert stayed <= {*found}


def test_a_number_is_no_cursor_of_names() -> None:
    with pytest.raises(InvalidRequest, match="not a cursor"):
        page_of_sorted(["a"], lambda row: row, PageRequest(encode_cursor("names", 7), 1), "names")
    with pytest.raises(InvalidRequest, match="not a cursor"):
        PageRequest(encode_cursor("names", 7), 1).name_position("names")
    with pytest.raises(InvalidRequest, match="not a cursor"):
        PageRequest(encode_cursor("numbers", "a"), 1).number_position("numbers")


def test_an_endpoint_that_works_for_long_gives_way() -> None:
    """Whoever waits beside it has a turn after every slice: the clock here moves a slice with every row."""
    rows, turns = 40, list[int]()
    clock = itertools.count(0, 2 * SLICE_S)

    async def beside() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    async def work() -> int:
        watching = asyncio.create_task(beside())
        share = LoopShare(lambda: float(next(clock)))
        for _ in range(rows):
            await share.give_way()
        watching.cancel()
        return len(turns)

    assert asyncio.run(work()) >= rows - 1


def test_an_endpoint_that_is_quick_does_not_wait() -> None:
    async def work() -> list[str]:
        done = list[str]()
        asyncio.get_running_loop().call_soon(done.append, "another")
        share = LoopShare(lambda: 0.0)
        for _ in range(9):
            await share.give_way()
        return [*done, "ended"]

    assert asyncio.run(work()) == ["ended"]


@pytest.fixture(scope="module")
def url(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = Path(tmp_path_factory.mktemp("lists"))
    store = SqliteStore(str(folder / "state.db"))
    store_tasks(store, [f"{team}/{number:03}" for team in ("alpha", "Beta") for number in range(12)])
    store.close()
    text = configuration(shared_upstream.base_url, ["good", "other"], state={"url": f"sqlite:///{folder}/state.db"})
    with running_gateway(text) as url:
        for task in ("alpha/003", "fresh-1", "fresh-2"):
            chat(url, task=task)
        yield url


def pages(url: str, path: str, limit: int) -> list[list[str]]:
    """Return the IDs on every page of a list."""
    found, cursor = list[list[str]](), ""
    while True:
        page = ask(url, f"{path}{'&' if '?' in path else '?'}limit={limit}&cursor={cursor}").json
        found.append([row.get("id") or row.get("task") for row in page["data"]])
        assert page["has_more"] == (page["next_cursor"] is not None)
        if not page["has_more"]:
            return found
        cursor = page["next_cursor"]


def joined(found: list[list[str]]) -> list[str]:
    return list(itertools.chain.from_iterable(found))


def test_tasks_are_listed_page_by_page_with_those_that_have_no_decision(url: str) -> None:
    stored = sorted(f"{team}/{number:03}" for team in ("alpha", "Beta") for number in range(12))
    assert joined(pages(url, "/v1/tasks", 5)) == stored
    assert [len(page) for page in pages(url, "/v1/tasks", 5)] == [5, 5, 5, 5, 4]
    assert joined(pages(url, "/v1/tasks?details=true", 7)) == [*stored, "fresh-1", "fresh-2"]


def test_tasks_are_searched_by_a_part_of_their_id(url: str) -> None:
    assert joined(pages(url, "/v1/tasks?search=BETA/00", 4)) == [f"Beta/{number:03}" for number in range(10)]
    assert joined(pages(url, "/v1/tasks?prefix=alpha/01", 4)) == ["alpha/010", "alpha/011"]
    assert joined(pages(url, "/v1/tasks?prefix=alpha&search=1", 4)) == ["alpha/001", "alpha/010", "alpha/011"]
    assert joined(pages(url, "/v1/tasks?details=true&search=FRESH", 1)) == ["fresh-1", "fresh-2"]
    assert pages(url, "/v1/tasks?search=%25", 4) == [[]]


def test_usage_is_listed_page_by_page_with_the_sum_of_all(url: str) -> None:
    assert pages(url, "/v1/usage?by=task", 2) == [["alpha/003", "fresh-1"], ["fresh-2"]]
    assert ask(url, "/v1/usage?by=task&limit=1").json["total"]["requests"] == 3


@pytest.mark.parametrize("path", LISTS)
def test_every_list_has_pages_and_refuses_what_is_no_cursor(url: str, path: str) -> None:
    sign = "&" if "?" in path else "?"
    listed = ask(url, f"{path}{sign}limit=1").json
    assert {"data", "has_more", "next_cursor"} <= set(listed)
    assert len(listed["data"]) <= 1
    for cursor in ("x", "!!!!", encode_cursor("another list", "a"), "%00", "A" * 400):
        refused = ask(url, f"{path}{sign}cursor={cursor}")
        assert (refused.status, refused.error["code"], refused.error["param"]) == (400, "invalid_cursor", "cursor")
    for limit in ("0", str(MAX_LIMIT + 1), "x"):
        assert ask(url, f"{path}{sign}limit={limit}").status == 400


def test_a_cursor_beside_after_is_refused(url: str) -> None:
    cursor = ask(url, "/v1/tasks?limit=1").json["next_cursor"]
    assert ask(url, f"/v1/tasks?cursor={cursor}&after=a").error["param"] == "cursor"


def test_the_overview_counts_all_tasks_and_shows_the_busiest_first(url: str) -> None:
    shown = ask(url, "/v1/overview?limit=4").json
    assert (shown["tasks"], sum(shown["by_model"].values()), sum(shown["by_reason"].values())) == (26, 26, 26)
    assert [task["id"] for task in shown["busiest"][:3]] == ["alpha/003", "fresh-1", "fresh-2"]
