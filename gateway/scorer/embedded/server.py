"""The scorer's process: `python -m gateway.scorer.embedded.server FD`, FD a socket to the gateway.

A thread reads what the gateway sends; the main loop takes whatever has come, embeds it together and answers. It ends
when the gateway closes the socket or is gone, whatever the reason.
"""

import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from gateway.errors import StateError
from gateway.observability import logs
from gateway.scorer.background import BackgroundExecutor
from gateway.scorer.embedded.framing import FrameError, encode_frame, read_frame_blocking
from gateway.scorer.messages import (
    BatchDone,
    Configure,
    DryRun,
    Inspect,
    Observation,
    Observations,
    PackReady,
    PackRefused,
    Question,
    Reply,
    SeedInputs,
    SetPolicy,
    SubmitFeedback,
    ToScorer,
)
from gateway.scorer.scorer import Scorer
from gateway.state.sqlite import open_store
from gateway.state.store import Store
from routing.calibration import RoutingSettings
from routing.embedder import Embedder
from routing.embedders.bundled import embedder_source, load_bundled_embedder
from routing.errors import RoutingError
from routing.manifest import EmbedderId, Manifest, read_manifest
from routing.pack import open_pack
from routing.router import Router

log = logging.getLogger("benchroute.scorer")

T = TypeVar("T")

BATCH_SIZE = 64
"""Inputs embedded in one call: twice as fast an input as one by one, and still done within a fraction of a second."""

STORE_ATTEMPTS = 5
STORE_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class LoadedPack:
    """A pack in use. embedder: kept over a reload that needs the same one, since loading it takes up to seconds.

    made_of: what the embedder was loaded from.
    """

    scorer: Scorer
    embedder: Embedder
    embedder_source: Mapping[str, str]


class EmbeddedScorer:
    """The main loop."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._came: queue.SimpleQueue[ToScorer | None] = queue.SimpleQueue()
        self._store: Store | None = None
        self._opened: LoadedPack | None = None
        self._aside = BackgroundExecutor()
        self._sending = threading.Lock()

    def run_until_closed(self) -> None:
        """Until the gateway is gone."""
        threading.Thread(target=self._read, name="reader", daemon=True).start()
        left: ToScorer | None = None
        while (message := left or self._came.get()) is not None:
            left = None
            if isinstance(message, Observations):
                items, left = self._more(list(message.items))
                self._observe(items)
            else:
                self._handle(message)

    def _read(self) -> None:
        try:
            while (message := read_frame_blocking(self._connection)) is not None:
                self._came.put(message)
        except (FrameError, OSError) as error:
            log.error("the gateway sent %s", error)
        self._came.put(None)

    def _more(self, items: list[Observation]) -> tuple[list[Observation], ToScorer | None]:
        """What else has come already, up to the first message of another kind, which is handed back."""
        while len(items) < BATCH_SIZE:
            try:
                message = self._came.get_nowait()
            except queue.Empty:
                break
            if not isinstance(message, Observations):
                if message is None:
                    self._came.put(None)
                return items, message
            items += message.items
        return items, None

    def _send(self, message: msgspec.Struct) -> None:
        try:
            with self._sending:
                self._connection.sendall(encode_frame(message))
        except OSError:
            self._came.put(None)  # the gateway is gone

    def _observe(self, items: list[Observation]) -> None:
        scorer = self._opened.scorer if self._opened else None
        if scorer is None:
            self._send(BatchDone((), len(items), len(items)))
            return
        begun = time.perf_counter()
        try:
            made = _patiently(lambda: scorer.observe_batch(items))
            self._send(msgspec.structs.replace(made, took_s=time.perf_counter() - begun))
        except Exception:  # the edge of a background job: one bad batch must not end the scorer
            log.exception("%d inputs could not be scored", len(items))
            self._send(BatchDone((), len(items), len(items)))

    def _handle(self, message: ToScorer) -> None:
        if isinstance(message, Configure):
            self._open(message)
        elif isinstance(message, Inspect):
            opened = self._opened  # as it is now, whatever pack comes after
            self._aside.submit_job(lambda: self._reply(message, opened))
        elif isinstance(message, Question):
            self._reply(message, self._opened)

    def _open(self, start: Configure) -> None:
        """Takes a pack and its settings into use. One that cannot be used changes nothing."""
        path = start.pack
        try:
            opened, name = self._opening(start)
            decisions = opened.scorer.rescore_stale()
        except (RoutingError, StateError) as error:
            log.error("pack %s is refused: %s", path, error)
            self._send(PackRefused(path, str(error)))
            return
        self._opened = opened
        if decisions:
            log.info("%d tasks scored again with %s", len(decisions), path)
            self._send(BatchDone(decisions))
        self._send(PackReady(path, name))

    def _opening(self, start: Configure) -> tuple[LoadedPack, str]:
        path = Path(start.pack)
        self._store = self._store or open_store(start.state_url)
        manifest = read_manifest(path)
        made_of = embedder_source(manifest)
        embedder = self._embedder(path, manifest, made_of)
        pack = open_pack(path, EmbedderId(embedder.name, embedder.revision, embedder.dim))
        scorer = Scorer(Router(pack, _settings(start)), embedder, self._store, start, time.time)
        return LoadedPack(scorer, embedder, made_of), pack.manifest.hash

    def _embedder(self, path: Path, manifest: Manifest, made_of: Mapping[str, str]) -> Embedder:
        if self._opened is not None and self._opened.embedder_source == made_of:
            return self._opened.embedder
        return load_bundled_embedder(path, manifest)

    def _reply(self, message: Question, opened: LoadedPack | None) -> None:
        try:
            self._send(self._answer(message, opened))
        except (ValueError, StateError, RoutingError) as error:
            self._send(Reply(message.id, error=str(error)))
        except Exception:  # the edge of a background job, as above
            log.exception("%s failed", type(message).__name__)
            self._send(Reply(message.id, error="the scorer failed; its log says why"))

    def _answer(self, message: Question, opened: LoadedPack | None) -> Reply:
        if opened is None:
            return Reply(message.id, error="no pack is open")
        scorer = opened.scorer
        if isinstance(message, SeedInputs):
            decisions, document = _patiently(lambda: scorer.seed_task(message))
            self._send(BatchDone(decisions))
            return Reply(message.id, document)
        if isinstance(message, SubmitFeedback):
            decisions, document = _patiently(lambda: scorer.add_feedback(message))
            self._send(BatchDone(decisions))
            return Reply(message.id, document)
        if isinstance(message, SetPolicy):
            decided = _patiently(lambda: scorer.set_policy(message.task, message.policy))
            self._send(BatchDone(decided))
            return Reply(message.id, {"decided": len(decided)})
        if isinstance(message, Inspect):
            return Reply(message.id, scorer.inspect_pack(message))
        if isinstance(message, DryRun):
            return Reply(message.id, scorer.dry_run(message))
        return Reply(message.id, {"known": scorer.forget_task(message.task)})


def _settings(start: Configure) -> RoutingSettings:
    given = start.routing
    return RoutingSettings(k=given.k, kappa=given.kappa, threshold=given.threshold, sigma=given.sigma, eta=given.eta)


def _patiently(work: Callable[[], T]) -> T:
    """Does what writes to the store, a few times over if the store is busy. Raises StateError."""
    for _ in range(STORE_ATTEMPTS - 1):
        try:
            return work()
        except StateError as error:
            log.warning("the state cannot be written, trying again: %s", error)
            time.sleep(STORE_PAUSE_S)
    return work()


def main() -> None:
    """Runs the scorer on the socket whose descriptor is the first argument."""
    for meant_for_the_gateway in (signal.SIGINT, signal.SIGTERM):  # which closes the socket when nothing more comes
        signal.signal(meant_for_the_gateway, signal.SIG_IGN)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    level = os.environ.get("BENCHROUTE_LOG_LEVEL", "INFO")
    logs.configure_logging(level, os.environ.get(logs.FORMAT_VARIABLE, "text"))
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        EmbeddedScorer(connection).run_until_closed()


if __name__ == "__main__":
    main()
