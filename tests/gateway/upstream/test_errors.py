"""Faults: which are the gateway's own shortage, however a library has wrapped them, and what they keep."""

import errno
import os
import ssl

import pytest

from gateway.upstream.errors import LocalShortage, Unreachable, UpstreamFault, from_os_error, is_shortage
from gateway.upstream.load_balancer import is_backend_fault


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
@pytest.mark.parametrize("is_cause", [True, False])
def test_a_shortage_is_found_behind_what_a_library_raises(number: int, is_cause: bool) -> None:
    outer, inner = RuntimeError("cannot connect"), os_error(number)
    if is_cause:
        outer.__cause__ = inner
    else:
        outer.__context__ = inner
    assert is_shortage(outer)
    assert isinstance(from_os_error(inner), LocalShortage)


@pytest.mark.parametrize("error", [os_error(errno.ECONNREFUSED), ssl.SSLError(1, "bad"), UnicodeError("no name")])
def test_anything_else_is_the_backends_fault(error: OSError | UnicodeError) -> None:
    assert not is_shortage(error)
    assert isinstance(from_os_error(error), Unreachable)


@pytest.mark.parametrize(("fault", "counted"), [(LocalShortage("x"), None), (Unreachable("x"), True)])
def test_a_breaker_does_not_count_a_shortage(fault: UpstreamFault, counted: bool | None) -> None:
    assert is_backend_fault(fault) is counted


def raised_in_turn() -> UpstreamFault:
    try:
        try:
            try:
                raise OSError("no route")
            except OSError as error:
                raise ValueError("no address") from error
        except ValueError as error:
            raise Unreachable("cannot be reached") from error
    except Unreachable as fault:
        return fault


def test_a_fault_that_forgets_its_frames_keeps_its_causes() -> None:
    fault = raised_in_turn()
    assert fault.__traceback__ is not None
    fault.forget_frames()
    cause = fault.__cause__
    assert cause is not None
    assert (repr(cause), repr(cause.__cause__)) == ("ValueError('no address')", "OSError('no route')")
    assert [one.__traceback__ for one in (fault, cause, cause.__cause__)] == [None] * 3  # type: ignore[union-attr]
    # A chain that leads back to its beginning ends all the same.
    cause.__cause__.__cause__ = fault  # type: ignore[union-attr]
    fault.forget_frames()
