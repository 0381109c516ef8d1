"""A noted socket route made ready: its options checked, its entry described."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nexios.adapters.asgi.guards import guards_of
from nexios.adapters.asgi.origins import OriginSet
from nexios.adapters.routing.sockets import SocketRoute
from nexios.adapters.routing.template import Template
from nexios.adapters.websocket.inputs import SocketSource
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.caller import Caller
from nexios.application.limits import Limits
from nexios.container.entry import EntryPoint
from nexios.container.keys import Key
from nexios.container.scope import Scope

METHOD: Final = "WEBSOCKET"
"""What stands for the method in the table of sockets."""

SOCKET: Final[Key[WebSocket]] = Key(WebSocket)
CALLER: Final[Key[Caller]] = Key(Caller)


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """What ``app.websocket`` and its kin take beside path and handler.

    Attributes:
        name: For ``url_for``.
        guards: Checks before the handler; more may be noted on the handler itself.
        dependencies: Called for their effect, after the guards.
        middleware: Objects with ``handshake(websocket)``, for this route only.
        receives: What the client sends, for documents.
        sends: What the client gets, for documents.
        subprotocols: What the route speaks, first choice first.
        origins: Foreign origins allowed here, instead of the app's.
        limits: Instead of the app's.
        tags: For documents.
        summary: For documents.
        exclude_from_schema: Left out of documents.
    """

    name: str | None = None
    guards: Sequence[Any] = ()
    dependencies: Sequence[Any] = ()
    middleware: Sequence[Any] = ()
    receives: Any = None
    sends: Any = None
    subprotocols: Sequence[str] = ()
    origins: Sequence[str] | None = None
    limits: Limits | None = None
    tags: Sequence[str] = ()
    summary: str | None = None
    exclude_from_schema: bool = False

    @classmethod
    def read(cls, given: Mapping[str, Any], where: str) -> "SocketOptions":
        """Check the options of one route.

        Raises:
            UnknownSocketOption: With the nearest name there is.
        """
        known = cls.__dataclass_fields__
        for name in given:
            if name not in known:
                raise UnknownSocketOption(name, where, tuple(known))
        return cls(**given)


class UnknownSocketOption(TypeError):
    """A socket route was given an option that does not exist."""

    def __init__(self, option: str, where: str, known: Sequence[str]) -> None:
        self.option = option
        self.where = where
        near = difflib.get_close_matches(option, known, 1)
        self.fix = f"write {near[0]!r}" if near else f"use one of {', '.join(known)}"
        super().__init__(option, where)

    def __str__(self) -> str:
        return (
            f"a socket route has no option {self.option!r}\n  given at  {self.where}\n"
            f"  fix: {self.fix}"
        )


@dataclass(frozen=True, slots=True)
class SocketEndpoint:
    """One socket route, ready to be entered.

    Attributes:
        label: ``WEBSOCKET /ws/chat/{room}``, for logs and errors.
        run: Name of what serves it: the points of a controller, or the one of a function.
        handshakes: The route's own middleware.
    """

    label: str
    template: Template
    options: SocketOptions
    point: EntryPoint
    origins: OriginSet | None = None
    handshakes: tuple[Any, ...] = field(default=())

    @property
    def points(self) -> tuple[EntryPoint, ...]:
        """Every entry the container has to make ready for this endpoint."""
        return (self.point,)


def compile_function(
    route: SocketRoute, *, guards: Iterable[Any] = (), dependencies: Iterable[Any] = ()
) -> SocketEndpoint:
    """Describe a function as an endpoint: one REQUEST scope as long as its socket.

    Args:
        guards: Of the app; they come first.
        dependencies: Of the app; they come first.

    Raises:
        InvalidTemplate: The path cannot be read.
        UnknownSocketOption: An option does not exist.
    """
    options = SocketOptions.read(route.options, route.where)
    template = Template.parse(route.path, where=route.where)
    label = f"{METHOD} {template.raw}"
    point = EntryPoint(
        label=label,
        target=route.handler,
        scope=Scope.REQUEST,
        values=(SOCKET,),
        reads=SocketSource(route.handler, path_types(template)),
        before=(
            *guards,
            *options.guards,
            *guards_of(route.handler),
            *dependencies,
            *options.dependencies,
        ),
        supplies={CALLER: caller_of},
    )
    return SocketEndpoint(
        label=label,
        template=template,
        options=options,
        point=point,
        origins=None if options.origins is None else OriginSet(options.origins),
        handshakes=tuple(options.middleware),
    )


def path_types(template: Template) -> dict[str, type]:
    """Return the names of the path's values, each with the type its converter makes."""
    return dict.fromkeys(template.param_names, object)


def caller_of(socket: WebSocket, *_: object) -> Caller:
    """Return who opened the socket."""
    return socket.caller
