"""A gateway as one of several on one state."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from gateway.config import Config
from gateway.config.history import ConfigHistory
from gateway.keys.quotas import Quotas
from gateway.packs import PackLibrary
from gateway.proxy.recent_responses import ResponseRecord
from gateway.proxy.response_affinity import ResponseAffinity
from gateway.proxy.session_affinity import SessionAffinity
from gateway.request_log.storage import RequestStore
from gateway.scorer.client import ScorerClient
from gateway.state.store import Store
from gateway.upstream.load_balancer import BackendState
from gateway.usage.ledger import Ledger
from routing.manifest import Manifest

FindOwnResponse = Callable[[str], ResponseRecord | None]


@dataclass(frozen=True, slots=True)
class SharedParts:
    """The parts of a gateway that it shares.

    Attributes:
        backends: of the configuration in use.
        find_response: finds one of this gateway's responses, in the event loop, for others that search for it.
    """

    quotas: Quotas
    ledger: Ledger
    sessions: SessionAffinity
    responses: ResponseAffinity
    backends: Callable[[], Iterable[BackendState]]
    find_response: FindOwnResponse
    config_history: ConfigHistory


class Node(Protocol):
    """One gateway's part in a deployment of several.

    Attributes:
        is_remote: the state may be out of reach, and what is in it arrives later.
        scorer: None without a pack.
        pack_library: None where packs are files.
    """

    @property
    def is_remote(self) -> bool:
        """Return whether what is stored may be out of reach."""

    @property
    def store(self) -> Store:
        """Return the state."""

    @property
    def scorer(self) -> ScorerClient | None:
        """Return the scorer's client."""

    @property
    def pack_library(self) -> PackLibrary | None:
        """Return the packs that all share."""

    async def start_jobs(self, parts: SharedParts) -> None:
        """Start sharing this gateway's state. Called in the event loop, before the scorer's client is started."""

    def begin_serving(self) -> None:
        """Note that requests are served now."""

    async def stop_jobs(self) -> None:
        """Stop sharing, after everything else has stopped."""

    def open_request_store(self, config: Config) -> RequestStore:
        """Return the store of the request log that all gateways share. Raises StateError."""

    def cached_active_pack(self) -> Manifest | None:
        """Return the manifest of the pack that was active when the state was last reached; None if there was none."""
