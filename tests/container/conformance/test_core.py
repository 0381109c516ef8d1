"""The core sentences of the .NET specification suite (``design/container.md`` section 9)."""

from collections.abc import AsyncIterator, Iterator
from typing import Protocol

import pytest

from nexios.container.container import Container
from nexios.container.depend import Lazy, Scopes
from nexios.container.errors import (
    ContainerNotRunning,
    DuplicateBinding,
    MissingBinding,
    NeedsAsyncClose,
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


class Thing:
    pass


class Uses:
    def __init__(self, thing: Thing) -> None:
        self.thing = thing


async def test_a_port_bound_to_a_class_resolves_to_that_class() -> None:
    module = Module("app")
    module.bind(Port).to(Adapter)
    async with Container(module) as container, container.enter() as scope:
        assert type(await scope.get(Port)) is Adapter


async def test_a_transient_differs_at_each_ask_within_and_across_scopes() -> None:
    module = module_of(Thing, scope=Scope.TRANSIENT)
    async with (
        Container(module) as container,
        container.enter() as one,
        container.enter() as two,
    ):
        made = [await asked.get(Thing) for asked in (container, container, one, one, two)]
    assert len(set(map(id, made))) == 5


async def test_a_singleton_is_the_same_at_each_ask_from_wherever() -> None:
    async with (
        Container(module_of(Thing, scope=Scope.SINGLETON)) as container,
        container.enter() as one,
        one.enter() as two,
    ):
        made = [await asked.get(Thing) for asked in (container, container, one, two)]
    assert len(set(map(id, made))) == 1


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


async def test_a_kept_opener_makes_scopes_again_and_again_each_cleaned_up() -> None:
    log: list[str] = []
    module = Module("app")

    @module.provides()
    def thing() -> Iterator[Thing]:
        log.append("open")
        yield Thing()
        log.append("close")

    async with Container(module) as container:
        scopes = await container.get(Scopes)
        for _ in range(3):
            async with scopes.enter() as scope:
                await scope.get(Thing)
    assert log == ["open", "close"] * 3


async def test_single_and_list_asks_mix_in_one_constructor() -> None:
    class Mixed:
        def __init__(self, one: Thing, many: list[Thing]) -> None:
            self.one, self.many = one, many

    module = module_of(Mixed)
    module.add(Thing)
    async with Container(module) as container, container.enter() as scope:
        mixed = await scope.get(Mixed)
        assert mixed.many == [mixed.one]


async def test_the_same_class_added_three_times_gives_three_objects() -> None:
    module = Module("app")
    for _ in range(3):
        module.add(Thing)
    async with Container(module) as container, container.enter() as scope:
        assert len(set(map(id, await scope.get(list[Thing])))) == 3


async def test_factory_functions_ask_for_their_own_dependencies_and_take_part_in_scoping() -> None:
    module = module_of(Thing)

    @module.provides()
    def uses(thing: Thing) -> Uses:
        return Uses(thing)

    async with (
        Container(module) as container,
        container.enter() as one,
        container.enter() as two,
    ):
        assert await one.get(Uses) is await one.get(Uses)
        assert (await one.get(Uses)).thing is await one.get(Thing)
        assert await two.get(Uses) is not await one.get(Uses)


def test_a_second_binding_is_refused() -> None:
    module = module_of(Thing, Thing)
    with pytest.raises(DuplicateBinding):
        Container(module).validate()


async def test_a_request_object_asked_at_the_root_is_refused_also_behind_a_transient() -> None:
    module = module_of(Thing)
    module.bind(Uses, scope=Scope.TRANSIENT)
    async with Container(module) as container:
        with pytest.raises(WrongScope, match="Thing lives in a REQUEST scope"):
            await container.get(Thing)
        with pytest.raises(WrongScope):
            await container.get(Uses)


async def test_a_nested_scope_has_its_own_objects() -> None:
    async with (
        Container(module_of(Thing)) as container,
        container.enter() as outer,
        outer.enter() as inner,
    ):
        assert await outer.get(Thing) is not await inner.get(Thing)


async def test_the_end_of_a_scope_cleans_its_objects_and_no_singleton() -> None:
    log: list[str] = []
    module = Module("app")
    scopes = {"one": Scope.SINGLETON, "two": Scope.REQUEST, "three": Scope.TRANSIENT}
    for name, scope in scopes.items():

        def make(name: str = name) -> Iterator[Thing]:
            yield Thing()
            log.append(name)

        module.bind(Key(Thing, name), scope=scope).to(make)
    async with Container(module) as container:
        async with container.enter() as running:
            for name in scopes:
                await running.get(Key(Thing, name))
        assert log == ["three", "two"]
    assert log == ["three", "two", "one"]


async def test_a_service_that_holds_scopes_or_a_handle_closes_safely() -> None:
    log: list[str] = []

    class Holder:
        def __init__(self, scopes: Scopes, lazy: Lazy[Thing]) -> None:
            self.scopes, self.lazy = scopes, lazy

    module = module_of(Thing)

    @module.provides()
    async def holder(scopes: Scopes, lazy: Lazy[Thing]) -> AsyncIterator[Holder]:
        yield Holder(scopes, lazy)
        async with scopes.enter() as scope:
            await scope.get(Thing)
        log.append("closed")

    async with Container(module) as container, container.enter() as scope:
        await scope.get(Holder)
    assert log == ["closed"]


async def test_an_unknown_key_raises_and_asked_as_optional_gives_none() -> None:
    async with Container(Module("app")) as container, container.enter() as scope:
        with pytest.raises(MissingBinding, match="nothing provides Thing"):
            await scope.get(Thing)
        assert await scope.get(Thing | None) is None
        assert scope.get_now(Thing | None) is None


# Is it known?


def test_is_it_known() -> None:
    module = Module("app")
    module.bind(Port).to(Adapter)
    module.bind(Key(Thing, "hot"))
    container = Container(module)
    assert Port in container
    assert Adapter not in container
    assert list[Thing] in container
    assert Scopes in container
    assert Key(Thing, "hot") in container
    assert Thing not in container
    assert Key(Thing, "cold") not in container


# Named keys.


@pytest.mark.parametrize("scope", [Scope.SINGLETON, Scope.REQUEST, Scope.TRANSIENT])
async def test_named_keys_behave_as_their_plain_kin(scope: Scope) -> None:
    module = Module("app")
    for name in ("a", "b"):
        module.bind(Key(Thing, name), scope=scope)
    async with (
        Container(module) as container,
        container.enter() as one,
        container.enter() as two,
    ):
        a, b = Key(Thing, "a"), Key(Thing, "b")
        assert await one.get(a) is not await one.get(b)
        assert (await one.get(a) is await one.get(a)) is (scope is not Scope.TRANSIENT)
        assert (await one.get(a) is await two.get(a)) is (scope is Scope.SINGLETON)
        assert list(await one.get(dict[str, Thing])) == ["a", "b"]


async def test_a_named_and_a_plain_binding_do_not_see_each_other() -> None:
    module = module_of(Thing)
    module.bind(Key(Thing, "a"))
    async with Container(module) as container, container.enter() as scope:
        assert await scope.get(Thing) is not await scope.get(Key(Thing, "a"))


async def test_named_instances_factories_and_generics() -> None:
    thing = Thing()
    module = Module("app")
    module.bind(Key(Thing, "value")).value(thing)
    module.bind(Key(Thing, "made")).to(lambda: Thing())
    module.bind(Key(dict[str, Port], 0)).value({})
    async with Container(module) as container, container.enter() as scope:
        assert await scope.get(Key(Thing, "value")) is thing
        assert isinstance(await scope.get(Key(Thing, "made")), Thing)
        assert await scope.get(Key(dict[str, Port], 0)) == {}


async def test_a_plain_binding_never_fills_a_named_hole() -> None:
    module = module_of(Thing)
    async with Container(module) as container, container.enter() as scope:
        with pytest.raises(MissingBinding, match=r"nothing provides Key\(Thing, 'hot'\)"):
            await scope.get(Key(Thing, "hot"))


# Calling what is not registered.


async def test_a_class_never_bound_can_be_made_with_its_dependencies() -> None:
    class Report:
        def __init__(self, uses: Uses, title: str, pages: int = 3) -> None:
            self.all = (uses, title, pages)

    class Attributes:
        uses: Uses
        title: str

    async with Container(module_of(Thing, Uses)) as container, container.enter() as scope:
        report = await scope.call(Report, title="x")
        assert isinstance(report, Report)
        assert report.all == (await scope.get(Uses), "x", 3)
        assert await scope.call(Report, title="x") is not report
        attributes = await scope.call(Attributes, title="y")
        assert isinstance(attributes, Attributes)
        assert (attributes.uses, attributes.title) == (await scope.get(Uses), "y")


async def test_a_function_is_called_and_awaited() -> None:
    async def later(thing: Thing, *, number: int) -> tuple[Thing, int]:
        return thing, number

    def now(number: int, **rest: int) -> dict[str, int]:
        return {"number": number, **rest}

    async with Container(module_of(Thing)) as container, container.enter() as scope:
        assert await scope.call(later, number=3) == (await scope.get(Thing), 3)
        assert await scope.call(now, number=1, other=2) == {"number": 1, "other": 2}


async def test_surplus_and_mistyped_arguments_are_refused() -> None:
    def work(number: int) -> None: ...

    async with Container(Module("app")) as container, container.enter() as scope:
        with pytest.raises(TypeError, match=r"work\(\) takes no surplus"):
            await scope.call(work, number=1, surplus=2)
        with pytest.raises(TypeError, match=r"work\(number\)"):
            await scope.call(work, number="one")


async def test_an_abstract_class_or_protocol_is_refused_by_name() -> None:
    async with Container(Module("app")) as container, container.enter() as scope:
        with pytest.raises(Exception, match="Port is abstract"):
            await scope.call(Port)


async def test_the_constructors_own_exception_comes_through_unwrapped() -> None:
    class Broken:
        def __init__(self) -> None:
            raise ZeroDivisionError("mine")

    class Above:
        def __init__(self, broken: Broken) -> None: ...

    async with Container(module_of(Broken, Above)) as container, container.enter() as scope:
        with pytest.raises(ZeroDivisionError, match="mine"):
            await scope.call(Broken)
        with pytest.raises(ZeroDivisionError, match="mine"):
            await scope.get(Above)


async def test_a_missing_constructor_parameter_names_asker_and_missing_key() -> None:
    async with Container(Module("app")) as container, container.enter() as scope:
        with pytest.raises(MissingBinding) as refusal:
            await scope.call(Uses)
    assert refusal.value.key == Key(Thing)
    assert refusal.value.asked_by[0].text == "Uses.__init__(thing)"


# The container.


async def test_a_stopped_container_and_a_closed_scope_refuse_asks_and_new_scopes() -> None:
    container = Container(module_of(Thing))
    async with container:
        async with container.enter() as scope:
            pass
        with pytest.raises(ScopeClosed):
            scope.enter()
    with pytest.raises(ContainerNotRunning):
        container.enter()


async def test_wide_trees_of_a_thousand_siblings_resolve() -> None:
    module = Module("app")
    for number in range(1000):
        module.add(Thing).to(type(f"Thing{number}", (Thing,), {}))
    async with Container(module) as container, container.enter() as scope:
        assert len(await scope.get(list[Thing])) == 1000


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


async def test_leaving_synchronously_with_an_async_cleanup_is_refused_by_name() -> None:
    module = Module("app")

    @module.provides()
    async def thing() -> AsyncIterator[Thing]:
        yield Thing()

    async with Container(module) as container:
        scope = container.enter()
        await scope.get(Thing)
        with pytest.raises(NeedsAsyncClose, match="Thing"):
            scope.__exit__(None, None, None)
        await scope.close()
