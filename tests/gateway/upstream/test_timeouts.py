import pytest

from gateway.config.schema import TimeoutConfig
from gateway.errors import InvalidRequest
from gateway.upstream.timeouts import Timeouts, parse_timeout_headers


def test_what_is_left_out_keeps_the_value_above() -> None:
    made = Timeouts().overridden_by(TimeoutConfig(connect_s=1, total_s=9)).overridden_by(TimeoutConfig(total_s=3))
    assert made == Timeouts(connect_s=1, first_byte_s=600, between_chunks_s=120, total_s=3)


def test_a_request_sets_limits_by_header() -> None:
    headers = [(b"x-benchroute-first-byte-s", b"1.5"), (b"x-benchroute-total-s", b"10"), (b"other", b"x")]
    assert parse_timeout_headers(headers) == {"first_byte_s": 1.5, "total_s": 10.0}


@pytest.mark.parametrize("value", [b"", b"soon", b"0", b"-1", b"nan", b"inf", b"1e9"])
def test_what_is_no_number_of_seconds_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="x-benchroute-connect-s"):
        parse_timeout_headers([(b"x-benchroute-connect-s", value)])
