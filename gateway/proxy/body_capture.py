"""What a request and its response said, held until the request log has read it."""

import msgspec

from gateway.http.request_body import RequestBody

MAX_CAPTURED_BYTES = 1024 * 1024
"""Of a response: the request log shows the beginning of it."""


class BodyCapture(msgspec.Struct):
    """Bodies of a request.

    Attributes:
        request: As parsed.
        pieces: Of the response, as the client got them.
        size: Of the pieces, in bytes.
    """

    request: RequestBody
    pieces: list[bytes] = []
    size: int = 0

    def add_piece(self, data: bytes) -> None:
        """Add a piece of the response, unless enough of it is held."""
        if self.size < MAX_CAPTURED_BYTES:
            self.pieces.append(data)
            self.size += len(data)
