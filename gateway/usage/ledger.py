"""Cost by key, task and day: summed in memory, written to the store once a second.

Prices are the configuration's, else the pack's. Amounts are Decimal: a float would lose the millionths of a dollar that
single requests cost. Every cost has a baseline, the cost of the same tokens at the best model on average: the
difference is what routing saves, or spends.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from gateway.http.token_usage import Usage

TOKENS_PER_PRICE = Decimal(1_000_000)
LedgerKind = Literal["key", "task"]
MAX_NAMES = 100_000
"""Keys and tasks with sums of their own. Clients name tasks, so the number is bounded; all others are one sum."""

DAY_S = 86_400
OTHER_NAMES = "(others)"


@dataclass(frozen=True, slots=True)
class Price:
    """Price of a model, in US dollars per million tokens."""

    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal

    def cost_usd(self, usage: Usage) -> Decimal:
        """Return the cost of a response in US dollars."""
        return (
            usage.input_tokens * self.input_usd_per_mtok + usage.output_tokens * self.output_usd_per_mtok
        ) / TOKENS_PER_PRICE


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """Sums over responses. baseline_usd: cost of the same tokens at the best model on average."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: Decimal = Decimal(0)
    baseline_usd: Decimal = Decimal(0)

    def __add__(self, other: "UsageTotals") -> "UsageTotals":
        return UsageTotals(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.usd + other.usd,
            self.baseline_usd + other.baseline_usd,
        )


UsageRows = Mapping[tuple[str, str, str], UsageTotals]
"""(kind, name, day) -> sums; kind is `key` or `task`, day a UTC date in ISO 8601."""


NO_USAGE = UsageTotals()


class Ledger:
    """Sums by kind, name and day (UTC, ISO 8601)."""

    def __init__(self, price_of: Mapping[str, Price], clock: Callable[[], float]) -> None:
        """clock: Unix time in seconds."""
        self.baseline_usd = Decimal(0)
        """Cost of all responses since the start, had their tasks' best model on average given them."""
        self._price_of = price_of
        self._clock = clock
        self._today = (-1, "")
        self._sums: dict[tuple[str, str], dict[str, UsageTotals]] = {}
        self._unsaved: dict[tuple[str, str, str], UsageTotals] = {}

    def load_rows(self, rows: UsageRows) -> None:
        """Load the sums of earlier runs from the store."""
        for (kind, name, day), total in rows.items():
            self._sums.setdefault((kind, name), {})[day] = total

    def merge_remote(self, rows: UsageRows) -> None:
        """Replace sums by those of all gateways together, and add what this one has not written yet."""
        for (kind, name, day), stored in rows.items():
            if kind not in ("key", "task"):
                continue
            days = self._sums.setdefault(("key" if kind == "key" else "task", name), {})
            total = stored + self._unsaved.get((kind, name, day), NO_USAGE)
            # Rows read before our last write would take a sum back, and with it a budget that is used up.
            if total.requests >= days.get(day, NO_USAGE).requests:
                days[day] = total

    def set_prices(self, price_of: Mapping[str, Price]) -> None:
        """Replace the prices of responses from now on."""
        self._price_of = price_of

    def cost_usd(self, model: str, usage: Usage) -> Decimal | None:
        """Return the cost of a response in US dollars, None where the model has no price."""
        price = self._price_of.get(model)
        return None if price is None else price.cost_usd(usage)

    def charge_usage(
        self, key: str | None, task: str, usage: Usage, cost: Decimal, baseline: str, requests: int = 1
    ) -> UsageTotals:
        """Add one or several responses, and return what was added. baseline: model whose price is the baseline."""
        baseline_usd = self.cost_usd(baseline, usage)
        added = UsageTotals(
            requests, usage.input_tokens, usage.output_tokens, cost, cost if baseline_usd is None else baseline_usd
        )
        self.baseline_usd += added.baseline_usd
        self._add("task", task, added)
        if key is not None:
            self._add("key", key, added)
        return added

    def usage_on(self, kind: LedgerKind, name: str, period: str = "") -> UsageTotals:
        """Return the sum of a key or task over the days that begin with `period`: 2026-11-24, 2026-11, or all."""
        days = self._sums.get((kind, name), {})
        return sum((total for day, total in days.items() if day.startswith(period)), NO_USAGE)

    def usage_by_name(self, kind: LedgerKind, period: str = "") -> dict[str, UsageTotals]:
        """Return the sums of all keys or tasks with requests in the days that begin with `period`."""
        sums = {name: self.usage_on(kind, name, period) for of_kind, name in self._sums if of_kind == kind}
        return {name: total for name, total in sums.items() if total.requests}

    def drain_unsaved(self) -> UsageRows:
        """Return what was added since the last call."""
        drained, self._unsaved = self._unsaved, {}
        return drained

    def restore_unsaved(self, rows: UsageRows) -> None:
        """Put back drained rows that could not be written."""
        for place, total in rows.items():
            self._unsaved[place] = self._unsaved.get(place, NO_USAGE) + total

    def current_day(self) -> str:
        """Return today's UTC date in ISO 8601."""
        # Formatted once a day: this is asked for with every request of a key with a budget.
        number = int(self._clock() // DAY_S)
        if number != self._today[0]:
            self._today = number, datetime.fromtimestamp(number * DAY_S, UTC).date().isoformat()
        return self._today[1]

    def _add(self, kind: LedgerKind, name: str, added: UsageTotals) -> None:
        if (kind, name) not in self._sums and len(self._sums) >= MAX_NAMES:
            name = OTHER_NAMES
        day, days = self.current_day(), self._sums.setdefault((kind, name), {})
        days[day] = days.get(day, NO_USAGE) + added
        self._unsaved[kind, name, day] = self._unsaved.get((kind, name, day), NO_USAGE) + added


def to_json(totals: UsageTotals) -> dict[str, object]:
    """Return sums as the endpoints show them."""
    return {
        "requests": totals.requests,
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "cost_usd": float(totals.usd),
        "baseline_usd": float(totals.baseline_usd),
        "saved_usd": float(totals.baseline_usd - totals.usd),
    }
