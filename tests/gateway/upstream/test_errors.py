"""Which exceptions are the gateway's own shortage, however a library has wrapped them."""

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
