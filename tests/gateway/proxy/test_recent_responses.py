"""What is kept of answers for a score that may come: who answered, by which chance."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.recent_responses import RecentResponses, client_response_key, response_key
from gateway.proxy.request_record import RequestRecord
from gateway.tasks.decision_table import Route
from gateway.upstream.errors import UpstreamProtocolError
from gateway.upstream.failover import Attempt, AttemptLog

ROUTE = Route(("a", "b"), "score", 3, propensity=0.98, exploration_set=7)


def ended(request: str, route: Route = ROUTE, model: str = "a", **about: object) -> RequestRecord:
    made = RequestRecord(request, task="t", route=route, status=200, is_complete=True)
    made.trail = AttemptLog([Attempt(model, f"{model}/1")])
    for name, value in about.items():
        setattr(made, name, value)
    return made


def test_an_answer_is_known_with_its_chance() -> None:
    answers = RecentResponses(10, lambda: 5.0)
    answers.record(ended("r"))
    found = answers.find_response("r")
    assert found is not None
    assert (found.task, found.model, found.propensity, found.stratum, found.at) == ("t", "a", 0.98, "3/7", 5.0)
    assert answers.find_response("other") is None


def test_where_another_model_or_the_cache_answered_chance_had_no_part() -> None:
    answers = RecentResponses(10)
    answers.record(ended("failed over", model="b"))
    answers.record(ended("kept", cached_model="a"))
    assert [getattr(answers.find_response(name), "propensity", 0) for name in ("failed over", "kept")] == [None, None]


def test_what_was_no_success_is_not_kept() -> None:
    answers = RecentResponses(10)
    answers.record(ended("refused", status=400))
    answers.record(ended("broken", is_complete=False, stream_error=str(UpstreamProtocolError("x"))))
    answers.record(RequestRecord("nowhere"))
    assert [answers.find_response(name) for name in ("refused", "broken", "nowhere")] == [None] * 3


@given(st.integers(0, 8), st.lists(st.sampled_from("abcdefghijklmnop"), max_size=60))
def test_the_last_so_many_are_kept_and_no_more(kept: int, requests: list[str]) -> None:
    """By their first coming: an id that is given again keeps its place, and stands for the latest."""
    answers, ring = RecentResponses(kept), list[str]()
    for version, request in enumerate(requests):
        answers.record(ended(request, Route(("a",), "score", version)))
        if request not in ring:
            ring = [*ring, request][-kept:] if kept else []
    latest = {request: version for version, request in enumerate(requests)}
    for request in set(requests):
        found = answers.find_response(request)
        assert (found is not None) == (request in ring)
        assert found is None or found.version == latest[request]


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
        answers.record(ended(f"{request}{place}", client_id=name, key="k"))
        if name is not None:
            latest[name] = f"{request}{place}"
    recent = [f"{request}{place}" for place, (request, _) in enumerate(requests)][-kept:] if kept else []
    for name, request in latest.items():
        found = answers.find_response(client_response_key("k", name))
        assert (found is not None) == (request in recent)
        assert found is None or found.request_id == request
        assert answers.find_response(client_response_key("other", name)) is None
        assert answers.find_response(response_key("k", name)) is None
    assert len(answers._names) + len(answers._named) <= 2 * kept
