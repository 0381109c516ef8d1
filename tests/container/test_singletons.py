"""Singletons: one object however many ask, started in order, stopped in reverse."""

import gc
import threading
import weakref
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.to_thread
import pytest

from nexios.container.container import Container
from nexios.container.depend import Depend, Lazy
from nexios.container.errors import ContainerError, Deadlock, WrongEventLoop
from nexios.container.module import Module
from nexios.container.scope import Scope, ScopeContext
from tests.support.golden import assert_golden
from tests.support.wiring import module_of, point

pytestmark = pytest.mark.anyio


class Engine:
    pass


class Pool:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine


async def test_ten_waiters_make_one_async_singleton() -> None:
    module = Module("app")
    waiting, go = anyio.Event(), anyio.Event()
    made: list[Engine] = []

    @module.provides(scope=Scope.SINGLETON, lazy=True)
    async def engine() -> Engine:
        waiting.set()
        await go.wait()
        made.append(Engine())
        return made[-1]

    seen: list[Engine] = []

    async def ask(container: Container) -> None:
        seen.append(await container.get(Engine))

    async with Container(module) as container, anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(ask, container)
        await waiting.wait()
        await anyio.wait_all_tasks_blocked()
        go.set()
    assert len(made) == 1
    assert seen == made * 10


async def test_cancelled_first_waiter_does_not_fail_the_others() -> None:
    module = Module("app")
    attempts: list[int] = []
    first_is_in, go = anyio.Event(), anyio.Event()

    @module.provides(scope=Scope.SINGLETON, lazy=True)
    async def engine() -> Engine:
        attempts.append(1)
        if len(attempts) == 1:
            first_is_in.set()
            await anyio.sleep_forever()
        await go.wait()
        return Engine()

    seen: list[Engine] = []

    async def first(container: Container, cancel: anyio.CancelScope) -> None:
        with cancel:
            await container.get(Engine)

    async def other(container: Container) -> None:
        seen.append(await container.get(Engine))

    cancel = anyio.CancelScope()
    async with Container(module) as container, anyio.create_task_group() as group:
        group.start_soon(first, container, cancel)
        await first_is_in.wait()
        group.start_soon(other, container)
        group.start_soon(other, container)
        await anyio.wait_all_tasks_blocked()
        cancel.cancel()
        go.set()
    assert len(attempts) == 2
    assert len(seen) == 2
    assert seen[0] is seen[1]


async def test_failed_singleton_is_retried_and_not_cached() -> None:
    module = Module("app")
    attempts: list[int] = []

    @module.provides(scope=Scope.SINGLETON, lazy=True)
    def engine() -> Engine:
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("not yet")
        return Engine()

    async with Container(module) as container:
        with pytest.raises(OSError, match="not yet"):
            await container.get(Engine)
        assert await container.get(Engine) is await container.get(Engine)
    assert len(attempts) == 2


async def test_eight_threads_make_one_sync_singleton_and_others_are_not_blocked() -> None:
    inside, go = threading.Event(), threading.Event()
    made: list[Engine] = []

    class Other:
        pass

    def engine() -> Engine:
        inside.set()
        go.wait(timeout=10)
        made.append(Engine())
        return made[-1]

    module = Module("app")
    module.bind(Engine, scope=Scope.SINGLETON, lazy=True).to(engine)
    module.bind(Other, scope=Scope.SINGLETON, lazy=True)
    seen: list[Engine] = []

    async with (
        Container(module) as container,
        container.enter() as scope,
        anyio.create_task_group() as group,
    ):

        async def ask() -> None:
            seen.append(await anyio.to_thread.run_sync(scope.get_now, Engine))

        for _ in range(8):
            group.start_soon(ask)
        await anyio.to_thread.run_sync(inside.wait, 10)
        # While the slow constructor holds its own lock, another singleton comes through.
        assert isinstance(await anyio.to_thread.run_sync(scope.get_now, Other), Other)
        go.set()
    assert len(made) == 1
    assert seen == made * 8


class Ping:
    pass


class Pong:
    pass


@pytest.mark.parametrize("scope", [Scope.SINGLETON, Scope.REQUEST])
async def test_two_tasks_whose_makers_await_each_others_lazy_are_told_instead_of_hanging(
    scope: Scope,
) -> None:
    module = Module("app")
    inside = {Ping: anyio.Event(), Pong: anyio.Event()}

    def maker(made: type, wanted: Any) -> Any:
        async def make(handle: Any) -> Any:
            inside[made].set()
            await inside[wanted].wait()
            await handle.get()
            return made()

        make.__annotations__["handle"] = Lazy[wanted]
        return make

    lazy = scope is Scope.SINGLETON
    module.bind(Ping, scope=scope, lazy=lazy).to(maker(Ping, Pong))
    module.bind(Pong, scope=scope, lazy=lazy).to(maker(Pong, Ping))
    told: list[str] = []

    async def ask(running: ScopeContext, key: type) -> None:
        with pytest.raises(Deadlock) as refusal:
            await running.get(key)
        told.append(str(refusal.value))

    with anyio.fail_after(5):
        async with (
            Container(module) as container,
            container.enter() as running,
            anyio.create_task_group() as group,
        ):
            group.start_soon(ask, running, Ping)
            group.start_soon(ask, running, Pong)
    # Who comes second sees the ring; the first one then makes what was given up, itself.
    assert "Pong -> Ping -> Pong" in told[0] or "Ping -> Pong -> Ping" in told[0]
    assert "asks for itself while it is made" in told[1]


def test_two_threads_whose_constructors_ask_each_others_lazy_are_told_instead_of_hanging() -> None:
    both_inside = threading.Barrier(2, timeout=10)
    came: set[type] = set()
    told: list[str] = []

    def meet(cls: type) -> None:
        if cls not in came:
            came.add(cls)
            both_inside.wait()

    class Left:
        def __init__(self, other: "Lazy[Right]") -> None:
            meet(Left)
            other()

    class Right:
        def __init__(self, other: Lazy[Left]) -> None:
            meet(Right)
            other()

    Left.__init__.__annotations__["other"] = Lazy[Right]

    async def serve() -> None:
        module = Module("app")
        module.bind(Left, scope=Scope.SINGLETON, lazy=True)
        module.bind(Right, scope=Scope.SINGLETON, lazy=True)

        async def ask(scope: ScopeContext, key: Any) -> None:
            with pytest.raises(Deadlock) as refusal:
                await anyio.to_thread.run_sync(scope.get_now, key)
            told.append(str(refusal.value))

        async with (
            Container(module) as container,
            container.enter() as scope,
            anyio.create_task_group() as group,
        ):
            group.start_soon(ask, scope, Left)
            group.start_soon(ask, scope, Right)

    thread = threading.Thread(target=anyio.run, args=(serve,), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert len(told) == 2
    rings = ("Left -> Right -> Left", "Right -> Left -> Right")
    assert any(ring in text for ring in rings for text in told)


async def test_a_constructor_that_asks_for_itself_is_named() -> None:
    class Selfish:
        def __init__(self, lazy: "Lazy[Any]") -> None:
            lazy()

    Selfish.__init__.__annotations__["lazy"] = Lazy[Selfish]
    async with Container(module_of(Selfish)) as container, container.enter() as scope:
        with pytest.raises(Deadlock) as refusal:
            await scope.get(Selfish)
    assert_golden(refusal.value, "asks_for_itself.txt")


async def test_who_only_waits_for_a_maker_is_told_nothing() -> None:
    go, inside = anyio.Event(), anyio.Event()
    module = Module("app")

    @module.provides(scope=Scope.SINGLETON, lazy=True)
    async def engine() -> Engine:
        inside.set()
        await go.wait()
        return Engine()

    @module.provides(scope=Scope.SINGLETON, lazy=True)
    async def pool(engine: Lazy[Engine]) -> Pool:
        return Pool(await engine.get())

    made: list[Any] = []
    async with Container(module) as container:

        async def ask(key: Any) -> None:
            made.append(await container.get(key))

        async with anyio.create_task_group() as group:
            group.start_soon(ask, Engine)
            await inside.wait()
            for _ in range(3):
                group.start_soon(ask, Pool)
            await anyio.wait_all_tasks_blocked()
            go.set()
    assert len(set(map(id, made))) == 2


def logged(module: Module, log: list[str], fail: str = "") -> Module:
    class Last:
        def __init__(self, pool: Pool) -> None:
            self.pool = pool

    @module.provides(scope=Scope.SINGLETON)
    async def last(pool: Pool) -> AsyncIterator[Last]:
        log.append("open last")
        if fail == "last":
            raise OSError("no last")
        yield Last(pool)
        log.append("close last")

    @module.provides(scope=Scope.SINGLETON)
    async def pool(engine: Engine) -> AsyncIterator[Pool]:
        log.append("open pool")
        try:
            yield Pool(engine)
        finally:
            log.append("close pool")

    @module.provides(scope=Scope.SINGLETON)
    async def engine() -> AsyncIterator[Engine]:
        log.append("open engine")
        try:
            yield Engine()
        finally:
            log.append("close engine")

    return module


async def test_eager_singletons_start_in_dependency_order_and_stop_in_reverse() -> None:
    log: list[str] = []
    async with Container(logged(Module("app"), log)):
        assert log == ["open engine", "open pool", "open last"]
        log.clear()
    assert log == ["close last", "close pool", "close engine"]


async def test_start_failure_closes_the_already_started() -> None:
    log: list[str] = []
    container = Container(logged(Module("app"), log, fail="last"))
    with pytest.raises(OSError, match="no last"):
        await container.start()
    assert log == ["open engine", "open pool", "open last", "close pool", "close engine"]
    assert not container.running


async def test_container_can_be_started_again_after_stop() -> None:
    container = Container(logged(Module("app"), []))
    async with container:
        first = await container.get(Engine)
    async with container:
        second = await container.get(Engine)
        assert (await container.get(Pool)).engine is second
    assert first is not second


async def test_starting_twice_is_refused() -> None:
    async with Container(module_of(Engine)) as container:
        with pytest.raises(ContainerError, match="running already"):
            await container.start()


async def test_stopping_what_never_started_does_nothing() -> None:
    container = Container(Module("broken").export(Engine))
    await container.stop()
    assert not container.running


async def test_lazy_singletons_are_not_made_at_start() -> None:
    made: list[int] = []

    class Late:
        def __init__(self) -> None:
            made.append(1)

    module = Module("app")
    module.bind(Late, scope=Scope.SINGLETON, lazy=True)
    async with Container(module) as container:
        assert made == []
        await container.get(Late)
    assert made == [1]


@pytest.mark.parametrize(
    ("first", "second"), [("asyncio", "asyncio"), ("asyncio", "trio"), ("trio", "asyncio")]
)
def test_container_used_on_another_event_loop_says_so(first: str, second: str) -> None:
    class Late:
        pass

    module = module_of(Engine)
    module.bind(Late, scope=Scope.SINGLETON, lazy=True)
    container = Container(module)
    ready, done = threading.Event(), threading.Event()
    held: list[ScopeContext] = []

    async def serve() -> None:
        async with container, container.enter() as scope:
            held.append(scope)
            ready.set()
            await anyio.to_thread.run_sync(done.wait, 10)

    says = (
        rf"^the container was started on the {first} loop 0x\w+ of thread 'first' "
        rf"and is used on the {second} loop 0x\w+ of thread 'second'\n"
        r"  fix: one container per event loop: container\.derive\(\)$"
    )

    async def intrude() -> None:
        with pytest.raises(WrongEventLoop, match=says):
            container.enter()
        with pytest.raises(WrongEventLoop), container.override(Engine).value(Engine()):
            raise AssertionError("not reached")
        for ask in (container.get, held[0].get):
            with pytest.raises(WrongEventLoop):
                await ask(Late)
        # A twin of its own is the way out.
        async with container.derive() as twin, twin.enter() as scope:
            assert isinstance(await scope.get(Late), Late)

    failed: list[BaseException] = []

    def second_thread() -> None:
        try:
            anyio.run(intrude, backend=second)
        except BaseException as error:  # shown by the test's own thread
            failed.append(error)

    thread = threading.Thread(target=anyio.run, args=(serve,), kwargs={"backend": first})
    thread.name = "first"
    thread.start()
    try:
        assert ready.wait(10)
        other = threading.Thread(target=second_thread, name="second")
        other.start()
        other.join(10)
        assert failed == []
    finally:
        done.set()
        thread.join(10)


def test_container_left_running_on_a_loop_that_has_ended_says_so() -> None:
    container = Container(module_of(Engine))
    anyio.run(container.start)

    async def use() -> None:
        container.enter()

    with pytest.raises(WrongEventLoop, match="loop"):
        anyio.run(use)


async def test_nothing_grows_with_the_number_of_requests() -> None:
    class Session:
        pass

    module = Module("app")
    module.bind(Engine, scope=Scope.SINGLETON, lazy=True)

    @module.provides()
    async def session(engine: Engine) -> AsyncIterator[Session]:
        yield Session()

    async def show(session: Session = Depend()) -> None: ...

    def sizes(container: Container) -> list[int]:
        assembly = container.assembly
        paths = assembly.interpreter.paths
        held: list[Any] = [
            assembly.graph.nodes, assembly.root.cache, assembly.root.exits,
            assembly.engine.providers, assembly.plans._known, assembly.root.locks,
            *(value for value in vars(paths).values() if isinstance(value, dict)),
            *(value for value in vars(container._resolution).values() if isinstance(value, dict)),
        ]  # fmt: skip
        return [len(item) for item in held]

    entry_point = point(show)
    async with Container(module, entries=[entry_point]) as container:
        plan = container.entry(entry_point).plan

        async def request() -> weakref.ref[ScopeContext]:
            await plan.call({})  # type: ignore[misc]  # it awaits
            async with container.enter() as scope:
                await scope.get(Session)
                assert await scope.get(int | None) is None
                assert await scope.get(list[Session]) == []
                await scope.call(show)
                return weakref.ref(scope)

        # The first one wires what is asked at run time, the second walks it.
        await request()
        await request()
        before = sizes(container)
        scopes = [await request() for _ in range(200)]
        assert sizes(container) == before
        gc.collect()
        assert [item for item in scopes if item() is not None] == []


@pytest.mark.parametrize("scope", [Scope.REQUEST, Scope.TRANSIENT, Scope.SINGLETON])
@pytest.mark.parametrize("opens", [False, True])
async def test_chain_of_500_is_made(scope: Scope, opens: bool) -> None:
    module = Module("deep")
    before: type = type("Node0", (), {})
    module.bind(before, scope=scope)
    closed: list[int] = []
    for number in range(1, 500):

        def init(self: Any, inner: Any) -> None:
            self.inner = inner

        cls = type(f"Node{number}", (), {"__init__": init})
        init.__annotations__["inner"] = before

        async def opened(inner: Any, cls: Any = cls, number: Any = number) -> AsyncIterator[Any]:
            yield cls(inner)
            closed.append(number)

        opened.__annotations__.update({"inner": before, "return": AsyncIterator[cls]})  # type: ignore[valid-type]
        module.bind(cls, scope=scope).to(opened if opens else cls)
        before = cls
    async with Container(module) as container, container.enter() as running:
        made: Any = await running.get(before)
        for _ in range(499):
            made = made.inner
        assert type(made).__name__ == "Node0"
    assert closed == (list(range(499, 0, -1)) if opens else [])
