"""Azure OpenAI's paths, as its clients write them and as its servers expect them.

Source: https://learn.microsoft.com/azure/ai-foundry/openai/reference. With an `api-version`, a deployment's endpoints
lie below its name, and all others directly below /openai; without one, all lie below /openai/v1, as OpenAI's below /v1.
"""

from gateway.http.asgi import Message, Receive, Scope
from gateway.http.request_body import replace_model

PREFIX, DEPLOYMENTS, V1 = "/openai/", "/openai/deployments/", "/openai/v1/"

DEPLOYMENT_PATHS = (
    *("/chat/completions", "/completions", "/embeddings"),
    *("/audio/speech", "/audio/transcriptions", "/audio/translations", "/images/generations", "/images/edits"),
)
"""Paths below a deployment; a longer one before the one that it ends with. All others name the model in the body."""


def translate_path(path: str) -> tuple[str, str | None]:
    """Return the path below /v1 for one of Azure's, and the deployment that it names. Other paths stay as they are."""
    if not path.startswith(PREFIX):
        return path, None
    if path.startswith(DEPLOYMENTS):
        rest = path.removeprefix(DEPLOYMENTS)
        if f"/{rest}" in DEPLOYMENT_PATHS:
            return path, None
        for below in DEPLOYMENT_PATHS:
            # A name may have slashes in it, as `task/support` has: clients do not escape them.
            if rest.endswith(below) and len(rest) > len(below):
                return f"/v1{below}", rest.removesuffix(below)
        return path, None
    return f"/v1/{path.removeprefix(V1 if path.startswith(V1) else PREFIX)}", None


def accept_azure_request(scope: Scope, receive: Receive, max_bytes: int) -> tuple[Scope, Receive]:
    """Return a request with one of Azure's paths as one of OpenAI's: the deployment becomes the body's `model`.

    max_bytes: of a body. A larger one goes on as it is, to be refused.
    """
    path, deployment = translate_path(scope["path"])
    if path == scope["path"]:
        return scope, receive
    translated = {**scope, "path": path, "raw_path": path.encode()}
    return translated, receive if deployment is None else _with_model(receive, deployment, max_bytes)


def _with_model(receive: Receive, model: str, max_bytes: int) -> Receive:
    pieces: list[bytes] = []
    is_complete = False

    async def receive_body() -> Message:
        nonlocal is_complete
        message = await receive()
        if is_complete or message["type"] != "http.request":
            return message
        pieces.append(message.get("body", b""))
        if message.get("more_body", False) and sum(map(len, pieces)) <= max_bytes:
            # Nothing yet, but a sign of life.
            return {"type": "http.request", "body": b"", "more_body": True}
        is_complete = True
        body = b"".join(pieces)
        pieces.clear()
        if not message.get("more_body", False):
            body = replace_model(body, model)
        return {**message, "body": body}

    return receive_body
