"""Entry point of a distributed scorer: `python -m gateway.distributed.scorer_main CONFIG NAME`.

It ends when it is told to (SIGTERM), or when its standard input closes: whoever started it is gone.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from gateway.config import Config, load_config
from gateway.distributed import packs, redis_keys
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.scorer_worker import ScorerWorker
from gateway.distributed.shard_worker import ScoringContext
from gateway.distributed.store import RedisStore
from gateway.errors import GatewayError, PackRejected, StateError
from gateway.scorer.background import BackgroundExecutor
from gateway.scorer.messages import Configure, ScoreSettings, TaskPolicy
from gateway.scorer.scorer import Scorer
from gateway.state.store import Store
from gateway.tasks.resolved_config import resolve_config
from routing.calibration import RoutingSettings
from routing.embedder import Embedder
from routing.embedders.bundled import embedder_source, load_bundled_embedder
from routing.errors import PackError, RoutingError
from routing.manifest import EmbedderId, Manifest, read_manifest
from routing.pack import open_pack
from routing.router import Router

log = logging.getLogger("benchroute.scorer")

POLL_INTERVAL_S = 0.25
"""How soon an activation is seen."""

RETRY_PAUSE_S = 1.0

LoadEmbedder = Callable[[Path, Manifest], Embedder]


class PackManager:
    """The pack to work with: the configuration's file, or else the one that is active in Redis.

    A new one is opened beside the old, which stays in use until then, and for good where the new one is refused.
    """

    def __init__(self, client: RedisClient, config: Config, load: LoadEmbedder) -> None:
        """load: the embedder for a pack."""
        self._client = client
        self._config = config
        self._load = load
        self._store = RedisStore(client)
        self._embedder: Embedder | None = None
        self._made_of: Mapping[str, str] = {}
        self._router: Router | None = None
        self._version = -1
        self._changes: Mapping[bytes, bytes] | None = None
        self._work: ScoringContext | None = None
        self._aside = BackgroundExecutor()

    def current_context(self) -> ScoringContext | None:
        """What to work with now; None until a pack is open."""
        return self._work

    def watch_packs(self, ended: threading.Event) -> None:
        """Until it is told to end: looks for what has changed, and takes it into use."""
        while not ended.is_set():
            try:
                self.check_packs()
            except (GatewayError, RoutingError) as error:
                log.warning("what was in use stays in use: %s", error)
                if isinstance(error, StateError):
                    self._changes = None  # it is looked at again, and no fault of the pack's
                ended.wait(RETRY_PAUSE_S)
            except Exception:  # the edge of a background job
                log.exception("what was in use stays in use")
            ended.wait(POLL_INTERVAL_S)

    def check_packs(self) -> None:
        """Raises GatewayError, RoutingError for what cannot be used."""
        path, version = self._place()
        changes = self._client.execute("HGETALL", redis_keys.CHANGES)
        if path is None or (version == self._version and changes == self._changes):
            return
        # Told once, not four times a second: what is refused now is refused until something changes again.
        self._changes = changes
        if version != self._version:
            self._version = version
            self._router = self._opened(path)
        if self._router is not None:
            self._work = self._made(self._router, version)

    def _place(self) -> tuple[Path | None, int]:
        if self._config.routing.pack is not None:
            return Path(self._config.routing.pack), 0
        found = packs.active_and_stored(self._client)
        if found is None:
            return None, 0
        active, pushed = found
        if active.version == self._version:
            return Path(), active.version
        return packs.fetch_pack(self._client, pushed, Path(self._config.state.cache_dir).expanduser()), active.version

    def _pack_at(self, name: str) -> Path:
        """A pack to look at: a path, or the hash of one in Redis. Raises PackError, StateError."""
        path, cache = Path(name), Path(self._config.state.cache_dir).expanduser()
        if path.exists():
            return path
        try:
            return packs.fetch_pack(self._client, packs.find_pack(self._client, name), cache)
        except PackRejected as error:
            raise PackError(str(error)) from error

    def _opened(self, path: Path) -> Router:
        begun = time.monotonic()
        manifest = read_manifest(path)
        if self._embedder is None or self._made_of != embedder_source(manifest):
            self._embedder, self._made_of = self._load(path, manifest), embedder_source(manifest)
        embedder = self._embedder
        pack = open_pack(path, EmbedderId(embedder.name, embedder.revision, embedder.dim))
        log.info("pack %s is open after %.1f s", pack.manifest.hash[:12], time.monotonic() - begun)
        return Router(pack, _settings(self._config))

    def _made(self, router: Router, version: int) -> ScoringContext:
        start = _start(self._config, router.pack.manifest, self._store)
        tasks = dict(start.tasks)
        embedder = self._embedder
        if embedder is None:
            raise PackRejected("no embedder is loaded")

        def scorer(store: Store) -> Scorer:
            own = msgspec.structs.replace(start, tasks=dict(tasks))
            return Scorer(router, embedder, store, own, time.time, self._pack_at)

        def govern(task: str, policy: TaskPolicy) -> None:
            tasks[task] = policy

        return ScoringContext(version, scorer, govern, self._aside)


def _start(config: Config, manifest: Manifest, store: RedisStore) -> Configure:
    """What holds for tasks."""
    plan = resolve_config(config, store.current_policies(), manifest)
    return plan.start or Configure("", "", ScoreSettings(), TaskPolicy(()))


def _settings(config: Config) -> RoutingSettings:
    routing = config.routing
    return RoutingSettings(k=routing.k, kappa=routing.kappa, sigma=routing.sigma, eta=routing.eta)


def run_scorer(config: Config, name: str, load: LoadEmbedder, ended: threading.Event) -> None:
    """Scores until it is told to end."""
    client = RedisClient(config.state.url, shards=config.state.shards)
    bench = PackManager(client, config, load)
    watching = threading.Thread(target=bench.watch_packs, args=(ended,), name="packs", daemon=True)
    watching.start()
    ScorerWorker(client, name, bench.current_context, time.monotonic, kept=config.state.stream_retention).run_until(
        ended
    )
    client.close_connections()


def main(load: LoadEmbedder = load_bundled_embedder) -> None:
    """Runs a scorer by its arguments: the configuration, and the name by which it holds shards."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    level = os.environ.get("BENCHROUTE_LOG_LEVEL", "INFO")
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    threading.Thread(target=_until_alone, args=(ended,), daemon=True).start()
    run_scorer(load_config(Path(sys.argv[1])), sys.argv[2], load, ended)


def _until_alone(ended: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    ended.set()


if __name__ == "__main__":
    main()
