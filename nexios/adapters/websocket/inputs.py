"""What a socket handler's signature reads from the handshake, decided once at start."""

import types
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final, Literal, NewType, Union, get_args, get_origin
from uuid import UUID

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.params import MISSING, Marker, Place, fresh
from nexios.adapters.websocket.closing import HandshakeInvalid
from nexios.adapters.websocket.messages import plain_text
from nexios.adapters.websocket.socket import WebSocket
from nexios.container.entry import Getter, Unreadable
from nexios.container.keys import MISSING as ABSENT
from nexios.container.signature import Parameter
from nexios.domain.errors import DomainError

_SOCKET_NAMES: Final = frozenset({"websocket", "ws", "socket"})
_SCALARS: Final = (str, int, float, bool, Decimal, UUID, date, datetime, time, timedelta, Enum)
_MANY: Final = (list, set, frozenset, tuple, Sequence)
_UNIONS: Final = (Union, types.UnionType)

Asker = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Input:
    """One value of the handshake: where it is, what it has to be, and what stands in for it."""

    place: Place
    name: str
    many: bool
    default: object
    adapter: TypeAdapter[Any]

    def raw(self, socket: WebSocket) -> object:
        """Return what was sent, or MISSING."""
        if self.place == "path":
            return socket.path_params[self.name]
        if self.place == "cookie":
            return socket.cookies.get(self.name, MISSING)
        source = socket.query_params if self.place == "query" else socket.headers
        found = source.getlist(self.name)
        if not found:
            return MISSING
        return found if self.many else found[-1]


class Inputs:
    """The values that are checked together, so that one 422 tells all that is wrong."""

    def __init__(self) -> None:
        self._inputs: list[Input] = []

    def add(self, one: Input) -> Callable[..., object]:
        """Take an input in, and return what reads its checked value."""
        index = len(self._inputs)
        self._inputs.append(one)
        return lambda socket, *_: self._values(socket)[index]

    def check(self, socket: WebSocket) -> None:
        """Check everything now, so that a method called later finds good values.

        Raises:
            HandshakeInvalid: What is wrong, all at once.
        """
        if self._inputs:
            self._values(socket)

    def _values(self, socket: WebSocket) -> list[object]:
        known = socket.inputs.get(id(self))
        if known is None:
            known = socket.inputs[id(self)] = self._check(socket)
        return known

    def _check(self, socket: WebSocket) -> list[object]:
        values: list[object] = []
        faults: list[dict[str, object]] = []
        for one in self._inputs:
            raw = one.raw(socket)
            if raw is MISSING and one.default is not MISSING:
                values.append(fresh(one.default))
                continue
            if raw is MISSING:
                faults.append(_fault(one, "missing", "is required"))
                continue
            try:
                values.append(one.adapter.validate_python(raw))
            except ValidationError as error:
                found = error.errors(include_url=False, include_input=False, include_context=False)
                faults += [_fault(one, item["type"], plain_text(item["msg"])) for item in found]
        if faults:
            raise HandshakeInvalid(faults, limit=socket.limits.errors)
        return values


class SocketSource:
    """Answers the container's question for each parameter of a socket's handler.

    The first line that fits: a marker; the socket by its type; a name of the path; the socket by
    its name or as the first un-annotated parameter; a scalar from the query.

    Attributes:
        inputs: What the target itself reads, without those who are called before it.
    """

    def __init__(self, target: Asker, path: Collection[str], *, method: bool = False) -> None:
        """Read for ``target``; ``method``: nothing is given to it by position alone."""
        self.target = target
        self._path = path
        self._method = method
        self.inputs = Inputs()
        self._before: dict[Asker, Inputs] = {}
        self._known: dict[tuple[Asker, str, bool], Getter | None] = {}

    def getter(self, asker: Asker, parameter: Parameter, *, before: bool) -> Getter | None:
        """Return what reads this parameter, or None when nothing here can.

        Raises:
            Unreadable: It is meant for the handshake and cannot be read from it.
        """
        question = (asker, parameter.name, before)
        if question not in self._known:
            self._known[question] = self._decide(asker, parameter, before)
        return self._known[question]

    def _decide(self, asker: Asker, parameter: Parameter, before: bool) -> Getter | None:
        inner, marker = _taken_apart(parameter)
        own = self._own(asker, parameter, inner) if marker is None else None
        if own is not None:
            return own
        if marker is not None:
            return self._marked(asker, parameter, marker, before)
        if isinstance(inner, type) and issubclass(inner, Connection):
            return _socket(parameter, inner)
        if parameter.name in self._path:
            return self._value(asker, parameter, Marker("path"), parameter.name, before)
        if inner is Any and parameter.name == "connection":
            return _SOCKET
        if self._is_socket(asker, parameter, before):
            return _SOCKET
        if _is_readable(inner):
            return self._value(asker, parameter, Marker("query"), parameter.name, before)
        return None

    def _own(self, asker: Asker, parameter: Parameter, inner: Any) -> Getter | None:
        """Return the getter of what only this kind of entry has; none for functions."""

    def _is_socket(self, asker: Asker, parameter: Parameter, before: bool) -> bool:
        if parameter.annotation is not ABSENT or parameter.default is not ABSENT:
            return False
        if parameter.name in _SOCKET_NAMES:
            return True
        by_position = before or not (self._method and asker is self.target)
        return by_position and parameter.index == 0

    def _marked(self, asker: Asker, parameter: Parameter, marker: Marker, before: bool) -> Getter:
        if marker.place == "body":
            raise Unreadable(
                "a handshake has no body",
                f"take {parameter.name!r} out and await websocket.receive_as(...)",
            )
        name = marker.alias or parameter.name
        if marker.place == "header" and marker.alias is None:
            name = name.replace("_", "-")
        if marker.place == "path" and name not in self._path:
            raise Unreadable(
                f"the path has no value named {name!r}",
                f"write {{{name}}} into the path, or Path(alias=...)",
            )
        return self._value(asker, parameter, marker, name, before)

    def _value(
        self, asker: Asker, parameter: Parameter, marker: Marker, name: str, before: bool
    ) -> Getter:
        annotation, default = _wanted(parameter, marker)
        if annotation is ABSENT:
            annotation = Any if marker.place == "path" else str
        constraints: dict[str, Any] = dict(marker.constraints)
        if marker.place == "path" and not constraints and _inner(annotation) in (Any, object):
            return Getter(lambda socket, *_: socket.path_params[name])
        shape: Any = _from_text(annotation)
        if marker.place == "path" and _inner(annotation) is str:
            shape = Annotated[shape, BeforeValidator(str)]  # the converter may have made an int
        if constraints:
            shape = Annotated[shape, Field(**constraints)]
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(shape)
        except Exception as refusal:  # pydantic raises several unrelated classes here
            reason = str(refusal).partition("\n")[0]
            raise Unreadable(
                f"its type cannot be read from a handshake: {reason}",
                f"{parameter.name}: ... = Depend()",
            ) from None
        many = marker.place in ("query", "header") and _is_many(annotation)
        # Each check before the handler stands alone: a 401 must not wait for another's 422.
        inputs = self._before.setdefault(asker, Inputs()) if before else self.inputs
        return Getter(inputs.add(Input(marker.place, name, many, default, adapter)))


def _itself(socket: WebSocket, *_: object) -> WebSocket:
    return socket


_SOCKET: Final = Getter(_itself)


def _socket(parameter: Parameter, asked: type) -> Getter:
    if issubclass(WebSocket, asked):
        return _SOCKET
    raise Unreadable(
        f"a socket has no {asked.__name__}", f"{parameter.name}: WebSocket, or Connection for both"
    )


def _fault(one: Input, code: str, detail: str) -> dict[str, object]:
    pointer = one.name.replace("~", "~0").replace("/", "~1")
    return {
        "in": one.place,
        "name": one.name,
        "pointer": f"#/{pointer}",
        "code": code,
        "detail": detail,
    }


def _taken_apart(parameter: Parameter) -> tuple[Any, Marker | None]:
    marker = parameter.default if isinstance(parameter.default, Marker) else None
    hint = parameter.annotation
    if get_origin(hint) is Annotated:
        found = [item for item in get_args(hint)[1:] if isinstance(item, Marker)]
        marker = marker or (found[-1] if found else None)
    if hint is ABSENT and isinstance(parameter.default, _SCALARS):
        return type(parameter.default), marker
    return (hint if hint is ABSENT else _inner(hint)), marker


def _wanted(parameter: Parameter, marker: Marker) -> tuple[Any, object]:
    """Return the type a value must have, and what stands in for it."""
    hint: Any = parameter.annotation
    default: object = parameter.default
    if default is ABSENT or isinstance(default, Marker):
        default = marker.default
    if get_origin(hint) is Annotated:
        bare, *metadata = get_args(hint)
        kept = [item for item in metadata if not isinstance(item, Marker)]
        hint = Annotated[(bare, *kept)] if kept else bare
    if hint is ABSENT and default is not MISSING and default is not None:
        return type(default), default
    if default is MISSING and hint is not ABSENT and _inner(hint) is not _bare(hint):
        default = None  # `T | None` without a default
    return hint, default


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _inner(annotation: Any) -> Any:
    """Return ``T`` of ``Annotated[T | None, ...]``, anything else as it is."""
    bare = _bare(annotation)
    if get_origin(bare) in _UNIONS:
        members = [member for member in get_args(bare) if member is not type(None)]
        if len(members) == 1 and len(get_args(bare)) == 2:
            return _bare(members[0])
    return bare


def _is_many(annotation: Any) -> bool:
    inner = _inner(annotation)
    return (get_origin(inner) or inner) in _MANY


def _is_readable(inner: Any) -> bool:
    if isinstance(inner, NewType):
        return _is_readable(inner.__supertype__)
    origin = get_origin(inner)
    if origin is Literal:
        return True
    if origin in _MANY:
        return all(_is_readable(_inner(a)) for a in get_args(inner) if a is not Ellipsis)
    if not isinstance(inner, type) or origin is not None:
        return False
    return issubclass(inner, _SCALARS) or _is_parsed(inner)


def _is_parsed(inner: Any) -> bool:
    return isinstance(inner, type) and callable(getattr(inner, "parse", None))


def _from_text(annotation: Any) -> Any:
    """Return the annotation so that pydantic takes text for it: ``parse`` classes, enums."""
    inner = _inner(annotation)
    if isinstance(inner, NewType) and _is_parsed(inner.__supertype__):
        inner = inner.__supertype__
    if _is_parsed(inner):
        return Annotated[Any, BeforeValidator(_parser(inner))]
    table: dict[str, object] = {}
    if isinstance(inner, type) and issubclass(inner, Enum):
        table = {str(member.value): member for member in inner}
    elif get_origin(inner) is Literal:
        table = {str(value): value for value in get_args(inner)}
    if table:
        return Annotated[annotation, BeforeValidator(lambda text: table.get(str(text), text))]
    return annotation


def _parser(cls: Any) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        try:
            return cls.parse(value)
        except (ValueError, TypeError, AttributeError, DomainError):
            raise ValueError("should be a valid value") from None

    return read
