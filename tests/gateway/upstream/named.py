"""A backend that is only a name: planned for and chosen, and never asked."""

from dataclasses import dataclass

from gateway.upstream.interface import RelayHandle, RelayRequest, ResponseHandle, ResponseHandler, UpstreamRequest


@dataclass(frozen=True)
class Named:
    """A backend that is chosen and never asked."""

    name: str
    weight: float = 1.0
    account: str = ""
    asks_for_usage: bool = True

    def start(
        self, request: UpstreamRequest, handler: ResponseHandler, connect_s: float, is_fresh: bool = False
    ) -> ResponseHandle:
        raise NotImplementedError

    async def start_relay(
        self, request: RelayRequest, handler: ResponseHandler, connect_s: float, is_fresh: bool = False
    ) -> RelayHandle:
        raise NotImplementedError

    def model_name(self) -> bytes:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError
