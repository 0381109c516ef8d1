"""Overrides reach cached dependents, nest, end in any order, and give the same objects back."""

import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

import anyio
import anyio.to_thread
import pytest

from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.errors import (
    AmbiguousBinding,
    DependencyCycle,
    MissingBinding,
    UnknownKey,
    WrongReplacement,
)
from nexios.container.module import Module
from nexios.container.override import Overrides
from nexios.container.scope import Scope
from tests.support.wiring import module_of, point, run

pytestmark = pytest.mark.anyio


class Clock:
    name = "real"


class Frozen(Clock):
    name = "frozen"


class Port(Protocol):
    def find(self, number: int) -> str: ...


class Sql:
    def find(self, number: int) -> str:
        return f"sql {number}"


class Fake:
    def find(self, number: int) -> str:
        return f"fake {number}"


class Service:
    def __init__(self, port: Port, clock: Clock) -> None:
        self.port, self.clock = port, clock


def app() -> Module:
    module = Module("app")
    module.bind(Clock, scope=Scope.SINGLETON)
    module.bind(Port, scope=Scope.SINGLETON).to(Sql)
    module.bind(Service, scope=Scope.SINGLETON)
    return module


async def show(service: Service = Depend()) -> str:
    return f"{service.port.find(1)} {service.clock.name}"


async def test_override_reaches_singletons_cached_before_it() -> None:
    async with Container(app()) as container:
        before = await container.get(Service)
        with container.override(Port).value(Fake()):
            during = await container.get(Service)
            assert during.port.find(1) == "fake 1"
            assert during is not before
            assert during.clock is before.clock
        assert await container.get(Service) is before


async def test_leaving_override_restores_the_very_same_cached_objects() -> None:
    entry_point = point(show)
    async with Container(app(), entries=[entry_point]) as container:
        entry = container.entry(entry_point)
        plan, service = entry.plan, await container.get(Service)
        with container.override(Port).to(Fake):
            assert entry.plan is not plan
            assert await run(entry) == "fake 1 real"
        assert entry.plan is plan
        assert await run(entry) == "sql 1 real"
        assert await container.get(Service) is service


async def test_controller_of_an_entry_added_under_an_override_is_real_after_it() -> None:
    class Pages:
        def __init__(self, clock: Clock) -> None:
            self.clock = clock

        def show(self) -> str:
            return self.clock.name

    async with Container(app()) as container:
        with container.override(Clock).to(Frozen):
            entry = container.entry(point(Pages.show, owner=Pages))
            assert await run(entry) == "frozen"
        assert await run(entry) == "real"


@pytest.mark.parametrize("first_out", [0, 1])
async def test_overrides_may_end_in_any_order(first_out: int) -> None:
    async with Container(app()) as container:
        original = await container.get(Service)
        overrides = [container.override(Port).to(Fake), container.override(Clock).to(Frozen)]
        for item in overrides:
            item.__enter__()
        both = await container.get(Service)
        assert (both.port.find(1), both.clock.name) == ("fake 1", "frozen")
        overrides[first_out].__exit__(None, None, None)
        one = await container.get(Service)
        assert (one.port.find(1), one.clock.name) == (
            ("sql 1", "frozen") if first_out == 0 else ("fake 1", "real")
        )
        overrides[1 - first_out].__exit__(None, None, None)
        assert await container.get(Service) is original


async def test_overrides_of_one_key_nest_and_end_in_any_order() -> None:
    async with Container(app()) as container:
        outer, inner = Frozen(), Frozen()
        first = container.override(Clock).value(outer)
        second = container.override(Clock).value(inner)
        with second:
            pass
        first.__enter__()
        in_first = await container.get(Service)
        second.__enter__()
        assert (await container.get(Service)).clock is inner
        second.__exit__(None, None, None)
        assert await container.get(Service) is in_first
        second.__enter__()
        first.__exit__(None, None, None)
        assert (await container.get(Service)).clock is inner
        second.__exit__(None, None, None)
        assert (await container.get(Service)).clock.name == "real"


async def test_override_with_async_factory_of_a_sync_binding_works() -> None:
    log: list[str] = []

    async def frozen() -> AsyncIterator[Clock]:
        log.append("open")
        yield Frozen()
        log.append("close")

    def now(service: Service = Depend()) -> Any:
        return service.clock.name

    entry_point = point(now)
    async with Container(app(), entries=[entry_point]) as container:
        entry = container.entry(entry_point)
        assert not entry.plan.awaits
        async with container.override(Clock).to(frozen):
            assert entry.plan.awaits
            assert await run(entry) == "frozen"
            assert await run(entry) == "frozen"
            assert log == ["open"]
        assert log == ["open", "close"]
        assert not entry.plan.awaits
        assert await run(entry) == "real"


async def test_override_closes_what_it_created() -> None:
    log: list[str] = []

    def frozen() -> Iterator[Clock]:
        yield Frozen()
        log.append("close")

    async with Container(app()) as container:
        with container.override(Clock).to(frozen):
            await container.get(Service)
            assert log == []
        assert log == ["close"]
    assert log == ["close"]


async def test_sync_override_leaves_async_cleanups_to_the_stop() -> None:
    log: list[str] = []

    async def frozen() -> AsyncIterator[Clock]:
        yield Frozen()
        log.append("close")

    async with Container(app()) as container:
        with container.override(Clock).to(frozen):
            await container.get(Service)
        assert log == []
    assert log == ["close"]


@pytest.mark.parametrize("wrong", [Clock(), 3, None])
async def test_override_with_wrong_type_is_refused_by_type_checker_and_at_run_time(
    wrong: Any,
) -> None:
    async with Container(app()) as container:
        with pytest.raises(WrongReplacement, match="Port"), container.override(Port).value(wrong):
            raise AssertionError("not reached")
        with pytest.raises(WrongReplacement), container.override(Clock).to(Fake):  # type: ignore[arg-type]
            raise AssertionError("not reached")
        assert isinstance((await container.get(Service)).port, Sql)


async def test_override_source_is_wired_and_its_problems_are_refused() -> None:
    class NeedsClock(Fake):
        def __init__(self, clock: Clock) -> None:
            self.clock = clock

    class NeedsMore(Fake):
        def __init__(self, fake: Fake) -> None: ...

    async with Container(app()) as container:
        with container.override(Port).to(NeedsClock):
            service = await container.get(Service)
            assert service.port.clock is service.clock  # type: ignore[attr-defined]
        with pytest.raises(MissingBinding), container.override(Port).to(NeedsMore):
            raise AssertionError("not reached")
        assert isinstance((await container.get(Service)).port, Sql)


async def test_stand_in_that_asks_for_what_it_replaces_is_refused() -> None:
    class Wrapper(Fake):
        def __init__(self, port: Port) -> None: ...

    async with Container(app()) as container:
        with (
            pytest.raises(DependencyCycle, match="which it is to stand in for"),
            container.override(Port).to(Wrapper),
        ):
            raise AssertionError("not reached")
        assert isinstance((await container.get(Service)).port, Sql)


async def test_override_before_the_start_and_after_the_stop() -> None:
    entry_point = point(show)
    container = Container(app(), entries=[entry_point])
    with container.override(Clock).to(Frozen):
        async with container:
            assert await run(container.entry(entry_point)) == "sql 1 frozen"
    async with container:
        assert await run(container.entry(entry_point)) == "sql 1 real"


async def test_override_ending_while_running_after_a_start_under_it() -> None:
    entry_point = point(show)
    container = Container(app(), entries=[entry_point])
    override = container.override(Clock).to(Frozen)
    override.__enter__()
    async with container:
        assert await run(container.entry(entry_point)) == "sql 1 frozen"
        override.__exit__(None, None, None)
        assert await run(container.entry(entry_point)) == "sql 1 real"


async def test_derived_container_shares_no_mutable_state() -> None:
    entry_point = point(show)
    async with Container(app(), entries=[entry_point]) as container:
        twin = container.derive()
        assert not twin.running
        async with twin:
            with container.override(Clock).to(Frozen):
                assert await run(container.entry(entry_point)) == "sql 1 frozen"
                assert await run(twin.entry(entry_point)) == "sql 1 real"
            assert await twin.get(Clock) is not await container.get(Clock)
        assert container.running


async def test_override_of_port_and_of_adapter_class_differ() -> None:
    class Direct:
        def __init__(self, sql: Sql, port: Port) -> None:
            self.sql, self.port = sql, port

    class FakeSql(Sql):
        def find(self, number: int) -> str:
            return "fake sql"

    module = app()
    module.bind(Sql)
    module.bind(Direct)
    async with Container(module) as container:
        with container.override(Sql).to(FakeSql):
            async with container.enter() as scope:
                direct = await scope.get(Direct)
                assert (direct.sql.find(1), direct.port.find(1)) == ("fake sql", "sql 1")
        with container.override(Port).to(Fake):
            async with container.enter() as scope:
                direct = await scope.get(Direct)
                assert (direct.sql.find(1), direct.port.find(1)) == ("sql 1", "fake 1")


async def test_open_scopes_keep_what_they_have() -> None:
    module = module_of(Clock)
    async with Container(module) as container, container.enter() as scope:
        clock = await scope.get(Clock)
        with container.override(Clock).to(Frozen):
            async with container.enter() as other:
                assert (await other.get(Clock)).name == "frozen"
        assert await scope.get(Clock) is clock


async def test_override_of_a_private_key_names_its_module() -> None:
    one, two = module_of(Clock, name="one"), module_of(Clock, name="two")
    root = Module("root").include(one, two)
    async with Container(root) as container:
        with pytest.raises(AmbiguousBinding, match='"one", "two" bind Clock') as refusal:
            container.override(Clock)
        assert "module=one" in refusal.value.fix
        with container.override(Clock, module=two).to(Frozen):
            pass
    async with Container(Module("root").include(one)) as container:
        with container.override(Clock).to(Frozen):
            pass


async def test_override_of_an_unknown_key_suggests() -> None:
    clocks = type("Clocks", (), {})
    async with Container(app()) as container:
        with pytest.raises(UnknownKey, match="did you mean Clock"):
            container.override(clocks)


@pytest.mark.parametrize("asked", [False, True])
async def test_override_of_one_of_many_says_to_replace_the_list(asked: bool) -> None:
    class All:
        def __init__(self, ports: list[Port]) -> None: ...

    module = Module("app")
    module.add(Port).to(Sql)
    module.add(Port).to(Fake)
    if asked:
        module.bind(All)
    async with Container(module) as container:
        with pytest.raises(AmbiguousBinding, match="one Port is replaced, several") as refusal:
            container.override(Port)
        assert refusal.value.fix == "container.override(list[Port]).value([...])"
        fake = Fake()
        with container.override(list[Port]).value([fake]):
            async with container.enter() as scope:
                assert await scope.get(list[Port]) == [fake]
        async with container.enter() as scope:
            assert len(await scope.get(list[Port])) == 2
        with pytest.raises(UnknownKey):
            container.override(list[Clock])


async def test_override_reaches_values_aliases_and_collections() -> None:
    class Time(Protocol):
        name: str

    module = Module("app")
    module.bind(Clock).value(Clock())
    module.bind(Time).alias(Clock)
    module.add(Port).to(Sql)
    async with Container(module) as container, container.enter() as scope:
        with container.override(Clock).value(Frozen()):
            assert (await scope.get(Time)).name == "frozen"
        assert (await scope.get(Time)).name == "real"
        with container.override(Time).value(Frozen()):
            assert (await scope.get(Time)).name == "frozen"
            assert (await scope.get(Clock)).name == "real"


async def test_override_of_what_a_handler_bound_automatically() -> None:
    async def now(clock: Clock = Depend()) -> str:
        return clock.name

    entry_point = point(now)
    async with Container(Module("root"), entries=[entry_point]) as container:
        with container.override(Clock).to(Frozen):
            assert await run(container.entry(entry_point)) == "frozen"
        assert await run(container.entry(entry_point)) == "real"


class Sun:
    pass


class Moon:
    def __init__(self, sun: Sun) -> None:
        self.sun = sun


class SunOfMoon(Sun):
    def __init__(self, moon: Moon) -> None: ...


class Asteroid(Moon):
    def __init__(self) -> None: ...


def sky() -> Module:
    module = Module("sky")
    module.bind(Sun)
    module.bind(Moon)
    return module


def look(sun: Sun = Depend()) -> Sun:
    return sun


async def test_two_stand_ins_that_ask_for_each_others_keys_are_refused_by_name() -> None:
    class MoonToo(Moon):
        def __init__(self, sun: Sun) -> None: ...

    module = Module("sky")
    module.bind(Sun)
    module.bind(Moon).to(Asteroid)
    entry_point = point(look)
    async with Container(module, entries=[entry_point]) as container:
        entry = container.entry(entry_point)
        with container.override(Sun).to(SunOfMoon):
            assert isinstance(await run(entry), SunOfMoon)
            with pytest.raises(DependencyCycle, match="MoonToo -> SunOfMoon -> MoonToo"):
                container.override(Moon).to(MoonToo).__enter__()
            assert isinstance(await run(entry), SunOfMoon)
        assert type(await run(entry)) is Sun


async def test_circle_left_behind_by_overrides_ending_out_of_order_is_named() -> None:
    entry_point = point(look)
    async with Container(sky(), entries=[entry_point]) as container:
        entry = container.entry(entry_point)
        first, second = (
            container.override(Moon).to(Asteroid),
            container.override(Sun).to(SunOfMoon),
        )
        first.__enter__()
        second.__enter__()
        assert isinstance(await run(entry), SunOfMoon)
        first.__exit__(None, None, None)
        with pytest.raises(DependencyCycle, match="SunOfMoon -> Moon -> SunOfMoon"):
            await run(entry)
        async with container.enter() as scope:
            with pytest.raises(DependencyCycle):
                await scope.get(Moon)
        second.__exit__(None, None, None)
        assert type(await run(entry)) is Sun


class Slow:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock


@pytest.mark.parametrize("ends", ["during", "after"])
async def test_object_being_made_while_an_override_begins_belongs_to_before(ends: str) -> None:
    asked, go = anyio.Event(), anyio.Event()
    log: list[str] = []
    module = Module("app")
    module.bind(Clock, scope=Scope.SINGLETON)

    @module.provides(scope=Scope.SINGLETON, lazy=True)
    async def slow(clock: Clock) -> AsyncIterator[Slow]:
        if clock.name == "real":
            asked.set()
            await go.wait()
        log.append(f"open {clock.name}")
        yield Slow(clock)
        log.append(f"close {clock.name}")

    got: list[Slow] = []
    done = anyio.Event()

    async with Container(module) as container:

        async def ask() -> None:
            got.append(await container.get(Slow))
            done.set()

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await asked.wait()
            async with container.override(Clock).to(Frozen):
                if ends == "after":
                    go.set()
                    await done.wait()
                    assert (await container.get(Slow)).clock.name == "frozen"
            go.set()
        assert (await container.get(Slow)).clock.name == "real"
        assert log.count("open real") == 1
        assert "close real" not in log
    assert log[-1] == "close real"


async def test_object_being_made_while_its_override_ends_is_not_kept() -> None:
    asked, go = anyio.Event(), anyio.Event()
    module = Module("app")
    module.bind(Clock, scope=Scope.SINGLETON)

    @module.provides(scope=Scope.SINGLETON, lazy=True)
    async def slow(clock: Clock) -> Slow:
        if clock.name == "frozen":
            asked.set()
            await go.wait()
        return Slow(clock)

    got: list[Slow] = []
    async with Container(module) as container:

        async def ask() -> None:
            got.append(await container.get(Slow))

        async with anyio.create_task_group() as group:
            with container.override(Clock).to(Frozen):
                group.start_soon(ask)
                await asked.wait()
            go.set()
        assert got[0].clock.name == "real"
        assert await container.get(Slow) is got[0]


@pytest.mark.parametrize("opens", [False, True])
async def test_object_a_thread_makes_while_an_override_begins_belongs_to_before(
    opens: bool,
) -> None:
    inside, go = threading.Event(), threading.Event()
    made: list[str] = []

    class Plain(Slow):
        def __init__(self, clock: Clock) -> None:
            super().__init__(clock)
            made.append(clock.name)
            if clock.name == "real":
                inside.set()
                go.wait(10)

    def opened(clock: Clock) -> Iterator[Plain]:
        yield Plain(clock)

    module = Module("app")
    module.bind(Clock, scope=Scope.SINGLETON)
    module.bind(Plain, scope=Scope.SINGLETON, lazy=True).to(opened if opens else Plain)
    async with (
        Container(module) as container,
        container.enter() as scope,
        anyio.create_task_group() as group,
    ):
        group.start_soon(anyio.to_thread.run_sync, scope.get_now, Plain)
        await anyio.to_thread.run_sync(inside.wait, 10)
        with container.override(Clock).to(Frozen):
            go.set()
            during = await anyio.to_thread.run_sync(scope.get_now, Plain)
            assert during.clock.name == "frozen"
        assert (await container.get(Plain)).clock.name == "real"
    # The thread may come back for its answer while the override stands, or after it.
    assert made.count("real") == 1


async def test_object_a_thread_finishes_in_the_midst_of_a_change_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside, go = threading.Event(), threading.Event()
    settle = Overrides._settle

    class Other:
        def __init__(self) -> None:
            inside.set()
            go.wait(10)

    def slowly(self: Overrides) -> dict[int, int | None]:
        go.set()
        time.sleep(0.05)  # long enough for the thread to keep what it made, if it may
        return settle(self)

    module = module_of(Clock, scope=Scope.SINGLETON)
    module.bind(Other, scope=Scope.SINGLETON, lazy=True)
    got: list[Other] = []
    async with Container(module) as container, container.enter() as scope:

        async def ask() -> None:
            got.append(await anyio.to_thread.run_sync(scope.get_now, Other))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.to_thread.run_sync(inside.wait, 10)
            monkeypatch.setattr(Overrides, "_settle", slowly)
            with container.override(Clock).to(Frozen):
                pass
        assert await container.get(Other) is got[0]
