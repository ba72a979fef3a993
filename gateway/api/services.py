"""What the endpoints work with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request

from gateway.config import LOOPBACK, Config
from gateway.config.history import ConfigHistory
from gateway.errors import Forbidden
from gateway.keys.auth import ANONYMOUS, Authenticator, Principal
from gateway.keys.client_keys import ClientKeys
from gateway.observability.metrics import Metrics
from gateway.packs.library import PackLibrary
from gateway.proxy.recent_responses import RecentResponses
from gateway.scorer.client import ScorerClient
from gateway.state.store import Store, StoredPolicy
from gateway.tasks.decision_feed import DecisionFeed
from gateway.tasks.decision_table import DecisionTable
from gateway.upstream.load_balancer import LoadBalancer
from gateway.usage.ledger import Ledger
from gateway.usage.timeseries import MinuteSeries


class TaskPolicyManager(Protocol):
    """The gateway as those endpoints see it that change it."""

    async def set_policy(self, policy: StoredPolicy) -> None:
        """Holds a task to what is said of it from now on. Raises InvalidRequest, Conflict, StateError."""


@dataclass(frozen=True, slots=True)
class Services:
    """config: with what was said of tasks over it; policy_faults: by task, why what was said is not in force.

    scorer: None where no pack is configured.
    """

    config: Config
    authenticator: Authenticator
    table: DecisionTable
    store: Store
    scorer: ScorerClient | None
    metrics: Metrics
    backends: LoadBalancer
    ledger: Ledger
    client_keys: ClientKeys
    config_history: ConfigHistory
    packs: PackLibrary
    decision_feed: DecisionFeed
    minutes: MinuteSeries
    recent_responses: RecentResponses
    manager: TaskPolicyManager
    policy_errors: Mapping[str, str]


def services_of(request: Request) -> Services:
    """The services of the application that a request came to."""
    services: Services = request.app.state.services()
    return services


def principal_of(request: Request) -> Principal:
    """Whom the request is from: a client, or an admin. Raises Unauthenticated, Forbidden."""
    found = services_of(request).authenticator.authenticate_any(request.scope["headers"])
    if found.is_admin and found.is_read_only and _changes(request):
        raise Forbidden(f"the admin key {found.name!r} is read-only")
    return found


def admin_of(request: Request) -> Principal:
    """The admin that the request is from. Raises Unauthenticated, Forbidden."""
    return services_of(request).authenticator.authenticate_admin(request.scope["headers"], _changes(request))


def operator_of(request: Request) -> Principal:
    """An admin, where there is one; any client without. Raises Unauthenticated, Forbidden."""
    return admin_of(request) if services_of(request).authenticator.has_admin else principal_of(request)


def manager_of(request: Request) -> Principal:
    """Who may change how tasks are routed: an admin, and where nobody needs a key, whoever sits at this machine.

    A browser at this machine shows other people's pages too. Those are told apart by what it says of where a request
    comes from (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/), and by the name they call this machine.
    Raises Unauthenticated, Forbidden.
    """
    services = services_of(request)
    if not services.authenticator.is_open or services.config.server.host not in LOOPBACK:
        return admin_of(request)
    if _changes(request) and not _is_from_here(request):
        raise Forbidden("without keys, changes are taken from this machine's own pages and programs alone")
    return ANONYMOUS


def _is_from_here(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site", "none")
    return site in ("none", "same-origin") and request.url.hostname in LOOPBACK


def scraper_of(request: Request) -> None:
    """An admin, where there is one; anybody without. Raises Unauthenticated, Forbidden."""
    if services_of(request).authenticator.has_admin:
        admin_of(request)


def _changes(request: Request) -> bool:
    return request.method not in ("GET", "HEAD")


Given = Annotated[Services, Depends(services_of)]
ClientPrincipal = Annotated[Principal, Depends(principal_of)]
AdminPrincipal = Annotated[Principal, Depends(admin_of)]
ManagedBy = Annotated[Principal, Depends(manager_of)]
Operator = Annotated[Principal, Depends(operator_of)]
