"""What a socket handler's signature reads from the handshake, decided once at start."""

from collections.abc import Callable, Collection, Iterator
from typing import Annotated, Any, Final

import pydantic
from pydantic_core import ValidationError

from nexios.adapters.asgi.annotations import (
    Member,
    check_annotation,
    constrained,
    from_text,
    is_list_of_scalars,
    is_many,
    is_scalar,
    members_validator,
    without_metadata,
    without_none,
)
from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.params import MISSING, Marker, Place, fresh
from nexios.adapters.websocket.closing import HandshakeInvalid
from nexios.adapters.websocket.messages import plain_text
from nexios.adapters.websocket.socket import WebSocket
from nexios.container.entry import Getter, Unreadable
from nexios.container.keys import MISSING as ABSENT
from nexios.container.signature import Parameter
from nexios.records import dataclass

_SOCKET_NAMES: Final = frozenset({"websocket", "ws", "socket"})
_VALUE: Final = "value"

Asker = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Input:
    """One value of the handshake: where it is, what it has to be, and what stands in for it.

    Attributes:
        annotation: What it has to be, for documents.
    """

    place: Place
    name: str
    many: bool
    default: object
    read: Callable[[object], Any]
    annotation: Any = Any

    @property
    def optional(self) -> bool:
        """Whether it may be left out."""
        return self.default is not MISSING

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

    def __iter__(self) -> Iterator[Input]:
        return iter(self._inputs)

    def check(self, socket: WebSocket) -> None:
        """Check everything now, so that a method called later finds good values.

        Raises:
            HandshakeInvalid: What is wrong, all at once.
        """
        if self._inputs:
            self._values(socket)

    def _values(self, socket: WebSocket) -> list[object]:
        checked = socket.inputs
        if checked is None:
            checked = socket.inputs = {}
        known = checked.get(id(self))
        if known is None:
            known = checked[id(self)] = self._check(socket)
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
                values.append(one.read(raw))
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

    @property
    def every(self) -> Iterator[Input]:
        """All that is read from the handshake, by the target and by those called before it."""
        for inputs in (*self._before.values(), self.inputs):
            yield from inputs

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
        if is_scalar(inner) or is_list_of_scalars(inner):
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
        if marker.place in ("body", "form", "file"):
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
        of_path = marker.place == "path"
        if of_path and not marker.constraints and without_none(annotation) in (Any, object):
            return Getter(lambda socket, *_: socket.path_params[name])
        told: Any = constrained(annotation, marker.constraints)
        shape: Any = from_text(annotation)
        if of_path and without_none(annotation) is str:
            # The converter may have made an int.
            shape = Annotated[shape, pydantic.BeforeValidator(str)]
        shape = constrained(shape, marker.constraints)
        reason = check_annotation(shape)
        if reason is not None:
            raise Unreadable(
                f"its type cannot be read from a handshake: {reason}",
                f"{parameter.name}: ... = Depend()",
            )
        many = marker.place in ("query", "header") and is_many(annotation)
        # Each check before the handler stands alone: a 401 must not wait for another's 422.
        inputs = self._before.setdefault(asker, Inputs()) if before else self.inputs
        read = Input(marker.place, name, many, default, _reader(shape), told)
        return Getter(inputs.add(read))


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


def _reader(shape: Any) -> Callable[[object], Any]:
    """Return what checks one value, by the rules that the parameters of HTTP have."""
    validate = members_validator([Member(_VALUE, shape, required=True)]).validate_python
    return lambda raw: validate({_VALUE: raw})[_VALUE]


def _taken_apart(parameter: Parameter) -> tuple[Any, Marker | None]:
    marker = parameter.default if isinstance(parameter.default, Marker) else None
    hint: Any = parameter.annotation
    if hint is ABSENT:
        default = parameter.default
        if default is None:
            return str, marker
        return (type(default) if is_scalar(type(default)) else hint), marker
    _, metadata = without_metadata(hint)
    found = [item for item in metadata if isinstance(item, Marker)]
    return without_none(hint), marker or (found[-1] if found else None)


def _wanted(parameter: Parameter, marker: Marker) -> tuple[Any, object]:
    """Return the type a value must have, and what stands in for it."""
    hint: Any = parameter.annotation
    default: object = parameter.default
    if default is ABSENT or isinstance(default, Marker):
        default = marker.default
    if hint is ABSENT:
        plain = default is MISSING or default is None
        return (hint if plain else type(default)), default
    bare, metadata = without_metadata(hint)
    kept = tuple(item for item in metadata if not isinstance(item, Marker))
    if default is MISSING and without_none(bare) is not bare:
        default = None  # `T | None` without a default
    return (Annotated[(bare, *kept)] if kept else bare), default
