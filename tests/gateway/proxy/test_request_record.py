"""The gateway's own headers, from the record of a request."""

from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.proxy.request_record import RequestRecord


@given(cost=st.decimals(0, 10**9, allow_nan=False, allow_infinity=False, places=15))
@example(cost=Decimal("0.00000015"))
@example(cost=Decimal("1E+3"))
@example(cost=Decimal(0))
def test_costs_are_shown_in_full_and_without_an_exponent(cost: Decimal) -> None:
    lines = RequestRecord("req_1", cost_usd=cost).begin_response(200).decode().splitlines()
    assert f"x-benchroute-cost-usd: {cost:f}" in lines
