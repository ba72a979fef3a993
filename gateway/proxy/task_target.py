"""The task that a request belongs to, its session, and the models it may go to."""

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from gateway.errors import Forbidden, InvalidRequest, ModelNotFound
from gateway.http.headers import RequestHead
from gateway.http.request_body import RequestBody
from gateway.keys.auth import Principal, filter_allowed
from gateway.proxy.capabilities import CapabilityTable
from gateway.proxy.prompt_task import PromptTasks
from gateway.tasks.decision_table import Policy, Route
from gateway.tasks.task_directory import TaskDirectory
from gateway.vocabulary import (
    AUTO,
    DEFAULT_TASK,
    REQUESTED,
    TASK_ID_RULE,
    TASK_PREFIX,
    TaskSource,
    is_routed_model,
    is_task_id,
)


class TaskTag(msgspec.Struct, frozen=True, gc=False):
    """A request's task.

    Attributes:
        is_explicit: The request itself names it, or its system prompt does.
    """

    task: str
    is_explicit: bool


UNTAGGED = TaskTag(DEFAULT_TASK, False)

FindTag = Callable[[RequestHead, RequestBody, Principal], TaskTag | None]
"""Finds a request's task in one place; None where there is none."""


class TaskResolver:
    """Finds a request's task, in the order of `routing.task_sources`."""

    def __init__(self, sources: Sequence[TaskSource], prompts: PromptTasks, directory: TaskDirectory) -> None:
        """sources: where a task is looked for, first to last. prompts: tasks of system prompts.

        directory: where the requests of merged tasks go.
        """
        find: Mapping[TaskSource, FindTag] = {
            "header": _tag_of_header,
            "metadata": _tag_of_metadata,
            "model": _tag_of_model,
            "system_prompt": self._tag_of_prompt,
            "key": _tag_of_key,
        }
        self._sources = tuple(find[source] for source in sources)
        self._prompts = prompts
        self._directory = directory

    def resolve_task(self, head: RequestHead, body: RequestBody, principal: Principal) -> TaskTag:
        """Return the task that the first source names, `default` where none does; of a merged one, its target.

        Raises InvalidRequest for an invalid task ID, Forbidden for one that the key may not use.
        """
        for find in self._sources:
            tag = find(head, body, principal)
            if tag is not None:
                break
        else:
            tag = UNTAGGED
        principal.check_task(tag.task)
        target = self._directory.targets.get(tag.task)
        return tag if target is None else TaskTag(target, tag.is_explicit)

    def _tag_of_prompt(self, head: RequestHead, body: RequestBody, principal: Principal) -> TaskTag | None:
        # A key that may use named tasks only stays with its own.
        if principal.tasks is not None:
            return None
        task = self._prompts.find_task(body, principal.name)
        return None if task is None else TaskTag(task, True)


def _tag_of_header(head: RequestHead, body: RequestBody, principal: Principal) -> TaskTag | None:
    if head.task is None:
        return None
    return TaskTag(head.task if head.has_valid_task else _checked(head.task, "header X-Task-Id"), True)


def _tag_of_metadata(head: RequestHead, body: RequestBody, principal: Principal) -> TaskTag | None:
    return None if body.task_id is None else TaskTag(_checked(body.task_id, "metadata.task_id"), True)


def _tag_of_model(head: RequestHead, body: RequestBody, principal: Principal) -> TaskTag | None:
    if not body.model.startswith(TASK_PREFIX):
        return None
    return TaskTag(_checked(body.model.removeprefix(TASK_PREFIX), "model"), True)


def _tag_of_key(head: RequestHead, body: RequestBody, principal: Principal) -> TaskTag | None:
    return None if principal.default_task is None else TaskTag(principal.default_task, False)


def resolve_session(head: RequestHead, body: RequestBody) -> str | None:
    """Return X-Session-Id, else metadata.session_id. Raises InvalidRequest for an invalid ID."""
    if head.session is not None:
        return _checked(head.session, "header X-Session-Id", "session")
    return None if body.session_id is None else _checked(body.session_id, "metadata.session_id", "session")


def resolve_route(
    body: RequestBody, task: str, principal: Principal, known: CapabilityTable, decided: Callable[[str], Route]
) -> Route:
    """Return the route of a request for chat: by decision, or straight to the model it names.

    Raises ModelNotFound for a model that is not configured, InvalidRequest for one that answers no chat, Forbidden for
    one that the key may not use.
    """
    if is_routed_model(body.model):
        # A key without a list of models, as most are, gets the decision's own route, and nothing is copied.
        route = decided(task)
        if principal.models is None:
            return route
        return replace(route, ranking=filter_allowed(principal, route.ranking, task), shadow_model=None)
    if body.model in known.other_kinds:
        raise InvalidRequest(
            f"the model {_shown(body.model)} is of kind {known.other_kinds[body.model]} and answers no chat",
            param="model",
            code="model_not_for_chat",
        )
    if body.model not in known.by_model:
        raise unknown_model(body.model)
    return route_to_named(body.model, principal)


def resolve_embedding_route(body: RequestBody, policy: Policy, principal: Principal, known: CapabilityTable) -> Route:
    """Return the route of a request for embeddings, whose model no evidence changes: vectors of two models do not mix.

    Raises InvalidRequest for `auto` where no embedding model is set, ModelNotFound, Forbidden.
    """
    model = body.model
    if is_routed_model(model):
        if policy.embedding_model is None:
            count = sum(kind == "embedding" for kind in known.other_kinds.values())
            raise InvalidRequest(
                f"{AUTO!r} needs the one model for embeddings, and {count or 'no'} configured models are of that kind: "
                "name a model, or set `routing.embedding_model`, or `kind: embedding` at one model",
                param="model",
                code="no_embedding_model",
            )
        model = policy.embedding_model
    if model not in known.by_model and model not in known.other_kinds:
        raise unknown_model(model)
    return route_to_named(model, principal)


def route_to_named(model: str, principal: Principal) -> Route:
    """Return the route to a configured model. Raises Forbidden where the key may not use it."""
    if not principal.can_use_model(model):
        raise Forbidden(f"the key {principal.name!r} may not use model {model!r}", param="model")
    return Route((model,), REQUESTED, 0, propensity=None)


def unknown_model(model: str) -> ModelNotFound:
    """Return the error for a model that is not configured."""
    return ModelNotFound(
        f"the model {_shown(model)} does not exist here: use {AUTO!r}, 'task/<id>', or one of /v1/models", param="model"
    )


def _checked(text: str, param: str, kind: str = "task") -> str:
    if not is_task_id(text):
        raise InvalidRequest(
            f"{param}: {_shown(text)} is no {kind} ID; it takes {TASK_ID_RULE}", param=param, code=f"invalid_{kind}_id"
        )
    return text


def _shown(text: str) -> str:
    return repr(text if len(text) <= 150 else f"{text[:150]}…")
