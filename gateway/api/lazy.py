"""The FastAPI application, imported and built at its first request.

That takes as long as the whole rest of a gateway's start, and a third of its memory; the request path and the probes
do without it.
"""

import asyncio
import gc
from collections.abc import Callable

from gateway.api.responses import log_internal_error, send_error
from gateway.api.services import Services
from gateway.http.asgi import App, Receive, Scope, Send
from gateway.offload import offload


class LazyApi:
    """An application behind its first request, which waits until it is built; requests to backends go on."""

    def __init__(self, build: Callable[[], App]) -> None:
        """build: makes the application, in a thread; again at the next request where it raises."""
        self._build = build
        self._app: App | None = None
        self._building = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            app = self._app or await self._build_once()
        except Exception as error:
            await send_error(log_internal_error(scope, error), send)
            return
        await app(scope, receive, send)

    async def _build_once(self) -> App:
        async with self._building:
            if self._app is None:
                self._app = await offload(self._build)
            return self._app


def build_management_api(services: Callable[[], Services | None]) -> App:
    """Import and build the FastAPI application. services: the running gateway's."""
    import anyio

    from gateway.api.build import build_api

    app = build_api(services)
    anyio.run(anyio.sleep, 0)  # imports its part for asyncio, which it would do in the event loop
    # What was imported stays: to look for garbage in it would stop the event loop at every full collection.
    gc.freeze()
    return app
