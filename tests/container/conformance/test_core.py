"""Core sentences of the .NET specification suite (``design/container.md`` section 9)."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Protocol

import pytest

from nexios.container.container import Container
from nexios.container.depend import Lazy, Provider, Scopes
from nexios.container.errors import (
    ContainerNotRunning,
    DuplicateBinding,
    MissingBinding,
    ScopeClosed,
    WrongScope,
)
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope
from tests.support.wiring import module_of

pytestmark = pytest.mark.anyio


class Port(Protocol):
    def work(self) -> str: ...


class Adapter:
    def work(self) -> str:
        return "done"


class Other(Adapter):
    pass


class Thing:
    pass


class Uses:
    def __init__(self, thing: Thing) -> None:
        self.thing = thing


def opening(log: list[str], scope: Scope, name: str = "thing") -> Module:
    """Return a module whose ``Thing`` notes when it is opened and closed."""
    module = Module("app")

    def thing() -> Iterator[Thing]:
        log.append(f"open {name}")
        yield Thing()
        log.append(f"close {name}")

    module.bind(Thing, scope=scope).to(thing)
    return module


def different(made: Sequence[object]) -> int:
    return len(set(map(id, made)))


async def test_a_port_bound_to_a_class_resolves_to_that_class() -> None:
    module = Module("app")
    module.bind(Port).to(Adapter)
    async with Container(module) as container, container.enter() as scope:
        assert type(await scope.get(Port)) is Adapter
        assert type(scope.get_now(Port)) is Adapter


async def test_a_transient_differs_at_each_ask_from_the_container() -> None:
    async with Container(module_of(Thing, scope=Scope.TRANSIENT)) as container:
        assert different([await container.get(Thing) for _ in range(3)]) == 3


async def test_a_transient_differs_at_each_ask_from_a_scope() -> None:
    module = module_of(Thing, scope=Scope.TRANSIENT)
    async with Container(module) as container, container.enter() as scope:
        made = [await scope.get(Thing), await scope.get(Thing), scope.get_now(Thing)]
        assert different(made) == 3


async def test_a_transient_differs_across_scopes() -> None:
    module = module_of(Thing, scope=Scope.TRANSIENT)
    async with (
        Container(module) as container,
        container.enter() as one,
        container.enter() as two,
        two.enter() as inner,
    ):
        made = [await asked.get(Thing) for asked in (container, one, two, inner)]
        assert different(made) == 4


async def test_a_singleton_is_the_same_at_each_ask() -> None:
    async with (
        Container(module_of(Thing, scope=Scope.SINGLETON)) as container,
        container.enter() as one,
        one.enter() as two,
    ):
        made = [await asked.get(Thing) for asked in (container, container, one, two)]
        assert different(made) == 1


async def test_a_supplied_instance_comes_back_itself() -> None:
    thing = Thing()
    module = Module("app")
    module.bind(Thing).value(thing)
    async with Container(module) as container, container.enter() as scope:
        assert await scope.get(Thing) is thing
        assert await container.get(Thing) is thing


async def test_a_singleton_that_asks_for_the_opener_gets_the_roots() -> None:
    class Holder:
        def __init__(self, scopes: Scopes) -> None:
            self.scopes = scopes

    module = module_of(Thing)
    module.bind(Holder, scope=Scope.SINGLETON, lazy=True)
    async with Container(module) as container:
        async with container.enter() as scope:
            holder = await scope.get(Holder)
            first = await scope.get(Thing)
        # The scope it was first asked in has ended; its opener has not.
        async with holder.scopes.enter() as scope:
            assert await scope.get(Thing) is not first
        assert holder.scopes is await container.get(Scopes)


@pytest.mark.parametrize("many", [0, 1, 3])
async def test_a_list_holds_the_one_the_several_or_none_of_its_bindings_in_order(
    many: int,
) -> None:
    kinds = [type(f"Kind{number}", (Thing,), {}) for number in range(many)]
    module = Module("app")
    for kind in reversed(kinds):
        module.add(Thing).to(kind)
    async with Container(module) as container, container.enter() as scope:
        assert [type(item) for item in await scope.get(list[Thing])] == kinds[::-1]
        assert [type(item) for item in await scope.get(tuple[Thing, ...])] == kinds[::-1]


async def test_single_and_list_asks_mix_in_one_constructor() -> None:
    class Mixed:
        def __init__(self, one: Thing, many: list[Thing], other: Uses) -> None:
            self.one, self.many, self.other = one, many, other

    module = module_of(Mixed, Uses)
    module.add(Thing)
    async with Container(module) as container, container.enter() as scope:
        mixed = await scope.get(Mixed)
        assert mixed.many == [mixed.one]
        assert mixed.other.thing is mixed.one


async def test_factory_functions_ask_for_their_own_dependencies() -> None:
    module = module_of(Thing)

    @module.provides()
    def uses(thing: Thing, scopes: Scopes) -> Uses:
        assert isinstance(scopes, Scopes)
        return Uses(thing)

    async with Container(module) as container, container.enter() as scope:
        assert (await scope.get(Uses)).thing is await scope.get(Thing)


@pytest.mark.parametrize("lifetime", [Scope.SINGLETON, Scope.REQUEST, Scope.TRANSIENT])
async def test_a_factorys_product_takes_part_in_scoping_like_any_other(lifetime: Scope) -> None:
    module = Module("app")

    @module.provides(scope=lifetime)
    def thing() -> Thing:
        return Thing()

    async with (
        Container(module) as container,
        container.enter() as one,
        container.enter() as two,
    ):
        made = [await one.get(Thing), await one.get(Thing), await two.get(Thing)]
    wanted = {Scope.SINGLETON: 1, Scope.REQUEST: 2, Scope.TRANSIENT: 3}
    assert different(made) == wanted[lifetime]


def test_a_second_binding_of_a_key_is_refused() -> None:
    module = Module("app")
    module.bind(Port).to(Adapter)
    module.bind(Port).to(Other)
    with pytest.raises(DuplicateBinding):
        Container(module).validate()


async def test_a_second_binding_with_replace_stands() -> None:
    inner = Module("inner").export(Port)
    inner.bind(Port).to(Adapter)
    module = Module("app").include(inner)
    module.bind(Port, replace=True).to(Other)
    async with Container(module) as container, container.enter() as scope:
        assert type(await scope.get(Port)) is Other


async def test_the_scope_opener_is_itself_injectable() -> None:
    class Holder:
        def __init__(self, scopes: Scopes) -> None:
            self.scopes = scopes

    async with Container(module_of(Holder)) as container, container.enter() as scope:
        assert (await scope.get(Holder)).scopes is await scope.get(Scopes)


async def test_a_request_object_is_one_in_its_scope_and_other_in_the_next() -> None:
    made: list[Thing] = []
    async with Container(module_of(Thing, Uses)) as container:
        for _ in range(2):
            async with container.enter() as scope:
                made.append(await scope.get(Thing))
                assert (await scope.get(Uses)).thing is made[-1]
    assert different(made) == 2


async def test_a_request_object_asked_at_the_root_is_refused() -> None:
    async with Container(module_of(Thing)) as container:
        with pytest.raises(WrongScope, match="Thing lives in a REQUEST scope"):
            await container.get(Thing)


async def test_a_nested_scope_has_its_own_objects() -> None:
    async with (
        Container(module_of(Thing)) as container,
        container.enter() as outer,
        outer.enter() as inner,
    ):
        assert await outer.get(Thing) is not await inner.get(Thing)


async def test_a_kept_opener_makes_scopes_again_and_again_each_cleaned_up() -> None:
    log: list[str] = []
    async with Container(opening(log, Scope.REQUEST)) as container:
        scopes = await container.get(Scopes)
        for number in range(1, 4):
            async with scopes.enter() as scope:
                await scope.get(Thing)
            assert log == ["open thing", "close thing"] * number


async def test_the_end_of_a_scope_cleans_its_request_objects() -> None:
    log: list[str] = []
    async with Container(opening(log, Scope.REQUEST)) as container:
        async with container.enter() as scope:
            await scope.get(Thing)
            assert log == ["open thing"]
        assert log == ["open thing", "close thing"]


async def test_the_end_of_a_scope_cleans_its_transients() -> None:
    log: list[str] = []
    async with Container(opening(log, Scope.TRANSIENT)) as container:
        async with container.enter() as scope:
            await scope.get(Thing)
            await scope.get(Thing)
            assert log == ["open thing"] * 2
        assert log == ["open thing"] * 2 + ["close thing"] * 2


async def test_the_end_of_a_scope_cleans_no_singleton() -> None:
    log: list[str] = []
    async with Container(opening(log, Scope.SINGLETON)) as container:
        async with container.enter() as scope:
            await scope.get(Thing)
        assert log == ["open thing"]


async def test_the_end_of_the_container_cleans_the_singletons() -> None:
    log: list[str] = []
    async with Container(opening(log, Scope.SINGLETON)):
        assert log == ["open thing"]
    assert log == ["open thing", "close thing"]


async def test_a_service_that_holds_scopes_or_a_handle_closes_safely() -> None:
    log: list[str] = []
    module = module_of(Thing)

    @module.provides()
    async def uses(
        scopes: Scopes, lazy: Lazy[Thing], make: Provider[Thing]
    ) -> AsyncIterator[Uses]:
        yield Uses(Thing())
        async with scopes.enter() as scope:
            await scope.get(Thing)
        with pytest.raises(ScopeClosed):
            make()
        log.append("closed")

    async with Container(module) as container, container.enter() as scope:
        await scope.get(Uses)
    assert log == ["closed"]


async def test_singletons_come_from_the_root_whichever_scope_asks_first() -> None:
    log: list[str] = []
    module = opening(log, Scope.SINGLETON)
    module.bind(Uses, scope=Scope.SINGLETON, lazy=True)
    async with Container(module) as container:
        async with container.enter() as scope:
            first = await scope.get(Uses)
        async with container.enter() as scope:
            assert await scope.get(Uses) is first
        assert await container.get(Uses) is first
        assert log == ["open thing"]


async def test_an_unknown_key_raises() -> None:
    async with Container(Module("app")) as container, container.enter() as scope:
        with pytest.raises(MissingBinding, match="nothing provides Thing"):
            await scope.get(Thing)
        with pytest.raises(MissingBinding):
            scope.get_now(Thing)
        with pytest.raises(MissingBinding):
            await container.get(Thing)


async def test_an_unknown_key_asked_as_optional_gives_none() -> None:
    async with Container(Module("app")) as container, container.enter() as scope:
        assert await scope.get(Thing | None) is None
        assert scope.get_now(Thing | None) is None
        assert await container.get(Thing | None) is None


async def test_defaults_fill_parameters_that_nothing_provides() -> None:
    mine = Thing()

    class Defaults:
        def __init__(self, thing: Thing = mine, size: int = 3) -> None:
            self.all = (thing, size)

    async with Container(module_of(Defaults)) as container, container.enter() as scope:
        assert (await scope.get(Defaults)).all == (mine, 3)


async def test_clean_up_runs_in_reverse_order_of_creation() -> None:
    log: list[str] = []
    module = Module("app")
    for name in ("one", "two", "three"):

        def make(name: str = name) -> Iterator[Thing]:
            yield Thing()
            log.append(name)

        module.bind(Key(Thing, name)).to(make)
    async with Container(module) as container, container.enter() as scope:
        for name in ("two", "three", "one"):
            await scope.get(Key(Thing, name))
    assert log == ["one", "three", "two"]


async def test_the_same_class_added_three_times_gives_three_objects() -> None:
    module = Module("app")
    for _ in range(3):
        module.add(Thing)
    async with Container(module) as container, container.enter() as scope:
        assert different(await scope.get(list[Thing])) == 3


async def test_an_ask_before_the_start_is_refused() -> None:
    with pytest.raises(ContainerNotRunning):
        await Container(module_of(Thing)).get(Thing)
