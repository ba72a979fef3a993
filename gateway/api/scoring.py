"""Endpoints that ask the scorer: inputs, labels, dry run, evidence, label suggestions, feedback."""

import asyncio
import hashlib
import logging
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Response

from gateway.api.dependencies import ClientPrincipal, Given, Operator, TaskOfKey, count_read
from gateway.api.pagination import json_response
from gateway.api.schemas import DryRunBody, FeedbackBody, InputsBody, LabelsBody, texts_of
from gateway.api.services import Services, check_task_access, count_inputs, require_scorer
from gateway.errors import InvalidRequest, ModelNotFound, NotFound
from gateway.keys.auth import Principal
from gateway.proxy.recent_responses import ResponseRecord, client_response_key, response_key
from gateway.scorer.evidence import evidence_to_json
from gateway.scorer.messages import JudgeVerdicts, ScoredResponse
from gateway.vocabulary import DEFAULT_TASK

router = APIRouter(tags=["tasks"])
log = logging.getLogger("benchroute.feedback")


@router.post("/v1/tasks/{task:path}/inputs")
async def seed_task(task: TaskOfKey, body: InputsBody, services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """Add a sample of inputs to a task, for instance before its first request, and return its decision."""
    count_inputs(services, client, len(body.inputs))
    texts = await asyncio.to_thread(texts_of, body.inputs, services.table.policy_of(task).input)
    return dict(await require_scorer(services).seed_task(task, texts, key=client.name))


@router.post("/v1/tasks/{task:path}/labels")
async def label_task(task: TaskOfKey, body: LabelsBody, services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """Add labelled inputs to a task, and return its decision. Only `score: auto` learns from labels.

    Labels of a judge model name it in `judge`, with its agreement: they count as much as that shows, and not at all
    unless it is better than chance. An input with a true label keeps that one. Judged inputs are added only to a task
    without any inputs.
    """
    count_inputs(services, client, len(body.labels))
    policy = services.table.policy_of(task)
    _check_models(services, {name for label in body.labels for name in label.outcomes}, "labels")
    texts = await asyncio.to_thread(texts_of, [label.input for label in body.labels], policy.input)
    outcomes = [label.outcomes for label in body.labels]
    if body.judge is not None:
        judge = msgspec.convert(body.judge.model_dump(), JudgeVerdicts)
        return dict(await require_scorer(services).add_judged_labels(task, texts, outcomes, judge, client.name))
    return dict(await require_scorer(services).seed_task(task, texts, outcomes, client.name))


@router.delete("/v1/tasks/{task:path}/labels")
async def remove_labels(
    task: TaskOfKey,
    services: Given,
    client: ClientPrincipal,
    judge: Annotated[str, Query(min_length=1, max_length=256, description="Name of the judge model.")],
) -> dict[str, Any]:
    """Remove all labels of a judge model from a task, and return its decision. 404 if there are none."""
    found = dict(await require_scorer(services).remove_judged_labels(task, judge, client.name))
    if not found["removed"]:
        raise NotFound(f"Task {task!r} has no labels of judge {judge!r}.", param="judge", code="labels_not_found")
    return found


@router.post("/v1/route")
async def dry_run_route(body: DryRunBody, services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """Return the decision that these inputs would lead to. Nothing is stored and no model is called."""
    count_inputs(services, client, len(body.inputs))
    _check_models(services, set(body.candidates or ()), "candidates")
    task = None if body.task is None else check_task_access(body.task, client)
    texts = await asyncio.to_thread(texts_of, body.inputs, services.table.policy_of(task or DEFAULT_TASK).input)
    made = await require_scorer(services).dry_run(texts, task, body.candidates, client.name)
    ranking, evidence = made["decision"]["ranking"], services.evidence
    return {**made, "evidence": {name: evidence_to_json(evidence[name]) for name in ranking if name in evidence}}


@router.get("/v1/tasks/{task:path}/evidence", response_model=dict[str, Any], dependencies=[Depends(count_read)])
async def get_task_evidence(task: TaskOfKey, services: Given, client: ClientPrincipal) -> Response:
    """Return the benchmark inputs nearest to the task's recent inputs, each model's outcome on them, and a map.

    `times` is the number of the task's inputs that have this one among their k nearest. `text` is null if the pack
    contains no texts, `map` is null if it contains none.
    """
    found = await require_scorer(services).inspect_pack("evidence", task=task, key=client.name)
    return json_response({**found, "id": task})


@router.get(
    "/v1/tasks/{task:path}/label-suggestions", response_model=dict[str, Any], dependencies=[Depends(count_read)]
)
async def get_label_suggestions(
    task: TaskOfKey, services: Given, client: Operator, n: Annotated[int, Query(ge=1, le=256)] = 20
) -> Response:
    """Return the task's recent inputs on which its best candidates (`between`) are expected to differ most.

    `expected` is each candidate's mean outcome on the benchmark inputs nearest to the input, `disagreement` their
    standard deviation. Labelled inputs are excluded. Requires `keep_texts` of the task or in the routing section: 400
    with code `texts_not_kept` otherwise. Requires an admin key, if one is configured.
    """
    if not services.table.policy_of(task).keep_texts:
        message = f"Input texts of task {task!r} are not stored. Set `keep_texts: true` in `tasks.{task}` or `routing`."
        raise InvalidRequest(message, code="texts_not_kept")
    found = await require_scorer(services).inspect_pack("suggestions", task=task, n=n, key=client.name)
    return json_response({**found, "id": task})


@router.post("/v1/feedback")
async def give_feedback(body: FeedbackBody, services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """Score a response by its request ID, and return its task's decision. Only `score: auto` learns from feedback.

    A second score of a response replaces the first. `propensity` is the probability with which this model was drawn for
    the request: 1 if it was not drawn, null if the choice was not random (a session, a model named by the request,
    failover); docs/auto.md describes its effect. 404 if no gateway knows the response, if it was given to another API
    key, or if it is older than the last `routing.feedback_window` responses.
    """
    found = await _find_response(body.request_id, services, client)
    scorer = require_scorer(services)
    # The same response however it is named; the time tells those of a gateway of an earlier version apart.
    request = hashlib.sha256(f"{found.at!r} {found.request_id or body.request_id}".encode()).digest()[:8]
    scored = ScoredResponse(request, found.model, body.score, found.propensity, found.stratum, found.at)
    decision = await scorer.submit_feedback(found.task, [scored], client.name)
    services.metrics.feedback(found.model).inc()
    metadata = " ".join(f"{name}={word}" for name, word in sorted(body.metadata.items()))
    log.info("%s task=%s model=%s score=%g %s", body.request_id, found.task, found.model, body.score, metadata)
    return {
        "object": "feedback",
        "request_id": body.request_id,
        "task": found.task,
        "model": found.model,
        "score": body.score,
        "propensity": found.propensity,
        **decision,
    }


async def _find_response(request: str, services: Services, client: Principal) -> ResponseRecord:
    """Raises NotFound, also for another key's response, and for a task that the key may not use any more."""
    own, named = response_key(client.name, request), client_response_key(client.name, request)
    responses = services.recent_responses
    found = responses.find_response(own) or responses.find_response(named)
    if found is None and services.scorer is not None:
        found = await services.scorer.find_response(own) or await services.scorer.find_response(named)
    if found is None or not client.can_use_task(found.task):
        window = services.config.routing.feedback_window
        message = f"Unknown request_id {request!r}: no successful response with this ID among the last {window:,}."
        raise NotFound(message, param="request_id", code="request_not_found")
    return found


def _check_models(services: Services, names: set[str], param: str) -> None:
    """Raises ModelNotFound for the first name that is not configured."""
    unknown = sorted(names - {model.name for model in services.config.models})
    if unknown:
        raise ModelNotFound(f"{param}: unknown model {unknown[0]!r}.", param=param)
