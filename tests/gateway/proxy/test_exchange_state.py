"""The table of an exchange's transitions."""

import pytest

from gateway.proxy.exchange import Exchange
from gateway.proxy.exchange_state import DONE, READING, STREAMING, TRANSITIONS, WAITING, ExchangeState


def test_every_state_has_a_row_and_every_row_leads_to_the_end() -> None:
    assert set(TRANSITIONS) == set(ExchangeState)
    for state in ExchangeState:
        reached, new = {state}, {state}
        while new:
            new = {after for one in new for after in TRANSITIONS[one]} - reached
            reached |= new
        assert DONE in reached
    assert TRANSITIONS[DONE] == ()


def test_everything_but_the_beginning_is_reached_from_it() -> None:
    reached = {after for row in TRANSITIONS.values() for after in row}
    assert reached == set(ExchangeState) - {READING}


class Held(Exchange):
    """An exchange of which nothing but the state is there."""

    def __init__(self, state: ExchangeState) -> None:
        self.state = state


@pytest.mark.parametrize("state", ExchangeState)
@pytest.mark.parametrize("after", ExchangeState)
def test_a_transition_that_is_not_in_the_table_is_refused(state: ExchangeState, after: ExchangeState) -> None:
    exchange = Held(state)
    if after in TRANSITIONS[state]:
        exchange.enter(after)
        assert exchange.state is after
    else:
        with pytest.raises(AssertionError):
            exchange.enter(after)


def test_a_stream_is_never_begun_again() -> None:
    """What has reached the client cannot be made good by another backend."""
    assert WAITING not in TRANSITIONS[STREAMING]
