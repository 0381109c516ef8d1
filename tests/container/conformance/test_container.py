"""The container (``design/container.md`` section 9)."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

import anyio
import anyio.lowlevel
import pytest

from nexios.container.container import Container
from nexios.container.errors import (
    ContainerError,
    ContainerNotRunning,
    MissingBinding,
    NeedsAsyncClose,
    ScopeClosed,
    UnusableSource,
)
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope
from tests.support.wiring import module_of

pytestmark = pytest.mark.anyio


class Thing:
    pass


class Uses:
    def __init__(self, thing: Thing) -> None: ...


class Above:
    def __init__(self, uses: Uses) -> None: ...


class Port(Protocol):
    def work(self) -> None: ...


class Abstract(ABC):
    @abstractmethod
    def work(self) -> None: ...


@pytest.mark.parametrize("scope", [Scope.SINGLETON, Scope.REQUEST, Scope.TRANSIENT])
async def test_the_original_exception_of_a_constructor_is_raised(scope: Scope) -> None:
    mine = ZeroDivisionError("mine")

    class Broken:
        def __init__(self) -> None:
            raise mine

    class Holder:
        def __init__(self, broken: Broken) -> None: ...

    module = Module("app")
    for cls in (Broken, Holder):
        module.bind(cls, scope=scope, lazy=scope is Scope.SINGLETON)
    async with Container(module) as container, container.enter() as running:
        with pytest.raises(ZeroDivisionError) as refusal:
            await running.get(Holder)
    assert refusal.value is mine


def test_a_missing_indirect_dependency_names_its_asker() -> None:
    with pytest.raises(MissingBinding) as refusal:
        Container(module_of(Above, Uses)).validate()
    assert refusal.value.key == Key(Thing)
    texts = [step.text for step in refusal.value.asked_by]
    assert texts == ["Uses.__init__(thing)", "Above.__init__(uses)"]


@pytest.mark.parametrize("cls", [Port, Abstract])
@pytest.mark.parametrize("scope", [Scope.SINGLETON, Scope.REQUEST])
async def test_types_that_cannot_be_built_are_refused_at_start(cls: Any, scope: Scope) -> None:
    module = Module("app")
    module.bind(cls, scope=scope)
    with pytest.raises(UnusableSource, match=cls.__name__):
        await Container(module).start()


async def test_constants_arrive() -> None:
    class Configured:
        def __init__(self, host: str, ports: dict[str, int], nothing: object) -> None:
            self.all = (host, ports, nothing)

    ports = {"http": 80}
    module = Module("app")
    module.bind(Configured).using(host="localhost", ports=ports, nothing=None)
    async with Container(module) as container, container.enter() as scope:
        made = (await scope.get(Configured)).all
    assert made == ("localhost", ports, None)
    assert made[1] is ports


async def test_values_of_optional_parameters_arrive() -> None:
    class Configured:
        def __init__(self, size: int = 3, name: str | None = None, *, on: bool = True) -> None:
            self.all = (size, name, on)

    module = Module("app")
    module.bind(Configured)
    module.bind(Key(Configured, "other")).to(Configured).using(name="x", on=False)
    async with Container(module) as container, container.enter() as scope:
        assert (await scope.get(Configured)).all == (3, None, True)
        assert (await scope.get(Key(Configured, "other"))).all == (3, "x", False)


async def test_a_stopped_container_refuses_asks() -> None:
    container = Container(module_of(Thing, scope=Scope.SINGLETON))
    async with container:
        await container.get(Thing)
    with pytest.raises(ContainerNotRunning):
        await container.get(Thing)


async def test_a_stopped_container_refuses_new_scopes() -> None:
    container = Container(module_of(Thing))
    async with container:
        pass
    with pytest.raises(ContainerNotRunning):
        container.enter()


async def test_a_closed_scope_refuses_asks() -> None:
    async with Container(module_of(Thing)) as container:
        async with container.enter() as scope:
            await scope.get(Thing)
        for ask in (scope.get, scope.call):
            with pytest.raises(ScopeClosed):
                await ask(Thing)
        with pytest.raises(ScopeClosed):
            scope.get_now(Thing)


async def test_a_closed_scope_refuses_new_scopes() -> None:
    async with Container(module_of(Thing)) as container:
        async with container.enter() as scope:
            pass
        with pytest.raises(ScopeClosed):
            scope.enter()


async def test_a_scope_below_a_closed_one_refuses_asks() -> None:
    async with Container(module_of(Thing)) as container:
        async with container.enter(Scope.CONNECTION) as outer:
            inner = outer.enter()
        with pytest.raises(ScopeClosed, match="CONNECTION scope is closed"):
            await inner.get(Thing)


async def test_wide_trees_of_a_thousand_siblings_resolve() -> None:
    module = Module("app")
    for number in range(1000):
        module.add(Thing).to(type(f"Thing{number}", (Thing,), {}))
    async with Container(module) as container, container.enter() as scope:
        found = await scope.get(list[Thing])
    assert [type(item).__name__ for item in found] == [f"Thing{number}" for number in range(1000)]


@pytest.mark.parametrize("scope", [Scope.REQUEST, Scope.TRANSIENT])
async def test_deep_trees_resolve(scope: Scope) -> None:
    module = Module("app")
    before: type = Thing
    module.bind(Thing, scope=scope)
    for number in range(300):

        def init(self: object, inner: object) -> None: ...

        init.__annotations__["inner"] = before
        before = type(f"Level{number}", (), {"__init__": init})
        module.bind(before, scope=scope)
    async with Container(module) as container, container.enter() as running:
        assert type(await running.get(before)) is before


async def test_async_clean_up_is_awaited() -> None:
    log: list[str] = []
    module = Module("app")

    @module.provides()
    async def thing() -> AsyncIterator[Thing]:
        yield Thing()
        await anyio.lowlevel.checkpoint()
        log.append("closed")

    async with Container(module) as container:
        async with container.enter() as scope:
            await scope.get(Thing)
        assert log == ["closed"]


async def test_leaving_a_scope_synchronously_with_an_async_clean_up_is_refused_by_name() -> None:
    module = Module("app")

    @module.provides()
    async def thing() -> AsyncIterator[Thing]:
        yield Thing()

    async with Container(module) as container:
        scope = container.enter()
        await scope.get(Thing)
        with pytest.raises(NeedsAsyncClose, match="the clean-up of Thing awaits"):
            scope.__exit__(None, None, None)
        # Nothing is lost: it can still be left as it must.
        assert not scope.closed
        await scope.close()


async def test_what_a_factory_opened_is_cleaned() -> None:
    log: list[str] = []
    module = Module("app")

    @module.provides()
    def thing() -> Iterator[Thing]:
        log.append("opened")
        try:
            yield Thing()
        finally:
            log.append("cleaned")

    module.bind(Uses)
    async with Container(module) as container:
        with pytest.raises(ContainerError, match="mine"):
            async with container.enter() as scope:
                await scope.get(Uses)
                raise ContainerError("mine")
    assert log == ["opened", "cleaned"]
