"""The same graph in the other containers, each in the fastest of the ways its manual shows.

dishka: ``container.get`` in a request container, without the lock it takes for threads.
wireup: a function wrapped by ``inject_from_container``, which compiles its resolvers.
that-depends: ``ContextResource`` for what lives as long as a request, a function wrapped by
``inject`` with ``Provide``; its ``Factory`` would make a C for each of its four askers.

They close what generators opened without a shield: a cancelled request cuts it short.
"""

import importlib
import importlib.util
import operator
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from container_graph import (
    A,
    Answer,
    B,
    C,
    D,
    E,
    F,
    G,
    H,
    I,
    Request,
    Settings,
    c1,
    c2,
    c3,
    make_h,
    make_i,
)

Call = Callable[[Request], Any]


@dataclass(frozen=True, slots=True)
class Peer:
    """What a container answers with: cell to call; C2 is awaited."""

    name: str
    cells: Mapping[str, Call]


def peers() -> tuple[list[Peer], list[str]]:
    """Return the containers that are installed, and the names of those that are not."""
    makers = {"dishka": dishka, "wireup": wireup, "that-depends": that_depends}
    found = {name: importlib.util.find_spec(name.replace("-", "_")) for name in makers}
    present = [Peer(name, make()) for name, make in makers.items() if found[name]]
    return present, [name for name, spec in found.items() if not spec]


def dishka() -> Mapping[str, Call]:
    """Return the cells in dishka."""
    library: Any = importlib.import_module("dishka")
    app, request_scope = library.Scope.APP, library.Scope.REQUEST
    both = library.Provider()
    both.provide(Settings, scope=app)
    for cls in (A, B):
        both.provide(cls, scope=app)
    for scoped in (C, D, E, F, G):
        both.provide(scoped, scope=request_scope)
    both.provide(make_h, scope=request_scope)
    later = library.Provider()
    later.provide(make_i, scope=request_scope)
    # Closed with the process: nothing of the root has a clean-up.
    container = library.make_container(both, lock_factory=None)
    async_container = library.make_async_container(both, later, lock_factory=None)

    def one(request: Request) -> Answer:
        with container() as scope:
            get = scope.get
            return c1(request, get(A), get(B), get(C), get(D), get(E), get(F), get(G))

    async def two(request: Request) -> Answer:
        async with async_container() as scope:
            get = scope.get
            return await c2(
                request, await get(A), await get(B), await get(C), await get(D), await get(E),
                await get(F), await get(G), await get(H), await get(I),
            )  # fmt: skip

    def three(request: Request) -> Answer:
        return c3(request, container.get(A), container.get(B))

    return {"C1": one, "C2": two, "C3": three}


def wireup() -> Mapping[str, Call]:
    """Return the cells in wireup."""
    library: Any = importlib.import_module("wireup")
    singleton = library.injectable(lifetime="singleton")
    scoped = library.injectable(lifetime="scoped")

    plain = [singleton(cls) for cls in (Settings, A, B)]
    plain += [scoped(cls) for cls in (C, D, E, F, G)]

    def injected(handler: Callable[..., object]) -> Callable[..., object]:
        hints = handler.__annotations__.items()
        wanted = {name: operator.getitem(library.Injected, hint) for name, hint in hints
                  if name not in ("request", "return")}  # fmt: skip
        return _copy(handler, annotations=wanted)

    container = library.create_sync_container(injectables=[*plain, scoped(make_h)])
    async_container = library.create_async_container(
        injectables=[*plain, scoped(make_h), scoped(make_i)]
    )
    return {
        "C1": library.inject_from_container(container)(injected(c1)),
        "C2": library.inject_from_container(async_container)(injected(c2)),
        "C3": library.inject_from_container(container)(injected(c3)),
    }


def that_depends() -> Mapping[str, Call]:
    """Return the cells in that-depends."""
    library: Any = importlib.import_module("that_depends")
    providers = library.providers
    resource, singleton = providers.ContextResource, providers.Singleton

    def scoped(cls: Callable[..., object]) -> Callable[..., Iterator[object]]:
        def opened(*asked: object) -> Iterator[object]:
            yield cls(*asked)

        return opened

    class Graph(library.BaseContainer):  # type: ignore[misc]  # known at run time only
        default_scope = library.ContextScopes.INJECT
        settings = singleton(Settings)
        a = singleton(A, settings.cast)
        b = singleton(B, a.cast)
        c = resource(scoped(C))
        d = resource(scoped(D), c.cast)
        e = resource(scoped(E), c.cast, d.cast)
        f = resource(scoped(F), c.cast, d.cast, e.cast)
        g = resource(scoped(G), c.cast, d.cast, e.cast, f.cast)
        h = resource(make_h, c.cast, d.cast)
        i = resource(make_i, e.cast, f.cast)

    def injected(handler: Callable[..., object]) -> Call:
        names = handler.__annotations__
        marks = [library.Provide[getattr(Graph, name)] for name in names
                 if name not in ("request", "return")]  # fmt: skip
        wrapped: Call = library.inject(_copy(handler, defaults=marks))
        return wrapped

    return {"C1": injected(c1), "C2": injected(c2), "C3": injected(c3)}


def _copy(
    handler: Callable[..., object],
    *,
    defaults: Sequence[object] = (),
    annotations: Mapping[str, object] | None = None,
) -> Callable[..., object]:
    """Return the handler with other defaults and other annotations."""
    assert isinstance(handler, types.FunctionType)
    copied = types.FunctionType(
        handler.__code__, handler.__globals__, handler.__name__, tuple(defaults)
    )
    copied.__annotations__ = dict(annotations or handler.__annotations__)
    return copied
