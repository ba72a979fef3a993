"""Changes of a running gateway: another configuration, other policies, another pack.

Requests in flight finish with the objects they began with; the next request takes the new ones.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from gateway.api.services import Services
from gateway.config import Config, KeyTerms
from gateway.errors import Conflict, InvalidRequest, ScorerUnavailable
from gateway.keys.client_keys import ClientKeys
from gateway.offload import offload, release
from gateway.proxy.exchange import ExchangeContext
from gateway.proxy.passthrough.answer import Passthrough
from gateway.scorer.client import ScorerClient
from gateway.state.store import Store, StoredPolicy
from gateway.tasks.decision_table import DecisionTable, Policies
from gateway.tasks.policies import models_not_in_pack
from gateway.tasks.resolved_config import ResolvedConfig, check_reloadable, resolve_config, task_policy
from gateway.upstream.load_balancer import BackendState
from gateway.usage.ledger import Ledger
from routing.manifest import Manifest

log = logging.getLogger("benchroute")


@dataclass(frozen=True, slots=True)
class Serving:
    """The objects that answer requests by one resolved configuration: the endpoints' and the request path's."""

    services: Services
    exchange_context: ExchangeContext
    passthrough: Passthrough

    def flush_counts(self) -> None:
        """Record every finished request in metrics, time series and ledger."""
        self.exchange_context.pipeline.accounting.flush_records()

    async def flush_in_slices(self) -> None:
        """Record every finished request, while requests go on: those of hundreds of tasks take milliseconds."""
        has_more = True
        while has_more:
            has_more = self.exchange_context.pipeline.accounting.flush_some()
            await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Reloadable:
    """The long-lived parts that a change of configuration reaches. scorer: None without a pack."""

    table: DecisionTable
    ledger: Ledger
    client_keys: ClientKeys
    scorer: ScorerClient | None


class Runtime:
    """The configuration in use and the objects built from it. Changes are made one at a time, in the event loop."""

    def __init__(
        self,
        config: Config,
        resolved: ResolvedConfig,
        parts: Reloadable,
        build: Callable[[ResolvedConfig, Store], Serving],
    ) -> None:
        """config: as the file has it, without overrides. resolved: the same, with pack and policies.

        build: makes what answers requests by a resolved configuration, in a thread; changes nothing that is in use.
        """
        self.resolved = resolved
        self.serving: Serving | None = None
        """None until `start`."""
        self._config = config
        self._parts = parts
        self._build = build
        self._manifest: Manifest | None = None
        self._folding: set[asyncio.Task[None]] = set()

    def start(self, store: Store) -> None:
        """Begin to answer requests."""
        self._serve(self._build(self.resolved, store))

    def configured_tasks(self) -> Collection[str]:
        """Return the tasks with settings in the configuration's file."""
        return self._config.tasks

    async def reload(self, config: Config) -> None:
        """Replace the configuration, or read its pack again, while requests go on.

        Raises ConfigError, PackRejected, ScorerUnavailable; then nothing has changed.
        """
        serving, parts = self._started(), self._parts
        check_reloadable(self.resolved.config, config)
        async with parts.client_keys.changing:
            keys = await offload(parts.client_keys.prepare_config, config)
            store = serving.services.store
            policies = await asyncio.to_thread(store.current_policies)
            resolved = await offload(resolve_config, config, policies, self._manifest)
            change = await offload(parts.table.plan_policies, resolved.policies)
            following = await offload(self._build, resolved, store)
            # Last of what may refuse: from here on every step succeeds, so a reload is applied whole or not at all.
            if parts.scorer is not None and resolved.start is not None:
                await parts.scorer.reload(resolved.start)
            await serving.flush_in_slices()
            serving.flush_counts()  # priced by the configuration they were answered with
            gone = [*serving.services.backends.all_backends(), *self.resolved.policies.tasks.values()]
            self._config, self.resolved, serving = config, resolved, following
            parts.client_keys.use_keys(keys)
            parts.table.set_policies(change)
            parts.ledger.set_prices(resolved.prices)
            self._serve(following)
            await parts.table.settle()
            await asyncio.to_thread(release, gone)
        await offload(warn_of_gaps, resolved)

    async def set_policy(self, policy: StoredPolicy) -> None:
        """Set or remove a task's policy override.

        Raises InvalidRequest for a policy that does not fit the configuration, Conflict where another version was
        stored meanwhile, StateError.
        """
        store, task = self._started().services.store, policy.task
        async with self._parts.client_keys.changing:
            others = [other for other in await asyncio.to_thread(store.current_policies) if other.task != task]
            resolved = await offload(resolve_config, self._config, [*others, policy], self._manifest)
            if task in resolved.errors:
                raise InvalidRequest(resolved.errors[task], code="invalid_policy")
            await self._push_policy(task, resolved.policies)  # the scorer may refuse it: then nothing has changed
            if not await asyncio.to_thread(store.put_policy, policy):
                # Back to what is stored, which this gateway may not know yet.
                stored = await asyncio.to_thread(store.current_policies)
                before = await offload(resolve_config, self._config, stored, self._manifest)
                await self._push_policy(task, before.policies)
                raise Conflict(f"The policy of task {task!r} was changed meanwhile: read it again.")
            gone = list(self.resolved.policies.tasks.values())
            self._apply(resolved)
            self._parts.table.set_policy(task, resolved.policies)
            await asyncio.to_thread(release, gone)
        if task in resolved.unknown_datasets:
            log.warning("%s", resolved.unknown_datasets[task])
        settings = policy.settings_json or "override removed"
        log.info("task %s: policy %d set by %s: %s", task, policy.version, policy.changed_by, settings)

    async def apply_shared_state(self, policies: Sequence[StoredPolicy], manifest: Manifest | None) -> None:
        """Apply stored policy overrides, and the manifest of the pack that all gateways share.

        Raises ConfigError.
        """
        async with self._parts.client_keys.changing:
            resolved = await offload(resolve_config, self._config, policies, manifest)
            change = await offload(self._parts.table.plan_policies, resolved.policies)
            is_other = resolved.unknown_datasets != self.resolved.unknown_datasets
            gone = list(self.resolved.policies.tasks.values())
            self._manifest = manifest
            self._apply(resolved)
            self._parts.table.set_policies(change)
            self._parts.ledger.set_prices(resolved.prices)
            await self._parts.table.settle()
            await asyncio.to_thread(release, gone)
        if is_other:
            warn_of_datasets(resolved)

    def fold_usage(self, tasks: Sequence[str]) -> None:
        """Move what was spent on evicted tasks into the sum of all others, here and in the store; nothing is lost."""
        if self.serving is None:
            return
        folding = asyncio.create_task(self._fold_usage(self.serving, tasks))
        self._folding.add(folding)
        folding.add_done_callback(self._on_folded)

    async def _fold_usage(self, serving: Serving, tasks: Sequence[str]) -> None:
        await serving.flush_in_slices()
        for task in tasks:
            self._parts.ledger.fold_task(task)
        await asyncio.to_thread(serving.services.store.fold_usage, tasks)

    def _on_folded(self, folding: "asyncio.Task[None]") -> None:
        self._folding.discard(folding)
        if not folding.cancelled() and (error := folding.exception()) is not None:
            # Their rows stay as they are, by task: no sum is wrong.
            log.warning("usage of evicted tasks cannot be folded: %s", error)

    def flush_counts(self) -> None:
        """Record every finished request in metrics, time series and ledger."""
        if self.serving is not None:
            self.serving.flush_counts()

    async def flush_in_slices(self) -> None:
        """Record every finished request, while requests go on."""
        if self.serving is not None:
            await self.serving.flush_in_slices()

    def end_keep_alive(self) -> None:
        """Let every further response end its client's connection, so that none is idle when the gateway stops."""
        if self.serving is not None:
            context = replace(self.serving.exchange_context, keep_alive=False)
            self.serving = replace(self.serving, exchange_context=context)

    def backend_states(self) -> Iterable[BackendState]:
        """Return the state of every backend in use; none before `start`."""
        return self.serving.services.backends.all_backends() if self.serving else ()

    async def close_backends(self) -> None:
        """Close the backends in use."""
        for state in self.backend_states():
            await state.backend.close()

    def _serve(self, serving: Serving) -> None:
        if serving.services.authenticator.is_open:
            log.warning("NO KEYS: clients need no API key; configure `keys`, or restrict access to this port")
        self.serving = serving

    def _apply(self, resolved: ResolvedConfig) -> None:
        """Show other overrides to the endpoints; the request path reads them from the decision table."""
        self.resolved = resolved
        if self.serving is not None:
            services = replace(
                self.serving.services,
                config=resolved.config,
                policy_errors=resolved.errors,
                unknown_datasets=resolved.unknown_datasets,
                evidence=resolved.evidence_by_model,
            )
            self.serving = replace(self.serving, services=services)

    async def _push_policy(self, task: str, policies: Policies) -> None:
        """Send a task's policy to the scorer. One that is down gets it when it is back. Raises InvalidRequest."""
        scorer = self._parts.scorer
        if scorer is None:
            return
        try:
            await scorer.set_policy(task, task_policy(policies.policy_of(task)))
        except ScorerUnavailable as error:
            log.warning("the scorer gets the policy of task %s when it is back: %s", task, error)

    def _started(self) -> Serving:
        assert self.serving is not None  # noqa: S101 - changes arrive over HTTP or by signal, while serving only
        return self.serving


def warn_of_gaps(resolved: ResolvedConfig) -> None:
    """Log what an operator should know of a configuration before its first request."""
    config = resolved.config
    if resolved.manifest is None:
        log.warning(
            "NO PACK: every task goes to %s; build one with `benchroute pack build`",
            resolved.policies.default.ranking[0],
        )
    elif unknown := models_not_in_pack(config, resolved.manifest):
        log.warning("not in the pack, and therefore never chosen by score: %s", ", ".join(unknown))
    warn_of_datasets(resolved)
    unpriced_models = [model.name for model in config.models if model.name not in resolved.prices]
    for key in config.keys:
        if key.budget_usd_per_day is None and key.budget_usd_per_month is None:
            continue
        if unpriced := [model for model in unpriced_models if _may_use(key, model)]:
            log.warning(
                "key %s has a budget, and %s no price: what they cost is unknown and is not counted; "
                "`benchroute config prices` looks prices up",
                key.name,
                ", ".join(unpriced),
            )


def _may_use(key: KeyTerms, model: str) -> bool:
    return key.models is None or model in key.models


def warn_of_datasets(resolved: ResolvedConfig) -> None:
    """Log the tasks whose dataset has no effect with the pack."""
    for fault in resolved.unknown_datasets.values():
        log.warning("%s", fault)
