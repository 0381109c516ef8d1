"""A noted socket route made ready: its options checked, its entry described."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from nexios.adapters.asgi.guards import guards_of, in_order
from nexios.adapters.asgi.origins import OriginSet
from nexios.adapters.routing.sockets import SocketRoute
from nexios.adapters.routing.template import Template
from nexios.adapters.websocket.inputs import SocketSource
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.caller import Caller
from nexios.application.limits import Limits
from nexios.application.spelling import suggestion
from nexios.container.entry import EntryPoint
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope
from nexios.records import dataclass

METHOD: Final = "WEBSOCKET"
"""What stands for the method in the table of sockets."""

_MOMENTS: Final = ("handshake", "first-message")

_SHORTER: Final = (
    "open one for each message: async with websocket.message() as scope: await scope.call(work),"
    " where work asks for it\n  or write a WebSocketController: its messages have a scope each"
)

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
        wrappers: ASGI middleware around the socket, inner to outer: each is called with what it
            stands around.
        receives: What the client sends, for documents.
        sends: What the client gets, for documents.
        subprotocols: What the route speaks, first choice first.
        authenticate: When: in the ``handshake``, or by the ``first-message`` after an early
            accept.
        origins: Foreign origins allowed here, instead of the app's.
        limits: Instead of the app's; or some of them by name, beside the app's.
        module: Whose keys a controller sees; the app sets it.
        tags: For documents.
        summary: For documents.
        exclude_from_schema: Left out of documents.
    """

    name: str | None = None
    guards: Sequence[Any] = ()
    dependencies: Sequence[Any] = ()
    middleware: Sequence[Any] = ()
    wrappers: Sequence[Any] = ()
    receives: Any = None
    sends: Any = None
    subprotocols: Sequence[str] = ()
    authenticate: Literal["handshake", "first-message"] = "handshake"
    origins: Sequence[str] | None = None
    limits: Limits | Mapping[str, Any] | None = None
    module: Module | None = None
    tags: Sequence[str] = ()
    summary: str | None = None
    exclude_from_schema: bool = False

    @classmethod
    def read(cls, given: Mapping[str, Any], where: str) -> "SocketOptions":
        """Check the options of one route.

        Raises:
            UnknownSocketOption: With the nearest name there is.
        """
        _refuse_unknown(given, tuple(cls.__dataclass_fields__), where)
        told = given.get("authenticate", "handshake")
        if told not in _MOMENTS:
            raise ValueError(
                f"authenticate={told!r} is no moment of a socket\n  given at  {where}\n"
                f"  fix: authenticate={suggestion(str(told), _MOMENTS) or _MOMENTS[0]!r}"
            )
        return cls(**given)

    def limits_over(self, outer: Limits, where: str) -> Limits:
        """Return the limits that hold here, ``outer`` being the app's.

        Raises:
            UnknownSocketOption: There is no such limit.
        """
        if isinstance(self.limits, Mapping):
            _refuse_unknown(self.limits, tuple(Limits.__dataclass_fields__), where)
            return replace(outer, **self.limits)
        return outer if self.limits is None else self.limits


def _refuse_unknown(given: Iterable[str], known: Sequence[str], where: str) -> None:
    for name in given:
        if name not in known:
            raise UnknownSocketOption(name, where, known)


class UnknownSocketOption(TypeError):
    """A socket route was given an option that does not exist."""

    def __init__(self, option: str, where: str, known: Sequence[str]) -> None:
        self.option = option
        self.where = where
        near = suggestion(option, known)
        self.fix = f"write {near!r}" if near else f"use one of {', '.join(known)}"
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
        point: What is called once for each socket.
        handler: The function or the controller class.
        inner: Entries below it, for messages.
        limits: The app's, with the route's own over them.
        handshakes: The route's own middleware.
        where: ``file:line`` of its registration.
        methods: Of a controller, name to what the method takes (``MISSING`` when it does not
            say) and the method itself; None of a function.
    """

    label: str
    template: Template
    options: SocketOptions
    limits: Limits
    point: EntryPoint
    handler: Callable[..., Any]
    origins: OriginSet | None = None
    handshakes: tuple[Any, ...] = ()
    inner: tuple[EntryPoint, ...] = ()
    where: str = ""
    methods: Mapping[str, tuple[Any, Callable[..., Any]]] | None = None

    @property
    def guards(self) -> tuple[Any, ...]:
        """The checks before the handler, without the dependencies after them."""
        before = self.point.before
        return before[: len(before) - len(self.options.dependencies)]

    @property
    def in_first_message(self) -> bool:
        """Whether credentials come after the accept."""
        return self.options.authenticate == "first-message"

    @property
    def points(self) -> tuple[EntryPoint, ...]:
        """Every entry the container has to make ready for this endpoint."""
        return (self.point, *self.inner)


def compile_function(route: SocketRoute, limits: Limits) -> SocketEndpoint:
    """Describe a function as an endpoint: one REQUEST scope as long as its socket.

    Args:
        limits: Of the app.

    Raises:
        InvalidTemplate: The path cannot be read.
        UnknownSocketOption: An option does not exist.
    """
    options = SocketOptions.read(route.options, route.where)
    template = Template.parse(route.path, where=route.where)
    point = entry_of(route.handler, template, options)
    return endpoint_of(route, template, options, limits, point)


def entry_of(
    handler: Callable[..., Any], template: Template, options: SocketOptions, internal: bool = False
) -> EntryPoint:
    """Return the entry of a function that serves a whole socket.

    Args:
        internal: Left out of pictures of the wiring.
    """
    return EntryPoint(
        label=f"{METHOD} {template.raw}",
        target=handler,
        module=options.module,
        scope=Scope.REQUEST,
        values=(SOCKET,),
        reads=SocketSource(handler, template.param_names),
        before=(*in_order((*options.guards, *guards_of(handler))), *options.dependencies),
        supplies={CALLER: caller_of},
        lasting="" if internal else _SHORTER,
        internal=internal,
    )


def endpoint_of(
    route: SocketRoute,
    template: Template,
    options: SocketOptions,
    limits: Limits,
    point: EntryPoint,
    inner: Iterable[EntryPoint] = (),
    methods: Mapping[str, tuple[Any, Callable[..., Any]]] | None = None,
) -> SocketEndpoint:
    """Return the endpoint with what its options say."""
    return SocketEndpoint(
        label=point.label,
        template=template,
        options=options,
        limits=options.limits_over(limits, route.where),
        point=point,
        handler=route.handler,
        origins=None if options.origins is None else OriginSet(options.origins),
        handshakes=tuple(options.middleware),
        inner=tuple(inner),
        where=route.where,
        methods=methods,
    )


def caller_of(socket: WebSocket, *_: object) -> Caller:
    """Return who opened the socket."""
    return socket.caller
