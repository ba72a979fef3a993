"""What is kept of answers for a score that may come: who answered, by which chance."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.recent_responses import RecentResponses, ResponseRecord, client_response_key, response_key
from gateway.proxy.record_columns import RecordColumns
from gateway.proxy.request_record import RequestRecord
from gateway.tasks.decision_table import Route
from gateway.upstream.errors import UpstreamProtocolError
from gateway.upstream.failover import Attempt, AttemptLog
from tests.gateway.proxy.finished import finished

ROUTE = Route(("a", "b"), "score", 3, propensity=0.98, exploration_set=7)


def ended(request: str, route: Route = ROUTE, model: str = "a", **about: object) -> RequestRecord:
    made = RequestRecord(request, task="t", route=route, status=200, is_complete=True)
    made.trail = AttemptLog([Attempt(model, f"{model}/1")])
    for name, value in about.items():
        setattr(made, name, value)
    return made


def record(answers: RecentResponses, *records: RequestRecord) -> None:
    answers.record_batch(RecordColumns(records))


def test_an_answer_is_known_with_its_chance() -> None:
    answers = RecentResponses(10, lambda: 5.0)
    record(answers, ended("r"))
    found = answers.find_response("r")
    assert found is not None
    assert (found.task, found.model, found.propensity, found.stratum, found.at) == ("t", "a", 0.98, "3/7", 5.0)
    assert answers.find_response("other") is None


def test_where_another_model_or_the_cache_answered_chance_had_no_part() -> None:
    answers = RecentResponses(10)
    record(answers, ended("failed over", model="b"))
    record(answers, ended("kept", cached_model="a"))
    assert [getattr(answers.find_response(name), "propensity", 0) for name in ("failed over", "kept")] == [None, None]


def test_what_was_no_success_is_not_kept() -> None:
    answers = RecentResponses(10)
    broken = ended("broken", is_complete=False, stream_error=str(UpstreamProtocolError("x")))
    record(answers, ended("refused", status=400), ended("kept"), broken)
    record(answers, RequestRecord("nowhere"))
    found = [answers.find_response(name) is not None for name in ("refused", "kept", "broken", "nowhere")]
    assert found == [False, True, False, False]


@given(
    st.integers(0, 8),
    st.sampled_from([0, 3, 100]),
    st.lists(st.lists(st.tuples(st.sampled_from("abcdefghijklmnop"), st.sampled_from([200, 200, 500])), min_size=1)),
    st.sets(st.integers(0, 20)),
)
def test_the_last_so_many_are_kept_and_no_more(
    kept: int, unindexed: int, batches: list[list[tuple[str, int]]], looked_up_after: set[int]
) -> None:
    """Whenever they are looked up, and however many come together; a repeated ID stands for its latest response."""
    answers, successes = RecentResponses(kept, max_unindexed=unindexed), list[tuple[str, int]]()
    versions = count()
    for number, batch in enumerate(batches):
        made = [(request, status, next(versions)) for request, status in batch]
        record(answers, *[ended(one, Route(("a",), "score", at), status=status) for one, status, at in made])
        successes += [(one, at) for one, status, at in made if status == 200]
        if number in looked_up_after or number == len(batches) - 1:
            recent = dict(successes[-kept:] if kept else [])
            for request in "abcdefghijklmnop":
                found = answers.find_response(request)
                assert (None if found is None else found.version) == recent.get(request)
                assert answers.find_response(response_key("k", request)) is None
        assert len(answers._found) <= kept + len(batch) + max(map(len, batches))


@given(st.lists(finished(), min_size=1, max_size=12))
def test_a_response_is_what_its_record_says(records: list[RequestRecord]) -> None:
    answers = RecentResponses(100, lambda: 5.0)
    for number, one in enumerate(records):
        one.request_id = f"r{number}"
    record(answers, *records)
    for one in records:
        route, found = one.route, answers.find_response(response_key(one.key, one.request_id))
        if route is None or one.task is None or not one.is_complete or not 200 <= one.status < 300:
            assert found is None
            continue
        is_drawn = one.cached_model is None and one.model == route.ranking[0]
        propensity = route.propensity if is_drawn else None
        assert found == ResponseRecord(
            *(one.task, one.model, route.version, propensity, route.exploration_set, 5.0, one.request_id)
        )


def test_names_of_keys_and_ids_cannot_be_confused() -> None:
    assert response_key("a", "b") != response_key(None, "ab")
    assert response_key("a", "b\nc") != response_key("ab", "c")


@given(
    st.integers(0, 4), st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["x", "y", None])), max_size=40)
)
def test_a_clients_own_id_finds_its_latest_response_as_long_as_that_is_kept(
    kept: int, requests: list[tuple[str, str | None]]
) -> None:
    answers, latest = RecentResponses(kept), dict[str, str]()
    for place, (request, name) in enumerate(requests):
        record(answers, ended(f"{request}{place}", client_id=name, key="k"))
        if name is not None:
            latest[name] = f"{request}{place}"
        if place % 3 == 0:
            answers.find_response("unknown")
    recent = [f"{request}{place}" for place, (request, _) in enumerate(requests)][-kept:] if kept else []
    for name, request in latest.items():
        found = answers.find_response(client_response_key("k", name))
        assert (found is not None) == (request in recent)
        assert found is None or found.request_id == request
        assert answers.find_response(client_response_key("other", name)) is None
        assert answers.find_response(response_key("k", name)) is None
    assert len(answers._named) <= kept
