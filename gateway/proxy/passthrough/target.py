"""The models and backends that a request which is passed through may go to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.config import ModelConfig
from gateway.config.fields import ModelKind
from gateway.errors import Forbidden, InvalidRequest, NotFound
from gateway.http.request_body import RequestBody
from gateway.keys.auth import Principal
from gateway.proxy.capabilities import CapabilityTable
from gateway.proxy.passthrough.endpoints import ChosenBy, MatchedEndpoint
from gateway.proxy.response_affinity import ResponseAffinity
from gateway.proxy.task_target import resolve_route, route_to_named, unknown_model
from gateway.tasks.decision_table import DecisionTable, Route
from gateway.upstream.failover import Placement
from gateway.upstream.load_balancer import LoadBalancer
from gateway.vocabulary import AUTO, is_routed_model


def models_by_kind(models: Sequence[ModelConfig]) -> Mapping[ModelKind, tuple[str, ...]]:
    """Return the names of the configured models by their kind."""
    kinds = {model.kind for model in models}
    return {kind: tuple(model.name for model in models if model.kind == kind) for kind in kinds}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request may go. placement: None where any backend of the models will do."""

    route: Route
    placement: Placement | None


@dataclass(frozen=True, slots=True)
class TargetResolver:
    """Everything that a target follows from.

    Attributes:
        models_of_kind: configured models by their kind.
        files_backend: name of the backend that serves files, None where none is configured.
    """

    models_of_kind: Mapping[ModelKind, tuple[str, ...]]
    files_backend: str | None
    capabilities: CapabilityTable
    table: DecisionTable
    backends: LoadBalancer
    responses: ResponseAffinity

    def resolve_target(self, matched: MatchedEndpoint, model: str | None, task: str, principal: Principal) -> Target:
        """Return where a request may go. model: as the body names it. Raises InvalidRequest, NotFound, Forbidden."""
        match matched.endpoint.chosen_by:
            case ChosenBy.FILES:
                return self._files_target(principal)
            case ChosenBy.OBJECT:
                return self._object_target(matched.object_id or "", principal)
        return Target(self._route(matched, model, task, principal), None)

    def _route(self, matched: MatchedEndpoint, model: str | None, task: str, principal: Principal) -> Route:
        kind = matched.endpoint.kind
        if kind == "chat":
            body = RequestBody(matched.endpoint.record_endpoint, {}, AUTO if model is None else model)
            return resolve_route(body, task, principal, self.capabilities, self.table.route_task)
        if model is None or is_routed_model(model):
            model = self._only_model(kind)
        if model not in self.capabilities.by_model and model not in self.capabilities.other_kinds:
            raise unknown_model(model)
        return route_to_named(model, principal)

    def _only_model(self, kind: ModelKind) -> str:
        """Return the only configured model of a kind. Raises InvalidRequest."""
        models = self.models_of_kind.get(kind, ())
        if len(models) == 1:
            return models[0]
        raise InvalidRequest(
            f"the request names no model, and {len(models) or 'no'} configured models are of kind {kind}: name one of "
            f"/v1/models, or set `kind: {kind}` at one model",
            param="model",
            code=f"no_{kind}_model",
        )

    def _files_target(self, principal: Principal) -> Target:
        name = self.files_backend
        if name is None:
            raise NotFound(
                "no backend serves files, batches and conversations here: set `upstream.files_backend` to a backend's "
                "name, such as MODEL/1",
                code="files_backend_not_set",
            )
        return self._at_backend(name, principal)

    def _object_target(self, object_id: str, principal: Principal) -> Target:
        made = self.responses.find_maker(principal.name, object_id)
        if made is None or self.backends.find_backend(made.backend) is None:
            raise NotFound(
                f"{object_id!r} is not known here: a gateway remembers who made a response or conversation for "
                f"{self.responses.ttl_s:g} s (routing.response_ttl_s), and only for the key that it was given to",
                code="response_not_found",
            )
        return self._at_backend(made.backend, principal)

    def _at_backend(self, name: str, principal: Principal) -> Target:
        state = self.backends.find_backend(name)
        assert state is not None  # noqa: S101 - configuration and look-up have been checked
        if not principal.can_use_model(state.model):
            raise Forbidden(f"the key {principal.name!r} may not use model {state.model!r}, which this endpoint needs")
        return Target(route_to_named(state.model, principal), Placement((name,), is_required=True))
