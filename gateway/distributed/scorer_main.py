"""Entry point of a distributed scorer: `python -m gateway.distributed.scorer_main CONFIG NAME`.

It ends after its batch on SIGTERM, or when its standard input closes: whoever started it is gone. Where that process
has died, it ends within two seconds, whatever it is at.
"""

import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from gateway.config import Config, load_config
from gateway.distributed import packs
from gateway.distributed.redis_client import RedisClient, open_client
from gateway.distributed.scorer_worker import ScorerWorker
from gateway.distributed.shard_worker import ScoringContext
from gateway.distributed.store import LeaseLost, RedisStore
from gateway.errors import GatewayError, PackRejected, StateError
from gateway.packs import configured_path
from gateway.processes.parent import exit_after_parent
from gateway.processes.startup import configure_process
from gateway.scorer.background import BackgroundExecutor
from gateway.scorer.messages import Configure, EvictionLimits, TaskPolicy
from gateway.scorer.service import (
    NO_RETRY,
    LoadEmbedder,
    OpenPack,
    ScorerService,
    ServiceHooks,
    open_pack,
)
from gateway.scorer.stepwise import StepwiseJobs
from gateway.state.store import Store
from gateway.tasks.resolved_config import resolve_config, score_settings
from routing.embedders.bundled import load_bundled_embedder
from routing.errors import PackError, RoutingError
from routing.manifest import Manifest, read_manifest

log = logging.getLogger("benchroute.scorer")

POLL_INTERVAL_S = 0.25
"""Seconds between looks for another activation."""

RETRY_PAUSE_S = 1.0


class PackManager:
    """The pack to score with: the configuration's file, or else the one that is active in Redis.

    A new one is opened while the old one scores, and replaces it only if it can be used.
    """

    def __init__(self, client: RedisClient, config: Config, load: LoadEmbedder) -> None:
        """load: loads the embedder of a pack."""
        self._client = client
        self._config = config
        self._load = load
        self._store = RedisStore(client)
        self._pack: OpenPack | None = None
        self._manifest: Manifest | None = None
        self._version = -1
        self._changes: Mapping[bytes, bytes] | None = None
        self._context: ScoringContext | None = None
        self._background = BackgroundExecutor()
        self._stepwise = StepwiseJobs()

    def current_context(self) -> ScoringContext | None:
        """Return what to score with now; None until a pack is open."""
        return self._context

    def watch_packs(self, ended: threading.Event) -> None:
        """Poll Redis for other packs and policies, and switch to them, until `ended` is set."""
        while not ended.is_set():
            try:
                self.check_packs()
            except (GatewayError, RoutingError) as error:
                log.warning("pack or policies not changed: %s", error)
                if isinstance(error, StateError):
                    self._changes = None  # an outage is no fault of the pack's: try it again
                ended.wait(RETRY_PAUSE_S)
            except Exception:  # the edge of a background job
                log.exception("pack or policies not changed")
            ended.wait(POLL_INTERVAL_S)

    def check_packs(self) -> None:
        """Switch to another pack or other policies, where there are any. Raises GatewayError, RoutingError."""
        path, version = self._find_active()
        changes = self._client.execute("HGETALL", self._client.keys.changes)
        if path is None or (version == self._version and changes == self._changes):
            return
        # Remembered before it is tried: what is refused now is refused, and logged, once, until something changes.
        self._changes = changes
        if version != self._version:
            self._version = version
            self._pack = open_pack(path, score_settings(self._config), self._pack, self._load)
            self._manifest = read_manifest(path)
        if self._pack is not None:
            self._context = self._build_context(self._pack, version)

    def _find_active(self) -> tuple[Path | None, int]:
        if self._config.routing.pack is not None:
            return configured_path(self._config.routing.pack), 0
        found = packs.active_and_stored(self._client)
        if found is None:
            return None, 0
        active, stored = found
        if active.version == self._version:
            return Path(), active.version
        return packs.fetch_pack(self._client, stored, self._cache_dir), active.version

    def _find_pack(self, name: str) -> Path:
        """Return the path of a pack to inspect: a path, or the hash of one in Redis. Raises PackError, StateError."""
        path = Path(name)
        if path.exists():
            return path
        try:
            return packs.fetch_pack(self._client, packs.find_pack(self._client, name), self._cache_dir)
        except PackRejected as error:
            raise PackError(str(error)) from error

    @property
    def _cache_dir(self) -> Path:
        return Path(self._config.state.cache_dir).expanduser()

    def _build_context(self, pack: OpenPack, version: int) -> ScoringContext:
        assert self._manifest is not None  # noqa: S101 - read with the pack
        settings = _task_settings(self._config, self._manifest, self._store)
        tasks = dict(settings.tasks)
        # A shard's part of all tasks: a hash spreads them evenly.
        most = math.ceil(self._config.state.max_tasks / self._store.shards)
        limits = EvictionLimits(most, self._config.state.idle_days)
        # No retries here: between two attempts a worker must see whether it still has its shard, and renew its lease.
        # A lost lease is no answer: the next holder of the shard answers.
        hooks = ServiceHooks(NO_RETRY, self._find_pack, tasks.__setitem__, fatal=(LeaseLost,))

        def build_service(store: Store) -> ScorerService:
            # Policies that were set since: a shard that is acquired later starts from them.
            now = msgspec.structs.replace(settings, tasks=dict(tasks), limits=limits)
            return ScorerService(pack, store, now, hooks)

        return ScoringContext(version, build_service, self._background, self._stepwise)


def _task_settings(config: Config, manifest: Manifest, store: RedisStore) -> Configure:
    plan = resolve_config(config, store.current_policies(), manifest)
    return plan.start or Configure("", "", score_settings(config), TaskPolicy(()))


def run_scorer(config: Config, name: str, load: LoadEmbedder, ended: threading.Event) -> None:
    """Score until `ended` is set."""
    client = open_client(config)
    manager = PackManager(client, config, load)
    threading.Thread(target=manager.watch_packs, args=(ended,), name="packs", daemon=True).start()
    worker = ScorerWorker(
        client, name, manager.current_context, time.monotonic, retention=config.state.stream_retention
    )
    worker.run_until(ended)
    client.close_connections()


def main(load: LoadEmbedder = load_bundled_embedder) -> None:
    """Run a scorer by its arguments: the configuration, and the name under which it holds shards."""
    ended = threading.Event()
    config = load_config(Path(sys.argv[1]))
    # Ctrl-C is for the supervisor, which then sends SIGTERM.
    configure_process(
        log_format=config.log.format,
        signals={signal.SIGTERM: lambda *_: ended.set(), signal.SIGINT: signal.SIG_IGN},
    )
    threading.Thread(target=_watch_parent, args=(ended, os.getppid()), daemon=True).start()
    run_scorer(config, sys.argv[2], load, ended)


def _watch_parent(ended: threading.Event, parent: int) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    ended.set()
    exit_after_parent(parent)


if __name__ == "__main__":
    main()
