"""The graph the Python containers publish on, the same graph written by hand, and its module.

Settings -> A -> B are singletons; C to G are five request-scoped frozen dataclasses with ten
edges; H comes from a generator, I from an async generator. ``Session -> Repository -> Service``
is the small graph with one async generator.

By hand means straight code with the same guarantees: what a generator opened is closed in
reverse order, told of the handler's exception, and an async clean-up runs under the shield that
keeps a cancelled request from cutting it short.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from nexios.container.depend import Depend
from nexios.container.entry import EntryPoint
from nexios.container.keys import AnyKey, Key
from nexios.container.module import Module
from nexios.container.scope import Scope, ScopeContext

CLOSE_TIMEOUT_S = 5.0


class Request:
    """The one value of a call."""


@dataclass(frozen=True)
class Settings:
    """Bound as a value."""


class A:
    """Singleton."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings


class B:
    """Singleton."""

    def __init__(self, a: A) -> None:
        self.a = a


@dataclass(frozen=True)
class C:
    """Request-scoped, no edge."""


@dataclass(frozen=True)
class D:
    """Request-scoped, one edge."""

    c: C


@dataclass(frozen=True)
class E:
    """Request-scoped, two edges."""

    c: C
    d: D


@dataclass(frozen=True)
class F:
    """Request-scoped, three edges."""

    c: C
    d: D
    e: E


@dataclass(frozen=True)
class G:
    """Request-scoped, four edges."""

    c: C
    d: D
    e: E
    f: F


class Opened:
    """What a generator opens and closes."""

    def __init__(self) -> None:
        self.open = True


class H(Opened):
    """Opened by a generator."""

    def __init__(self, c: C, d: D) -> None:
        super().__init__()
        self.c, self.d = c, d


class I(Opened):  # noqa: E742  # the name in the published graph
    """Opened by an async generator."""

    def __init__(self, e: E, f: F) -> None:
        super().__init__()
        self.e, self.f = e, f


def make_h(c: C, d: D) -> Iterator[H]:
    """Open and close an H."""
    opened = H(c, d)
    try:
        yield opened
    finally:
        opened.open = False


async def make_i(e: E, f: F) -> AsyncIterator[I]:
    """Open and close an I."""
    opened = I(e, f)
    try:
        yield opened
    finally:
        opened.open = False


class Session(Opened):
    """Opened by an async generator."""


async def make_session() -> AsyncIterator[Session]:
    """Open and close a session."""
    opened = Session()
    try:
        yield opened
    finally:
        opened.open = False


class Repository:
    """Asks for the session."""

    def __init__(self, session: Session) -> None:
        self.session = session


class Service:
    """Asks for the repository."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository


class Inner:
    """Made for each asker."""

    def __init__(self, b: B) -> None:
        self.b = b


class Outer:
    """Made for each asker, what it asks for too."""

    def __init__(self, one: Inner, two: Inner) -> None:
        self.one, self.two = one, two


COUNTED: tuple[type, ...] = (A, B, C, D, E, F, G, H, I, Session, Repository, Service, Inner, Outer)


@contextmanager
def counted() -> Iterator[dict[str, int]]:
    """Count how many objects of each class are made in the block."""
    made: dict[str, int] = {}

    def counting(cls: type) -> Callable[..., None]:
        original: Callable[..., None] = cls.__init__  # type: ignore[misc]  # of this very class

        def construct(self: object, *args: object, **kwargs: object) -> None:
            if type(self) is cls:
                made[cls.__name__] = made.get(cls.__name__, 0) + 1
            original(self, *args, **kwargs)

        return construct

    own = {cls: vars(cls).get("__init__") for cls in COUNTED}
    for cls in COUNTED:
        type.__setattr__(cls, "__init__", counting(cls))
    try:
        yield made
    finally:
        for cls, original in own.items():
            if original is None:
                type.__delattr__(cls, "__init__")
            else:
                type.__setattr__(cls, "__init__", original)


Answer = tuple[object, ...]


def c1(
    request: Request = Depend(),
    a: A = Depend(),
    b: B = Depend(),
    c: C = Depend(),
    d: D = Depend(),
    e: E = Depend(),
    f: F = Depend(),
    g: G = Depend(),
) -> Answer:
    """Ask for both singletons and the five request-scoped objects: eight parameters."""
    return (a, b, c, d, e, f, g)


async def c2(
    request: Request = Depend(),
    a: A = Depend(),
    b: B = Depend(),
    c: C = Depend(),
    d: D = Depend(),
    e: E = Depend(),
    f: F = Depend(),
    g: G = Depend(),
    h: H = Depend(),
    i: I = Depend(),
) -> Answer:
    """Ask for everything."""
    return (a, b, c, d, e, f, g, h, i)


def c3(request: Request = Depend(), a: A = Depend(), b: B = Depend()) -> Answer:
    """Ask for the singletons."""
    return (a, b)


async def c4(request: Request = Depend(), service: Service = Depend()) -> Answer:
    """Ask for three objects over one async generator."""
    return (service, service.repository, service.repository.session)


def outer(made: Outer = Depend()) -> Answer:
    """Ask for what is made for each asker."""
    return (made, made.one, made.two)


class ByHand:
    """The straight code."""

    def __init__(self) -> None:
        self.a = A(Settings())
        self.b = B(self.a)

    def c1(self) -> Callable[[Request], Answer]:
        """Return C1 as people would write it."""
        a, b, handler = self.a, self.b, c1

        def call(request: Request) -> Answer:
            c = C()
            d = D(c)
            e = E(c, d)
            f = F(c, d, e)
            g = G(c, d, e, f)
            return handler(request, a, b, c, d, e, f, g)

        return call

    def c2(self, *, shielded: bool) -> Callable[[Request], object]:
        """Return C2, the generators driven as the container has to drive them."""
        a, b, handler = self.a, self.b, c2
        close_async = _close_shielded if shielded else _close

        async def call(request: Request) -> Answer:
            c = C()
            d = D(c)
            e = E(c, d)
            f = F(c, d, e)
            g = G(c, d, e, f)
            opened_h = make_h(c, d)
            h = next(opened_h)
            try:
                opened_i = make_i(e, f)
                i = await anext(opened_i)
                try:
                    result = await handler(request, a, b, c, d, e, f, g, h, i)
                except BaseException as error:
                    await close_async(opened_i, error)
                    raise
                await close_async(opened_i, None)
            except BaseException as error:
                _close_now(opened_h, error)
                raise
            _close_now(opened_h, None)
            return result

        return call

    def c3(self) -> Callable[[Request], Answer]:
        """Return C3."""
        a, b, handler = self.a, self.b, c3

        def call(request: Request) -> Answer:
            return handler(request, a, b)

        return call

    def c4(self, *, shielded: bool) -> Callable[[Request], object]:
        """Return C4."""
        handler = c4
        close_async = _close_shielded if shielded else _close

        async def call(request: Request) -> Answer:
            opened = make_session()
            session = await anext(opened)
            try:
                result = await handler(request, Service(Repository(session)))
            except BaseException as error:
                await close_async(opened, error)
                raise
            await close_async(opened, None)
            return result

        return call


def _close_now(opened: Iterator[object], error: BaseException | None) -> None:
    try:
        if error is None:
            next(opened)
        else:
            opened.throw(error)  # type: ignore[attr-defined]  # a generator
    except StopIteration:
        return
    raise RuntimeError("yielded twice")


async def _close(opened: AsyncIterator[object], error: BaseException | None) -> None:
    try:
        if error is None:
            await anext(opened)
        else:
            await opened.athrow(error)  # type: ignore[attr-defined]  # a generator
    except StopAsyncIteration:
        return
    raise RuntimeError("yielded twice")


async def _close_shielded(opened: AsyncIterator[object], error: BaseException | None) -> None:
    with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True) as limit:
        await _close(opened, error)
    if limit.cancelled_caught:
        raise TimeoutError("the clean-up was abandoned")


def graph_module() -> Module:
    """Return the graph as somebody registers it here."""
    graph = Module("graph")
    graph.bind(Request).given()
    graph.bind(Settings).value(Settings())
    for singleton in (A, B):
        graph.bind(singleton, scope=Scope.SINGLETON)
    for scoped in (C, D, E, F, G, Repository, Service):
        graph.bind(scoped)
    graph.bind(H).to(make_h)
    graph.bind(I).to(make_i)
    graph.bind(Session).to(make_session)
    for transient in (Inner, Outer):
        graph.bind(transient, scope=Scope.TRANSIENT)
    return graph


REQUEST: AnyKey = Key(Request)
SCOPE: AnyKey = Key(ScopeContext)


def point(handler: Callable[..., object], *, shared: bool = False) -> EntryPoint:
    """Return what an adapter would register for a handler.

    Args:
        handler: One of the functions above.
        shared: Whether it runs in a scope that is open already, handed over beside the request.
    """
    values = (REQUEST, SCOPE) if shared else (REQUEST,)
    return EntryPoint(handler.__name__, handler, values=values, shared=shared)
