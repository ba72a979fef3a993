"""A backend's own error for the client: its last word, where nobody else is left to ask.

The last backend that has said anything has it: with its status, body, code and retry hints, as a client that asked it
directly would get them. The gateway's account of the attempts goes into headers of its own. An error that came with
status 200 gets the status that it names, else 502: clients' libraries would take its body for an answer.
"""

from typing import TYPE_CHECKING, Any

from gateway.errors import InvalidRequest, RequestError, UpstreamBusy, UpstreamFailed
from gateway.http import error_envelope
from gateway.http.endpoints import Endpoint
from gateway.http.sse import is_event_stream
from gateway.proxy.responses import HTTP_OK, client_headers
from gateway.upstream.errors import ErrorResponse, named_status
from gateway.upstream.failover import GiveUp

if TYPE_CHECKING:
    from gateway.proxy.exchange import Exchange


class BackendError(RequestError):
    """A backend's error in the gateway's words, where its own bytes cannot go: in a stream that has begun."""

    def __init__(self, status: int, told: dict[str, Any]) -> None:
        """told: members of the backend's error."""
        param = told.get("param")
        super().__init__(str(told.get("message") or f"the backend answered {status}"), param=param)
        self.status = status
        self.type = str(told.get("type") or ("server_error" if status >= 500 else "invalid_request_error"))
        code = told.get("code")
        self.code = code if code is None else str(code)


def send_last_word(exchange: "Exchange", end: GiveUp) -> None:
    """Answer a request that no backend can: with the last word, else with the gateway's own error."""
    response = end.response
    if response is None:
        exchange.fail(end.error)
        return
    exchange.record.last_word = end.attempt
    status = shown_status(response)
    if response.status == HTTP_OK and is_event_stream(response.headers):
        headers = client_headers(response.headers, exchange)
        # A stream that holds nothing but its error, as it came.
        exchange.begin_stream(headers)
        exchange.record.aborted_status = status
        exchange.writer.write_piece(response.body)
        exchange.writer.write_end()
        exchange.finish(exchange.keep_alive)
        return
    send_backend_error(exchange, status, response)


def send_backend_error(exchange: "Exchange", status: int, response: ErrorResponse) -> None:
    """Send a backend's error; as an event where a comment has committed to a stream."""
    if exchange.record.status:
        exchange.fail(to_request_error(status, response.body))
        return
    headers = client_headers(response.headers, exchange)
    exchange.send_whole(status, *normalize_error(headers, response, status, exchange.endpoint))


def shown_status(response: ErrorResponse) -> int:
    """Return the status that a client gets: of an error that came with 200, the one it names, else 502."""
    if response.status != HTTP_OK:
        return response.status
    return named_status(response.body) or named_status(_last_data(response.body)) or UpstreamFailed.status


def normalize_error(
    headers: list[tuple[bytes, bytes]], response: ErrorResponse, status: int, endpoint: Endpoint
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return a backend's headers and body; an error in a form that clients do not know is put into an envelope."""
    if status < 400 or error_envelope.is_envelope(response.body):
        return headers, response.body
    others = [(name, value) for name, value in headers if name != b"content-type"]
    envelope = error_envelope.encode_error(to_request_error(status, response.body), endpoint)
    return [*others, (b"content-type", error_envelope.JSON)], envelope


def to_request_error(status: int, body: bytes) -> RequestError:
    """Return a backend's error as one that can be put into an envelope or an event, with its own words and code."""
    told = error_envelope.read_envelope(body)
    if told:
        return BackendError(status, told)
    text = body[:500].decode("utf-8", "replace")
    if status == UpstreamBusy.status:
        return UpstreamBusy(f"the backend answered with status {status}: {text}")
    if status >= 500:
        return UpstreamFailed(f"the backend answered with status {status}: {text}")
    return InvalidRequest(f"the backend refused the request with status {status}: {text}", code="upstream_refused")


def _last_data(stream: bytes) -> bytes:
    """Return the data of a stream's last event that is JSON."""
    found = [line for line in stream.splitlines() if line.startswith(b"data:") and b"{" in line]
    return found[-1].removeprefix(b"data:") if found else b""
