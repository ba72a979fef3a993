"""Records of finished requests of every kind, drawn at random."""

from decimal import Decimal

from hypothesis import strategies as st

from gateway.http.endpoints import CHAT, EMBEDDINGS
from gateway.http.token_usage import Usage
from gateway.proxy.request_record import RequestRecord
from gateway.tasks.decision_table import Route
from gateway.upstream.errors import ErrorStatus, TimedOut
from gateway.upstream.failover import Attempt, AttemptLog

ROUTES = (None, Route(("good",), "score", 3), Route(("bad", "good"), "score", 4), Route(("good",), "shadow", 3, "bad"))
FAULTS = (TimedOut("no answer"), ErrorStatus(503))
USAGES = (None, Usage(812, 96), Usage(5, 7, 2, 1, 3, is_estimated=True), Usage(150_000, 10), Usage(0, 0))
attempts = st.builds(
    Attempt,
    st.sampled_from(["good", "bad"]),
    st.sampled_from(["good/1", "good/2"]),
    st.none() | st.sampled_from(FAULTS),
)
times_s = st.floats(0, 1000)


@st.composite
def finished(draw: st.DrawFn) -> RequestRecord:
    """Draw the record of a request that has ended; about half are successes at the first attempt."""
    started = 1000 + draw(times_s)
    record = RequestRecord(
        f"req_{draw(st.integers(0, 9)):024x}",
        started=started,
        read_at=draw(st.just(0.0) | st.just(started + 0.5)),
        task=draw(st.none() | st.sampled_from(["a", "b"])),
        route=draw(st.sampled_from(ROUTES)),
        overhead_s=draw(times_s),
        seconds=draw(times_s),
        key=draw(st.none() | st.just("k")),
        usage=draw(st.sampled_from(USAGES)),
        endpoint=draw(st.none() | st.sampled_from([CHAT, EMBEDDINGS])),
        asked_model=draw(st.none() | st.sampled_from(["auto", "gut\ud800", "x" * 500])),
        client_id=draw(st.none() | st.just("mine")),
        is_stream=draw(st.booleans()),
    )
    if record.usage is not None:
        record.cost_usd = draw(st.none() | st.decimals(0, 10, places=6))
    if draw(st.booleans()):
        record.trail = AttemptLog([Attempt("good", "good/1")], draw(times_s), times=(started + 1, started + 2))
        record.status, record.is_complete = 200, True
        return record
    made = draw(st.lists(attempts, max_size=3))
    moments = tuple(started + place for place in range(2 * len(made)))
    record.trail = AttemptLog(made, draw(times_s), draw(st.booleans()), moments)
    record.status, record.is_complete = draw(st.sampled_from([0, 200, 404, 503])), draw(st.booleans())
    record.aborted_status = draw(st.sampled_from([0, 503]))
    record.stream_error, record.error = draw(st.none() | st.just("broke")), draw(st.none() | st.just("x" * 900))
    record.cached_model = draw(st.none() | st.just("good"))
    record.barred = draw(st.sampled_from([(), (("bad", "no tools"),)]))
    record.last_word = draw(st.none() | st.sampled_from(made)) if made else None
    return record


def spent(records: list[RequestRecord]) -> Decimal | None:
    """Return the cost of records that all have one."""
    costs = [record.cost_usd for record in records if record.cost_usd is not None]
    return sum(costs, Decimal(0)) if costs else None
