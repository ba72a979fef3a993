"""What answers cost, by key and by task and by day: kept in memory, written to the store once a second.

Prices are the configuration's, else the pack's. Money is Decimal; a float would lose the millionths that single calls
cost. Beside every cost stands what the same tokens would have cost at the best model on average: the difference is what
routing saves, or spends.
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
"""Keys and tasks that are told apart; clients name tasks, so there must be a bound. The others are one sum."""

DAY_S = 86_400
OTHER_NAMES = "(others)"


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens."""

    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal

    def cost_usd(self, usage: Usage) -> Decimal:
        """Of one answer, in US dollars."""
        return (
            usage.input_tokens * self.input_usd_per_mtok + usage.output_tokens * self.output_usd_per_mtok
        ) / TOKENS_PER_PRICE


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """What answers took. baseline_usd: what the same tokens would have cost at the best model on average."""

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
"""(kind, name, day) -> what was spent: kind `key` or `task`, day in ISO 8601."""


NO_USAGE = UsageTotals()


class Ledger:
    """Sums by kind, name and day (UTC, ISO 8601)."""

    def __init__(self, price_of: Mapping[str, Price], clock: Callable[[], float]) -> None:
        """clock: Unix time in seconds."""
        self.baseline_usd = Decimal(0)
        """What all answers since the start would have cost at their tasks' best model on average."""
        self._price_of = price_of
        self._clock = clock
        self._today = (-1, "")
        self._sums: dict[tuple[str, str], dict[str, UsageTotals]] = {}
        self._unwritten: dict[tuple[str, str, str], UsageTotals] = {}

    def load_rows(self, rows: UsageRows) -> None:
        """What the store has of the time before."""
        for (kind, name, day), spent in rows.items():
            self._sums.setdefault((kind, name), {})[day] = spent

    def merge_remote(self, rows: UsageRows) -> None:
        """What all gateways together have written. What is not written yet comes on top; nothing ever gets less."""
        for (kind, name, day), written in rows.items():
            if kind not in ("key", "task"):
                continue
            days = self._sums.setdefault(("key" if kind == "key" else "task", name), {})
            total = written + self._unwritten.get((kind, name, day), NO_USAGE)
            if total.requests >= days.get(day, NO_USAGE).requests:
                days[day] = total

    def set_prices(self, price_of: Mapping[str, Price]) -> None:
        """Other prices from now on; what was spent was spent."""
        self._price_of = price_of

    def cost_usd(self, model: str, usage: Usage) -> Decimal | None:
        """Of an answer in US dollars; None where the model has no price."""
        price = self._price_of.get(model)
        return None if price is None else price.cost_usd(usage)

    def charge_usage(
        self, key: str | None, task: str, usage: Usage, cost: Decimal, baseline: str, requests: int = 1
    ) -> UsageTotals:
        """Adds an answer, or several together, and says what was added. baseline: the model it is compared with."""
        compared = self.cost_usd(baseline, usage)
        spent = UsageTotals(
            requests, usage.input_tokens, usage.output_tokens, cost, cost if compared is None else compared
        )
        self.baseline_usd += spent.baseline_usd
        self._add("task", task, spent)
        if key is not None:
            self._add("key", key, spent)
        return spent

    def usage_on(self, kind: LedgerKind, name: str, period: str = "") -> UsageTotals:
        """By one key or task, in the days that begin with `period`: 2026-11-24, 2026-11, or all."""
        days = self._sums.get((kind, name), {})
        return sum((spent for day, spent in days.items() if day.startswith(period)), NO_USAGE)

    def usage_by_name(self, kind: LedgerKind, period: str = "") -> dict[str, UsageTotals]:
        """Every key's or task's sum over the days that begin with `period`, those that spent nothing left out."""
        sums = {name: self.usage_on(kind, name, period) for of_kind, name in self._sums if of_kind == kind}
        return {name: spent for name, spent in sums.items() if spent.requests}

    def drain_unsaved(self) -> UsageRows:
        """What has been added since the last call."""
        taken, self._unwritten = self._unwritten, {}
        return taken

    def restore_unsaved(self, rows: UsageRows) -> None:
        """They could not be written after all."""
        for place, spent in rows.items():
            self._unwritten[place] = self._unwritten.get(place, NO_USAGE) + spent

    def current_day(self) -> str:
        """Today."""
        number = int(self._clock() // DAY_S)
        if number != self._today[0]:
            self._today = number, datetime.fromtimestamp(number * DAY_S, UTC).date().isoformat()
        return self._today[1]

    def _add(self, kind: LedgerKind, name: str, spent: UsageTotals) -> None:
        if (kind, name) not in self._sums and len(self._sums) >= MAX_NAMES:
            name = OTHER_NAMES
        day, days = self.current_day(), self._sums.setdefault((kind, name), {})
        days[day] = days.get(day, NO_USAGE) + spent
        self._unwritten[kind, name, day] = self._unwritten.get((kind, name, day), NO_USAGE) + spent


def to_json(spent: UsageTotals) -> dict[str, object]:
    """A sum as the endpoints show it."""
    return {
        "requests": spent.requests,
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "cost_usd": float(spent.usd),
        "baseline_usd": float(spent.baseline_usd),
        "saved_usd": float(spent.baseline_usd - spent.usd),
    }
