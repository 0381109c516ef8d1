"""An existing dependency-injector container as a module, and our providers inside of it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Generic, Protocol, TypeVar

import anyio
import pytest
from dependency_injector import containers, providers

from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.errors import (
    CaptiveDependency,
    ContainerError,
    ContainerNotRunning,
    DuplicateBinding,
    MissingBinding,
    ModuleMisuse,
    NeedsAwait,
    PortMismatch,
    ScopeClosed,
    WrongScope,
)
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope
from tests.support.golden import assert_golden
from tests.support.wiring import module_of, point, run

pytestmark = pytest.mark.anyio

T = TypeVar("T")


class Users(Protocol):
    def find(self, number: int) -> str: ...


class SqlUsers:
    def find(self, number: int) -> str:
        return f"sql {number}"


class FakeUsers:
    def find(self, number: int) -> str:
        return f"fake {number}"


class NoUsers:
    pass


class Clock:
    pass


class Pool:
    def __init__(self) -> None:
        self.open = True


class Box(Generic[T]):
    pass


def opened() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.open = False


async def opened_later() -> AsyncIterator[Pool]:
    pool = Pool()
    yield pool
    pool.open = False


class Greeter:
    def __init__(self, users: Users) -> None:
        self.users = users


class Inner(containers.DeclarativeContainer):
    users = providers.Factory(SqlUsers)


class Theirs(containers.DeclarativeContainer):
    users = providers.Factory(SqlUsers)
    clock = providers.Singleton(Clock)
    pool = providers.Resource(opened)
    sql = providers.Container(Inner)
    gateway = providers.Dependency(instance_of=Clock)


class Boxes(containers.DeclarativeContainer):
    box = providers.Factory(Box)


def mounting(theirs: Any, names: dict[object, str], **options: Any) -> Module:
    """Return a module with a greeter that asks for mounted users."""
    root = module_of(Greeter)
    root.mount(theirs, names, **options)
    return root


def refusal(root: Module, *points: Any) -> Any:
    with pytest.raises(ContainerError) as found:
        Container(root, entries=points).validate()
    return found.value


async def test_a_mounted_factory_makes_one_object_a_request() -> None:
    async with Container(mounting(Theirs(), {Users: "users"})) as container:
        async with container.enter() as scope:
            users = await scope.get(Users)
            assert isinstance(users, SqlUsers)
            assert (await scope.get(Greeter)).users is users
        async with container.enter() as scope:
            assert await scope.get(Users) is not users


async def test_a_mounted_singleton_is_the_one_of_its_container() -> None:
    theirs = Theirs()
    async with Container(Module("app").mount(theirs, {Clock: "clock"})) as container:
        for _ in range(2):
            async with container.enter() as scope:
                assert await scope.get(Clock) is theirs.clock()


async def test_a_provider_is_mounted_under_one_form_of_a_generic_key() -> None:
    root = Module("app").mount(Boxes(), {Box[int]: "box"})
    root.bind(Box[T])
    async with Container(root) as container, container.enter() as scope:
        assert type(await scope.get(Box[int])) is type(await scope.get(Box[str])) is Box


async def test_a_plan_asks_the_mounted_provider_at_each_call() -> None:
    theirs = Theirs()

    def show(greeter: Greeter = Depend()) -> str:
        return greeter.users.find(3)

    async with Container(mounting(theirs, {Users: "users"})) as container:
        entry = container.entry(point(show))
        assert await run(entry) == "sql 3"
        with theirs.users.override(providers.Factory(FakeUsers)):
            assert await run(entry) == "fake 3"
        assert await run(entry) == "sql 3"


async def test_overrides_of_the_mounted_container_are_seen_by_the_next_request() -> None:
    theirs = Theirs()
    root = mounting(theirs, {Users: "users"})
    async with Container(root) as container, container.enter() as scope:
        before = await scope.get(Users)
        with theirs.users.override(providers.Object(FakeUsers())):
            assert await scope.get(Users) is before
            async with container.enter() as other:
                assert isinstance(await other.get(Users), FakeUsers)


async def test_our_override_reaches_a_mounted_key() -> None:
    theirs = Theirs()
    async with Container(mounting(theirs, {Users: "users"})) as container:
        with container.override(Users).value(FakeUsers()):
            async with container.enter() as scope:
                assert (await scope.get(Greeter)).users.find(1) == "fake 1"
        assert not theirs.users.overridden


async def test_mounted_as_singleton_is_asked_once_at_start_and_may_be_kept() -> None:
    theirs = Theirs()
    root = Module("app").mount(theirs, {Users: "users"}, scope=Scope.SINGLETON)
    root.bind(Greeter, scope=Scope.SINGLETON)
    async with Container(root) as container:
        assert (await container.get(Greeter)).users is await container.get(Users)


async def test_mounted_as_transient_is_asked_for_each_asker() -> None:
    root = Module("app").mount(Theirs(), {Users: "users"}, scope=Scope.TRANSIENT)
    async with Container(root) as container:
        assert await container.get(Users) is not await container.get(Users)


def test_a_singleton_that_would_keep_a_mounted_request_object_is_refused() -> None:
    root = Module("app").mount(Theirs(), {Users: "users"})
    root.bind(Greeter, scope=Scope.SINGLETON)
    assert isinstance(refusal(root), CaptiveDependency)


async def test_a_dot_leads_into_a_container_inside() -> None:
    theirs = Theirs()
    async with Container(mounting(theirs, {Users: "sql.users"})) as container:
        with theirs.sql.users.override(providers.Factory(FakeUsers)):
            async with container.enter() as scope:
                assert isinstance(await scope.get(Users), FakeUsers)


def test_an_unknown_provider_name_is_refused_with_the_near_one() -> None:
    error = refusal(mounting(Theirs(), {Users: "sql.user", Clock: "clock"}))
    assert isinstance(error, ModuleMisuse)
    assert error.key == Key(Users)
    assert_golden(error, "mounted_unknown_name.txt")


def test_a_dependency_that_nobody_provided_is_refused() -> None:
    root = Module("app").mount(Theirs(), {Clock: "gateway"})
    assert_golden(refusal(root), "mounted_undefined.txt")
    Container(Module("app").mount(Theirs(gateway=Clock()), {Clock: "gateway"})).validate()


@pytest.mark.parametrize(
    "provider",
    [providers.Factory(NoUsers), providers.Singleton(NoUsers), providers.Object(NoUsers())],
    ids=["factory", "singleton", "object"],
)
def test_a_mounted_provider_that_does_not_fit_its_port_is_refused(provider: Any) -> None:
    theirs = containers.DynamicContainer()
    theirs.users = provider
    error = refusal(Module("app").mount(theirs, {Users: "users"}))
    assert isinstance(error, PortMismatch)
    assert_golden(error, "mounted_mismatch.txt")


def test_a_provider_makes_one_form_and_cannot_answer_for_an_open_key() -> None:
    root = Module("app")
    root.mount(Boxes(), {Box[T]: "box"})
    error = refusal(root)
    assert isinstance(error, ModuleMisuse)
    assert_golden(error, "mounted_open.txt")


def test_what_a_mounted_function_says_it_returns_is_compared_with_the_port() -> None:
    def make() -> NoUsers:
        return NoUsers()

    theirs = containers.DynamicContainer()
    theirs.users, theirs.pool = providers.Callable(make), providers.Resource(opened)
    assert isinstance(refusal(Module("app").mount(theirs, {Users: "users"})), PortMismatch)
    assert isinstance(refusal(Module("app").mount(theirs, {Clock: "pool"})), PortMismatch)
    Container(Module("app").mount(theirs, {Pool: "pool"})).validate()


def test_what_stands_in_for_a_mounted_provider_is_what_is_compared() -> None:
    theirs = Theirs()
    theirs.users.override(providers.Factory(NoUsers))
    assert isinstance(refusal(mounting(theirs, {Users: "users"})), PortMismatch)


def test_two_bindings_of_a_mounted_key_are_refused_and_replace_settles_it() -> None:
    part = module_of(Clock, name="part").export(Clock)

    def root(**options: Any) -> Module:
        return Module("app").include(part).mount(Theirs(), {Clock: "clock"}, **options)

    error = refusal(root())
    assert isinstance(error, DuplicateBinding)
    assert 'app.mount(container, {Clock: "clock"}, replace=True)' in error.fix
    Container(root(replace=True)).validate()


def test_mount_takes_containers_only() -> None:
    with pytest.raises(TypeError, match="takes a dependency-injector container, not 3"):
        Module("app").mount(3, {Users: "users"})  # type: ignore[arg-type]


async def test_a_mounted_resource_is_never_closed_by_us() -> None:
    theirs = Theirs()
    root = Module("app").mount(theirs, {Pool: "pool"})
    async with Container(root) as container, container.enter() as scope:
        pool = await scope.get(Pool)
    assert pool.open
    theirs.shutdown_resources()
    assert not pool.open


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_mounted_async_resource_is_awaited(anyio_backend: str) -> None:
    class Async(containers.DeclarativeContainer):
        pool = providers.Resource(opened_later)
        users = providers.Factory(Greeter, users=pool)

    theirs = Async()
    root = Module("app").mount(theirs, {Pool: "pool", Greeter: "users"})

    async def show(pool: Pool = Depend(), greeter: Greeter = Depend()) -> tuple[Pool, Any]:
        return pool, greeter.users

    async with Container(root) as container:
        pool, users = await run(container.entry(point(show)))
        assert isinstance(pool, Pool)
        assert users is pool
    assert pool.open
    await theirs.shutdown_resources()
    assert not pool.open


def test_a_mounted_async_provider_behind_a_plain_handler_is_refused() -> None:
    theirs = containers.DynamicContainer()
    theirs.pool = providers.Resource(opened_later)

    def show(pool: Pool = Depend()) -> None: ...

    assert isinstance(
        refusal(Module("app").mount(theirs, {Pool: "pool"}), point(show)), NeedsAwait
    )


async def test_a_provider_of_ours_in_their_factory_gives_the_object_of_the_entered_scope() -> None:
    class Handler:
        def __init__(self, clock: Clock) -> None:
            self.clock = clock

    async with Container(module_of(Clock)) as container:
        theirs = containers.DynamicContainer()
        theirs.handler = providers.Factory(Handler, clock=container.provider(Clock))
        async with container.enter() as scope:
            assert theirs.handler().clock is await scope.get(Clock)
            assert theirs.handler().clock is theirs.handler().clock
            async with container.enter() as inner:
                assert theirs.handler().clock is await inner.get(Clock)
            assert theirs.handler().clock is await scope.get(Clock)


async def test_concurrent_scopes_get_their_own_objects_from_one_provider() -> None:
    found: dict[int, bool] = {}

    async with Container(module_of(Clock)) as container:
        clock = container.provider(Clock)

        async def work(number: int) -> None:
            async with container.enter() as scope:
                await anyio.lowlevel.checkpoint()
                found[number] = clock() is await scope.get(Clock)

        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(work, number)
    assert found == {0: True, 1: True, 2: True}


async def test_a_provider_of_ours_outside_a_scope_says_which_to_enter() -> None:
    root = module_of(Clock)
    root.bind(Pool, scope=Scope.SINGLETON)
    container = Container(root)
    clock, pool = container.provider(Clock), container.provider(Pool)
    with pytest.raises(ContainerNotRunning):
        pool()
    async with container:
        assert pool() is await container.get(Pool)
        with pytest.raises(WrongScope) as outside:
            clock()
        assert "fix: async with container.enter(Scope.REQUEST)" in str(outside.value)
        async with container.enter():
            clock()
        with pytest.raises(WrongScope):
            clock()


async def test_a_provider_keeps_to_the_scopes_of_its_own_container() -> None:
    root = module_of(Clock)
    async with Container(root) as one, Container(root) as two:
        async with one.enter() as outer, two.enter() as inner:
            assert one.provider(Clock)() is await outer.get(Clock)
            assert two.provider(Clock)() is await inner.get(Clock)
        async with one.enter():
            with pytest.raises(WrongScope):
                two.provider(Clock)()


async def test_a_scope_left_in_another_context_leaves_no_trace() -> None:
    async with Container(module_of(Clock)) as container:
        clock, scope = container.provider(Clock), container.enter()

        async def enter() -> None:
            await scope.__aenter__()
            clock()

        async with anyio.create_task_group() as group:
            group.start_soon(enter)
        await scope.__aexit__(None, None, None)
        with pytest.raises(WrongScope):
            clock()


async def test_scopes_left_in_any_order_are_all_left() -> None:
    async with Container(module_of(Clock)) as container:
        clock = container.provider(Clock)
        outer, inner = container.enter(), container.enter()
        for scope in (outer, inner):
            await scope.__aenter__()
        await outer.__aexit__(None, None, None)
        assert clock() is await inner.get(Clock)
        await inner.__aexit__(None, None, None)
        with pytest.raises(WrongScope):
            clock()


async def test_a_task_that_outlives_the_scope_it_was_started_in_is_told_so() -> None:
    ended = anyio.Event()
    said: list[str] = []

    async with Container(module_of(Clock)) as container:
        clock = container.provider(Clock)

        async def late() -> None:
            await ended.wait()
            with pytest.raises(ScopeClosed) as refused:
                clock()
            said.append(refused.value.asked)

        async with anyio.create_task_group() as group:
            async with container.enter():
                group.start_soon(late)
                await anyio.lowlevel.checkpoint()
            ended.set()
    assert said == ["Clock"]


async def test_a_provider_whose_graph_awaits_gives_what_was_made_before() -> None:
    root = Module("app")
    root.bind(Pool).to(opened_later)
    async with Container(root) as container, container.enter() as scope:
        pool = container.provider(Pool)
        with pytest.raises(NeedsAwait):
            pool()
        made = await scope.get(Pool)
        assert pool() is made


def test_a_provider_of_an_unknown_key_is_refused() -> None:
    with pytest.raises(MissingBinding):
        Container(Module("app")).provider(Clock)
