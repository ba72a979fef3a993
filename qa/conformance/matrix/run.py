"""All cells of all clients, as outcomes."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from qa.conformance.checks import NotRun, Outcome, Status
from qa.conformance.matrix.cells import Cell, Missing, name_differences
from qa.conformance.matrix.clients import AGENT, CLIENTS, Client
from qa.conformance.matrix.driver import Driver
from qa.conformance.matrix.environments import cache_folder, prepare_environment
from qa.conformance.matrix.features import FEATURES, Feature
from qa.conformance.servers import Target

AT_ONCE = 2
"""Clients at once: each has a program of its own, and the machines of CI have two cores."""

RULE = "DESIGN: a client changes its base URL and nothing else"
PREFIX = "matrix: "


def run_matrix(target: Target, names: Sequence[str] = (), is_fast: bool = False) -> list[Outcome]:
    """Run the cells of these clients, all by default. is_fast: without coding agents, which take ten seconds a cell.

    Raises ValueError if there is no client of a name.
    """
    if unknown := set(names) - {client.name for client in CLIENTS}:
        known = ", ".join(client.name for client in CLIENTS)
        raise ValueError(f"no client of the matrix: {', '.join(sorted(unknown))}; there are: {known}")
    chosen = [client for client in CLIENTS if client.name in names] if names else select_clients(is_fast)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return [outcome for row in threads.map(partial(_client_outcomes, target), chosen) for outcome in row]


def select_clients(is_fast: bool) -> list[Client]:
    """Return all clients. is_fast: without coding agents."""
    return [client for client in CLIENTS if not (is_fast and client.program == AGENT)]


def _client_outcomes(target: Target, client: Client) -> list[Outcome]:
    try:
        folder = prepare_environment(cache_folder(), client.packages)
    except NotRun as reason:
        return [_outcome(client, FEATURES[0], "not run", str(reason), 0.0)]
    driver = Driver(client, folder, target.work / f"{client.program}.log")
    try:
        found = [_tried(driver, Cell(client, feature, target)) for feature in FEATURES]
    finally:
        driver.close()
    return [outcome for outcome in found if outcome is not None]


def _tried(driver: Driver, cell: Cell) -> Outcome | None:
    """Return the cell's outcome; None if the client has no such operation."""
    started = time.monotonic()
    try:
        found = cell.find_differences(driver)
    except Missing:
        return None
    except NotRun as reason:
        return _outcome(cell.client, cell.feature, "not run", str(reason), time.monotonic() - started)
    status: Status = "failed" if found else "passed"
    return _outcome(cell.client, cell.feature, status, name_differences(found), time.monotonic() - started)


def _outcome(client: Client, feature: Feature, status: Status, observed: str, took_s: float) -> Outcome:
    return Outcome(
        suite=PREFIX + client.name,
        name=feature.name,
        sent=f"{client.packages.version}: {feature.operation} of {feature.model}, directly and through the gateway",
        expected="no difference",
        why=RULE,
        status=status,
        observed=observed or "exact",
        took_s=round(took_s, 3),
    )
