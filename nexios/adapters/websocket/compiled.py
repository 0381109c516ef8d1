"""The sockets of an app, read once and ready for the container."""

from collections.abc import Iterable, Sequence
from dataclasses import field

from nexios.adapters.asgi.origins import OriginSet
from nexios.adapters.routing.errors import DuplicateRoute
from nexios.adapters.routing.sockets import SocketRoute
from nexios.adapters.routing.table import Table
from nexios.adapters.websocket.controller import compile_controller, is_controller
from nexios.adapters.websocket.endpoint import METHOD, SocketEndpoint, compile_function
from nexios.adapters.websocket.mounts import compile_mount
from nexios.application.limits import Limits
from nexios.container.entry import EntryPoint
from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """What holds for all sockets of an app.

    Attributes:
        allowed_origins: Foreign origins that may open sockets.
        debug: Whether a 500 before accept tells what was raised.
    """

    limits: Limits = field(default_factory=Limits)
    allowed_origins: OriginSet = field(default_factory=lambda: OriginSet(()))
    debug: bool = False


class TokensUnknown(ValueError):
    """A socket takes its credentials from the first message, and nothing proves users."""

    def __init__(self, label: str, where: str) -> None:
        self.label = label
        self.where = where
        super().__init__(label, where)

    def __str__(self) -> str:
        return (
            f'{self.label} has authenticate="first-message", and nothing proves users\n'
            f"  given at  {self.where}\n"
            "  fix: app.add_middleware(AuthenticationMiddleware(backend=...))"
        )


class CompiledSockets:
    """The sockets of an app, ready for the container.

    Attributes:
        points: What the container has to make ready.
        problems: Everything that refuses the start; all of it, at once.
    """

    def __init__(self, endpoints: Sequence[SocketEndpoint], problems: list[Exception]) -> None:
        self.endpoints = tuple(endpoints)
        self.table: Table[SocketEndpoint] = Table(
            (endpoint.template, METHOD, endpoint) for endpoint in endpoints
        )
        duplicates: list[DuplicateRoute] = self.table.problems
        self.problems: list[Exception] = [*problems, *duplicates]
        self.points: tuple[EntryPoint, ...] = tuple(
            point for endpoint in endpoints for point in endpoint.points
        )


def compile_sockets(
    routes: Iterable[SocketRoute],
    settings: SocketSettings,
    mounts: Iterable[SocketRoute] = (),
) -> CompiledSockets:
    """Read every noted route once; what is wrong with them is collected, not raised.

    Args:
        mounts: ASGI applications as the handlers of all at and below their path.
    """
    endpoints: list[SocketEndpoint] = []
    problems: list[Exception] = []
    kinds = [(r, compile_controller if is_controller(r) else compile_function) for r in routes]
    for route, compile_route in (*kinds, *((mount, compile_mount) for mount in mounts)):
        try:
            endpoint = compile_route(route, settings.limits)
        except (ValueError, TypeError) as problem:
            problems.append(problem)
        else:
            endpoints.append(endpoint)
    return CompiledSockets(endpoints, problems)
