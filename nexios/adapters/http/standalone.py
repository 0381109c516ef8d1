"""Serves a router without an application around it, as other ASGI frameworks mount it."""

import logging
from typing import Final

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.types import Receive, Scope, Send
from nexios.adapters.http.builder import Response
from nexios.adapters.http.compile import compile_routes
from nexios.adapters.http.entries import Holder
from nexios.adapters.http.gateway import Gateway
from nexios.adapters.http.request import Request
from nexios.adapters.http.settings import HttpSettings
from nexios.application.caller import Caller
from nexios.application.tracking import tell
from nexios.container.container import Container
from nexios.container.module import Module

_log: Final = logging.getLogger("nexios.http")


class StandAlone:
    """The HTTP side of one router with a container of its own, built at the first request.

    There are no settings, no sockets and no lifespan; services are those handlers name.
    """

    __slots__ = ("_container", "_gateway", "_holder")

    def __init__(self, holder: Holder) -> None:
        """Serve ``holder``; what is added to it after the first request is not."""
        self._holder: Final = holder
        self._container: Container | None = None
        self._gateway: Gateway | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP scope.

        Raises:
            Exception: What is wrong with routes or wiring, at the first request.
        """
        if scope["type"] != "http":
            raise NotImplementedError(f"a group serves HTTP alone, not {scope['type']}")
        gateway = self._gateway
        if gateway is None:
            gateway = self._gateway = self._build()
        await gateway(scope, receive, send)

    def _build(self) -> Gateway:
        settings = HttpSettings()
        routes = compile_routes(self._holder, settings)
        if routes.problems:
            raise ExceptionGroup("the routes of a group cannot be served", routes.problems)
        given = Module("nexios")
        for key in (Request, Response, Caller):
            given.bind(key).given()
        container = Container(
            Module("group"),
            entries=routes.points,
            everywhere=given.export(Request, Response, Caller),
        )
        container.validate()
        self._container = container
        return Gateway(routes, container, settings=settings, report=_report)


def _report(error: BaseException, _connection: Connection, _error_id: str, where: str) -> None:
    tell(_log, logging.ERROR, error, "a request to %s failed", where)
