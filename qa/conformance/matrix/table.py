"""The printed matrix: a row for each feature, a column for each client, with versions."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from qa.conformance.checks import Outcome, Status
from qa.conformance.matrix.clients import CLIENTS
from qa.conformance.matrix.features import FEATURES
from qa.conformance.matrix.run import PREFIX

SIGNS: Mapping[Status, str] = {"passed": "=", "failed": "≠", "not run": "?", "recorded": "r"}


def matrix_table(outcomes: Sequence[Outcome]) -> Table:
    """Return the matrix. = exact, ≠ different, ? not run; a dot where the client has no such operation."""
    cells = {(one.suite.removeprefix(PREFIX), one.name): SIGNS[one.status] for one in outcomes}
    clients = [client for client in CLIENTS if any(name == client.name for name, _ in cells)]
    table = Table("feature", *(str(place) for place in range(1, len(clients) + 1)), title="client x feature")
    for feature in FEATURES:
        table.add_row(feature.name, *(cells.get((client.name, feature.name), "·") for client in clients))
    return table


def legend_table(outcomes: Sequence[Outcome]) -> Table:
    """Return the clients by their number, with versions and totals."""
    table = Table("", "client", "version", "exact", "different", "not run", title="clients of the matrix")
    found = {one.suite for one in outcomes}
    for place, client in enumerate((one for one in CLIENTS if PREFIX + one.name in found), 1):
        own = [one.status for one in outcomes if one.suite == PREFIX + client.name]
        counts = [str(own.count(status)) for status in ("passed", "failed", "not run")]
        table.add_row(str(place), client.name, client.packages.version, *counts)
    return table
