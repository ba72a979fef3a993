"""POST /v1/feedback: a client scores an answer that it got, by the x-request-id of its response."""

import hashlib
import logging
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.services import ClientPrincipal, Given, Services
from gateway.errors import NotFound, ScorerUnavailable
from gateway.keys.auth import Principal
from gateway.proxy.recent_responses import ResponseRecord
from gateway.scorer.messages import ScoredResponse

router = APIRouter(tags=["tasks"])
log = logging.getLogger("benchroute.feedback")

ScoreWord = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._:/-]*$")]


class FeedbackBody(BaseModel):
    """A score of one answer: 1 is right, 0 is wrong. metadata: words for the log, of which nothing else is made."""

    model_config = ConfigDict(extra="forbid")
    request_id: str = Field(min_length=1, max_length=128)
    score: float = Field(ge=0, le=1)
    metadata: dict[ScoreWord, ScoreWord] = Field(default_factory=dict, max_length=16)


@router.post("/v1/feedback")
async def give_feedback(body: FeedbackBody, services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """Scores an answer; says what its task is decided as now. Only `score: auto` learns from it.

    Told again it counts once, and with another score the last word holds. `propensity` is the probability with which
    this model was drawn for the request: 1 where nothing was drawn, null where chance had no part (a session, a model
    that the request named, another one's failure); see docs/auto.md for what that makes of the score. 404: an answer
    that no gateway knows, or that came too long ago (routing.feedback_window).
    """
    found = await _answer(body.request_id, services, client)
    if services.scorer is None:
        raise ScorerUnavailable("no pack is configured, so nothing can be scored")
    # An id that a client gives to many requests stands for the latest: its time tells them apart.
    request = hashlib.sha256(f"{found.at!r} {body.request_id}".encode()).digest()[:8]
    rated = ScoredResponse(request, found.model, body.score, found.propensity, found.stratum, found.at)
    made = await services.scorer.submit_feedback(found.task, [rated])
    services.metrics.feedback(found.model).inc()
    words = " ".join(f"{name}={word}" for name, word in sorted(body.metadata.items()))
    log.info("%s task=%s model=%s score=%g %s", body.request_id, found.task, found.model, body.score, words)
    return {
        "object": "feedback",
        "request_id": body.request_id,
        "task": found.task,
        "model": found.model,
        "score": body.score,
        "propensity": found.propensity,
        **made,
    }


async def _answer(request: str, services: Services, client: Principal) -> ResponseRecord:
    """Raises NotFound, also for a task that the client may not use: ids are not to be tried out."""
    found = services.recent_responses.find_response(request)
    if found is None and services.scorer is not None:
        found = await services.scorer.find_response(request)
    if found is None or (client.tasks is not None and found.task not in client.tasks):
        told = f"no answer to request {request!r} is known: it was never given, was no success, or came too long ago"
        raise NotFound(told, param="request_id", code="request_not_found")
    return found
