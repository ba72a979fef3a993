"""FastAPI dependencies: the services of the running gateway, and who may call an endpoint."""

from typing import Annotated

from fastapi import Depends, Request

from gateway.api.services import Services, check_not_merged, check_task_access
from gateway.config import LOOPBACK
from gateway.errors import Forbidden
from gateway.keys.auth import ANONYMOUS, Principal


def services_of(request: Request) -> Services:
    """Return the services of the application that serves a request."""
    services: Services = request.app.state.services()
    return services


def principal_of(request: Request) -> Principal:
    """Authenticate a client or an admin, and count whatever is not a mere read against the key's limits.

    Raises Unauthenticated, Forbidden, RateLimited, BudgetExceeded.
    """
    found = services_of(request).authenticator.authenticate_any(request.scope["headers"])
    if found.is_admin and found.is_read_only and _is_change(request):
        raise Forbidden(f"Admin key {found.name!r} is read-only.")
    if _is_change(request):
        _count_once(request, found)
    return found


def count_read(request: Request) -> None:
    """Count a read that the scorer has to work for, as a request. Raises as `principal_of`."""
    _count_once(request, principal_of(request))


def admin_of(request: Request) -> Principal:
    """Authenticate an admin. Raises Unauthenticated, Forbidden."""
    return services_of(request).authenticator.authenticate_admin(request.scope["headers"], _is_change(request))


def operator_of(request: Request) -> Principal:
    """Authenticate an admin if admin keys are configured, else any client. Raises Unauthenticated, Forbidden."""
    return admin_of(request) if services_of(request).authenticator.has_admin else principal_of(request)


def manager_of(request: Request) -> Principal:
    """Authenticate who may change routing: an admin, or without any API key, programs on this machine.

    A browser on this machine also runs other sites' pages. Their requests are recognized by Fetch Metadata
    (https://www.w3.org/TR/fetch-metadata/) and by the Host header (DNS rebinding). Raises Unauthenticated, Forbidden.
    """
    services = services_of(request)
    if not services.authenticator.is_open or services.config.server.host not in LOOPBACK:
        return admin_of(request)
    if _is_change(request) and not _is_from_localhost(request):
        raise Forbidden("Without API keys, changes are accepted only from localhost.")
    return ANONYMOUS


def _count_once(request: Request, principal: Principal) -> None:
    """Count a request, once however many of its dependencies authenticate it. Admins have no limits."""
    if not getattr(request.state, "is_counted", False):
        services_of(request).quotas.admit_request(principal.name)
        request.state.is_counted = True


def _is_from_localhost(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site", "none")
    return site in ("none", "same-origin") and request.url.hostname in LOOPBACK


def _is_change(request: Request) -> bool:
    return request.method not in ("GET", "HEAD")


Given = Annotated[Services, Depends(services_of)]
ClientPrincipal = Annotated[Principal, Depends(principal_of)]
AdminPrincipal = Annotated[Principal, Depends(admin_of)]
ManagedBy = Annotated[Principal, Depends(manager_of)]
Operator = Annotated[Principal, Depends(operator_of)]


def task_of(task: str, services: Given, client: ClientPrincipal) -> str:
    """Resolve the task of a path for the key: the one place that decides.

    Raises InvalidRequest, Forbidden, NotFound.
    """
    return check_not_merged(check_task_access(task, client), services)


TaskOfKey = Annotated[str, Depends(task_of)]
