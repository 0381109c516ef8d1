"""Wiring mistakes: found at start, all at once, with path, place and the line that mends."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from typing import Annotated, Any, Generic, Protocol, Self

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from nexios.container.container import Container
from nexios.container.depend import Depend, Lazy, Provider, Scopes
from nexios.container.errors import (
    AmbiguousBinding,
    CaptiveDependency,
    ContainerError,
    DependencyCycle,
    DuplicateBinding,
    LayerBreach,
    MissingBinding,
    MissingValue,
    ModuleMisuse,
    NeedsAwait,
    NotVisible,
    PortMismatch,
    UnreadableParameter,
    UnusableSource,
    WiringErrors,
    WiringProblem,
)
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope, ScopeContext
from nexios.layers.rules import Layer
from tests.container.mistakes.adapters.http.users import SessionController, UserController
from tests.container.mistakes.adapters.persistence.sessions import Session
from tests.container.mistakes.adapters.persistence.users import ShortUsers, SqlUsers
from tests.container.mistakes.adapters.websocket.chat import ChatController
from tests.container.mistakes.domain.users import Greeter, Leaky, Users
from tests.support.golden import assert_golden
from tests.support.wiring import FromValues, module_of, point


class Clock:
    pass


class Asker:
    def __init__(self, clock: Clock) -> None: ...


def refusal(root: Module, *points: Any, **options: Any) -> Any:
    """Return the error of a container that must not build."""
    with pytest.raises(ContainerError) as found:
        Container(root, entries=points, **options).validate()
    return found.value


def users_module() -> Module:
    users = Module("users")
    users.bind(Greeter)
    users.bind(SqlUsers)
    users.bind(Session)
    users.controllers(UserController)
    return users


def test_missing_binding_shows_path_to_the_route_and_a_fix() -> None:
    users = users_module()
    route = point(UserController.show, "GET /users/{id}", owner=UserController, module=users)
    error = refusal(Module("app").include(users), route)
    assert isinstance(error, MissingBinding)
    assert error.key == Key(Users)
    assert error.label == "GET /users/{id}"
    assert error.asked_by[0].where.number == 13
    assert_golden(error, "missing_binding.txt")


def test_all_problems_are_listed_together_in_stable_order() -> None:
    def build() -> tuple[Module, list[Any]]:
        users = users_module()
        users.bind(Leaky)
        users.bind(Asker, scope=Scope.SINGLETON)
        users.bind(Clock)
        users.bind(Clock, scope=Scope.SINGLETON)
        users.export(Scopes, Asker, dict[str, int])

        async def show(service: Greeter) -> None: ...

        return Module("app").include(users), [
            point(UserController.show, "GET /users", owner=UserController, module=users),
            point(show, "GET /b", module=users),
        ]

    texts = set()
    for _ in range(3):
        root, points = build()
        error = refusal(root, *points)
        assert isinstance(error, WiringErrors)
        texts.add(str(error))
    assert len(texts) == 1
    assert_golden(error, "all_at_once.txt")


def test_the_group_is_caught_both_ways() -> None:
    class Other:
        def __init__(self, greeter: Greeter) -> None: ...

    root = module_of(Asker, Other)
    with pytest.raises(ContainerError):
        Container(root).validate()
    with pytest.raises(WiringErrors) as found:
        Container(root).validate()
    missing, rest = found.value.split(MissingBinding)
    assert isinstance(missing, WiringErrors)
    assert len(missing.exceptions) == 2
    assert rest is None


def test_one_mistake_asked_by_many_is_one_problem() -> None:
    class Other:
        def __init__(self, clock: Clock) -> None: ...

    assert isinstance(refusal(module_of(Asker, Other)), MissingBinding)


def test_near_names_the_same_type_under_a_name() -> None:
    root = module_of(Asker)
    root.bind(Key(Clock, "hot"))
    assert "near: Key(Clock, 'hot') is bound" in refusal(root).notes


def test_handler_parameter_that_nobody_reads_shows_the_line() -> None:
    async def show(service: Greeter) -> None: ...

    error = refusal(Module("app"), point(show))
    assert isinstance(error, UnreadableParameter)
    assert error.fix == "service: Greeter = Depend()"
    assert_golden(error, "unread_parameter.txt")


def test_refusal_of_the_adapter_is_shown_with_place_and_path() -> None:
    def current(refused: int) -> int:
        return refused

    async def show(who: int = Depend(current)) -> None: ...

    error = refusal(Module("app"), point(show))
    assert isinstance(error, UnreadableParameter)
    assert_golden(error, "refused_parameter.txt")


# Circles.


class Ping:
    def __init__(self, pong: "Pong") -> None: ...


class Pong:
    def __init__(self, pang: "Pang") -> None: ...


class Pang:
    def __init__(self, ping: Ping) -> None: ...


class Selfish:
    def __init__(self, selfish: "Selfish") -> None: ...


@pytest.mark.parametrize("order", [(Ping, Pong, Pang), (Pang, Ping, Pong), (Pong, Pang, Ping)])
def test_cycle_is_listed_once_rotated_to_a_stable_start(order: tuple[type, ...]) -> None:
    error = refusal(module_of(*order))
    assert isinstance(error, DependencyCycle)
    assert_golden(error, "cycle.txt")


def test_a_dependency_on_a_circle_names_the_circle() -> None:
    class Above:
        def __init__(self, ping: Ping) -> None: ...

    error = refusal(module_of(Above, Ping, Pong, Pang))
    assert isinstance(error, DependencyCycle)
    assert "Pang -> Ping -> Pong -> Pang" in str(error)


def test_self_cycle_is_refused() -> None:
    error = refusal(module_of(Selfish))
    assert isinstance(error, DependencyCycle)
    assert_golden(error, "self_cycle.txt")


class Part(Protocol):
    def work(self) -> None: ...


@pytest.mark.parametrize("form", [list[Part], tuple[Part, ...], Sequence[Part], dict[str, Part]])
def test_cycle_through_port_and_collection_is_found(form: Any) -> None:
    class Whole:
        def __init__(self, parts: Any) -> None: ...

        def work(self) -> None: ...

    Whole.__init__.__annotations__["parts"] = form
    for bound in ("alias", "source"):
        root = Module("app")
        key: Any = Key(Part, "one") if form == dict[str, Part] else Part
        binder = root.bind(key) if form == dict[str, Part] else root.add(key)
        if bound == "alias":
            root.bind(Whole)
            binder.alias(Whole)
        else:
            binder.to(Whole)
        error = refusal(root)
        assert isinstance(error, DependencyCycle)
        assert f"{Key(form)} -> " in str(error)


def test_cycle_through_config_factory_is_found() -> None:
    class Settings:
        pass

    def settings(clock: Clock) -> Settings:
        return Settings()

    async def clock(settings: Settings) -> AsyncIterator[Clock]:
        yield Clock()

    root = Module("app")
    root.bind(Settings, scope=Scope.SINGLETON).to(settings)
    root.bind(Clock, scope=Scope.SINGLETON).to(clock)
    error = refusal(root)
    assert isinstance(error, DependencyCycle)
    assert "Clock needs itself: Clock -> Settings -> Clock" in str(error)


def test_cycle_of_function_dependencies_is_found() -> None:
    def first(other: Any = Depend(Clock)) -> int:
        return 1

    first.__defaults__ = (Depend(first),)

    async def show(it: int = Depend(first)) -> None: ...

    assert isinstance(refusal(Module("app"), point(show)), DependencyCycle)


def test_same_type_twice_in_a_tree_is_not_a_cycle() -> None:
    class Left:
        def __init__(self, clock: Clock) -> None: ...

    class Right:
        def __init__(self, clock: Clock, left: Left) -> None: ...

    Container(module_of(Clock, Left, Right)).validate()


class Early:
    def __init__(self, late: "Late") -> None:
        self.late = late


class Late:
    def __init__(self, early: Lazy[Early]) -> None:
        self.early = early


@pytest.mark.anyio
async def test_cycle_broken_by_lazy_handle_is_allowed() -> None:
    async with Container(module_of(Early, Late)) as container, container.enter() as scope:
        early = await scope.get(Early)
        assert early.late.early() is early
        assert await early.late.early.get() is early

    async def later(late: Late) -> AsyncIterator[Early]:
        yield Early(late)

    root = module_of(Late)
    root.bind(Early).to(later)
    async with Container(root) as container, container.enter() as scope:
        late = await scope.get(Late)
        made = await late.early.get()
        assert made.late is late
        assert late.early() is made


@pytest.mark.anyio
async def test_cycle_broken_by_provider_handle_is_allowed_and_a_list_does_not_break_it() -> None:
    class Child:
        def __init__(self, parent: "Provider[Parent]") -> None:
            self.parent = parent

    class Parent:
        def __init__(self, child: Child) -> None:
            self.child = child

    Child.__init__.__annotations__["parent"] = Provider[Parent]
    async with Container(module_of(Child, Parent)) as container, container.enter() as scope:
        parent = await scope.get(Parent)
        assert parent.child.parent() is parent
    Child.__init__.__annotations__["parent"] = list[Parent]
    root = module_of(Child)
    root.add(Parent)
    assert isinstance(refusal(root), DependencyCycle)


# Lifetimes.


class Query:
    def __init__(self, session: Session) -> None: ...


class Prices:
    def __init__(self, query: Query) -> None: ...


def test_singleton_asking_for_request_is_refused() -> None:
    root = module_of(Clock)
    root.bind(Asker, scope=Scope.SINGLETON)
    error = refusal(root)
    assert isinstance(error, CaptiveDependency)
    assert error.key == Key(Asker)
    assert_golden(error, "captive.txt")


def test_captive_through_transient_is_refused_and_names_the_chain() -> None:
    root = module_of(Session)
    root.bind(Query, scope=Scope.TRANSIENT)
    root.bind(Prices, scope=Scope.SINGLETON)
    error = refusal(root)
    assert isinstance(error, CaptiveDependency)
    assert_golden(error, "captive_through_transient.txt")


def test_captive_through_singleton_chain_blames_the_nearest_holder() -> None:
    class Top:
        def __init__(self, asker: Asker) -> None: ...

    root = module_of(Clock)
    root.bind(Asker, scope=Scope.SINGLETON)
    root.bind(Top, scope=Scope.SINGLETON)
    error = refusal(root)
    assert isinstance(error, CaptiveDependency)
    assert error.key == Key(Asker)


def test_list_that_holds_a_request_object_is_refused_in_a_singleton() -> None:
    root = Module("app")
    root.add(Clock)

    class Many:
        def __init__(self, clocks: list[Clock]) -> None: ...

    root.bind(Many, scope=Scope.SINGLETON)
    assert isinstance(refusal(root), CaptiveDependency)


@pytest.mark.anyio
async def test_singleton_may_ask_for_scopes_and_enter_one() -> None:
    class Opener:
        def __init__(self, scopes: Scopes) -> None:
            self.scopes = scopes

    root = module_of(Clock)
    root.bind(Opener, scope=Scope.SINGLETON)
    async with Container(root) as container:
        opener = await container.get(Opener)
        async with opener.scopes.enter() as one, opener.scopes.enter(Scope.REQUEST) as two:
            assert await one.get(Clock) is await one.get(Clock)
            assert await one.get(Clock) is not await two.get(Clock)
            assert await one.get(Opener) is opener


@pytest.mark.parametrize("handle", [Provider, Lazy])
def test_singleton_holding_provider_of_request_object_is_refused(handle: Any) -> None:
    class Holder:
        def __init__(self, clock: Any) -> None: ...

    Holder.__init__.__annotations__["clock"] = handle[Clock]
    root = module_of(Clock)
    root.bind(Holder, scope=Scope.SINGLETON)
    error = refusal(root)
    assert isinstance(error, CaptiveDependency)
    assert "Scopes" in error.fix


def test_connection_object_is_refused_in_singleton_and_allowed_in_request() -> None:
    root = Module("app")
    root.bind(Clock, scope=Scope.CONNECTION)
    root.bind(Asker)
    Container(root).validate()
    root = Module("app")
    root.bind(Clock, scope=Scope.CONNECTION)
    root.bind(Asker, scope=Scope.SINGLETON)
    assert isinstance(refusal(root), CaptiveDependency)


def test_connection_holding_a_request_object_is_refused_with_its_own_fix() -> None:
    root = module_of(Clock)
    root.bind(Asker, scope=Scope.CONNECTION)
    assert_golden(refusal(root), "captive_connection.txt")


def test_socket_entry_asking_for_a_request_object_is_refused() -> None:
    async def live(clock: Clock = Depend()) -> None: ...

    entry_point = point(live, "WS /live", scope=Scope.CONNECTION, module=module_of(Clock))
    error = refusal(Module("app").include(entry_point.module), entry_point)  # type: ignore[arg-type]
    assert isinstance(error, CaptiveDependency)
    assert error.label == "WS /live"


# Modules.


def test_two_bindings_for_one_key_are_refused_naming_both_files() -> None:
    root = module_of(Clock)
    root.bind(Clock)
    error = refusal(root)
    assert isinstance(error, DuplicateBinding)
    assert str(error).count("test_checks.py:") == 1
    assert str(error).count("wiring.py:") == 1
    assert_golden(error, "duplicate.txt")


def test_own_binding_beside_an_included_one_is_a_duplicate() -> None:
    inner = module_of(Clock, name="inner").export(Clock)
    root = Module("app").include(inner)
    root.bind(Clock)
    assert isinstance(refusal(root), DuplicateBinding)


def test_replace_true_needs_something_to_replace() -> None:
    root = Module("app")
    root.bind(Clock, replace=True)
    error = refusal(root)
    assert isinstance(error, ModuleMisuse)
    assert_golden(error, "replace_nothing.txt")


def test_default_binding_yields_and_two_defaults_clash() -> None:
    def better() -> Clock:
        return Clock()

    root = Module("app")
    for name in ("one", "two"):
        inner = Module(name).export(Clock)
        inner.bind(Clock, default=True)
        root.include(inner)
    root.bind(Asker)
    error = refusal(root)
    assert isinstance(error, AmbiguousBinding)
    assert '"one" and "two" both export Clock' in str(error)
    # Both yield to one that is no default.
    root.bind(Clock).to(better)
    container = Container(root)
    container.validate()
    asker = next(node for node in container.wiring.nodes if node.title == "Asker")
    (slot,) = asker.slots
    assert container.wiring.nodes[slot].binding.source is better


def test_two_included_modules_exporting_one_key_is_ambiguous_unless_keyed() -> None:
    mail, sms = module_of(Clock, name="mail"), module_of(Clock, name="sms")
    root = module_of(Asker)
    root.include(mail.export(Clock), sms.export(Clock))
    error = refusal(root)
    assert isinstance(error, AmbiguousBinding)
    assert_golden(error, "ambiguous.txt")

    named = Module("sms").export(Key(Clock, "sms"))
    named.bind(Key(Clock, "sms")).to(Clock)
    Container(module_of(Asker).include(mail, named)).validate()


def test_single_ask_with_many_added_is_ambiguous() -> None:
    root = module_of(Asker)
    root.add(Clock)
    root.add(Clock).to(Clock)
    error = refusal(root)
    assert isinstance(error, AmbiguousBinding)
    assert_golden(error, "one_of_many.txt")


def test_private_binding_of_an_included_module_is_invisible_and_the_error_says_export() -> None:
    inner = module_of(Clock, name="inner")
    root = module_of(Asker).include(inner)
    error = refusal(root)
    assert isinstance(error, NotVisible)
    assert_golden(error, "not_visible.txt")


def test_a_module_that_is_not_included_is_named_too() -> None:
    inner, other = module_of(Clock, name="inner"), module_of(Asker, name="other")
    inner.export(Clock)
    error = refusal(Module("app").include(inner, other))
    assert isinstance(error, NotVisible)
    assert "other.include(inner)" in error.fix


def test_export_of_a_key_the_module_does_not_provide_is_refused() -> None:
    error = refusal(Module("app").export(Clock))
    assert isinstance(error, ModuleMisuse)
    assert_golden(error, "export_nothing.txt")


def test_module_include_cycle_is_named() -> None:
    one, two, three = Module("one"), Module("two"), Module("three")
    one.include(two.include(three.include(one)))
    error = refusal(one)
    assert isinstance(error, ModuleMisuse)
    assert_golden(error, "include_cycle.txt")


def test_scope_beside_a_value_or_alias_is_refused() -> None:
    root = module_of(Asker, Clock)
    root.bind(Key(Clock, "a"), scope=Scope.SINGLETON).value(Clock())
    root.bind(Key(Clock, "b"), scope=Scope.REQUEST).alias(Clock)
    error = refusal(root)
    assert [type(item) for item in error.exceptions] == [ModuleMisuse, ModuleMisuse]
    assert "no scope of its own" in str(error)


def test_lazy_needs_a_singleton() -> None:
    root = Module("app")
    root.bind(Clock, lazy=True)
    assert isinstance(refusal(root), ModuleMisuse)


def test_two_answers_for_one_binding_are_refused() -> None:
    root = Module("app")
    root.bind(Clock).to(Clock).value(Clock())
    assert "answered twice" in str(refusal(root))


# Sources and ports.


def test_adapter_not_satisfying_its_protocol_is_refused_at_build() -> None:
    root = Module("users")
    root.bind(Users).to(ShortUsers)
    error = refusal(root)
    assert isinstance(error, PortMismatch)
    assert_golden(error, "port_mismatch.txt")


class AsyncPort(Protocol):
    async def load(self, number: int, *, deep: bool) -> str: ...


class NoLoad:
    pass


class PlainLoad:
    def load(self, number: int, *, deep: bool) -> str:
        return ""


class ShallowLoad:
    async def load(self, number: int) -> str:
        return ""


class GreedyLoad:
    async def load(self, number: int, other: int, *, deep: bool) -> str:
        return ""


class PlainPort(Protocol):
    def load(self, number: int) -> str: ...

    def later(self) -> Awaitable[str]: ...

    def whatever(self): ...  # type: ignore[no-untyped-def]


class AsyncLoad:
    async def load(self, number: int) -> str:
        return ""

    async def later(self) -> str:
        return ""

    async def whatever(self) -> str:
        return ""


class PlainLoadToo(AsyncLoad):
    def load(self, number: int) -> str:  # type: ignore[override]
        return ""


def test_a_coroutine_for_a_method_that_the_port_does_not_await_is_refused() -> None:
    root = Module("app")
    root.bind(PlainPort).to(AsyncLoad)  # type: ignore[arg-type]
    error = refusal(root)
    assert isinstance(error, PortMismatch)
    assert "load() is a coroutine function, the port does not await it" in str(error)
    root = Module("app")
    root.bind(PlainPort).to(PlainLoadToo)
    Container(root).validate()


class GoodLoad:
    async def load(self, number: int, extra: int = 0, *, deep: bool = True, **_: object) -> str:
        return ""


class Inherits(AsyncPort):
    pass


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (NoLoad, "it has no load()"),
        (PlainLoad, "load() is a plain function, the port awaits it"),
        (ShallowLoad, "load() takes no deep, the port passes it"),
        (GreedyLoad, "load() takes 2 parameters, the port passes 1"),
    ],
)
def test_how_an_adapter_misses_its_port(source: type, says: str) -> None:
    root = Module("app")
    root.bind(AsyncPort).to(source)
    error = refusal(root)
    assert isinstance(error, PortMismatch)
    assert says in str(error)


def test_adapters_that_fit_are_accepted() -> None:
    for source in (GoodLoad, Inherits):
        root = Module("app")
        root.bind(AsyncPort).to(source)
        Container(root).validate()


def test_a_factory_returning_the_wrong_class_is_refused() -> None:
    def make() -> Asker:
        return Asker(Clock())

    root = Module("app")
    root.bind(Clock).to(make)  # type: ignore[arg-type]
    error = refusal(root)
    assert isinstance(error, PortMismatch)
    assert "Asker is no Clock" in str(error)


class Abstract(ABC):
    @abstractmethod
    def work(self) -> None: ...


class HalfDone(Abstract):
    pass


def test_abstract_class_or_protocol_as_source_is_refused() -> None:
    root = Module("app")
    root.bind(Users)
    error = refusal(root)
    assert isinstance(error, UnusableSource)
    assert_golden(error, "protocol_as_source.txt")

    root = Module("app")
    root.bind(Abstract).to(HalfDone)
    error = refusal(root)
    assert isinstance(error, UnusableSource)
    assert_golden(error, "abstract_as_source.txt")


def test_a_value_given_as_source_is_refused() -> None:
    root = Module("app")
    root.bind(Clock).to(Clock())  # type: ignore[arg-type]
    error = refusal(root)
    assert isinstance(error, UnusableSource)
    assert ".value(...)" in error.fix


def test_context_manager_function_as_source_is_refused() -> None:
    @contextlib.asynccontextmanager
    async def clock() -> AsyncIterator[Clock]:
        yield Clock()

    root = Module("app")
    root.bind(Clock).to(clock)  # type: ignore[arg-type]
    error = refusal(root)
    assert isinstance(error, UnusableSource)
    assert_golden(error, "context_manager_source.txt")


def test_generator_without_yield_type_or_return_annotation_is_named() -> None:
    root = Module("app")

    @root.provides()
    def untyped():  # type: ignore[no-untyped-def]
        return Clock()

    @root.provides()
    def bare() -> Iterator:  # type: ignore[type-arg]
        yield Clock()

    @root.provides()
    async def bare_later() -> AsyncIterator:  # type: ignore[type-arg]
        yield Clock()

    @root.provides()
    def nothing() -> None: ...

    error = refusal(root)
    assert [type(item) for item in error.exceptions] == [UnusableSource] * 4
    assert_golden(error, "untyped_sources.txt")


# Parameters.


def test_union_key_is_refused_with_the_members_listed() -> None:
    class Either:
        def __init__(self, it: Clock | Asker) -> None: ...

    error = refusal(module_of(Either, Clock, Asker))
    assert isinstance(error, UnreadableParameter)
    assert_golden(error, "union.txt")


@pytest.mark.parametrize("form", [str, int, bytes, dict, Any])
def test_builtin_key_str_is_refused_and_points_to_config(form: Any) -> None:
    class Configured:
        def __init__(self, host: Any) -> None: ...

    Configured.__init__.__annotations__["host"] = form
    error = refusal(module_of(Configured))
    assert isinstance(error, UnreadableParameter)
    assert ".using(host=...)" in error.fix


def test_qualified_builtin_is_a_key() -> None:
    class Configured:
        def __init__(self, host: Annotated[str, Key("host")]) -> None: ...

    root = module_of(Configured)
    assert isinstance(refusal(root), MissingBinding)
    root.bind(Key(str, "host")).value("localhost")
    Container(root).validate()


@pytest.mark.parametrize(
    "hint", ["", "G[", Generic, Protocol, ..., 3, None, "int | None", Lazy, Key("x"), Any, Self]
)
def test_hints_that_say_nothing_are_refused_and_nothing_else_happens(hint: Any) -> None:
    class Odd:
        def __init__(self, it: Any) -> None: ...

    Odd.__init__.__annotations__["it"] = hint
    with contextlib.suppress(WiringProblem):
        Container(module_of(Odd)).validate()


def test_parameter_without_annotation_is_refused() -> None:
    class Untyped:
        def __init__(self, it) -> None: ...  # type: ignore[no-untyped-def]

    error = refusal(module_of(Untyped))
    assert isinstance(error, UnreadableParameter)
    assert "has no annotation" in str(error)


def test_depend_on_a_value_is_refused() -> None:
    async def show(it: Any = Depend(3)) -> None: ...  # type: ignore[call-overload]

    error = refusal(Module("app"), point(show))
    assert isinstance(error, UnreadableParameter)
    assert "Depend(3)" in str(error)


# Entries.


def test_async_node_behind_sync_entry_point_is_refused_naming_the_async_node() -> None:
    root = Module("app")

    @root.provides()
    async def clock() -> Clock:
        return Clock()

    root.bind(Asker)

    def show(asker: Asker = Depend()) -> None: ...

    error = refusal(root, point(show))
    assert isinstance(error, NeedsAwait)
    assert_golden(error, "needs_await.txt")


@pytest.mark.parametrize("scope", [Scope.REQUEST, Scope.TRANSIENT])
@pytest.mark.parametrize("form", [Asker, list[Clock], Key(Clock, "named")])
def test_async_node_behind_collections_transients_and_names_is_found(
    scope: Scope, form: Any
) -> None:
    root = Module("app")

    async def clock() -> AsyncIterator[Clock]:
        yield Clock()

    if isinstance(form, Key):
        root.bind(form, scope=scope).to(clock)
    else:
        root.add(Clock, scope=scope).to(clock)
        root.bind(Asker, scope=Scope.TRANSIENT)

    def show(it: Any = Depend(form)) -> None: ...

    def guard(it: Any = Depend(form)) -> None: ...

    async def target() -> None: ...

    error = refusal(root, point(show))
    assert isinstance(error, NeedsAwait)
    assert "show() needs" in error.says
    assert error.fix == "async def show(...)"
    # A plain guard of an awaiting entry may ask: the entry awaits for it.
    Container(root, entries=[point(target, before=(guard,))]).validate()


def test_sync_entry_point_may_ask_for_an_eager_async_singleton() -> None:
    root = Module("app")

    @root.provides(scope=Scope.SINGLETON)
    async def clock() -> Clock:
        return Clock()

    def show(clock: Clock = Depend()) -> None: ...

    Container(root, entries=[point(show)]).validate()


def test_entry_needing_a_value_that_only_a_connection_supplies() -> None:
    class Socket:
        pass

    class Uses:
        def __init__(self, socket: Socket) -> None: ...

    everywhere = Module("everywhere").export(Socket)
    everywhere.bind(Socket, scope=Scope.CONNECTION).given()
    root = module_of(Uses)

    async def show(uses: Uses = Depend()) -> None: ...

    async def live(uses: Uses = Depend()) -> None: ...

    supplies = {Key(Socket): lambda call: call["socket"]}
    socket = point(live, "WS /live", supplies=supplies)
    Container(root, entries=[socket], everywhere=everywhere).validate()
    error = refusal(root, point(show), socket, everywhere=everywhere)
    assert isinstance(error, MissingValue)
    assert_golden(error, "missing_value.txt")


def test_message_entry_finds_the_connections_values() -> None:
    class Socket:
        pass

    everywhere = Module("everywhere").export(Socket)
    everywhere.bind(Socket, scope=Scope.CONNECTION).given()

    async def opened(socket: Socket = Depend()) -> None: ...

    async def message(socket: Socket = Depend()) -> None: ...

    from nexios.container.entry import EntryPoint

    connection = EntryPoint("WS /x", opened, scope=Scope.CONNECTION, values=(Key(Socket),))
    below = EntryPoint("WS /x message", message, values=(Key(ScopeContext),))
    Container(Module("app"), entries=[connection, below], everywhere=everywhere).validate()


# Layers.


def layered() -> Module:
    module = Module("users", layer=Layer.APPLICATION)
    module.bind(Session)
    module.bind(Users).to(SqlUsers)
    module.bind(Greeter)
    return module


def test_domain_asking_for_async_session_is_refused_with_the_port_fix() -> None:
    module = layered()
    module.bind(Leaky)
    error = refusal(module)
    assert isinstance(error, LayerBreach)
    assert_golden(error, "layer_breach.txt")

    class Reports:
        def __init__(self, session: AsyncSession) -> None: ...

    Reports.__module__ = "shop.domain.reports"
    error = refusal(module_of(Reports))
    assert isinstance(error, LayerBreach)
    assert error.says == "Reports (domain) asks for AsyncSession (persistence)"
    assert error.fix.startswith("declare a port in the domain")


def test_domain_port_answered_by_persistence_adapter_is_allowed() -> None:
    Container(layered()).validate()


def test_http_controller_asking_for_async_session_is_refused() -> None:
    module = layered()
    module.controllers(SessionController)
    error = refusal(module)
    assert isinstance(error, LayerBreach)
    assert "SessionController (http) asks for Session (persistence)" in str(error)

    async def show(session: AsyncSession = Depend()) -> None: ...

    show.__module__ = "shop.adapters.http.users"
    error = refusal(Module("app"), point(show, "GET /users"))
    assert isinstance(error, LayerBreach)
    assert error.says.endswith("show (http) asks for AsyncSession (persistence)")
    assert error.label == "GET /users"


def test_websocket_controller_asking_for_async_session_is_refused() -> None:
    module = layered()
    module.controllers(ChatController)
    error = refusal(module)
    assert isinstance(error, LayerBreach)
    assert error.says == "ChatController (websocket) asks for Session (persistence)"

    async def post(session: AsyncSession = Depend()) -> None: ...

    post.__module__ = "shop.adapters.websocket.chat"
    error = refusal(Module("app"), point(post, "WS /chat"))
    assert isinstance(error, LayerBreach)
    assert error.says.endswith("post (websocket) asks for AsyncSession (persistence)")


def test_asking_for_the_adapter_names_its_port() -> None:
    async def show(users: SqlUsers = Depend()) -> None: ...

    show.__module__ = "shop.adapters.http.users"
    module = layered()
    module.bind(SqlUsers)
    error = refusal(module, point(show, module=module))
    assert isinstance(error, LayerBreach)
    assert error.fix == "ask for Users, which SqlUsers implements"


def test_handles_and_collections_do_not_hide_a_breach() -> None:
    class Hidden:
        def __init__(self, session: Lazy[Session], many: list[Session]) -> None: ...

    Hidden.__module__ = "shop.domain.users"
    module = layered()
    module.bind(Hidden)
    error = refusal(module)
    assert len(error.exceptions) == 2


def test_declared_layers_hold() -> None:
    class Core:
        def __init__(self, session: Session) -> None: ...

    Core.__module__ = "shop.core.users"
    module = module_of(Session)
    module.bind(Core)
    Container(module).validate()
    error = refusal(module, layers={"shop.core": Layer.DOMAIN})
    assert isinstance(error, LayerBreach)


def test_waiver_needs_a_reason_and_is_listed() -> None:
    module = layered()
    module.bind(Leaky)
    module.allow(Leaky, Session, because="until the port exists")
    container = Container(Module("app").include(module))
    container.validate()
    listed = [item for each in container.assembly.registry.modules for item in each.waivers]
    assert [(item.asker, item.asked, item.because) for item in listed] == [
        (Leaky, Session, "until the port exists")
    ]
    assert str(listed[0].where).startswith("tests/container/test_checks.py:")

    module = layered()
    module.bind(Leaky)
    module.allow(Leaky, Session, because="  ")
    error = refusal(module)
    assert sorted(type(item).__name__ for item in error.exceptions) == [
        "LayerBreach", "ModuleMisuse",
    ]  # fmt: skip
    assert "allow(Leaky, Session) gives no reason" in str(error)


def test_waiver_that_matches_nothing_is_refused() -> None:
    module = layered()
    module.allow(Leaky, Session, because="no longer")
    error = refusal(module)
    assert isinstance(error, ModuleMisuse)
    assert "matches no breach" in str(error)


# Size.


def test_graph_of_1000_bindings_validates_without_recursion() -> None:
    module = Module("large")
    before: type | None = None
    for number in range(1000):
        namespace: dict[str, Any] = {}
        if before is not None:

            def init(self: object, inner: Any) -> None: ...

            init.__annotations__["inner"] = before
            namespace["__init__"] = init
        before = type(f"Node{number}", (), namespace)
        module.bind(before, scope=(Scope.SINGLETON, Scope.SINGLETON)[number % 2])
    container = Container(module)
    container.validate()
    assert len(container.wiring.nodes) == 1000


def test_problem_keeps_its_data() -> None:
    error = refusal(module_of(Asker))
    assert isinstance(error, WiringProblem)
    assert error.code == "NX203"
    assert error.asked_by[0].text == "Asker.__init__(clock)"
    assert str(error.asked_by[0].where).startswith("tests/container/test_checks.py:")


def test_late_entry_raises_and_leaves_the_container_as_it_was() -> None:
    async def show(asker: Asker = Depend()) -> None: ...

    container = Container(module_of(Clock))
    container.validate()
    size = len(container.wiring.nodes)
    with pytest.raises(ModuleMisuse, match="which is not included"):
        container.entry(point(show, module=module_of(name="x")))
    root = container.assembly.registry.root
    with pytest.raises(MissingBinding):
        container.entry(point(show, module=root))
    assert len(container.wiring.nodes) == size
    late = point(show, reads=FromValues())
    assert container.entry(late) is container.entry(late)
