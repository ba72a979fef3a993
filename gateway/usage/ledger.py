"""Cost by key, task and day: summed in memory, written to the store once a second.

Amounts are Decimal: a float would lose the millionths of a dollar that single requests cost. A response whose model
routing chose has a baseline, the cost of the same tokens at the best model on average: the difference is what routing
saves, or spends. A response of a model without a price counts with its tokens; its cost is unknown, which is not 0.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from gateway.http.token_usage import Usage
from gateway.usage.prices import MIN_LONG_CONTEXT, Price
from gateway.usage.sorted_names import SortedNames

LedgerKind = Literal["key", "task"]
MAX_TASKS = 100_000
"""Tasks with sums of their own. Clients name tasks, so the number is bounded: the least recently charged are moved into
one sum. Keys, which budgets look up, always have their own."""

DAY_S = 86_400
OTHER_NAMES = "(others)"


class UsageTotals(msgspec.Struct, frozen=True, gc=False):
    """Sums over responses.

    Attributes:
        usd: cost of those with a price.
        baseline_usd: cost of the compared ones' tokens at the best model on average.
        unpriced: responses of models without a price; they are in `requests` too.
        estimated: responses whose tokens were estimated; likewise.
        compared_usd: cost of those whose model routing chose, where both prices are known.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: Decimal = Decimal(0)
    baseline_usd: Decimal = Decimal(0)
    unpriced: int = 0
    estimated: int = 0
    compared_usd: Decimal = Decimal(0)

    def __add__(self, other: "UsageTotals") -> "UsageTotals":
        return UsageTotals(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.usd + other.usd,
            self.baseline_usd + other.baseline_usd,
            self.unpriced + other.unpriced,
            self.estimated + other.estimated,
            self.compared_usd + other.compared_usd,
        )

    def __sub__(self, other: "UsageTotals") -> "UsageTotals":
        return UsageTotals(
            self.requests - other.requests,
            self.input_tokens - other.input_tokens,
            self.output_tokens - other.output_tokens,
            self.usd - other.usd,
            self.baseline_usd - other.baseline_usd,
            self.unpriced - other.unpriced,
            self.estimated - other.estimated,
            self.compared_usd - other.compared_usd,
        )

    @property
    def known_usd(self) -> Decimal | None:
        """Cost of the responses with a price; None where none of them has one."""
        return None if self.requests and self.unpriced == self.requests else self.usd


UsageRows = Mapping[tuple[str, str, str], UsageTotals]
"""(kind, name, day) -> sums; kind is `key` or `task`, day a UTC date in ISO 8601."""


NO_USAGE = UsageTotals()
NO_USD = Decimal(0)


@dataclass(slots=True)
class UsageBatch:
    """Usage of several responses, all with a known cost or all without.

    Attributes:
        usd: their cost; None where it is unknown.
        long: those with so much input that some providers charge another price.
    """

    usd: Decimal | None = None
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: int = 0
    long: list[Usage] = field(default_factory=list)

    def add_usage(self, usage: Usage, usd: Decimal | None) -> None:
        """Add a response."""
        self.requests += 1
        if usd is not None:
            self.usd = usd if self.usd is None else self.usd + usd
        if usage.input_tokens > MIN_LONG_CONTEXT:
            self.long.append(usage)
        else:
            self.input_tokens += usage.input_tokens
            self.output_tokens += usage.output_tokens
            # Rare, and each addition is a twentieth of a microsecond.
            if usage.cache_read_tokens or usage.cache_write_tokens or usage.reasoning_tokens:
                self.cache_read_tokens += usage.cache_read_tokens
                self.cache_write_tokens += usage.cache_write_tokens
                self.reasoning_tokens += usage.reasoning_tokens
        self.estimated += usage.is_estimated

    @classmethod
    def of(cls, tokens: Sequence[Sequence[int]], usd: Decimal | None) -> "UsageBatch":
        """Return the sums of responses, at least one. tokens: a column for each field of Usage. usd: their cost."""
        if max(tokens[0]) <= MIN_LONG_CONTEXT:
            given, made, read, written, reasoning, estimated = map(sum, tokens)
            return cls(usd, len(tokens[0]), given, made, read, written, reasoning, estimated)
        batch = cls()
        for usage in zip(*tokens, strict=True):
            batch.add_usage(Usage(*usage), None)
        batch.usd = usd
        return batch

    @property
    def all_input_tokens(self) -> int:
        """Input tokens of all responses."""
        return self.input_tokens + sum(usage.input_tokens for usage in self.long)

    @property
    def all_output_tokens(self) -> int:
        """Output tokens of all responses."""
        return self.output_tokens + sum(usage.output_tokens for usage in self.long)

    def totals(self, compared: Price | None) -> UsageTotals:
        """Return the sums. compared: price of the baseline, None for responses that are not compared with any."""
        usd = NO_USD if self.usd is None else self.usd
        is_compared = self.usd is not None and compared is not None
        return UsageTotals(
            self.requests,
            self.all_input_tokens,
            self.all_output_tokens,
            usd,
            NO_USD if self.usd is None or compared is None else self._cost_at(compared),
            self.requests if self.usd is None else 0,
            self.estimated,
            usd if is_compared else NO_USD,
        )

    def _cost_at(self, price: Price) -> Decimal:
        short = Usage(
            self.input_tokens,
            self.output_tokens,
            self.cache_read_tokens,
            self.cache_write_tokens,
            self.reasoning_tokens,
        )
        return sum([price.cost_usd(usage) for usage in self.long], price.cost_of_short(short))


class Ledger:
    """Sums by kind, name and day (UTC, ISO 8601)."""

    def __init__(self, price_of: Mapping[str, Price], clock: Callable[[], float]) -> None:
        """clock: Unix time in seconds."""
        self.baseline_usd = Decimal(0)
        """Cost of all compared responses since the start, had their tasks' best model on average given them."""
        self.compared_usd = Decimal(0)
        """What they did cost."""
        self._price_of = price_of
        self._clock = clock
        self._today = (-1, "")
        self._keys: dict[str, dict[str, UsageTotals]] = {}
        self._tasks: OrderedDict[str, dict[str, UsageTotals]] = OrderedDict()
        self._unsaved: dict[tuple[str, str, str], UsageTotals] = {}
        self._names: dict[str, SortedNames] = {"key": SortedNames(), "task": SortedNames()}
        self._lifetime: dict[str, UsageTotals] = {}
        """Of tasks, over all days: lists are sorted by it."""
        self._merged: Mapping[str, Sequence[str]] = {}
        self._hidden: frozenset[str] = frozenset()
        self._totals: dict[str, dict[str, UsageTotals]] = {"key": {}, "task": {}}
        """By kind and day, of all names together: a page of the names shows the sum of all pages."""

    def load_rows(self, rows: UsageRows) -> None:
        """Load the sums of earlier runs from the store."""
        for of_kind, names in self._names.items():
            names.update({name for kind, name, _ in rows if kind == of_kind})
        for (kind, name, day), total in rows.items():
            if (days := self._days(kind, name)) is not None:
                self._set_total(kind, name, days, day, total)

    def merge_remote(self, rows: UsageRows) -> None:
        """Replace sums by those of all gateways together, and add what this one has not written yet."""
        for (kind, name, day), stored in rows.items():
            # A task that has no room here stays in the store alone: folded again at every call, it would count again.
            is_folded = kind == "task" and name not in self._tasks and len(self._tasks) >= MAX_TASKS
            days = None if is_folded else self._days(kind, name)
            if days is None:
                continue
            total = stored + self._unsaved.get((kind, name, day), NO_USAGE)
            # Rows read before our last write would take a sum back, and with it a budget that is used up.
            if total.requests >= days.get(day, NO_USAGE).requests:
                self._set_total(kind, name, days, day, total)

    def set_merged(self, sources_of: Mapping[str, Sequence[str]]) -> None:
        """Show the sums of merged tasks with those of the tasks that they were merged into.

        Nothing is moved: the sums stay exact, in a shared store too, and a merge can be undone.
        """
        self._merged = sources_of
        self._hidden = frozenset(source for sources in sources_of.values() for source in sources)
        for target, sources in sources_of.items():
            if any(source in self._tasks for source in sources):
                self._names["task"].add(target)

    def set_prices(self, price_of: Mapping[str, Price]) -> None:
        """Replace the prices of responses from now on."""
        self._price_of = price_of

    def cost_usd(self, model: str, usage: Usage) -> Decimal | None:
        """Return the cost of a response in US dollars, None where the model has no price."""
        price = self._price_of.get(model)
        return None if price is None else price.cost_usd(usage)

    def price_of(self, model: str) -> Price | None:
        """Return a model's price, None where it has none."""
        return self._price_of.get(model)

    def charge_usage(self, key: str | None, task: str, batch: "UsageBatch", baseline: str | None) -> UsageTotals:
        """Add responses of one model, and return what was added.

        baseline: model whose price is the baseline, None for responses whose model routing did not choose.
        """
        added = batch.totals(None if baseline is None else self._price_of.get(baseline))
        self.baseline_usd += added.baseline_usd
        self.compared_usd += added.compared_usd
        self._add("task", task, added)
        if key is not None:
            self._add("key", key, added)
        return added

    def usage_on(self, kind: LedgerKind, name: str, period: str = "") -> UsageTotals:
        """Return the sum of a key or task over the days that begin with `period`: 2026-11-24, 2026-11, or all."""
        if kind == "key":
            return _sum_days(self._keys.get(name, {}), period)
        total = _sum_days(self._tasks.get(name, {}), period)
        for source in self._merged.get(name, ()):
            total += _sum_days(self._tasks.get(source, {}), period)
        return total

    def task_names(self) -> list[str]:
        """Return the tasks with sums of their own, in no order; merged ones are left out."""
        names = list(self._tasks)
        return [name for name in names if name not in self._hidden] if self._hidden else names

    def lifetime_usage(self, task: str) -> UsageTotals:
        """Return the sum of a task over all days. Threads may call it: it looks single values up."""
        total = self._lifetime.get(task, NO_USAGE)
        for source in self._merged.get(task, ()):
            total += self._lifetime.get(source, NO_USAGE)
        return total

    def lifetime_totals(self, tasks: Sequence[str]) -> list[UsageTotals]:
        """Return the sums of many tasks over all days; threads may call it."""
        get, merged = self._lifetime.get, self._merged
        if not merged:
            return [get(task, NO_USAGE) for task in tasks]
        return [self.lifetime_usage(task) if task in merged else get(task, NO_USAGE) for task in tasks]

    def usage_by_name(self, kind: LedgerKind, period: str = "") -> dict[str, UsageTotals]:
        """Return the sums of all keys or tasks with requests in the days that begin with `period`."""
        sums = {name: self.usage_on(kind, name, period) for name in self.names_after(kind, "")}
        return {name: total for name, total in sums.items() if total.requests}

    def names_after(self, kind: LedgerKind, name: str) -> Iterator[str]:
        """Yield the names of keys or tasks greater than this one, in order; merged tasks are left out."""
        names = self._names[kind].names_after(name)
        hidden = self._hidden
        return (name for name in names if name not in hidden) if kind == "task" and hidden else names

    def total_usage(self, kind: LedgerKind, period: str = "") -> UsageTotals:
        """Return the sum of all keys or all tasks over the days that begin with `period`."""
        return sum((total for day, total in self._totals[kind].items() if day.startswith(period)), NO_USAGE)

    def drain_unsaved(self) -> UsageRows:
        """Return what was added since the last call."""
        drained, self._unsaved = self._unsaved, {}
        return drained

    def restore_unsaved(self, rows: UsageRows) -> None:
        """Put back drained rows that could not be written."""
        # What came since is added to them: an hour without a store makes them many, and a second's are few.
        since, self._unsaved = self._unsaved, dict(rows)
        for place, total in since.items():
            self._unsaved[place] = self._unsaved.get(place, NO_USAGE) + total

    def current_day(self) -> str:
        """Return today's UTC date in ISO 8601."""
        # Formatted once a day: this is asked for with every request of a key with a budget.
        number = int(self._clock() // DAY_S)
        if number != self._today[0]:
            self._today = number, datetime.fromtimestamp(number * DAY_S, UTC).date().isoformat()
        return self._today[1]

    def _add(self, kind: LedgerKind, name: str, added: UsageTotals) -> None:
        day, days = self.current_day(), self._days(kind, name)
        assert days is not None  # noqa: S101 - one of the two kinds
        days[day] = days.get(day, NO_USAGE) + added
        self._set_lifetime(kind, name, days, day, added)
        totals = self._totals[kind]
        totals[day] = totals.get(day, NO_USAGE) + added
        self._unsaved[kind, name, day] = self._unsaved.get((kind, name, day), NO_USAGE) + added

    def _set_total(self, kind: str, name: str, days: dict[str, UsageTotals], day: str, total: UsageTotals) -> None:
        """Set a day's sum of a key or task, and count the difference in that of all."""
        totals, more = self._totals[kind], total - days.get(day, NO_USAGE)
        totals[day] = totals.get(day, NO_USAGE) + more
        days[day] = total
        self._set_lifetime(kind, name, days, day, more)

    def _set_lifetime(self, kind: str, name: str, days: Mapping[str, UsageTotals], day: str, more: UsageTotals) -> None:
        if kind == "task":
            # One object for both where there is one day: most of 100,000 tasks have no other.
            self._lifetime[name] = days[day] if len(days) == 1 else self._lifetime.get(name, NO_USAGE) + more

    def _days(self, kind: str, name: str) -> dict[str, UsageTotals] | None:
        """Return the sums by day of a key or task, made where there are none; None for another kind."""
        if kind not in self._names:
            return None
        self._names[kind].add(name)
        if kind == "key":
            return self._keys.setdefault(name, {})
        days = self._tasks.setdefault(name, {})
        self._tasks.move_to_end(name)
        while len(self._tasks) > MAX_TASKS:
            self._fold_oldest()
        return days

    def fold_task(self, name: str) -> None:
        """Move the sums of a task into those of all others; nothing is lost of them. The store's rows stay."""
        if name == OTHER_NAMES or name not in self._tasks:
            return
        self._names["task"].discard(name)
        self._names["task"].add(OTHER_NAMES)
        others = self._tasks.setdefault(OTHER_NAMES, {})
        self._lifetime[OTHER_NAMES] = self._lifetime.get(OTHER_NAMES, NO_USAGE) + self._lifetime.pop(name, NO_USAGE)
        for day, total in self._tasks.pop(name).items():
            others[day] = others.get(day, NO_USAGE) + total

    def _fold_oldest(self) -> None:
        """Fold the task that was charged least recently."""
        self.fold_task(next(name for name in self._tasks if name != OTHER_NAMES))


def _sum_days(days: Mapping[str, UsageTotals], period: str) -> UsageTotals:
    return sum((total for day, total in days.items() if day.startswith(period)), NO_USAGE)


def to_json(totals: UsageTotals) -> dict[str, object]:
    """Return sums as the endpoints show them. Costs are null where no response has a known one."""
    is_known = totals.known_usd is not None
    return {
        "requests": totals.requests,
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "cost_usd": float(totals.usd) if is_known else None,
        "routed_cost_usd": float(totals.compared_usd) if is_known else None,
        "baseline_usd": float(totals.baseline_usd) if is_known else None,
        "saved_usd": float(totals.baseline_usd - totals.compared_usd) if is_known else None,
        "unpriced_requests": totals.unpriced,
        "estimated_requests": totals.estimated,
    }
