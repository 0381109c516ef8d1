"""Who sees which binding."""

import importlib

import pytest

from nexios.container.container import Container
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope
from tests.support.wiring import module_of

pytestmark = pytest.mark.anyio


class Clock:
    pass


class Better(Clock):
    pass


class Asker:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock


async def clock_of(root: Module, everywhere: Module | None = None) -> Clock:
    """Return the clock that Asker gets."""
    async with (
        Container(root, everywhere=everywhere) as container,
        container.enter() as scope,
    ):
        return (await scope.get(Asker)).clock


def exporting(clock: type[Clock], name: str = "inner", **options: bool) -> Module:
    module = Module(name).export(Clock)
    module.bind(Clock, **options).to(clock)
    return module


async def test_exported_key_is_seen() -> None:
    assert isinstance(await clock_of(module_of(Asker).include(exporting(Better))), Better)


async def test_reexport_of_an_included_modules_key() -> None:
    middle = Module("middle").include(exporting(Better)).export(Clock)
    assert isinstance(await clock_of(module_of(Asker).include(middle)), Better)


async def test_private_bindings_of_two_modules_do_not_meet() -> None:
    one = module_of(Clock, name="one").export(Key(Asker, "one"))
    one.bind(Key(Asker, "one"))
    two = module_of(Clock, name="two").export(Key(Asker, "two"))
    two.bind(Key(Asker, "two"))
    root = Module("app").include(one, two)
    async with Container(root) as container, container.enter() as scope:
        first = await scope.get(Key(Asker, "one"))
        second = await scope.get(Key(Asker, "two"))
        assert first.clock is not second.clock


async def test_one_module_object_included_twice_is_one_module() -> None:
    inner = exporting(Clock)
    left = module_of(name="left").include(inner).export(Clock)
    right = module_of(name="right").include(inner).export(Clock)
    root = module_of(Asker).include(left, right, left)
    assert type(await clock_of(root)) is Clock


async def test_two_calls_of_a_module_function_are_two() -> None:
    def database(name: str) -> Module:
        module = Module(name).export(Key(Clock, name))
        module.bind(Key(Clock, name), scope=Scope.SINGLETON)
        return module

    root = Module("app").include(database("a"), database("b"))
    async with Container(root) as container:
        first = await container.get(Key(Clock, "a"))
        assert await container.get(Key(Clock, "b")) is not first
        assert await container.get(Key(Clock, "a")) is first


async def test_default_yields_to_an_including_module_also_inside_its_own() -> None:
    inner = exporting(Clock, default=True)
    inner.bind(Asker)
    inner.export(Asker)
    root = Module("app").include(inner)
    assert type(await clock_of(root)) is Clock
    root.bind(Clock).to(Better)
    assert type(await clock_of(root)) is Better


async def test_default_yields_to_a_sibling() -> None:
    root = module_of(Asker).include(
        exporting(Clock, "one", default=True), exporting(Better, "two")
    )
    assert type(await clock_of(root)) is Better


async def test_replace_stands_in_above_and_leaves_the_inside_alone() -> None:
    inner = exporting(Clock)
    inner.bind(Key(Asker, "inside"))
    inner.export(Key(Asker, "inside"))
    middle = Module("middle").include(inner).export(Clock, Key(Asker, "inside"))
    middle.bind(Clock, replace=True).to(Better)
    root = module_of(Asker).include(middle, inner)
    async with Container(root) as container, container.enter() as scope:
        assert type((await scope.get(Asker)).clock) is Better
        assert type((await scope.get(Key(Asker, "inside"))).clock) is Clock


async def test_everywhere_is_seen_by_every_module_and_its_defaults_yield() -> None:
    everywhere = exporting(Clock, "everywhere", default=True)
    deep = module_of(Asker, name="deep").export(Asker)
    root = Module("app").include(Module("middle").include(deep).export(Asker))
    assert type(await clock_of(root, everywhere)) is Clock
    root.bind(Clock).to(Better)
    assert type(await clock_of(root, everywhere)) is Better


async def test_collections_hold_includes_first_then_own() -> None:
    one, two = Module("one").export(Clock), Module("two").export(Clock)
    hidden = Module("hidden")
    for module in (one, two, hidden):
        module.add(Clock).to(type(f"Of_{module.name}", (Clock,), {}))
    root = Module("app").include(two, one, hidden)
    root.add(Clock).to(Better)
    async with Container(root) as container, container.enter() as scope:
        names = [type(item).__name__ for item in await scope.get(list[Clock])]
    assert names == ["Of_two", "Of_one", "Better"]


async def test_bulk_form_builds_the_same() -> None:
    inner = Module("inner", bind=[(Clock, Better)], export=[Clock])
    root = Module("app", bind=[Asker], include=[inner])
    assert type(await clock_of(root)) is Better


async def test_root_sees_its_private_keys() -> None:
    async with Container(module_of(Clock)) as container:
        assert Clock in container
        assert Better not in container


def test_importing_a_module_file_registers_nothing() -> None:
    first = importlib.import_module("tests.support.wiring")
    before = Container(module_of(Clock))
    before.validate()
    importlib.reload(first)
    assert len(before.wiring.nodes) == 1


def test_modules_are_inert_until_built() -> None:
    module = Module("app")
    container = Container(module)
    module.bind(Clock)
    container.validate()
    assert len(container.wiring.nodes) == 1


def test_include_takes_modules_only() -> None:
    with pytest.raises(TypeError, match=r"include\(\) takes modules"):
        Module("app").include(Clock)  # type: ignore[arg-type]
