"""Decides for each parameter of a signature what fills it, once, at start (http.md, 3)."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, get_args, get_origin

from nexios.adapters.asgi.annotations import (
    check_annotation,
    constrained,
    from_text,
    is_list_of_scalars,
    is_many,
    is_parsed,
    is_scalar,
    without_metadata,
    without_none,
)
from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.params import MISSING, Marker
from nexios.adapters.http.background import Tasks
from nexios.adapters.http.builder import Response
from nexios.adapters.http.context import Context, context_of
from nexios.adapters.http.fields import is_body, is_structure
from nexios.adapters.http.inputs import Inputs, Simple
from nexios.adapters.http.json_body import BodyPart
from nexios.adapters.http.readers import (
    Raw,
    path_text,
    path_value,
    reader_of,
    request_of,
    response_of,
    stream_of,
    structure,
    tasks_of,
)
from nexios.adapters.http.uploads import UploadedFile
from nexios.application.limits import Limits
from nexios.container.entry import Getter, Unreadable
from nexios.container.keys import MISSING as ABSENT
from nexios.container.signature import Parameter
from nexios.records import dataclass

_REQUEST_NAMES: Final = frozenset({"request", "req"})
_RESPONSE_NAMES: Final = frozenset({"response", "res"})
_GUARDED: Final = "connection"  # what guards call what they check
_BODILESS: Final = frozenset({"GET", "HEAD", "DELETE"})
_POSITIONAL: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)

Asker = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of a route when its signature is read.

    Attributes:
        target: The handler.
        method: The handler is a method of a controller: nothing is given by position.
        path: Name of each path value to the type its converter makes.
        methods: HTTP methods the route answers.
        limits: Of the route.
    """

    target: Asker
    method: bool
    path: Mapping[str, object]
    methods: frozenset[str]
    limits: Limits


class RequestSource:
    """Answers the container's question for each parameter it does not fill itself.

    One object per entry point. The same question gets the same getter, so a container may be
    built twice over it. ``seal`` must be called when all questions were asked.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._main = Inputs(reading.limits.keyed_items)
        self._before: dict[Asker, Inputs] = {}
        self._known: dict[tuple[Asker, str, bool], Getter | None] = {}
        self._roles: dict[Asker, Mapping[str, str]] = {}
        self._count = 0
        self._of_path: set[Getter] = set()
        # The first line that fits, in the order of the design's table.
        self._lines = (
            self._marked,
            self._typed,
            self._from_path,
            self._by_name,
            self._from_body,
            self._from_query,
            self._by_default,
        )

    def getter(self, asker: Asker, parameter: Parameter, *, before: bool) -> Getter | None:
        """Return what reads this parameter, or None when nothing here can.

        Raises:
            Unreadable: It is meant for the request and cannot be read from it.
        """
        question = (asker, parameter.name, before)
        if question not in self._known:
            self._known[question] = self._decide(asker, parameter, before)
        return self._known[question]

    @property
    def inputs(self) -> tuple[Inputs, ...]:
        """What is read, for documents: by the handler, then by each check before it."""
        return (self._main, *self._before.values())

    @property
    def path_only(self) -> bool:
        """Whether all that is read are values of the path, as their converters made them."""
        return all(one is None or one in self._of_path for one in self._known.values())

    @property
    def alone(self) -> Callable[[bytes], object] | None:
        """What makes the handler's only value of a body of JSON, where nothing else is read."""
        read = [one for one in self._known.values() if one is not None]
        return self._main.alone if len(read) == 1 else None

    @property
    def streams(self) -> bool:
        """Whether the handler or a check takes the body as it arrives."""
        return _STREAM in self._known.values()

    def seal(self, limits: Limits) -> None:
        """Build the validators of everything that was asked for; ``limits`` are the route's."""
        for inputs in (self._main, *self._before.values()):
            inputs.seal(limits)

    def _decide(self, asker: Asker, parameter: Parameter, before: bool) -> Getter | None:
        ask = _Question(asker, parameter, self._inputs_for(asker, before))
        for line in self._lines:
            getter = line(ask)
            if getter is not None:
                return getter
        return None

    def _inputs_for(self, asker: Asker, before: bool) -> Inputs:
        # Each check before the handler stands alone: a 401 must not wait for another's 422.
        if not before:
            return self._main
        return self._before.setdefault(asker, Inputs(self._reading.limits.keyed_items))

    def _marked(self, ask: "_Question") -> Getter | None:
        if isinstance(ask.parameter.default, Context) or ask.inner is Context:
            return _CONTEXT
        if ask.marker is None:
            return None
        if ask.marker.place == "body":
            return self._body(ask, ask.marker)
        if ask.marker.place in ("form", "file"):
            return self._form(ask, ask.marker)
        name = ask.marker.alias or ask.parameter.name
        if ask.marker.place == "path":
            if name not in self._reading.path:
                raise Unreadable(
                    f"the path has no value named {name!r}",
                    f"write {{{name}}} into the path, or Path(alias=...)",
                )
            return self._path_value(ask, name, ask.marker.constraints)
        if ask.marker.place == "header" and ask.marker.alias is None:
            name = name.replace("_", "-")
        return self._simple(ask, ask.marker, name)

    def _typed(self, ask: "_Question") -> Getter | None:
        inner = ask.inner
        if isinstance(inner, type):
            if issubclass(inner, Connection):
                return _REQUEST
            if issubclass(inner, Response):
                return _RESPONSE
            if issubclass(inner, Tasks):
                return _TASKS
        if get_origin(inner) is AsyncIterator and get_args(inner) == (bytes,):
            return _STREAM
        if ask.annotated and _is_file(inner):
            return self._form(ask, Marker("file"))
        return None

    def _from_path(self, ask: "_Question") -> Getter | None:
        name = ask.parameter.name
        return self._path_value(ask, name, ()) if name in self._reading.path else None

    def _path_value(
        self, ask: "_Question", name: str, constraints: Sequence[tuple[str, object]]
    ) -> Getter:
        made = self._reading.path[name]
        as_made = not ask.annotated or (ask.inner in (made, object) and not ask.metadata)
        if as_made and not constraints:
            getter = Getter(path_value(name), item=("path_params", name))
            self._of_path.add(getter)
            return getter
        annotation = ask.annotation if ask.annotated else made
        raw = path_text(name) if ask.inner is str else path_value(name)
        return self._add(ask, "path", name, constrained(from_text(annotation), constraints), raw)

    def _by_name(self, ask: "_Question") -> Getter | None:
        if ask.inner is Any and ask.parameter.name == _GUARDED:
            return _REQUEST
        role = self._roles_of(ask.asker).get(ask.parameter.name)
        return _ROLES[role] if role is not None else None

    def _from_body(self, ask: "_Question") -> Getter | None:
        if not ask.annotated or not is_body(ask.inner):
            return None
        return self._body(ask, Marker("body"))

    def _from_query(self, ask: "_Question") -> Getter | None:
        if not ask.annotated or not (is_scalar(ask.inner) or is_list_of_scalars(ask.inner)):
            return None
        return self._simple(ask, Marker("query"), ask.parameter.name)

    def _by_default(self, ask: "_Question") -> Getter | None:
        if ask.annotated or ask.parameter.default is ABSENT:
            return None
        default = ask.parameter.default
        if default is not None and not is_scalar(type(default)):
            return None
        return self._simple(ask, Marker("query"), ask.parameter.name)

    def _simple(self, ask: "_Question", marker: Marker, name: str) -> Getter:
        annotation: Any = ask.annotation
        if not ask.annotated:
            default = ask.default
            annotation = str if default is None or default is MISSING else type(default)
        if is_structure(ask.inner) and not is_scalar(ask.inner):
            raw = structure(marker.place, ask.inner)
            return self._add(ask, marker.place, "", from_text(annotation), raw)
        raw = reader_of(marker.place, name, ask.inner)
        checked = constrained(from_text(annotation), marker.constraints)
        return self._add(ask, marker.place, name, checked, raw)

    def _add(self, ask: "_Question", place: str, name: str, annotation: Any, raw: Raw) -> Getter:
        self._refuse_unknown(ask, annotation)
        simple = Simple(self._key(), place, name, annotation, ask.default, raw)
        return Getter(ask.inputs.add(simple))

    def _form(self, ask: "_Question", marker: Marker) -> Getter:
        self._refuse_bodiless(ask)
        if ask.inputs.parts:
            raise Unreadable(
                f"the body is already read as JSON by {ask.inputs.parts[0].name!r}",
                f"{ask.inputs.parts[0].name}: ... = Form(), on both",
            )
        name = marker.alias or ask.parameter.name
        annotation = ask.annotation if ask.annotated else str
        if marker.place == "file":
            annotation = ask.annotation if ask.annotated else UploadedFile
            if ask.annotated and not _is_file(ask.inner):
                raise Unreadable(
                    f"File() gives an uploaded file, not {_shown(ask.inner)}",
                    f"{ask.parameter.name}: UploadedFile = File()",
                )
            raw = reader_of("form", name, ask.inner)
        elif is_structure(ask.inner) and not is_scalar(ask.inner):
            name, raw = "", structure("form", ask.inner)
        else:
            raw = reader_of("form", name, ask.inner if ask.annotated else str)
        annotation = constrained(from_text(annotation), marker.constraints)
        self._refuse_unknown(ask, annotation)
        field = Simple(self._key(), "form", name, annotation, ask.default, raw)
        of_target = ask.asker is self._reading.target
        return Getter(ask.inputs.add_form(field, of_target=of_target), awaits=True)

    def _refuse_bodiless(self, ask: "_Question") -> None:
        methods = self._reading.methods
        if methods and methods <= _BODILESS:
            raise Unreadable(
                f"a {'/'.join(sorted(methods))} request has no body to read this from",
                f"{ask.parameter.name}: {_shown(ask.inner)} = Query()",
            )
        if self._reading.limits.body is None:
            raise Unreadable(
                "limits.body is None, and a body without a limit can only be streamed",
                f"limit_body=... on the route, or {ask.parameter.name}: AsyncIterator[bytes]",
            )

    def _body(self, ask: "_Question", marker: Marker) -> Getter:
        name = marker.alias or ask.parameter.name
        annotation = ask.annotation if ask.annotated else Any
        if is_parsed(ask.inner) or (
            is_many(ask.inner) and any(map(is_parsed, get_args(ask.inner)))
        ):
            annotation = from_text(annotation)
        annotation = constrained(annotation, marker.constraints)
        self._refuse_bodiless(ask)
        if ask.inputs.form:
            raise Unreadable(
                f"the body is already read as a form by {ask.inputs.form[0].name!r}",
                f"{ask.parameter.name}: {_shown(ask.inner)} = Form()",
            )
        parts = ask.inputs.parts
        if parts and not (marker.embed and all(part.embed for part in parts)):
            raise Unreadable(
                f"the body is already read by {parts[0].name!r}",
                f"{ask.parameter.name}: {_shown(ask.inner)} = Body(embed=True), on both",
            )
        self._refuse_unknown(ask, annotation)
        part = BodyPart(self._key(), name, annotation, ask.default, marker.embed)
        of_target = ask.asker is self._reading.target
        read, read_now = ask.inputs.add_part(part, of_target=of_target)
        return Getter(read, awaits=True, now=read_now)

    def _refuse_unknown(self, ask: "_Question", annotation: Any) -> None:
        reason = check_annotation(annotation)
        if reason is not None:
            raise Unreadable(
                f"its type cannot be read from a request: {reason}",
                f"{ask.parameter.name}: {_shown(ask.inner)} = Depend()",
            )

    def _key(self) -> str:
        self._count += 1
        return str(self._count)

    def _roles_of(self, asker: Asker) -> Mapping[str, str]:
        if asker not in self._roles:
            by_position = not (self._reading.method and asker is self._reading.target)
            self._roles[asker] = _roles(asker, self._reading.path, by_position)
        return self._roles[asker]


@dataclass(slots=True)
class _Question:
    """One parameter, with its annotation taken apart."""

    asker: Asker
    parameter: Parameter
    inputs: Inputs
    annotated: bool = False
    annotation: Any = None
    inner: Any = None
    metadata: tuple[object, ...] = ()
    marker: Marker | None = None

    def __post_init__(self) -> None:
        hint = self.parameter.annotation
        default = self.parameter.default
        marked = default if isinstance(default, Marker) else None
        self.annotated = hint is not ABSENT
        if self.annotated:
            bare, metadata = without_metadata(hint)
            found = [item for item in metadata if isinstance(item, Marker)]
            self.metadata = tuple(item for item in metadata if not isinstance(item, Marker))
            self.annotation = Annotated[(bare, *self.metadata)] if self.metadata else bare
            self.inner = without_none(bare)
            marked = marked or (found[-1] if found else None)
        self.marker = marked

    @property
    def default(self) -> object:
        """What stands in when nothing came; ``T | None`` without a default gives None."""
        given = self.parameter.default
        if given is not ABSENT and not isinstance(given, Marker):
            return given
        if self.marker is not None and self.marker.default is not MISSING:
            return self.marker.default
        if self.annotated and self.inner is not without_metadata(self.annotation)[0]:
            return None
        return MISSING


_REQUEST: Final = Getter(request_of, same=True)
_RESPONSE: Final = Getter(response_of, same=True)
_STREAM: Final = Getter(stream_of)
_CONTEXT: Final = Getter(context_of)
_TASKS: Final = Getter(tasks_of)
_ROLES: Final = {"request": _REQUEST, "response": _RESPONSE}


def _roles(asker: Asker, path: Iterable[str], by_position: bool) -> dict[str, str]:
    """Return which parameters are the request and the builder by their name or position."""
    parameters = list(inspect.signature(asker).parameters.values())
    roles = {p.name: "request" for p in parameters if p.name in _REQUEST_NAMES}
    roles |= {p.name: "response" for p in parameters if p.name in _RESPONSE_NAMES}
    if not by_position:
        return roles
    leading = []
    for parameter in parameters:
        bare = parameter.annotation is parameter.empty and parameter.default is parameter.empty
        if not bare or parameter.kind not in _POSITIONAL:
            break
        if parameter.name not in path and parameter.name != "self":
            leading.append(parameter.name)
    for name, role in zip(leading, ("request", "response"), strict=False):
        roles.setdefault(name, role)
    return roles


def _is_file(inner: Any) -> bool:
    """Tell whether this is an uploaded file, or a list, set or tuple of them."""
    if is_many(inner):
        items = [item for item in get_args(inner) if item is not Ellipsis]
        return bool(items) and all(item is UploadedFile for item in items)
    return inner is UploadedFile


def _shown(annotation: object) -> str:
    return getattr(annotation, "__name__", None) or str(annotation)
