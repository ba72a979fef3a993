"""Changes of tasks by an operator: display names, merges, deletion.

A merge moves what is known of a task (sums, labels, usage, policy) to another one, where its later requests go too. It
is an entry of the directory, stored and shared by a fleet, so requests follow it at once, and after a restart; the sums
are moved behind it by the scorer. A merge that was interrupted is made whole by making it again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec

from gateway.errors import Conflict, GatewayError, InvalidRequest, NotFound, ScorerUnavailable
from gateway.offload import offload
from gateway.scorer.client import ScorerClient
from gateway.server.runtime import Runtime
from gateway.server.template_writer import TemplateWriter, write_templates_periodically
from gateway.state.store import Store, StoredPolicy
from gateway.task_records import TaskEntry
from gateway.tasks.decision_table import DecisionTable
from gateway.tasks.prompt_templates import PromptTemplates, TwinTemplates
from gateway.tasks.task_directory import ResolvedEntries, TaskDirectory, resolve_entries
from gateway.usage.ledger import Ledger
from gateway.usage.timeseries import MinuteSeries

log = logging.getLogger("benchroute")

SETTLE_S = 3.0
"""Time after which a merge looks again for inputs of the merged tasks: other gateways learn of it within a second."""


@dataclass(frozen=True, slots=True)
class TaskParts:
    """What is known of tasks in this gateway. scorer: None without a pack."""

    directory: TaskDirectory
    templates: PromptTemplates
    table: DecisionTable
    ledger: Ledger
    minutes: MinuteSeries
    scorer: ScorerClient | None


class TaskManager:
    """The directory of tasks, and what follows from its changes. Changes are made one at a time, in the event loop."""

    def __init__(self, parts: TaskParts, runtime: Runtime, clock: Callable[[], float]) -> None:
        """clock: Unix time in seconds."""
        self.directory = parts.directory
        self.templates = parts.templates
        self._parts = parts
        self._runtime = runtime
        self._clock = clock
        self._attached: Store | None = None
        self._changing = asyncio.Lock()
        self._later: set[asyncio.Task[None]] = set()

    def attach_store(self, store: Store) -> None:
        """Use a state from now on, before anything is changed."""
        self._attached = store

    @asynccontextmanager
    async def run(self, store: Store, *, is_shared: bool) -> AsyncIterator[None]:
        """Store templates while the block runs. is_shared: other gateways store theirs too."""
        parts = self._parts
        writer = TemplateWriter(parts.templates, store, parts.minutes, self.merge_twins, is_shared)
        async with write_templates_periodically(writer):
            yield
        # What is still to be looked at: the next merge of the same tasks finds it.
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)

    async def apply_entries(self, entries: Sequence[TaskEntry]) -> None:
        """Apply the stored entries, this gateway's and others'."""
        async with self._changing:
            self._use(await offload(resolve_entries, entries))

    def is_known(self, task: str) -> bool:
        """Return whether anything is known of a task: a decision, requests, settings, a template or a name.

        Its usage counts where nothing is scored: with a pack, evicted tasks have usage too.
        """
        parts, has_pack = self._parts, self._runtime.resolved.manifest is not None
        return (
            parts.table.decision_of(task) is not None
            or task in self._runtime.resolved.config.tasks
            or bool(parts.minutes.series_of("task", task))
            or (not has_pack and bool(parts.ledger.usage_on("task", task).requests))
            or parts.templates.template_of(task) is not None
            or self.directory.entry_of(task) != TaskEntry(task)
            or bool(self.directory.sources_of(task))
        )

    async def rename_task(self, task: str, name: str | None, changed_by: str | None) -> None:
        """Set or remove a task's display name. Raises NotFound, StateError."""
        async with self._changing:
            self._check_known(task)
            entry = self.directory.entry_of(task)
            await self._put([msgspec.structs.replace(entry, name=name, at=self._clock(), changed_by=changed_by)])

    async def merge_tasks(self, target: str, sources: Sequence[str], changed_by: str | None) -> int:
        """Merge tasks into one, which may be new. Return the number of inputs that were moved.

        Raises InvalidRequest, NotFound, Conflict, ScorerUnavailable, StateError.
        """
        sources = list(dict.fromkeys(sources))
        async with self._changing:
            self._check_merge(target, sources)
            policy = await self._policy_to_move(target, sources)
            now, entry_of = self._clock(), self.directory.entry_of
            changes = {"merged_into": target, "at": now, "changed_by": changed_by}
            await self._put([msgspec.structs.replace(entry_of(source), **changes) for source in sources])
            if policy is not None:
                await self._runtime.set_policy(policy)
            moved = await self._move_sums(target, sources)
        log.info("task %s: %s merged into it by %s, %d inputs", target, ", ".join(sources), changed_by, moved)
        self._settle_later(target, sources)
        return moved

    async def unmerge_task(self, task: str, changed_by: str | None) -> str:
        """Let a merged task's later requests be its own again; its inputs stay where they are. Return where that is.

        Raises NotFound, StateError.
        """
        async with self._changing:
            entry = self.directory.entry_of(task)
            if entry.merged_into is None:
                raise NotFound(f"Task {task!r} is not merged into another one.", code="task_not_merged")
            changes = {"merged_into": None, "at": self._clock(), "changed_by": changed_by}
            await self._put([msgspec.structs.replace(entry, **changes)])
            return entry.merged_into

    async def forget_task(self, task: str) -> None:
        """Remove the name of a deleted task and its recent requests; what was spent on it counts among all others."""
        async with self._changing:
            entry = self.directory.entry_of(task)
            if entry.name is not None:
                await self._put([msgspec.structs.replace(entry, name=None)])
        await self._runtime.flush_in_slices()
        self._parts.minutes.discard("task", task)
        self._runtime.fold_usage([task])

    async def merge_twins(self, twins: Sequence[TwinTemplates]) -> None:
        """Merge templates' tasks that are two ids of one template. Raises StateError."""
        target_of = self.directory.target_of
        async with self._changing:
            found = {one.loser: one for one in twins if target_of(one.loser) != target_of(one.winner)}
            for one in found.values():
                if target_of(one.loser) == one.loser:  # an operator's merge stays
                    log.info("tasks %s and %s have one template: %s", one.loser, one.winner, one.winner)
                    await self._put([TaskEntry(one.loser, merged_into=one.winner, at=self._clock())])
        for one in found.values():
            if one.is_own:
                self._settle_later(one.winner, [one.loser])

    def _check_known(self, task: str) -> None:
        if (target := self.directory.target_of(task)) != task:
            raise Conflict(f"Task {task!r} is merged into {target!r}: change that one.", code="task_merged")
        if not self.is_known(task):
            raise NotFound(f"Task {task!r} not found: no request of it was seen.", code="task_not_found")

    def _check_merge(self, target: str, sources: Sequence[str]) -> None:
        """Raises InvalidRequest, NotFound, Conflict, ScorerUnavailable."""
        if target in sources:
            raise InvalidRequest(f"Task {target!r} cannot be merged into itself.", param="sources")
        if (other := self.directory.target_of(target)) != target:
            raise Conflict(f"Task {target!r} is itself merged into {other!r}: use that one.", code="task_merged")
        for source in sources:
            into = self.directory.entry_of(source).merged_into
            if into not in (None, target):
                message = f"Task {source!r} is already merged into {into!r}: undo that first."
                raise Conflict(message, code="task_merged")
            if into is None and not self.is_known(source):
                raise NotFound(f"Task {source!r} not found: no request of it was seen.", code="task_not_found")
            if source in self._runtime.configured_tasks():
                message = f"Task {source!r} has settings in config.yaml, which would have no effect: remove them first."
                raise Conflict(message, code="task_configured")
        scorer = self._scorer
        if scorer is not None and scorer.status != "ready":
            raise ScorerUnavailable(
                f"The scorer is {scorer.status}, and a merge moves what it has scored: retry later."
            )

    async def _policy_to_move(self, target: str, sources: Sequence[str]) -> StoredPolicy | None:
        """Return the override that the target takes over: the sources' own, where it has none.

        Raises Conflict where theirs differ.
        """
        latest = {one.task: one for one in await asyncio.to_thread(self._store.current_policies)}
        own = latest.get(target)
        if own is not None and own.settings_json is not None:
            return None
        found = {source: one.settings_json for source in sources if (one := latest.get(source)) is not None}
        overrides = {source: settings for source, settings in found.items() if settings is not None}
        if not overrides:
            return None
        if len(set(overrides.values())) > 1:
            message = f"The policies of {', '.join(sorted(overrides))} differ: set the one of {target!r} first."
            raise Conflict(message, code="policy_conflict")
        source, settings = next(iter(overrides.items()))
        version = (own.version if own else 0) + 1
        return StoredPolicy(target, version, self._clock(), f"merge of {source}", settings)

    async def _move_sums(self, target: str, sources: Sequence[str]) -> int:
        """Move sums, labels and embeddings. Return the number of inputs."""
        scorer, table = self._scorer, self._parts.table
        moved = 0
        if scorer is not None:
            moved = await scorer.merge_tasks(target, sources)
        for source in sources:
            table.forget_task(source)
        return moved

    async def _settle(self, target: str, sources: Sequence[str]) -> None:
        """Move what was scored of merged tasks after they were: inputs under way, or of a gateway that knew it late."""
        await asyncio.sleep(SETTLE_S)
        try:
            async with self._changing:
                still = [one for one in sources if self.directory.target_of(one) == self.directory.target_of(target)]
                if still:
                    await self._move_sums(self.directory.target_of(target), still)
        except GatewayError as error:
            log.warning("inputs of %s, merged into %s, stay with it: %s", ", ".join(sources), target, error)

    async def _put(self, entries: Sequence[TaskEntry]) -> None:
        await asyncio.to_thread(self._store.put_entries, entries)
        self._use(await offload(self.directory.change_entries, entries))

    def _use(self, resolved: ResolvedEntries) -> None:
        """Use these entries, and show the usage of merged tasks with that of their targets."""
        self.directory.use_entries(resolved)
        self._parts.ledger.set_merged(resolved.sources)

    def _settle_later(self, target: str, sources: Sequence[str]) -> None:
        if self._scorer is None:
            return
        task = asyncio.create_task(self._settle(target, sources))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    @property
    def _scorer(self) -> ScorerClient | None:
        """The scorer; None where nothing is scored, since there is no pack."""
        return None if self._runtime.resolved.manifest is None else self._parts.scorer

    @property
    def _store(self) -> Store:
        assert self._attached is not None  # noqa: S101 - attached before the first request
        return self._attached
