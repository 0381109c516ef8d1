"""Compiled plans: what is written for an entry, when, and what its errors show."""

import gc
import inspect
import linecache
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import anyio
import anyio.lowlevel
import pytest

from nexios.container.container import Container
from nexios.container.depend import Depend, Lazy, Provider
from nexios.container.entry import EntryPoint
from nexios.container.errors import ContainerNotRunning, Deadlock, ScopeClosed
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.plans import COMPILED_AT_START, Plans
from nexios.container.scope import Scope, ScopeContext
from tests.support.wiring import FromValues, module_of, point, run

pytestmark = pytest.mark.anyio


class Clock:
    pass


class Session:
    pass


class Users:
    def __init__(self, session: Session, clock: Clock) -> None:
        self.session, self.clock = session, clock


class Service:
    def __init__(self, users: Users, *, clock: Clock) -> None:
        self.users, self.clock = users, clock


def app() -> Module:
    module = module_of(Session, Users, Service)
    module.bind(Clock, scope=Scope.SINGLETON)
    return module


def show(service: Service = Depend()) -> Service:
    return service


def source(container: Container, entry_point: EntryPoint) -> str:
    """Return the text of the plan an entry has now."""
    code = container.entry(entry_point).plan.call.__code__  # type: ignore[attr-defined]
    return "".join(linecache.getlines(code.co_filename))


def compiled(module: Module, *points: EntryPoint) -> Container:
    return Container(module, entries=points, compiled=True)


async def test_sync_graph_yields_plain_function_and_no_await() -> None:
    entry_point = point(show)
    async with compiled(app(), entry_point) as container:
        plan = container.entry(entry_point).plan
        assert not plan.awaits
        assert not inspect.iscoroutinefunction(plan.call)
        assert "await" not in source(container, entry_point)
        assert isinstance(plan.call({}), Service)


async def test_the_target_alone_awaiting_costs_no_coroutine_of_the_plan() -> None:
    async def later(service: Service = Depend()) -> Service:
        return service

    entry_point = point(later)
    async with compiled(app(), entry_point) as container:
        plan = container.entry(entry_point).plan
        assert plan.awaits
        assert not inspect.iscoroutinefunction(plan.call)
        assert isinstance(await run(container.entry(entry_point)), Service)


async def test_plan_allocates_no_scope_object_when_not_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[object] = []
    original = ScopeContext.__init__

    def counting(self: ScopeContext, *rest: Any, **named: Any) -> None:
        made.append(rest)
        original(self, *rest, **named)

    module = app()
    key = Key(Clock, "opened")

    @module.provides(key)
    async def opened(service: Service) -> AsyncIterator[Clock]:
        yield service.clock

    async def plain(service: Service = Depend()) -> None: ...
    async def opening(clock: Clock = Depend(key)) -> None: ...
    async def handled(users: Provider[Users] = Depend()) -> object:
        return await users.get()

    points = [point(plain), point(opening), point(handled)]
    async with compiled(module, *points) as container:
        monkeypatch.setattr(ScopeContext, "__init__", counting)
        await run(container.entry(points[0]))
        await run(container.entry(points[1]))
        assert made == []
        assert isinstance(await run(container.entry(points[2])), Users)
        assert len(made) == 1


async def test_chain_of_500_transients_compiles() -> None:
    module = Module("chain")
    kinds: list[Any] = [type("K0", (), {})]
    for number in range(1, 500):

        def __init__(self: Any, below: Any) -> None:  # noqa: N807
            self.below = below

        __init__.__annotations__ = {"below": kinds[-1]}
        kinds.append(type(f"K{number}", (), {"__init__": __init__}))
    for kind in kinds:
        module.bind(kind, scope=Scope.TRANSIENT)

    def top(made: Any = Depend(kinds[-1])) -> Any:
        return made

    entry_point = point(top, module=module)
    async with compiled(module, entry_point) as container:
        assert container.assembly.plans.why_interpreted(entry_point) == ""
        found, depth = await run(container.entry(entry_point)), 1
        while hasattr(found, "below"):
            found, depth = found.below, depth + 1
        assert depth == 500
        async with container.enter() as scope:
            assert type(await scope.get(kinds[-1])) is kinds[-1]
            assert type(await scope.get(kinds[-1])) is kinds[-1]


async def test_constructor_error_shows_the_wiring_path_and_generated_line() -> None:
    class Broken:
        def __init__(self, users: Users) -> None:
            raise OSError("no disk")

    module = app()
    module.bind(Broken)

    async def ask(broken: Broken = Depend()) -> None: ...

    entry_point = point(ask, "GET /users/{user_id}", module=module)
    async with compiled(module, entry_point) as container:
        with pytest.raises(OSError, match="no disk") as refusal:
            await run(container.entry(entry_point))
    said = "while making Broken for ask(broken), GET /users/{user_id}"
    assert refusal.value.__notes__ == [said]
    text = "".join(traceback.format_exception(refusal.value))
    assert '"<nexios GET /users/{user_id}' in text
    assert "(v" in text.partition("<nexios")[2].partition("# Broken")[0]


async def test_the_error_of_what_is_made_for_each_asker_names_it() -> None:
    class Broken:
        def __init__(self) -> None:
            raise OSError("no disk")

    module = app()
    module.bind(Broken, scope=Scope.TRANSIENT)
    entry_point = point(lambda clock=Depend(Clock), made=Depend(Broken): None, module=module)
    for mode in (True, False):
        async with Container(module, entries=[entry_point], compiled=mode) as container:
            with pytest.raises(OSError, match="no disk") as refusal:
                await run(container.entry(entry_point))
        assert refusal.value.__notes__ == ["while making Broken for <lambda>(made), GET /x"]


async def test_user_names_cannot_collide_with_generated_names() -> None:
    names = ["exits", "v1", "c1", "M", "note", "cache", "scope", "plan", "a0", "x\nimport os\n#"]
    kinds = [type(name, (), {}) for name in names]
    module = module_of(*kinds)

    class Last:
        def __init__(self, *, v0: Any, g0: Any, result: Any, note: Any, a0: Any) -> None:
            self.held = v0, g0, result, note, a0

    Last.__init__.__annotations__ = dict(
        zip(("v0", "g0", "result", "note", "a0"), kinds, strict=False)
    )
    module.bind(Last)

    def ask(read: int, last: Last = Depend(), more: Any = Depend(list[kinds[-1]])) -> Any:  # type: ignore[valid-type]
        return read, last.held

    ask.__annotations__["last"] = Last
    entry_point = point(ask, "GET /\n\x1b[31m", module=module, reads=FromValues("read"))
    async with compiled(module, entry_point) as container:
        assert container.assembly.plans.why_interpreted(entry_point) == ""
        read, held = await run(container.entry(entry_point), read=7)
        assert read == 7
        assert [type(item) for item in held] == kinds[:5]
        text = source(container, entry_point)
        assert "import" not in text
        assert "\x1b" not in container.entry(entry_point).plan.call.__code__.co_filename  # type: ignore[attr-defined]


async def test_a_keyword_that_python_would_read_as_another_name_is_passed_as_it_is() -> None:
    def make(**given: Any) -> Users:
        ((name, session),) = given.items()
        assert name == "\N{LATIN SMALL LIGATURE FI}"
        return Users(session, Clock())

    keyword = inspect.Parameter(
        "\N{LATIN SMALL LIGATURE FI}", inspect.Parameter.KEYWORD_ONLY, annotation=Session
    )
    make.__signature__ = inspect.Signature([keyword])  # type: ignore[attr-defined]
    module = module_of(Session)
    module.bind(Users).to(make)
    entry_point = point(lambda users=Depend(Users): users, module=module)
    async with compiled(module, entry_point) as container:
        assert isinstance((await run(container.entry(entry_point))).session, Session)


async def test_plan_source_contains_no_value_from_configuration() -> None:
    module = app()
    module.bind(Key(str, "password")).value("swordfish")

    class Mailer:
        def __init__(self, host: str, password: Annotated[str, Key("password")]) -> None:
            self.host, self.password = host, password

    module.bind(Mailer).using(host="mail.internal")

    def ask(mailer: Mailer = Depend(), retries: int = 31337) -> tuple[str, str]:
        return mailer.host, mailer.password

    entry_point = point(ask, module=module)
    async with compiled(module, entry_point) as container:
        assert await run(container.entry(entry_point)) == ("mail.internal", "swordfish")
        text = source(container, entry_point)
        assert not any(secret in text for secret in ("swordfish", "mail.internal", "31337"))


async def test_lazy_singleton_is_folded_after_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    module = Module("app")

    @module.provides(scope=Scope.SINGLETON, lazy=True)
    async def clock() -> Clock:
        made.append(1)
        return Clock()

    async def ask(clock: Clock = Depend()) -> Clock:
        return clock

    first, second = point(ask), point(ask, "GET /second")
    async with compiled(module, first, second) as container:
        assert made == []
        one = await run(container.entry(first))
        # From here on neither entry looks into a cache: there is none to look into.
        container.assembly.root.cache = {}
        assert await run(container.entry(first)) is one
        assert await run(container.entry(second)) is one
        container.assembly.root.cache = {0: one}
    async with container:
        assert await run(container.entry(first)) is not one
    assert made == [1, 1]


async def test_lazy_singleton_made_under_an_override_is_not_folded() -> None:
    class Reports:
        def __init__(self, clock: Clock) -> None:
            self.clock = clock

    module = app()
    module.bind(Reports, scope=Scope.SINGLETON, lazy=True)
    entry_point = point(lambda reports=Depend(Reports): reports, module=module)
    fake = Clock()
    async with compiled(module, entry_point) as container:
        entry = container.entry(entry_point)
        with container.override(Clock).value(fake):
            assert (await run(entry)).clock is fake
        real = await run(entry)
        assert real.clock is await container.get(Clock)
        with container.override(Clock).value(fake):
            assert (await run(entry)).clock is fake
        assert await run(entry) is real


async def test_a_container_started_under_an_override_gives_the_real_objects_after_it() -> None:
    entry_point = point(show)
    fake = Clock()
    container = compiled(app(), entry_point)
    container.validate()
    override = container.override(Clock).value(fake)
    override.__enter__()
    async with container:
        entry = container.entry(entry_point)
        assert (await run(entry)).clock is fake
        override.__exit__(None, None, None)
        real = (await run(entry)).clock
        assert real is not fake
        assert (await run(entry)).clock is real is await container.get(Clock)


@pytest.mark.parametrize("ask", ["entry", "scope.get"])
async def test_what_a_step_needs_is_made_after_a_start_under_an_override(ask: str) -> None:
    module = Module("app")

    @module.provides(scope=Scope.SINGLETON)
    def clock() -> Iterator[Clock]:
        yield Clock()

    @module.provides(scope=Scope.TRANSIENT)
    def session(clock: Clock) -> Iterator[Session]:
        opened = Session()
        opened.clock = clock  # type: ignore[attr-defined]  # of this test
        yield opened

    @module.provides()
    def users(session: Session, later: Lazy[Clock]) -> Iterator[Users]:
        yield Users(session, later())

    def show(users: Users = Depend()) -> Users:
        return users

    entry_point = point(show)
    container = compiled(module, entry_point)
    override = container.override(Clock).value(Clock())
    override.__enter__()
    async with container:
        override.__exit__(None, None, None)
        for _ in range(3):
            async with container.enter() as scope:
                made = await (
                    run(container.entry(entry_point)) if ask == "entry" else scope.get(Users)
                )
            assert made.session.clock is made.clock is await container.get(Clock)


async def test_interpreted_container_has_no_plans() -> None:
    # Claim 2 of 2.5.
    entry_point = point(show)
    async with Container(app(), entries=[entry_point], compiled=False) as container:
        assert container.assembly.plans.why_interpreted(entry_point)
        assert "nexios" not in container.entry(entry_point).plan.call.__code__.co_name  # type: ignore[attr-defined]
        assert container.assembly.plans.maker(0) is None
        assert isinstance(await run(container.entry(entry_point)), Service)


@pytest.mark.parametrize("said", ["interpreted", "compiled", ""])
def test_the_environment_says_how_where_nobody_else_does(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXIOS_CONTAINER", said)
    assert Container(app()).assembly.plans.compiled is (said != "interpreted")
    assert Container(app(), compiled=True).assembly.plans.compiled


def test_an_environment_that_says_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NEXIOS_CONTAINER", "fast")
    with pytest.raises(ValueError, match="'compiled' or 'interpreted', not 'fast'"):
        Container(app())


async def test_an_entry_added_to_a_running_container_is_compiled_at_once() -> None:
    async with compiled(app()) as container:
        entry = container.entry(point(show))
        plan = entry.plan
        assert isinstance(await run(entry), Service)
        assert entry.plan is plan


async def test_past_the_first_entries_plans_are_written_at_the_first_call() -> None:
    points = [point(show, f"GET /{number}") for number in range(COMPILED_AT_START + 2)]

    async def later(service: Service = Depend()) -> Service:
        return service

    points.append(point(later, "GET /later"))
    points.append(point(later, "GET /finished", finish=lambda made: [made]))
    async with compiled(app(), *points) as container:
        for entry_point in (points[0], points[-3], points[-2]):
            entry = container.entry(entry_point)
            before = entry.plan
            assert before.awaits is (entry_point is points[-2])
            assert isinstance(await run(entry), Service)
            assert (entry.plan is before) is (entry_point is points[0])
            assert "c" in source(container, entry_point)
        assert isinstance((await run(container.entry(points[-1])))[0], Service)
        assert isinstance((await run(container.entry(points[-1])))[0], Service)


async def test_plans_are_gone_with_the_container_and_equal_labels_do_not_mix() -> None:
    def other(users: Users = Depend()) -> Users:
        return users

    before = {name for name in linecache.cache if name.startswith("<nexios GET /twice")}
    points = [point(show, "GET /twice"), point(other, "GET /twice")]
    async with compiled(app(), *points) as container:
        one, two = source(container, points[0]), source(container, points[1])
        assert "# Service" in one
        assert "# Service" not in two
    del container
    gc.collect()
    left = {name for name in linecache.cache if name.startswith("<nexios GET /twice")}
    assert left == before


async def test_a_stopped_container_refuses_what_needs_it_and_serves_what_does_not() -> None:
    def nothing(read: int) -> int:
        return read

    points = [point(show), point(nothing, reads=FromValues("read"))]
    for mode in (True, False):
        container = Container(app(), entries=points, compiled=mode)
        for _ in range(2):
            with pytest.raises(ContainerNotRunning, match="GET /x"):
                await run(container.entry(points[0]))
            assert await run(container.entry(points[1]), read=3) == 3
            async with container:
                assert isinstance(await run(container.entry(points[0])), Service)


async def test_transient_coroutine_source_is_awaited_once_per_asker_in_both_modes() -> None:
    made: list[Clock] = []
    module = module_of(Session)

    @module.provides(scope=Scope.TRANSIENT)
    async def clock() -> Clock:
        made.append(Clock())
        return made[-1]

    async def ask(clock: Clock = Depend(), users: Users = Depend()) -> Any:
        return clock, users.clock

    module.bind(Users)
    entry_point = point(ask, module=module)
    for mode in (True, False):
        made.clear()
        async with Container(module, entries=[entry_point], compiled=mode) as container:
            one, two = await run(container.entry(entry_point))
            assert one is not two
            assert len(made) == 2


async def test_what_a_scope_was_asked_before_it_makes_by_a_plan() -> None:
    module = app()
    module.bind(Key(Users, "each"), scope=Scope.TRANSIENT).to(Users)
    async with compiled(module) as container:
        for _ in range(3):
            async with container.enter() as scope:
                service = await scope.get(Service)
                assert scope.get_now(Service) is service
                assert scope.get_now(Users) is service.users
                each = scope.get_now(Key(Users, "each"))
                assert each is not scope.get_now(Key(Users, "each"))
                assert each.session is service.users.session
        assert Service in container._resolution.makers
        fake = Session()
        with container.override(Session).value(fake):
            async with container.enter() as scope:
                assert (await scope.get(Service)).users.session is fake
        async with container.enter() as scope:
            assert (await scope.get(Service)).users.session is not fake
        with pytest.raises(ScopeClosed):
            await scope.get(Service)


async def test_what_a_scope_is_asked_after_a_start_under_an_override_is_the_real_object() -> None:
    container = compiled(app())
    fake = Clock()
    override = container.override(Clock).value(fake)
    for start in range(2):
        override.__enter__()
        async with container:
            override.__exit__(None, None, None)
            clocks: list[Clock] = []
            for _ in range(3):
                async with container.enter() as scope:
                    clocks.append((await scope.get(Service)).clock)
            real = await container.get(Clock)
            assert clocks == [real] * 3, f"start {start}"
            assert Service in container._resolution.makers


async def test_what_is_remembered_while_an_override_begins_is_not_asked_under_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = Clock()
    async with compiled(app()) as container, container.enter() as scope:
        maker, override = Plans.maker, container.override(Clock).value(fake)

        def slowly(self: Plans, slot: int) -> object:
            made = maker(self, slot)
            monkeypatch.undo()
            override.__enter__()  # as another thread might, just now
            return made

        monkeypatch.setattr(Plans, "maker", slowly)
        await scope.get(Service)
        async with container.enter() as later:
            assert (await later.get(Service)).clock is fake
        override.__exit__(None, None, None)


async def test_a_form_without_a_hash_is_asked_like_any_other() -> None:
    async with compiled(app()) as container, container.enter() as scope:
        form: Any = Annotated[Service, ["a list has no hash"]]
        assert await scope.get(form) is await scope.get(form) is scope.get_now(form)


async def test_scope_with_generators_asked_by_get_closes_them_in_reverse() -> None:
    log: list[str] = []
    module = Module("app")

    @module.provides()
    def session() -> Iterator[Session]:
        yield Session()
        log.append("session")

    @module.provides()
    def users(session: Session) -> Iterator[Users]:
        yield Users(session, Clock())
        log.append("users")

    async with compiled(module) as container:
        for _ in range(2):
            async with container.enter() as scope:
                await scope.get(Users)
            assert log == ["users", "session"]
            log.clear()


async def test_a_constructor_that_asks_for_itself_by_a_plan_is_named() -> None:
    class Loop:
        def __init__(self, scope: ScopeContext) -> None:
            scope.get_now(Loop)

    class Later:
        def __init__(self, later: Lazy["Later"]) -> None:
            later()

    Later.__init__.__annotations__["later"] = Lazy[Later]
    module = module_of(Loop, Later)
    points: list[EntryPoint] = [
        point(_asking(Loop), "GET /loop", module=module),
        point(_asking(Later), "GET /later", module=module),
    ]
    async with compiled(module, *points) as container:
        for entry_point in points:
            for _ in range(2):
                with pytest.raises(Deadlock):
                    await run(container.entry(entry_point))
        for kind in (Loop, Later):
            for _ in range(3):
                async with container.enter() as scope:
                    with pytest.raises(Deadlock):
                        await scope.get(kind)


def _asking(kind: Any) -> Callable[..., Any]:
    def ask(made: Any = Depend(kind)) -> Any:
        return made

    return ask


@pytest.mark.parametrize("scope", [Scope.SINGLETON, Scope.REQUEST, Scope.TRANSIENT, None])
async def test_a_plan_whose_one_object_is_asked_by_an_alias(scope: Scope | None) -> None:
    def now(alias: Annotated[Clock, Key("alias")] = Depend()) -> Clock:
        return alias

    module = Module("app")
    binder = module.bind(Clock, scope=scope)
    if scope is None:
        binder.value(Clock())
    module.bind(Key(Clock, "alias")).alias(Key(Clock, "inner"))
    module.bind(Key(Clock, "inner")).alias(Clock)
    entry_point = point(now)
    async with compiled(module, entry_point) as container:
        assert container.assembly.plans.why_interpreted(entry_point) == ""
        assert type(await run(container.entry(entry_point))) is Clock


class Broken(Exception):
    pass


def keeping(log: list[str], how: str) -> Callable[..., AsyncIterator[Session]]:
    """Return an async generator that waits for nothing, and ends in one of several ways."""

    async def quiet() -> AsyncIterator[Session]:
        try:
            yield Session()
        except Broken:
            log.append("saw Broken")
            if how == "swallows":
                return
            raise
        finally:
            log.append("closed")
            if how == "fails":
                raise OSError("no disk")
        if how == "twice":
            yield Session()

    return quiet


@pytest.mark.parametrize("how", ["well", "fails", "twice", "swallows"])
@pytest.mark.parametrize("raises", [False, True])
async def test_a_clean_up_that_waits_for_nothing_needs_no_shield_and_ends_as_any_other(
    how: str, raises: bool
) -> None:
    async def handler(session: Session = Depend()) -> Session:
        if raises:
            raise Broken
        return session

    async def outcome(*, compiled: bool) -> tuple[str, list[str]]:
        log: list[str] = []
        module = Module("m")
        module.bind(Session).to(keeping(log, how))
        entry_point = point(handler)
        container = Container(module.export(Session), entries=[entry_point], compiled=compiled)
        async with container:
            if compiled:
                assert "shield" not in source(container, entry_point)
            try:
                await run(container.entry(entry_point))
            except Exception as error:
                return f"{type(error).__name__}: {error}", log
        return "well", log

    assert await outcome(compiled=True) == await outcome(compiled=False)


async def test_one_await_in_a_generator_brings_the_shield_back() -> None:
    async def waiting() -> AsyncIterator[Session]:
        yield Session()
        await anyio.lowlevel.checkpoint()

    async def handler(session: Session = Depend()) -> Session:
        return session

    module = Module("m")
    module.bind(Session).to(waiting)
    entry_point = point(handler)
    async with compiled(module.export(Session), entry_point) as container:
        assert "shield" in source(container, entry_point)
        assert isinstance(await run(container.entry(entry_point)), Session)
