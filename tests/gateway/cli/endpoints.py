"""Endpoints that list their models, on loopback."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def listing(models: Sequence[str] | None, key: str | None = None, port: int = 0) -> Iterator[str]:
    """An endpoint's base URL. models: None for an endpoint without a list. key: the one that it takes. port: any free
    one by default.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if key is not None and self.headers["authorization"] != f"Bearer {key}":
                self.answer(401, {"error": {"message": f"bad key {self.headers['authorization']}"}})
            elif models is None or self.path != "/v1/models":
                self.answer(404, {"detail": "Not Found"})
            else:
                self.answer(200, {"object": "list", "data": [{"id": model} for model in models]})

        def answer(self, status: int, document: object) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
