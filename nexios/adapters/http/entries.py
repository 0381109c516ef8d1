"""What a router holds, in the order of registration, and how a change of it is told."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, SupportsIndex, TypeVar

from nexios.adapters.asgi.sublife import SubApp
from nexios.adapters.http.controller import Controller, routes_of
from nexios.adapters.http.routes import Routes
from nexios.adapters.routing.sockets import SocketRoute
from nexios.container.module import Module
from nexios.records import dataclass

T = TypeVar("T")
Changed = Callable[[], None]


class Holder(Protocol):
    """A router, as far as flattening needs to know it."""

    prefix: str
    name: str | None
    tags: tuple[str, ...]
    exclude_from_schema: bool
    guards: tuple[Any, ...]
    dependencies: tuple[Any, ...]
    exception_handlers: dict[Any, Callable[..., Any]]
    limits: dict[str, Any]

    @property
    def routes(self) -> "Sequence[Entry]":
        """Entries in order of registration."""

    @property
    def middleware(self) -> Sequence[Any]:
        """Middleware, outermost first."""


@dataclass(frozen=True, slots=True)
class Mounted:
    """A router below another one, at ``prefix`` or at its own."""

    router: Holder
    prefix: str | None


@dataclass(frozen=True, slots=True)
class Foreign:
    """An ASGI application that takes everything below ``prefix``."""

    app: SubApp
    prefix: str
    where: str

    def as_route(self, handler: Callable[..., object]) -> Routes:
        """Return a route for it; made anew each time, since an application has no signature."""
        route = Routes(self.prefix, handler, ("*",), exclude_from_schema=True)
        route.name = f"mount:{self.prefix}"
        route.where = self.where
        return route


@dataclass(slots=True, eq=False)
class Registered:
    """A controller class and the module whose keys it sees."""

    controller: type[Controller]
    module: Module | None
    where: str
    _routes: list[Routes] | None = None

    def routes(self) -> list[Routes]:
        """Return its routes, the same objects each time.

        Raises:
            ControllerError: It cannot serve.
        """
        if self._routes is None:
            self._routes = routes_of(self.controller)
        return self._routes


Entry = Routes | SocketRoute | Mounted | Foreign | Registered


class NoEntry(TypeError):
    """Something in ``routes=`` is no route."""

    def __init__(self, given: object) -> None:
        self.given = given
        super().__init__(given)

    def __str__(self) -> str:
        fix = "Routes(path, handler, methods)"
        if hasattr(self.given, "mount_router"):
            fix = "mount_router(router) once the app or router is made"
        elif isinstance(self.given, type) and issubclass(self.given, Controller):
            fix = f"add_controller({self.given.__name__}), or Module.controllers(...)"
        return f"routes= takes a list of routes, not {self.given!r}\n  fix: {fix}"


def checked(routes: Iterable[Any], router: type[T]) -> list[Entry | T]:
    """Return the entries as a list; one of class ``router`` may stand among them.

    Raises:
        NoEntry: One of them is none, or they are no list.
    """
    if not isinstance(routes, Iterable):
        raise NoEntry(routes)
    entries = list(routes)
    for one in entries:
        if not isinstance(one, (Entry, router)):
            raise NoEntry(one)
    return entries


class LiveList(list[T]):
    """A list that tells of each change, and takes it back when the listener refuses it."""

    def __init__(self, items: Iterable[T], changed: Changed) -> None:
        super().__init__(items)
        self._changed = changed

    def _change(self, fresh: list[T]) -> None:
        before = list(self)
        super().__setitem__(slice(None), fresh)
        try:
            self._changed()
        except BaseException:
            super().__setitem__(slice(None), before)
            raise

    def append(self, item: T) -> None:
        """Add at the end."""
        self._change([*self, item])

    def extend(self, items: Iterable[T]) -> None:
        """Add several at the end: one change."""
        self._change([*self, *items])

    def __iadd__(self, items: Iterable[T]) -> "LiveList[T]":  # type: ignore[override, misc]  # list's is wider
        self.extend(items)
        return self

    def insert(self, index: SupportsIndex, item: T) -> None:
        """Add before ``index``."""
        fresh = list(self)
        fresh.insert(index, item)
        self._change(fresh)

    def remove(self, item: T) -> None:
        """Take the first equal item out."""
        fresh = list(self)
        fresh.remove(item)
        self._change(fresh)

    def pop(self, index: SupportsIndex = -1) -> T:
        """Take one out and return it."""
        fresh = list(self)
        item = fresh.pop(index)
        self._change(fresh)
        return item

    def clear(self) -> None:
        """Take all out."""
        self._change([])

    def __setitem__(self, index: Any, value: Any) -> None:
        fresh = list(self)
        fresh[index] = value
        self._change(fresh)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        fresh = list(self)
        del fresh[index]
        self._change(fresh)
