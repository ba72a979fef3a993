"""Exploration: a share of requests goes to other candidates than the decision's, so that feedback covers them too."""

import zlib
from collections.abc import Callable

from msgspec.structs import replace

from gateway.tasks.decision_table import Route
from gateway.vocabulary import EXPLORED


def apply_exploration(route: Route, draw: Callable[[], float]) -> Route:
    """Return the route, or with probability route.exploration one to another of its models, all equally likely.

    draw: uniform in [0, 1); called once. The decision's model is the first fallback of the other one.
    """
    share, others = route.exploration, route.ranking[1:]
    if not others:
        return route
    # A hash of the candidates and the share: only responses that have all of this in common may be compared.
    among = zlib.crc32(f"{share:g} {route.ranking[0]} {sorted(others)}".encode()) or 1
    drawn = draw()
    if drawn >= share:
        return replace(route, propensity=1 - share, exploration_set=among)
    # The one draw serves twice: below the share, drawn / share is uniform in [0, 1) again, up to rounding.
    place = min(int(drawn / share * len(others)), len(others) - 1)
    ranking = (others[place], route.ranking[0], *others[:place], *others[place + 1 :])
    return replace(route, ranking=ranking, reason=EXPLORED, propensity=share / len(others), exploration_set=among)
