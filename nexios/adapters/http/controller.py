"""Controller classes: HTTP endpoints as methods, their services by the constructor."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeVar

from typing_extensions import TypedDict, Unpack

from nexios.adapters.asgi.controllers import (
    ControllerRefused,
    is_method,
    note_keywords,
    short_name,
)
from nexios.adapters.http.registration import caller, evaluate_local_names, line_of
from nexios.adapters.http.routes import RouteOptions, Routes, check_options
from nexios.records import dataclass

F = TypeVar("F", bound=Callable[..., Any])

MARK: Final = "__nexios_verbs__"

_JOINED: Final = ("tags", "guards", "middleware", "dependencies", "error_handlers", "responses")


class ControllerError(ControllerRefused):
    """A controller class that cannot serve."""


@dataclass(frozen=True, slots=True)
class Verb:
    """What a method decorator noted on its function."""

    path: str
    methods: tuple[str, ...]
    options: RouteOptions
    where: str


class ControllerKeywords(TypedDict, total=False):
    """The keywords of ``class X(Controller, path=...)``; joined with those of the bases."""

    path: str
    name: str | None
    tags: Sequence[str]
    guards: Sequence[Any]
    middleware: Sequence[Any]
    dependencies: Sequence[Any]
    responses: Mapping[int, Any]
    security: Sequence[Mapping[str, Sequence[str]]] | None
    error_handlers: Mapping[Any, Callable[..., Any]]
    exclude_from_schema: bool


_KEYWORDS: Final = frozenset(ControllerKeywords.__annotations__)


class Controller:
    """Base of HTTP controllers.

    Constructor parameters are wired by their types; one instance serves one request, or the
    whole app where the container finds that safe. Methods marked by ``@get`` and its siblings
    are the endpoints, and stay plain methods for unit tests.
    """

    __nexios_layer__: ClassVar[str] = "http"
    __nexios_keywords__: ClassVar[ControllerKeywords] = {}

    def __init_subclass__(cls, **keywords: Unpack[ControllerKeywords]) -> None:
        """Join the class keywords with those of the bases.

        Raises:
            TypeError: A keyword is unknown; the nearest known one is named.
        """
        super().__init_subclass__()
        note_keywords(cls, keywords, known=_KEYWORDS, joined=_JOINED)


def controller_name(controller: type[Controller]) -> str:
    """Return the name in routes: ``OrderController`` is ``order``, unless ``name=`` says else."""
    given = controller.__nexios_keywords__.get("name")
    if given:
        return given
    return short_name(controller, "Controller")


def routes_of(controller: type[Controller]) -> list[Routes]:
    """Return the routes of a controller, its class keywords left aside.

    Raises:
        ControllerError: A verb stands on a private name or on something without ``self``, or
            the constructor asks for the request.
    """
    _check_constructor(controller)
    found = []
    for name, function in _members(controller):
        if name.startswith("_"):
            says = "a private method cannot be an endpoint"
            raise ControllerError(controller, name, says, f"rename it to {name.lstrip('_')}")
        if not is_method(function):
            says = "an endpoint is a method whose first parameter is self"
            raise ControllerError(controller, name, says, f"def {name}(self, ...)")
        for verb in getattr(function, MARK):
            route = Routes(verb.path, function, verb.methods, **verb.options)
            route.name = route.name or name
            route.where = verb.where
            found.append(route)
    if not found:
        says = "no method has a verb, so it could never be called"
        raise ControllerError(controller, "*", says, "mark a method with @get(...)")
    return found


def _members(controller: type[Controller]) -> Iterable[tuple[str, Any]]:
    # A subclass's method of the same name stands in for the inherited one, at its place.
    seen: dict[str, Any] = {}
    for base in reversed(controller.__mro__):
        for name, value in base.__dict__.items():
            inner = getattr(value, "__func__", value)
            if hasattr(inner, MARK):
                seen[name] = value
            elif name in seen:
                del seen[name]
    return seen.items()


def _check_constructor(controller: type[Controller]) -> None:
    if controller.__init__ is object.__init__:
        return
    # What serves a request is not loaded by an application without such controllers.
    from nexios.adapters.asgi.connection import Connection
    from nexios.adapters.http.builder import Response

    for name, parameter in inspect.signature(controller.__init__).parameters.items():
        asked = parameter.annotation
        by_type = isinstance(asked, type) and issubclass(asked, (Connection, Response))
        by_text = isinstance(asked, str) and asked.rpartition(".")[2] in ("Request", "Response")
        bare = asked is parameter.empty and name in ("request", "response")
        if by_type or by_text or bare:
            says = f"{name} belongs to one request, and the constructor may serve many"
            fix = f"ask for {name} in the method that needs it"
            raise ControllerError(controller, "__init__", says, fix)


def route(
    path: str = "", methods: Iterable[str] | None = None, **options: Unpack[RouteOptions]
) -> Callable[[F], F]:
    """Mark a method as an endpoint for several methods; several marks may stand on one."""
    known = check_options(options, f"route {path!r}")
    frame = caller()
    verb = Verb(path, tuple(methods or ()), known, line_of(frame))

    def mark(function: F) -> F:
        target = getattr(function, "__func__", function)
        evaluate_local_names(target, frame)
        setattr(target, MARK, (verb, *getattr(target, MARK, ())))
        return function

    return mark


def get(path: str = "", **options: Unpack[RouteOptions]) -> Callable[[F], F]:
    """Mark a controller method as the endpoint for GET."""
    return route(path, ("GET",), **options)


def post(path: str = "", **options: Unpack[RouteOptions]) -> Callable[[F], F]:
    """Mark a controller method as the endpoint for POST."""
    return route(path, ("POST",), **options)


def put(path: str = "", **options: Unpack[RouteOptions]) -> Callable[[F], F]:
    """Mark a controller method as the endpoint for PUT."""
    return route(path, ("PUT",), **options)


def patch(path: str = "", **options: Unpack[RouteOptions]) -> Callable[[F], F]:
    """Mark a controller method as the endpoint for PATCH."""
    return route(path, ("PATCH",), **options)


def delete(path: str = "", **options: Unpack[RouteOptions]) -> Callable[[F], F]:
    """Mark a controller method as the endpoint for DELETE."""
    return route(path, ("DELETE",), **options)


def head(path: str = "", **options: Unpack[RouteOptions]) -> Callable[[F], F]:
    """Mark a controller method as the endpoint for HEAD."""
    return route(path, ("HEAD",), **options)


def options(path: str = "", **options: Unpack[RouteOptions]) -> Callable[[F], F]:
    """Mark a controller method as the endpoint for OPTIONS."""
    return route(path, ("OPTIONS",), **options)
