"""Scopes end last-in-first-out, all of it, whatever ended them."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from nexios.container.container import Container
from nexios.container.depend import Depend, Lazy, Provider, Scopes
from nexios.container.entry import Held
from nexios.container.errors import (
    CleanupTimedOut,
    ContainerNotRunning,
    MissingValue,
    NeedsAsyncClose,
    NothingYielded,
    ScopeClosed,
    WrongReplacement,
    WrongScope,
    YieldedTwice,
)
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope, ScopeContext
from tests.support.golden import assert_golden
from tests.support.wiring import FromValues, module_of, point, run

pytestmark = pytest.mark.anyio


class Tenant:
    pass


class A:
    pass


class B:
    def __init__(self, a: A) -> None: ...


class C:
    def __init__(self, b: B) -> None: ...


def opening(log: list[str], **fails: BaseException) -> Module:
    """Return a module where A and C open with async generators, B with a plain one."""
    module = Module("opening")

    @module.provides()
    async def a() -> AsyncIterator[A]:
        log.append("open a")
        try:
            yield A()
        except BaseException as error:
            log.append(f"a sees {type(error).__name__}")
            raise
        finally:
            await anyio.lowlevel.checkpoint()
            log.append("close a")
            if "a" in fails:
                raise fails["a"]

    @module.provides()
    def b(a: A) -> Iterator[B]:
        log.append("open b")
        try:
            yield B(a)
        except BaseException as error:
            log.append(f"b sees {type(error).__name__}")
            raise
        finally:
            log.append("close b")
            if "b" in fails:
                raise fails["b"]

    @module.provides()
    async def c(b: B) -> AsyncIterator[C]:
        log.append("open c")
        try:
            yield C(b)
        except BaseException as error:
            log.append(f"c sees {type(error).__name__}")
            raise
        finally:
            log.append("close c")
            if "c" in fails:
                raise fails["c"]

    return module


async def test_cleanup_runs_in_reverse_creation_order_mixing_sync_and_async() -> None:
    log: list[str] = []
    async with Container(opening(log)) as container, container.enter() as scope:
        await scope.get(C)
    assert log == ["open a", "open b", "open c", "close c", "close b", "close a"]


async def test_cleanup_sees_the_handlers_exception_and_cannot_swallow_it() -> None:
    log: list[str] = []
    module = Module("swallows")

    @module.provides()
    async def a() -> AsyncIterator[A]:
        try:
            yield A()
        except KeyError:
            log.append("a swallows")

    @module.provides()
    def b() -> Iterator[B]:
        try:
            yield B(A())
        except KeyError:
            log.append("b swallows")

    async with Container(module) as container:
        with pytest.raises(KeyError, match="mine"):
            async with container.enter() as scope:
                await scope.get(A)
                await scope.get(B)
                raise KeyError("mine")
    assert log == ["b swallows", "a swallows"]


async def test_every_cleanup_runs_when_some_fail_and_errors_are_grouped() -> None:
    log: list[str] = []
    module = opening(log, c=ValueError("c"), a=OSError("a"))
    async with Container(module) as container:
        with pytest.raises(ExceptionGroup) as refusal:
            async with container.enter() as scope:
                await scope.get(C)
    assert [type(error) for error in refusal.value.exceptions] == [ValueError, OSError]
    assert log[-4:] == ["b sees ValueError", "close b", "a sees ValueError", "close a"]


@pytest.mark.parametrize("who", ["a", "b", "c"])
async def test_single_cleanup_error_is_not_wrapped(who: str) -> None:
    mine = ValueError("commit failed")
    async with Container(opening([], **{who: mine})) as container:
        with pytest.raises(ValueError, match="commit failed") as refusal:
            async with container.enter() as scope:
                await scope.get(C)
    assert refusal.value is mine


async def test_a_failed_cleanup_reaches_the_outer_ones() -> None:
    log: list[str] = []
    async with Container(opening(log, c=ValueError("commit failed"))) as container:
        with pytest.raises(ValueError, match="commit failed"):
            async with container.enter() as scope:
                await scope.get(C)
    # As nested ``async with`` would: the outer transaction learns that the commit failed.
    assert log[-4:] == ["b sees ValueError", "close b", "a sees ValueError", "close a"]


async def test_cleanup_error_keeps_the_ending_exception_as_context() -> None:
    async with Container(opening([], c=ValueError("clean-up"))) as container:
        with pytest.raises(ValueError, match="clean-up") as refusal:
            async with container.enter() as scope:
                await scope.get(C)
                raise KeyError("ending")
    assert isinstance(refusal.value.__context__, KeyError)


async def test_exits_continue_after_a_base_exception() -> None:
    log: list[str] = []
    module = opening(log, c=KeyboardInterrupt())
    async with Container(module) as container:
        with pytest.raises(KeyboardInterrupt):
            async with container.enter() as scope:
                await scope.get(C)
    assert log[-1] == "close a"


@pytest.mark.parametrize("stop", [StopIteration("x"), StopAsyncIteration("x")])
async def test_an_ending_stop_iteration_is_not_mistaken_for_an_end(stop: Exception) -> None:
    log: list[str] = []
    container = Container(opening(log))
    await container.start()
    scope = container.enter()
    await scope.get(C)
    await scope.close(stop)
    assert log[-3:] == ["close b", f"a sees {type(stop).__name__}", "close a"]
    await container.stop()


async def test_cancelled_request_still_rolls_back() -> None:
    log: list[str] = []
    opened = anyio.Event()

    class Session:
        pass

    module = Module("db")

    @module.provides()
    async def session() -> AsyncIterator[Session]:
        try:
            yield Session()
        except BaseException as error:
            log.append("rolling back")
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            log.append(f"rolled back, was cancelled: {not isinstance(error, Exception)}")
            raise

    async def request(container: Container) -> None:
        async with container.enter() as scope:
            await scope.get(Session)
            opened.set()
            await anyio.sleep_forever()

    async with Container(module) as container, anyio.create_task_group() as group:
        group.start_soon(request, container)
        await opened.wait()
        group.cancel_scope.cancel()
    assert log == ["rolling back", "rolled back, was cancelled: True"]


async def test_cleanup_longer_than_close_timeout_is_abandoned_and_named() -> None:
    log: list[str] = []
    module = Module("slow")

    @module.provides()
    async def a() -> AsyncIterator[A]:
        yield A()
        log.append("close a")

    @module.provides()
    async def b(a: A) -> AsyncIterator[B]:
        yield B(a)
        await anyio.sleep_forever()

    async with Container(module, close_timeout_s=0.01) as container:
        with pytest.raises(CleanupTimedOut, match=r"clean-up of B was abandoned after 0\.01 s"):
            async with container.enter() as scope:
                await scope.get(B)
    # ``a`` was told of the failure, so what follows its yield did not run: no commit.
    assert log == []


class Jobs:
    def __init__(self, group: Any) -> None:
        self.group = group


def holding(log: list[str], scope: Scope) -> Module:
    """Return a module whose generators yield inside cancel scopes of their own."""
    module = Module("holding")

    @module.provides(scope=scope)
    async def a() -> AsyncIterator[A]:
        with anyio.fail_after(10):
            yield A()
            await anyio.lowlevel.checkpoint()
        log.append("a in time")

    @module.provides(scope=scope)
    async def jobs(a: A) -> AsyncIterator[Jobs]:
        async with anyio.create_task_group() as group:
            try:
                yield Jobs(group)
            finally:
                group.cancel_scope.cancel()
        log.append("jobs over")

    @module.provides(scope=scope)
    async def b(jobs: Jobs, a: A) -> AsyncIterator[B]:
        async with anyio.create_task_group():
            pass
        try:
            yield B(a)
        finally:
            await anyio.sleep(0.01)
            log.append("close b")

    return module


@pytest.mark.parametrize("scope", [Scope.SINGLETON, Scope.REQUEST])
@pytest.mark.parametrize("ask", ["entry", "scope.get"])
async def test_a_generator_may_yield_inside_a_task_group_or_a_timeout(
    scope: Scope, ask: str
) -> None:
    log: list[str] = []

    async def show(b: B = Depend(), jobs: Jobs = Depend()) -> None:
        jobs.group.start_soon(anyio.sleep_forever)

    entry_point = point(show)
    async with Container(holding(log, scope), entries=[entry_point]) as container:
        if ask == "entry":
            await run(container.entry(entry_point))
        else:
            async with container.enter() as opened:
                await show(await opened.get(B), await opened.get(Jobs))
    assert log == ["close b", "jobs over", "a in time"]


@pytest.mark.parametrize("ask", ["entry", "scope.get"])
async def test_a_generator_inside_a_cancelled_task_group_ends_and_others_roll_back(
    ask: str,
) -> None:
    log: list[str] = []
    opened = anyio.Event()

    async def wait(b: B = Depend()) -> None:
        opened.set()
        await anyio.sleep_forever()

    entry_point = point(wait)
    container = Container(holding(log, Scope.REQUEST), entries=[entry_point])

    async def request() -> None:
        if ask == "entry":
            await run(container.entry(entry_point))
        else:
            async with container.enter() as scope:
                await wait(await scope.get(B))

    async with container, anyio.create_task_group() as group:
        group.start_soon(request)
        await opened.wait()
        group.cancel_scope.cancel()
    assert log[0] == "close b"


@pytest.mark.parametrize("asked_twice", [False, True])
async def test_a_generator_inside_a_timeout_that_yields_twice_is_named(asked_twice: bool) -> None:
    module = Module("twice")

    @module.provides()
    async def a() -> AsyncIterator[A]:
        with anyio.fail_after(10):
            yield A()
            if asked_twice:
                await anyio.lowlevel.checkpoint()
            yield A()

    async with Container(module) as container:
        with pytest.raises(YieldedTwice, match="A yielded twice"):
            async with container.enter() as scope:
                await scope.get(A)


async def test_failure_half_way_through_wiring_closes_what_was_made() -> None:
    log: list[str] = []
    module = opening(log)

    class Broken:
        def __init__(self, b: B) -> None:
            raise OSError("no disk")

    module.bind(Broken)

    async def show(broken: Broken = Depend()) -> None: ...

    entry_point = point(show, module=module)
    async with Container(module, entries=[entry_point]) as container:
        with pytest.raises(OSError, match="no disk") as refusal:
            await run(container.entry(entry_point))
    assert log == ["open a", "open b", "b sees OSError", "close b", "a sees OSError", "close a"]
    assert "while making Broken for show(broken), GET /x" in refusal.value.__notes__


async def test_generator_yielding_twice_is_named() -> None:
    module = Module("twice")

    @module.provides()
    def a() -> Iterator[A]:
        yield A()
        yield A()

    @module.provides()
    async def b() -> AsyncIterator[B]:
        yield B(A())
        yield B(A())

    async with Container(module) as container:
        for key in (A, B):
            with pytest.raises(YieldedTwice, match=f"{key.__name__} yielded twice"):
                async with container.enter() as scope:
                    await scope.get(key)


async def test_generator_yielding_twice_and_then_hanging_is_abandoned() -> None:
    module = Module("twice")

    @module.provides()
    async def a() -> AsyncIterator[A]:
        try:
            yield A()
            yield A()
        finally:
            await anyio.sleep_forever()

    async with Container(module, close_timeout_s=0.01) as container:
        with pytest.raises(CleanupTimedOut, match="clean-up of A was abandoned"):
            async with container.enter() as scope:
                await scope.get(A)


async def test_generator_without_a_value_is_named() -> None:
    module = Module("none")

    @module.provides()
    def a() -> Iterator[A]:
        yield from ()

    @module.provides()
    async def b() -> AsyncIterator[B]:
        for item in ():
            yield item

    async with Container(module) as container, container.enter() as scope:
        for key in (A, B):
            with pytest.raises(NothingYielded, match=key.__name__):
                await scope.get(key)


async def test_supplied_values_and_instances_are_never_closed() -> None:
    class Closable(Tenant):
        closed = False

        def close(self) -> None:
            self.closed = True

        async def __aexit__(self, *_: object) -> None:
            self.closed = True

    given, value = Closable(), Closable()
    module = Module("app")
    module.bind(Tenant).given()
    module.bind(Closable).value(value)
    async with (
        Container(module) as container,
        container.enter(values={Tenant: given}) as scope,
    ):
        assert await scope.get(Tenant) is given
        assert await scope.get(Closable) is value
    assert not given.closed
    assert not value.closed


async def test_resolving_from_a_closed_scope_is_refused() -> None:
    async with Container(module_of(A)) as container:
        async with container.enter() as scope:
            await scope.get(A)
        with pytest.raises(ScopeClosed, match="REQUEST scope is closed"):
            await scope.get(A)
        with pytest.raises(ScopeClosed):
            scope.get_now(A)
        with pytest.raises(ScopeClosed):
            scope.enter()
        with pytest.raises(ScopeClosed):
            await scope.call(A)


async def test_resolving_from_a_stopped_container_is_refused() -> None:
    module = module_of(A)
    container = Container(module)
    with pytest.raises(ContainerNotRunning):
        container.enter()
    async with container:
        scope = container.enter()
        await scope.get(A)
    with pytest.raises(ContainerNotRunning):
        await scope.get(A)
    with pytest.raises(ContainerNotRunning):
        container.enter()
    with pytest.raises(ContainerNotRunning):
        await container.get(A)


async def test_task_outliving_its_request_gets_scope_closed_naming_itself() -> None:
    ended = anyio.Event()
    seen: list[ScopeClosed] = []

    async def late(scope: ScopeContext) -> None:
        await ended.wait()
        try:
            await scope.get(A)
        except ScopeClosed as error:
            seen.append(error)

    async with Container(module_of(A)) as container, anyio.create_task_group() as group:
        async with container.enter() as scope:
            group.start_soon(late, scope, name="the late one")
        ended.set()
    assert seen[0].task == "the late one"
    assert "the late one" in str(seen[0])


async def test_task_a_handler_started_and_left_behind_gets_scope_closed_naming_itself() -> None:
    ended = anyio.Event()
    seen: list[ScopeClosed] = []

    class Holder:
        def __init__(self, scope: ScopeContext, lazy: Lazy[B], make: Provider[A]) -> None:
            self.asks = (partial(scope.get, A), lazy.get, make.get, partial(scope.call, B))

    async def late(holder: Holder) -> None:
        await ended.wait()
        for ask in holder.asks:
            with pytest.raises(
                ScopeClosed, match="REQUEST scope is closed; task 'late one'"
            ) as it:
                await ask()
            seen.append(it.value)

    async def show(holder: Holder = Depend()) -> str:
        group.start_soon(late, holder, name="late one")
        return "answered"

    entry_point = point(show)
    root = module_of(A, B, Holder)
    async with (
        Container(root, entries=[entry_point]) as container,
        anyio.create_task_group() as group,
    ):
        assert await run(container.entry(entry_point)) == "answered"
        ended.set()
    assert len(seen) == 4
    assert_golden(seen[0], "scope_closed.txt")


async def test_object_finished_after_its_scope_ended_is_closed_at_once() -> None:
    log: list[str] = []
    asked, ended = anyio.Event(), anyio.Event()
    module = Module("app")

    @module.provides()
    async def a() -> AsyncIterator[A]:
        asked.set()
        await ended.wait()
        log.append("open")
        try:
            yield A()
        finally:
            log.append("close")

    async def ask(scope: ScopeContext) -> None:
        with pytest.raises(ScopeClosed):
            await scope.get(A)

    async with Container(module) as container, anyio.create_task_group() as group:
        async with container.enter() as scope:
            group.start_soon(ask, scope)
            await asked.wait()
        ended.set()
    assert log == ["open", "close"]


async def test_object_finished_late_by_a_cancelled_task_is_still_closed_whole() -> None:
    log: list[str] = []
    asked, ended = anyio.Event(), anyio.Event()
    module = Module("app")

    @module.provides()
    async def a() -> AsyncIterator[A]:
        asked.set()
        with anyio.CancelScope(shield=True):
            await ended.wait()
        try:
            yield A()
        except ScopeClosed:
            await anyio.lowlevel.checkpoint()
            log.append("rolled back")
            raise

    async def ask(scope: ScopeContext) -> None:
        with pytest.raises(ScopeClosed):
            await scope.get(A)

    async with Container(module) as container, anyio.create_task_group() as group:
        async with container.enter() as scope:
            group.start_soon(ask, scope)
            await asked.wait()
        group.cancel_scope.cancel()
        ended.set()
    assert log == ["rolled back"]


async def test_coroutine_finished_after_its_scope_ended_is_refused_too() -> None:
    asked, ended = anyio.Event(), anyio.Event()
    module = Module("app")

    @module.provides()
    async def a() -> A:
        asked.set()
        await ended.wait()
        return A()

    async def ask(scope: ScopeContext) -> None:
        with pytest.raises(ScopeClosed):
            await scope.get(A)

    async with Container(module) as container, anyio.create_task_group() as group:
        async with container.enter() as scope:
            group.start_soon(ask, scope)
            await asked.wait()
        ended.set()


async def test_singleton_of_an_earlier_run_is_not_kept_by_the_next_one() -> None:
    asked, ended = anyio.Event(), anyio.Event()
    made: list[A] = []
    module = Module("app")

    @module.provides(scope=Scope.SINGLETON, lazy=True)
    async def a() -> A:
        made.append(A())
        if len(made) == 1:
            asked.set()
            await ended.wait()
        return made[-1]

    container = Container(module)
    await container.start()

    async def ask() -> None:
        with pytest.raises(ContainerNotRunning):
            await container.get(A)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await asked.wait()
        await container.stop()
        await container.start()
        ended.set()
        await anyio.wait_all_tasks_blocked()
        assert await container.get(A) is made[1]
    await container.stop()


async def test_singleton_finished_after_the_stop_says_that_the_container_is_over() -> None:
    asked, ended = anyio.Event(), anyio.Event()
    module = Module("app")

    @module.provides(scope=Scope.SINGLETON, lazy=True)
    async def a() -> AsyncIterator[A]:
        asked.set()
        await ended.wait()
        yield A()

    container = Container(module)
    await container.start()

    async def ask() -> None:
        with pytest.raises(ContainerNotRunning):
            await container.get(A)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await asked.wait()
        await container.stop()
        ended.set()


async def test_handle_used_after_its_scope_closed_raises() -> None:
    class Holder:
        def __init__(self, lazy: Lazy[A], provider: Provider[A]) -> None:
            self.lazy, self.provider = lazy, provider

    async with Container(module_of(Holder, A)) as container:
        async with container.enter() as scope:
            holder = await scope.get(Holder)
        with pytest.raises(ScopeClosed):
            holder.provider()
        with pytest.raises(ScopeClosed):
            await holder.lazy.get()


async def test_task_started_with_scopes_call_has_its_own_scope_and_cleanup() -> None:
    log: list[str] = []
    module = opening(log)

    async def work(c: C, number: int) -> None:
        log.append(f"work {number}")

    class Starter:
        def __init__(self, scopes: Scopes) -> None:
            self.scopes = scopes

    module.bind(Starter, scope=Scope.SINGLETON)
    async with Container(module) as container:
        starter = await container.get(Starter)
        async with anyio.create_task_group() as group:
            group.start_soon(partial(starter.scopes.call, work, number=1))
    assert log == ["open a", "open b", "open c", "work 1", "close c", "close b", "close a"]


async def test_connection_scope_spans_messages_and_message_scope_does_not() -> None:
    class Board:
        pass

    class Message:
        def __init__(self, board: Board, a: A) -> None:
            self.board, self.a = board, a

    module = module_of(Message, A)
    module.bind(Board, scope=Scope.CONNECTION)
    async with Container(module) as container, container.enter(Scope.CONNECTION) as connection:
        made = []
        for _ in range(2):
            async with connection.enter() as message:
                made.append(await message.get(Message))
        assert made[0].board is made[1].board is await connection.get(Board)
        assert made[0].a is not made[1].a
        with pytest.raises(WrongScope, match="A lives in a REQUEST scope"):
            await connection.get(A)


async def test_http_resolves_connection_scoped_services_once_per_request() -> None:
    class Board:
        pass

    module = Module("app")
    module.bind(Board, scope=Scope.CONNECTION)
    async with Container(module) as container:
        async with container.enter() as first:
            board = await first.get(Board)
            assert await first.get(Board) is board
        async with container.enter() as second:
            assert await second.get(Board) is not board


async def test_given_value_missing_from_the_scope_is_named() -> None:
    module = Module("app")
    module.bind(Tenant).given()
    async with Container(module) as container, container.enter() as scope:
        with pytest.raises(MissingValue, match="Tenant comes with the scope"):
            await scope.get(Tenant)


async def test_given_value_of_the_wrong_type_is_refused() -> None:
    module = Module("app")
    module.bind(Tenant).given()
    async with Container(module) as container:
        with pytest.raises(WrongReplacement, match="is no Tenant"):
            container.enter(values={Tenant: "acme"})


async def test_given_value_of_the_connection_reaches_its_messages() -> None:
    module = Module("app")
    module.bind(Tenant).given()
    module.bind(Key(Tenant, "socket"), scope=Scope.CONNECTION).given()
    tenant = Tenant()
    values = {Tenant: tenant, Key(Tenant, "socket"): tenant}
    async with (
        Container(module) as container,
        container.enter(Scope.CONNECTION, values=values) as connection,
        connection.enter() as message,
    ):
        assert await message.get(Tenant) is tenant
        assert await message.get(Key(Tenant, "socket")) is tenant


async def test_thread_pool_handler_sees_its_request_scope() -> None:
    async with Container(module_of(A, B)) as container, container.enter() as scope:
        in_thread = await anyio.to_thread.run_sync(scope.get_now, B)
        assert await scope.get(B) is in_thread

    class Holder:
        def __init__(self, scope: ScopeContext, lazy: Lazy[B]) -> None:
            self.scope, self.lazy = scope, lazy

    def blocking(holder: Holder) -> list[B]:
        return [holder.lazy(), holder.scope.get_now(B)]

    async def show(holder: Holder = Depend(), b: B = Depend()) -> list[B]:
        return [b, *await anyio.to_thread.run_sync(blocking, holder)]

    entry_point = point(show)
    async with Container(module_of(A, B, Holder), entries=[entry_point]) as container:
        found = await run(container.entry(entry_point))
        assert len(set(map(id, found))) == 1
        assert (await run(container.entry(entry_point)))[0] is not found[0]


async def test_leaving_a_scope_synchronously_with_an_async_cleanup_is_refused_by_name() -> None:
    log: list[str] = []
    async with Container(opening(log)) as container:
        scope = container.enter()
        await scope.get(B)
        with pytest.raises(NeedsAsyncClose, match="clean-up of A awaits"):
            scope.close_now()
        await scope.close()
    assert log[-1] == "close a"


async def test_sync_scope_closes_sync_cleanups() -> None:
    log: list[str] = []
    module = Module("sync")

    @module.provides()
    def a() -> Iterator[A]:
        yield A()
        log.append("close a")

    async with Container(module) as container:
        with container.enter() as scope:
            scope.get_now(A)
    assert log == ["close a"]


async def test_singleton_asked_of_a_request_outlives_it() -> None:
    log: list[str] = []
    module = Module("app")

    @module.provides(scope=Scope.SINGLETON, lazy=True)
    async def a() -> AsyncIterator[A]:
        yield A()
        log.append("close a")

    async with Container(module) as container:
        async with container.enter() as scope:
            made = await scope.get(A)
        assert log == []
        assert await container.get(A) is made
    assert log == ["close a"]


async def test_transient_cleanups_run_with_the_askers_scope() -> None:
    log: list[str] = []
    module = Module("app")

    @module.provides(scope=Scope.TRANSIENT)
    async def a() -> AsyncIterator[A]:
        yield A()
        log.append("close a")

    class Keeper:
        def __init__(self, a: A) -> None: ...

    module.bind(Keeper, scope=Scope.SINGLETON, lazy=True)
    async with Container(module) as container:
        async with container.enter() as scope:
            await scope.get(A)
            await scope.get(Keeper)
        assert log == ["close a"]
    assert log == ["close a", "close a"]


async def test_commit_failing_at_scope_end_reaches_the_caller_as_an_error_not_as_the_answer() -> (
    None
):
    module = opening([], a=OSError("commit failed"))

    async def show(a: A = Depend()) -> str:
        return "201"

    entry_point = point(show, module=module)
    async with Container(module, entries=[entry_point]) as container:
        with pytest.raises(OSError, match="commit failed"):
            await run(container.entry(entry_point))


@pytest.mark.parametrize("error", [None, ConnectionError("peer left")])
async def test_streamed_result_keeps_its_scope_until_closed(error: Exception | None) -> None:
    log: list[str] = []
    module = opening(log)

    async def show(a: A = Depend()) -> str:
        return "stream"

    entry_point = point(show, module=module, streams=lambda result: result == "STREAM",
                        finish=str.upper)  # fmt: skip
    async with Container(module, entries=[entry_point]) as container:
        held = await run(container.entry(entry_point))
        assert isinstance(held, Held)
        assert held.result == "STREAM"
        assert log == ["open a"]
        await held.close(error)
    assert log == ["open a", *(["a sees ConnectionError"] if error else []), "close a"]


async def test_refused_guard_opens_nothing_for_the_handler() -> None:
    log: list[str] = []
    module = opening(log)

    class Refused(Exception):
        pass

    async def guard(token: str) -> None:
        raise Refused

    async def show(body: str, c: C = Depend()) -> None: ...

    reads = FromValues("token", "body", log=log)
    entry_point = point(show, module=module, before=(guard,), reads=reads)
    async with Container(module, entries=[entry_point]) as container:
        with pytest.raises(Refused):
            await run(container.entry(entry_point), token="t", body="b")
    assert log == ["read token"]


async def test_unreadable_input_opens_nothing_for_the_handler() -> None:
    log: list[str] = []
    module = opening(log)

    async def show(body: str, c: C = Depend()) -> Any: ...

    entry_point = point(show, module=module, reads=FromValues("body"))
    async with Container(module, entries=[entry_point]) as container:
        with pytest.raises(KeyError):
            await run(container.entry(entry_point))
    assert log == []


async def test_same_asker_reentering_its_own_making_is_named() -> None:
    module = Module("app")

    @module.provides()
    async def a(lazy: Lazy[A]) -> A:
        return await lazy.get()

    async with Container(module) as container, container.enter() as scope:
        with pytest.raises(Exception, match="A asks for itself while it is made"):
            await scope.get(A)
