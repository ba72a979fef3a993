"""A gateway among others, by its configuration: with a parent that shares a SQLite file, with Redis, or alone."""

from dataclasses import dataclass

from gateway.config import Config
from gateway.hub.link import ParentLink
from gateway.hub.node import WorkerNode
from gateway.hub.scorer import ScorerHandlers
from gateway.scorer.messages import Configure
from gateway.sharing.changes import ChangeHandlers
from gateway.sharing.node import Node
from gateway.tasks.decision_feed import DecisionFeed
from gateway.tasks.decision_table import DecisionTable
from gateway.tasks.eviction_log import EvictionLog


@dataclass(frozen=True, slots=True)
class NodeHandlers:
    """What in a gateway takes in the others' changes, and decisions."""

    changes: ChangeHandlers
    scorer: ScorerHandlers
    table: DecisionTable
    feed: DecisionFeed
    evictions: EvictionLog


def join_gateways(
    config: Config, settings: Configure | None, link: ParentLink | None, handlers: NodeHandlers
) -> Node | None:
    """Return this gateway's part; None for one that is alone.

    settings: the scorer's, None without a pack. link: of a worker with its parent. Raises StateError.
    """
    if link is not None:
        return WorkerNode(config, link, settings, handlers.scorer, handlers.changes)
    if not config.state.is_shared:
        return None
    # Imported here: the Redis client is an extra.
    from gateway.distributed.gateway_node import GatewayNode

    return GatewayNode(config, handlers.table, handlers.feed, handlers.changes, handlers.evictions)
