"""Entries: what is decided at start, and what a call then costs and does."""

import contextlib
import functools
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar

import pytest

from nexios.container.container import Container
from nexios.container.depend import Depend, Lazy
from nexios.container.entry import Entry, EntryPoint, Getter
from nexios.container.errors import ContainerNotRunning, MissingBinding
from nexios.container.keys import MISSING, Key
from nexios.container.module import Module
from nexios.container.scope import Scope, ScopeContext
from nexios.container.signature import Parameter
from tests.support.wiring import VALUES, FromValues, module_of, point, run

pytestmark = pytest.mark.anyio


class Clock:
    pass


class Service:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock


@pytest.fixture
def scopes_made(monkeypatch: pytest.MonkeyPatch) -> list[Scope]:
    """Return the kinds of the scopes that are made from now on."""
    made: list[Scope] = []
    original = ScopeContext.__init__

    def counting(self: ScopeContext, resolver: Any, kind: Scope, *rest: Any) -> None:
        made.append(kind)
        original(self, resolver, kind, *rest)

    monkeypatch.setattr(ScopeContext, "__init__", counting)
    return made


async def test_two_threads_that_add_one_entry_get_the_same() -> None:
    def show(service: Service = Depend()) -> Service:
        return service

    entry_point, got = point(show), list[Entry]()
    async with Container(module_of(Clock, Service)) as container:
        asking = threading.Thread(target=lambda: got.append(container.entry(entry_point)))
        with container.assembly.growing:
            asking.start()
            asking.join(0.05)  # long enough for it to see no entry, and to wait
            got.append(container.entry(entry_point))
        asking.join()
    assert got[0] is got[1]


async def test_an_entry_that_needs_nothing_is_called_straight(scopes_made: list[Scope]) -> None:
    def zero() -> int:
        return 0

    def one(a: int) -> int:
        return a

    async def two(a: int, b: int) -> tuple[int, int]:
        return a, b

    def three(a: int, *, b: int, c: int = 5) -> tuple[int, ...]:
        return a, b, c

    async def guard(a: int) -> None:
        if a > 100:
            raise PermissionError

    def sync_guard(b: int) -> None:
        if b > 100:
            raise PermissionError

    reads = FromValues("a", "b")
    points = [point(target, reads=reads) for target in (zero, one, two, three)]
    points.append(point(three, reads=reads, before=(guard, sync_guard)))
    points.append(point(one, reads=reads, before=(sync_guard,)))
    points.append(point(two, reads=reads, finish=repr))
    container = Container(Module("app"), entries=points, compiled=True)
    container.validate()
    scopes_made.clear()
    # No scope, so not even a running container is needed.
    awaits = [container.entry(item).plan.awaits for item in points]
    assert awaits == [False, False, True, False, True, False, True]
    results = [await run(container.entry(item), a=1, b=2) for item in points]
    assert results == [0, 1, (1, 2), (1, 2, 5), (1, 2, 5), 1, "(1, 2)"]
    for item in points[4:6]:
        with pytest.raises(PermissionError):
            await run(container.entry(item), a=1 if item is points[5] else 101, b=101)
    assert scopes_made == []


async def test_an_entry_of_singletons_opens_no_scope(scopes_made: list[Scope]) -> None:
    class Controller:
        def __init__(self, clock: Clock) -> None:
            self.clock = clock

        async def show(self, a: int) -> Any:
            return self.clock, a

    module = Module("app").controllers(Controller)
    module.bind(Clock, scope=Scope.SINGLETON)
    entry_point = point(Controller.show, owner=Controller, module=module, reads=FromValues("a"))
    container = Container(module, entries=[entry_point], compiled=True)
    with pytest.raises(ContainerNotRunning):
        await run(container.entry(entry_point), a=1)
    async with container:
        scopes_made.clear()
        assert await run(container.entry(entry_point), a=3) == (await container.get(Clock), 3)
        assert scopes_made == []
    with pytest.raises(ContainerNotRunning):
        await run(container.entry(entry_point), a=1)


async def test_sync_graph_yields_a_plan_that_does_not_await() -> None:
    def show(service: Service = Depend()) -> Any:
        return service

    entry_point = point(show)
    async with Container(module_of(Clock, Service), entries=[entry_point]) as container:
        plan = container.entry(entry_point).plan
        assert not plan.awaits
        assert isinstance(plan.call({}), Service)


async def test_awaiting_getters_make_a_plan_await() -> None:
    def show(body: bytes) -> bytes:
        return body

    def scoped(body: bytes, service: Service = Depend()) -> bytes:
        return body

    points = [point(target, reads=FromValues("body", awaits=True)) for target in (show, scoped)]
    async with Container(module_of(Clock, Service), entries=points) as container:
        for item in points:
            entry = container.entry(item)
            assert entry.plan.awaits
            assert await run(entry, body=b"x") == b"x"


async def test_getters_are_asked_once_at_the_build() -> None:
    reads = FromValues("a")

    async def guard(a: int) -> None: ...

    async def show(a: int, service: Service = Depend()) -> None: ...

    entry_point = point(show, reads=reads, before=(guard,))
    async with Container(module_of(Clock, Service), entries=[entry_point]) as container:
        for _ in range(3):
            await run(container.entry(entry_point), a=1)
    assert reads.asked == [("a", True), ("a", False)]


async def test_order_is_guards_then_input_then_wiring_then_the_call() -> None:
    log: list[str] = []

    class Seen:
        def __init__(self) -> None:
            log.append("wiring")

    class Guarded:
        def __init__(self) -> None:
            log.append("guard's wiring")

    async def guard(token: str, it: Guarded = Depend()) -> None:
        log.append("guard")

    async def effect() -> None:
        log.append("effect")

    async def show(body: str, seen: Seen = Depend()) -> None:
        log.append("call")

    reads = FromValues("token", "body", log=log)
    entry_point = point(show, reads=reads, before=(guard, Depend(effect)))
    async with Container(module_of(Seen, Guarded), entries=[entry_point]) as container:
        await run(container.entry(entry_point), token="t", body="b")
    assert log == [
        "read token", "guard's wiring", "guard", "effect", "read body", "wiring", "call",
    ]  # fmt: skip


async def test_guard_classes_are_built_and_guard_objects_are_called() -> None:
    log: list[object] = []

    class HasRole:
        def __init__(self, clock: Clock) -> None:
            self.clock = clock

        async def check(self, call: object) -> None:
            log.append(self.clock)

    class Fixed:
        async def check(self, call: object) -> None:
            log.append("fixed")

    class Reads(FromValues):
        def getter(
            self, asker: Callable[..., object], parameter: Parameter, *, before: bool
        ) -> Getter | None:
            return Getter(lambda call: call) if parameter.name == "call" else None

    async def show() -> None: ...

    entry_point = point(show, before=(HasRole, Fixed()), reads=Reads())
    async with Container(module_of(Clock), entries=[entry_point]) as container:
        await run(container.entry(entry_point))
    assert isinstance(log[0], Clock)
    assert log[1] == "fixed"


async def test_a_dependency_used_before_and_in_the_target_runs_once() -> None:
    calls: list[int] = []

    async def current() -> str:
        calls.append(1)
        return "who"

    async def show(who: str = Depend(current)) -> str:
        return who

    entry_point = point(show, before=(Depend(current),))
    async with Container(Module("app"), entries=[entry_point]) as container:
        assert await run(container.entry(entry_point)) == "who"
    assert calls == [1]


async def test_generator_dependency_sees_the_handlers_exception() -> None:
    log: list[str] = []

    async def session() -> AsyncIterator[str]:
        try:
            yield "session"
        except KeyError:
            log.append("rolled back")
            raise

    async def show(it: str = Depend(session)) -> None:
        raise KeyError("mine")

    entry_point = point(show)
    async with Container(Module("app"), entries=[entry_point]) as container:
        with pytest.raises(KeyError, match="mine"):
            await run(container.entry(entry_point))
    assert log == ["rolled back"]


async def test_finish_runs_inside_the_scope() -> None:
    log: list[str] = []

    async def session() -> AsyncIterator[str]:
        try:
            yield "session"
        except TypeError:
            log.append("rolled back")
            raise

    async def show(it: str = Depend(session)) -> object:
        return object()

    def encode(result: object) -> object:
        raise TypeError("cannot be encoded")

    entry_point = point(show, finish=encode)
    async with Container(Module("app"), entries=[entry_point]) as container:
        with pytest.raises(TypeError, match="cannot be encoded"):
            await run(container.entry(entry_point))
    assert log == ["rolled back"]


async def test_supplied_values_are_computed_once_and_only_when_asked() -> None:
    made: list[object] = []

    class Request:
        pass

    class Uses:
        def __init__(self, request: Request) -> None:
            self.request = request

    def request_of(call: dict[str, object]) -> Request:
        made.append(call)
        return Request()

    everywhere = Module("everywhere").export(Request)
    everywhere.bind(Request).given()

    async def show(uses: Uses = Depend(), request: Request = Depend()) -> bool:
        return uses.request is request

    async def other(clock: Clock = Depend()) -> None: ...

    supplies = {Key(Request): request_of}
    points = [point(target, supplies=supplies) for target in (show, other)]
    root = module_of(Uses, Clock)
    async with Container(root, entries=points, everywhere=everywhere) as container:
        assert await run(container.entry(points[0])) is True
        await run(container.entry(points[1]))
    assert len(made) == 1


async def test_message_entries_stand_below_their_connection(scopes_made: list[Scope]) -> None:
    class Board:
        pass

    class Talk:
        def __init__(self, board: Board) -> None:
            self.board = board
            self.count = 0

        async def post(self, number: int, service: Service = Depend()) -> Any:
            self.count += number
            return self, service

        async def plain(self, number: int) -> Any:
            return self

    module = module_of(Clock, Service).controllers(Talk)
    module.bind(Board, scope=Scope.CONNECTION)

    async def drive(self: Talk, scope: ScopeContext) -> Any:
        results = [await run_below(entries[0], scope, number) for number in (1, 2)]
        results.append(await run_below(entries[1], scope, 3))
        return self, results

    async def run_below(entry: Any, scope: ScopeContext, number: int) -> Any:
        return await entry.plan.call(scope, {"number": number})

    class Reads(FromValues):
        def getter(
            self, asker: Callable[..., object], parameter: Parameter, *, before: bool
        ) -> Getter | None:
            if parameter.name == "number":
                return Getter(lambda scope, call: call["number"])
            return None

    connection = point(drive, "WS /talk", owner=Talk, module=module, scope=Scope.CONNECTION)
    values = (Key(ScopeContext), *VALUES)
    messages = [
        EntryPoint(
            "WS /talk post", target, owner=Talk, module=module, values=values, reads=Reads()
        )
        for target in (Talk.post, Talk.plain)
    ]
    async with Container(module, entries=[*messages, connection]) as container:
        entries = [container.entry(item) for item in messages]
        owner, results = await run(container.entry(connection))
        again, _ = await run(container.entry(connection))
    assert results[0][0] is results[1][0] is results[2] is owner
    assert results[0][1] is not results[1][1]
    assert again is not owner


class Board:
    pass


class Part:
    def __init__(self, board: Board) -> None:
        self.board = board


class Talk:
    def __init__(self, board: Board) -> None:
        self.board = board

    async def plain(self, board: Board = Depend()) -> Any:
        return self, board

    async def transient(self, part: Part = Depend()) -> Any:
        return self, part.board

    async def of_request(self, service: Service = Depend()) -> Any:
        return self, service

    async def by_handle(self, service: Lazy[Service] = Depend()) -> Any:
        return self, service()

    async def of_scope(self, scope: ScopeContext = Depend()) -> Any:
        return self, scope

    async def opened(self, scope: ScopeContext = Depend()) -> Any:
        return self, scope


async def nothing() -> Any:
    return 7


@contextlib.asynccontextmanager
async def talking(*messages: tuple[Callable[..., Any], type | None]) -> AsyncIterator[Any]:
    """Yield the container, a connection's controller, and what sends each message to it."""
    module = module_of(Clock, Service).controllers(Talk)
    module.bind(Board, scope=Scope.CONNECTION)
    module.bind(Part, scope=Scope.TRANSIENT)
    points = [
        EntryPoint("WS", target, owner=owner, module=module, values=(Key(ScopeContext),))
        for target, owner in messages
    ]
    connection = EntryPoint("WS", Talk.opened, owner=Talk, module=module, scope=Scope.CONNECTION,
                            values=(Key(ScopeContext),), shared=True)  # fmt: skip
    async with (
        Container(module, entries=[*points, connection]) as container,
        container.enter(Scope.CONNECTION) as scope,
    ):
        talk, _ = await container.entry(connection).plan.call(scope)  # type: ignore[misc]  # awaits

        def sender(item: EntryPoint) -> Callable[[], Any]:
            return lambda: container.entry(item).plan.call(scope)

        yield container, talk, [sender(item) for item in points]


async def test_message_scope_is_not_created_when_the_handler_needs_none(
    scopes_made: list[Scope],
) -> None:
    messages = ((nothing, None), (Talk.plain, Talk), (Talk.transient, Talk))
    async with talking(*messages) as (container, talk, (nothing_, plain, transient)):
        scopes_made.clear()
        assert await nothing_() == 7
        assert await plain() == (talk, talk.board)
        assert await transient() == (talk, talk.board)
        assert scopes_made == []
        with container.override(Part).to(Part):
            assert await transient() == (talk, talk.board)
        # What stands in is not looked into: it gets a scope of its own.
        assert scopes_made == [Scope.REQUEST]


@pytest.mark.parametrize("target", [Talk.of_request, Talk.by_handle, Talk.of_scope])
async def test_message_scope_is_created_for_what_ends_with_the_message(
    target: Callable[..., Any], scopes_made: list[Scope]
) -> None:
    async with talking((target, Talk)) as (container, talk, (send,)):
        scopes_made.clear()
        (owner, one), (_, two) = await send(), await send()
        assert owner is talk
        assert one is not two
        # A plan keeps what ends with the call in local variables, unless a handle asks later.
        local = container.assembly.plans.compiled and target is Talk.of_request
        assert scopes_made == ([] if local else [Scope.REQUEST] * 2)


async def test_shared_entry_runs_in_the_scope_it_is_given_and_leaves_it_open() -> None:
    async def show(clock: Clock = Depend()) -> Clock:
        return clock

    entry_point = EntryPoint("middleware", show, values=(Key(ScopeContext),), shared=True)
    root = module_of(Clock)
    async with Container(root, entries=[entry_point]) as container, container.enter() as scope:
        entry: Any = container.entry(entry_point)
        clock = await entry.plan.call(scope)
        assert await entry.plan.call(scope) is clock
        assert await scope.get(Clock) is clock


async def test_awaits_is_decided_from_the_wrapper_and_the_signature_through_it() -> None:
    def blocking(a: int, service: Service = Depend()) -> Any:
        return a, service

    @functools.wraps(blocking)
    async def threaded(*args: Any, **kwargs: Any) -> Any:
        return blocking(*args, **kwargs)

    entry_point = point(threaded, reads=FromValues("a"))
    async with Container(module_of(Clock, Service), entries=[entry_point]) as container:
        entry = container.entry(entry_point)
        assert entry.plan.awaits
        number, service = await run(entry, a=4)
        assert number == 4
        assert isinstance(service, Service)


async def test_concurrent_calls_of_one_entry_do_not_mix() -> None:
    import anyio

    async def current(a: int) -> AsyncIterator[int]:
        await anyio.lowlevel.checkpoint()
        yield a

    async def show(a: int, b: int = Depend(current)) -> None:
        await anyio.lowlevel.checkpoint()
        assert a == b
        seen.append(a)

    seen: list[int] = []
    entry_point = point(show, reads=FromValues("a"))
    async with Container(Module("app"), entries=[entry_point]) as container:
        entry = container.entry(entry_point)
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(functools.partial(run, entry, a=number))
    assert sorted(seen) == list(range(20))


# Controllers kept as singletons.


class Stateless:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    async def show(self) -> Any:
        return self


class Writes(Stateless):
    async def show(self) -> Any:
        self.user = 1
        return self


class WritesInside(Stateless):
    async def show(self) -> Any:
        def inner() -> None:
            self.user = 1

        inner()
        return self


class Deletes(Stateless):
    @property
    def user(self) -> int:
        del self.clock
        return 1


async def kept(controller: Any, module: Module) -> bool:
    """Return whether two calls see one object."""
    module.controllers(controller)
    entry_point = point(controller.show, owner=controller, module=module)
    async with Container(module, entries=[entry_point]) as container:
        entry = container.entry(entry_point)
        reason = next(n.kept for n in container.wiring.nodes if n.binding.source is controller)
        same = await run(entry) is await run(entry)
        assert same is (reason != "")
        return same


async def test_controller_with_singleton_graph_is_one_object() -> None:
    assert await kept(Stateless, module_of(Clock, scope=Scope.SINGLETON))
    assert not await kept(Stateless, module_of(Clock, scope=Scope.REQUEST))


async def test_controller_that_is_bound_is_never_kept() -> None:
    module = module_of(Clock, scope=Scope.SINGLETON)
    module.bind(Stateless)
    assert not await kept(Stateless, module)


@pytest.mark.parametrize("controller", [Writes, WritesInside, Deletes])
async def test_controller_that_assigns_to_self_in_a_method_is_never_kept(controller: Any) -> None:
    assert not await kept(controller, module_of(Clock, scope=Scope.SINGLETON))


async def test_controller_is_kept_through_transients() -> None:
    class Middle:
        def __init__(self, clock: Clock) -> None: ...

    class Holder:
        def __init__(self, middle: Middle) -> None: ...

        async def show(self) -> Any:
            return self

    module = Module("app").controllers(Holder)
    module.bind(Clock, scope=Scope.SINGLETON)
    module.bind(Middle, scope=Scope.TRANSIENT)
    entry_point = point(Holder.show, owner=Holder, module=module)
    async with Container(module, entries=[entry_point]) as container:
        entry = container.entry(entry_point)
        assert await run(entry) is await run(entry)


# Classes that bind themselves.


class Repository:
    pass


class Users:
    repository: Repository


async def test_class_on_an_app_handler_is_bound_automatically_and_in_a_module_it_is_refused_with_the_line() -> (  # noqa: E501  # the design's name
    None
):
    async def show(users: Users = Depend(), repository: Repository = Depend()) -> Any:
        return users, repository

    entry_point = point(show)
    async with Container(Module("app"), entries=[entry_point]) as container:
        users, repository = await run(container.entry(entry_point))
        assert users.repository is repository
        assert (await run(container.entry(entry_point)))[0] is not users

    async def list_all(users: Users = Depend()) -> None: ...

    module = Module("shop")
    with pytest.raises(MissingBinding) as refusal:
        Container(module, entries=[point(list_all, module=module)]).validate()
    assert refusal.value.fix.startswith("shop.bind(Users)")


async def test_what_binds_itself_is_found_whoever_comes_first() -> None:
    class Bound:
        def __init__(self, repository: Repository) -> None:
            self.repository = repository

    async def first(bound: Bound = Depend()) -> Any:
        return bound

    async def second(repository: Repository = Depend()) -> Any:
        return repository

    root = module_of(Bound)
    points = [point(first), point(second)]
    async with Container(root, entries=points) as container:
        assert isinstance((await run(container.entry(points[0]))).repository, Repository)


def test_autobinding_never_reaches_third_party_or_standard_library_classes() -> None:
    import argparse

    import click

    class AsksStandard:
        def __init__(self, parser: argparse.ArgumentParser) -> None: ...

    class AsksThirdParty:
        def __init__(self, command: click.Context) -> None: ...

    class AsksOurs:
        def __init__(self, module: Module) -> None: ...

    for asker in (AsksStandard, AsksThirdParty, AsksOurs):

        async def show(it: Any = Depend(asker)) -> None: ...

        with pytest.raises(MissingBinding):
            Container(Module("app"), entries=[point(show)]).validate()

    async def direct(it: argparse.ArgumentParser = Depend()) -> None: ...

    with pytest.raises(MissingBinding):
        Container(Module("app"), entries=[point(direct)]).validate()


async def test_late_entries_are_wired_while_running() -> None:
    class Controller:
        def __init__(self, clock: Clock) -> None:
            self.clock = clock

        def show(self) -> Any:
            return self

    module = Module("app").controllers(Controller)
    module.bind(Clock, scope=Scope.SINGLETON)

    class Other(Controller):
        pass

    async with Container(module) as container:
        for owner in (Controller, Other):
            entry = container.entry(point(owner.show, owner=owner, module=module))
            assert await run(entry) is await run(entry)
        twin = container.derive()
        async with twin:
            assert len(twin.assembly.plans) == 2


async def test_an_item_of_the_value_is_read_without_a_call_wherever_it_can_be_written_out() -> (
    None
):
    calls: list[str] = []

    class Call:
        told: ClassVar = {'a key\'s "name"': 7}

    class Reads(FromValues):
        def getter(
            self, asker: Callable[..., object], parameter: Parameter, *, before: bool
        ) -> Getter | None:
            key = 'a key\'s "name"'

            def read(*values: Any) -> object:
                calls.append(parameter.name)
                return values[-1].told[key]

            return Getter(read, item=("told", key)) if parameter.name == "number" else None

    async def show(number: int) -> int:
        return number

    one = EntryPoint("one", show, values=VALUES, reads=Reads())
    two = EntryPoint("two", show, values=(*VALUES, Key(str)), reads=Reads())
    async with Container(Module("app"), entries=[one, two]) as container:
        for entry_point, values in ((one, (Call(),)), (two, (None, Call()))):
            result: Any = container.entry(entry_point).plan.call(*values)
            assert await result == 7
        compiled = container.assembly.plans.compiled
    assert calls == ["number"] * (1 if compiled else 2)


class Body:
    """Comes whole, or after a wait."""

    def __init__(self, whole: int | None, late: int = 0) -> None:
        self.whole = whole
        self.late = late
        self.asked: list[str] = []


class ReadsBody(FromValues):
    """Reads ``number`` at once where it can, and ``before`` as it comes."""

    def getter(
        self, asker: Callable[..., object], parameter: Parameter, *, before: bool
    ) -> Getter | None:
        async def read(body: Body) -> int:
            body.asked.append("waits")
            return body.late if body.whole is None else body.whole

        def read_now(body: Body) -> object:
            body.asked.append("now")
            return MISSING if body.whole is None else body.whole

        if parameter.name == "number":
            return Getter(read, awaits=True, now=read_now)
        return super().getter(asker, parameter, before=before)


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("waiting", [False, True])
async def test_what_is_there_is_read_without_waiting(guarded: bool, waiting: bool) -> None:
    told: list[str] = []

    async def guard() -> None:
        told.append("guard")

    async def show(number: int) -> int:
        return number

    def show_now(number: int) -> int:
        return number

    target = show if waiting else show_now
    before = (guard,) if guarded else ()
    entry_point = EntryPoint("one", target, values=VALUES, reads=ReadsBody(), before=before)
    async with Container(Module("app"), entries=[entry_point]) as container:
        plan = container.entry(entry_point).plan
        compiled = container.assembly.plans.compiled
        assert plan.awaits
        for body, calls in (
            (Body(7), ["now"] if compiled else ["waits"]),
            (Body(None, late=8), ["now", "waits"] if compiled else ["waits"]),
        ):
            result: Any = plan.call(body)
            assert await result == (7 if body.whole else 8)
            assert body.asked == calls
    assert told == (["guard", "guard"] if guarded else [])


async def test_a_plan_that_only_waits_for_its_target_is_no_coroutine_itself() -> None:
    async def show(number: int) -> int:
        return number

    entry_point = EntryPoint("one", show, values=VALUES, reads=ReadsBody())
    async with Container(Module("app"), entries=[entry_point]) as container:
        plan = container.entry(entry_point).plan
        compiled = container.assembly.plans.compiled
        for body, name in ((Body(7), "show"), (Body(None), "plan")):
            result: Any = plan.call(body)
            assert result.__name__ == (name if compiled else "call")
            await result


async def test_what_stands_before_the_read_is_made_once() -> None:
    made: list[str] = []

    class Counted:
        def __init__(self) -> None:
            made.append("counted")

    async def show(number: int) -> int:
        return number

    home = Module("app")
    home.bind(Counted)
    entry_point = EntryPoint(
        "one", show, module=home, values=VALUES, reads=ReadsBody(), before=(Depend(Counted),)
    )
    async with Container(home, entries=[entry_point]) as container:
        for body in (Body(7), Body(None, late=7)):
            made.clear()
            result: Any = container.entry(entry_point).plan.call(body)
            assert await result == 7
            assert made == ["counted"]
