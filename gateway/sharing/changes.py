"""What follows when another gateway has changed keys, policies or tasks."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import GatewayError
from gateway.keys.key_records import ClientKey
from gateway.state.store import StoredPolicy
from gateway.task_records import TaskEntry
from routing.manifest import Manifest

log = logging.getLogger("benchroute")


@dataclass(frozen=True, slots=True)
class ChangeHandlers:
    """Handlers of changes. Called in the event loop, but for `known_keys`.

    Attributes:
        known_keys: returns the created keys that this gateway has, by name; in a thread.
    """

    known_keys: Callable[[], Mapping[str, ClientKey]]
    keys: Callable[[Mapping[str, ClientKey]], Awaitable[None]]
    policies: Callable[[Sequence[StoredPolicy], Manifest | None], Awaitable[None]]
    tasks: Callable[[Sequence[TaskEntry]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class SharedSettings:
    """What is set while gateways run, as stored. manifest: of the pack that they share; None where each has a file."""

    created: Mapping[str, ClientKey]
    entries: Sequence[TaskEntry]
    policies: Sequence[StoredPolicy]
    manifest: Manifest | None = None

    async def apply(self, handlers: ChangeHandlers) -> None:
        """Apply them in this gateway. What does not fit its configuration is logged, and the rest stays as it was."""
        try:
            await handlers.keys(self.created)
            await handlers.tasks(self.entries)
            await handlers.policies(self.policies, self.manifest)
        except GatewayError as error:
            log.error("keys, policies or pack of the shared state cannot be applied: %s", error)
