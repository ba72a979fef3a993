"""Now and then a request goes to another candidate than the decision's, so that scores of answers tell of those too."""

import zlib
from collections.abc import Callable

from msgspec.structs import replace

from gateway.tasks.decision_table import Route
from gateway.vocabulary import EXPLORED


def apply_exploration(route: Route, draw: Callable[[], float]) -> Route:
    """The route, or with probability route.exploration one to another of its models, each as likely as the next.

    draw: uniform in [0, 1); asked once. The model that would have been first is asked next, should the other fail.
    """
    share, others = route.exploration, route.ranking[1:]
    if not others:
        return route
    # Who could have been drawn, and how: only answers that have all of this in common may be compared.
    among = zlib.crc32(f"{share:g} {route.ranking[0]} {sorted(others)}".encode()) or 1
    drawn = draw()
    if drawn >= share:
        return replace(route, propensity=1 - share, exploration_set=among)
    place = min(int(drawn / share * len(others)), len(others) - 1)
    ranking = (others[place], route.ranking[0], *others[:place], *others[place + 1 :])
    return replace(route, ranking=ranking, reason=EXPLORED, propensity=share / len(others), exploration_set=among)
