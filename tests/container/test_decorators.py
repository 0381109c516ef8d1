"""Decorators wrap what a module sees: in order, with its lifetime, from their module outward."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Protocol

import pytest

from nexios.container.binding import Origin
from nexios.container.container import Container
from nexios.container.depend import Depend, Lazy, Provider, Scopes
from nexios.container.errors import (
    AmbiguousBinding,
    CaptiveDependency,
    ContainerError,
    DecoratorMisuse,
    DependencyCycle,
    LayerBreach,
    MissingValue,
    ModuleMisuse,
    NeedsAwait,
    PortMismatch,
    UnreadableParameter,
    UnusableSource,
)
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope
from nexios.layers.rules import Layer
from tests.support.golden import assert_golden
from tests.support.wiring import module_of, point, run

pytestmark = pytest.mark.anyio


class Users(Protocol):
    def path(self) -> str: ...


class Sql:
    def path(self) -> str:
        return "sql"


class Fake:
    def path(self) -> str:
        return "fake"


class Clock:
    pass


class Cached:
    def __init__(self, users: Users) -> None:
        self.users = users

    def path(self) -> str:
        return f"cached({self.users.path()})"


class Logged:
    def __init__(self, users: Users, clock: Clock, level: str = "info") -> None:
        self.users, self.clock, self.level = users, clock, level

    def path(self) -> str:
        return f"{self.level}({self.users.path()})"


class Service:
    def __init__(self, users: Users) -> None:
        self.users = users


class Everyone:
    def __init__(self, users: list[Users], ordered: tuple[Users, ...]) -> None:
        self.paths = [one.path() for one in users]
        self.ordered = [one.path() for one in ordered]


def users_module(scope: Scope | None = None, name: str = "users") -> Module:
    module = module_of(name=name)
    module.bind(Users, scope=scope).to(Sql)
    module.bind(Clock, scope=Scope.SINGLETON)
    return module


def refusal(root: Module, *points: Any, **options: Any) -> Any:
    """Return the error of a container that must not build."""
    with pytest.raises(ContainerError) as found:
        Container(root, entries=points, **options).validate()
    return found.value


async def path_of(root: Module, key: Any = Users, **options: Any) -> str:
    """Return what the object of a key says of its layers."""
    async with Container(root, **options) as container, container.enter() as scope:
        found: str = (await scope.get(key)).path()
        return found


# Order, parameters, lifetimes.


async def test_decorators_stack_in_registration_order() -> None:
    root = users_module()
    root.decorate(Users).with_(Cached)
    root.decorate(Users).with_(Logged).using(level="debug")
    assert await path_of(root) == "debug(cached(sql))"


async def test_decorators_apply_inside_lists_and_tuples_to_each_member() -> None:
    root = module_of(Everyone)
    root.bind(Clock, scope=Scope.SINGLETON)
    root.add(Users).to(Sql)
    root.add(Users).value(Fake())
    root.decorate(Users).with_(Cached)
    root.decorate(Users).with_(Logged)
    async with Container(root) as container, container.enter() as scope:
        everyone = await scope.get(Everyone)
    assert everyone.paths == ["info(cached(sql))", "info(cached(fake))"]
    assert everyone.ordered == everyone.paths


async def test_one_added_and_asked_alone_is_decorated() -> None:
    root = Module("app")
    root.add(Users).to(Sql)
    root.decorate(Users).with_(Cached)
    assert await path_of(root) == "cached(sql)"


async def test_a_named_key_is_decorated_by_its_name_alone_also_in_dicts() -> None:
    root = users_module()
    root.bind(Key(Users, "hot")).to(Sql)
    root.bind(Key(Users, "cold")).to(Fake)
    root.decorate(Key(Users, "hot")).with_(Cached)
    async with Container(root) as container, container.enter() as scope:
        by_name = await scope.get(dict[str, Users])
        assert {name: one.path() for name, one in by_name.items()} == {
            "hot": "cached(sql)",
            "cold": "fake",
        }
        assert await scope.get(Key(Users, "hot")) is by_name["hot"]
        assert (await scope.get(Users)).path() == "sql"


async def test_a_decorator_of_a_named_key_may_ask_for_the_plain_one_beside_it() -> None:
    class Both:
        def __init__(self, hot: Annotated[Users, Key("hot")], plain: Users) -> None:
            self.hot, self.plain = hot, plain

        def path(self) -> str:
            return f"{self.hot.path()} before {self.plain.path()}"

    class Named:
        def __init__(self, hot: Users, plain: Users) -> None:
            self.hot, self.plain = hot, plain

        path = Both.path

    hot = Key(Users, "hot")
    for source, using in ((Both, {}), (Named, {"hot": hot})):
        root = users_module()
        root.bind(hot).to(Fake)
        root.decorate(hot).with_(source).using(**using)
        assert await path_of(root, hot) == "fake before sql"


async def test_decorators_may_be_functions_coroutines_and_generators_cleaned_in_reverse() -> None:
    log: list[str] = []

    class Named(Cached):
        def __init__(self, users: Users, name: str) -> None:
            super().__init__(users)
            self.name = name

        def path(self) -> str:
            return f"{self.name}({self.users.path()})"

    def plain(users: Users) -> Users:
        return Named(users, "plain")

    async def awaited(users: Users) -> Users:
        return Named(users, "awaited")

    def opened(users: Users) -> Iterator[Users]:
        log.append(f"open around {users.path()}")
        yield Named(users, "opened")
        log.append("close opened")

    async def opened_later(users: Users) -> AsyncIterator[Users]:
        log.append(f"open around {users.path()}")
        yield Named(users, "later")
        log.append("close later")

    root = Module("app")

    @root.provides()
    def sql() -> Iterator[Users]:
        log.append("open sql")
        yield Sql()
        log.append("close sql")

    for source in (plain, awaited):
        root.decorate(Users).with_(source)
    root.decorate(Users).with_(opened)
    root.decorate(Users).with_(opened_later)
    assert await path_of(root) == "later(opened(awaited(plain(sql))))"
    assert log == [
        "open sql",
        "open around awaited(plain(sql))",
        "open around opened(awaited(plain(sql)))",
        "close later",
        "close opened",
        "close sql",
    ]


@pytest.mark.parametrize("scope", [Scope.SINGLETON, Scope.REQUEST, Scope.TRANSIENT])
async def test_a_decorator_lives_as_long_as_what_it_decorates(scope: Scope) -> None:
    root = users_module(scope)
    root.decorate(Users).with_(Cached)
    async with Container(root) as container:
        async with container.enter() as first:
            one, again = await first.get(Users), await first.get(Users)
        async with container.enter() as second:
            other = await second.get(Users)
    assert (one is again, one is other) == {
        Scope.SINGLETON: (True, True),
        Scope.REQUEST: (True, False),
        Scope.TRANSIENT: (False, False),
    }[scope]
    assert isinstance(one, Cached)
    assert isinstance(again, Cached)
    assert (one.users is again.users) == (scope is not Scope.TRANSIENT)


async def test_transient_generators_are_made_and_closed_once_for_each_decorated_asker() -> None:
    log: list[str] = []

    class Pair:
        def __init__(self, one: Users, two: Users) -> None:
            self.one, self.two = one, two

    async def numbered() -> AsyncIterator[Users]:
        number = len(log)
        log.append(f"open {number}")
        yield type("Numbered", (Fake,), {"path": lambda _: str(number)})()
        log.append(f"close {number}")

    root = module_of(Pair)
    root.bind(Users, scope=Scope.TRANSIENT).to(numbered)
    root.decorate(Users).with_(Cached)
    async with Container(root) as container, container.enter() as scope:
        pair = await scope.get(Pair)
        assert [pair.one.path(), pair.two.path()] == ["cached(0)", "cached(1)"]
    assert log == ["open 0", "open 1", "close 1", "close 0"]


async def test_a_lazy_singleton_stays_lazy_inside_its_decorator() -> None:
    made: list[str] = []

    def sql() -> Users:
        made.append("sql")
        return Sql()

    root = Module("app")
    root.bind(Users, scope=Scope.SINGLETON, lazy=True).to(sql)
    root.decorate(Users).with_(Cached)
    async with Container(root) as container:
        assert made == []
        assert (await container.get(Users)).path() == "cached(sql)"
    assert made == ["sql"]


async def test_values_given_values_and_aliases_are_decorated() -> None:
    fake = Fake()
    root = Module("app")
    root.bind(Users).value(fake)
    root.decorate(Users).with_(Cached)
    async with Container(root) as container:
        found: Any = await container.get(Users)
        assert found.users is fake
        assert await container.get(Users) is found

    root = Module("app")
    root.bind(Users).given()
    root.decorate(Users).with_(Cached)
    async with Container(root) as container, container.enter(values={Users: fake}) as scope:
        found = await scope.get(Users)
        assert found.users is fake

    root = module_of(name="app")
    root.bind(Sql, scope=Scope.SINGLETON, lazy=True)
    root.bind(Users).alias(Sql)
    root.decorate(Users).with_(Cached)
    async with Container(root) as container:
        aliased: Any = await container.get(Users)
        assert await container.get(Users) is aliased
        assert aliased.users is await container.get(Sql)


async def test_an_alias_of_a_decorated_key_is_the_decorated_object() -> None:
    root = users_module()
    root.bind(Key(Users, "other")).alias(Users)
    root.decorate(Users).with_(Cached)
    async with Container(root) as container, container.enter() as scope:
        assert await scope.get(Key(Users, "other")) is await scope.get(Users)
        assert (await scope.get(Users)).path() == "cached(sql)"


async def test_a_decorator_of_an_alias_of_transients_is_transient() -> None:
    root = module_of(Sql, scope=Scope.TRANSIENT)
    root.bind(Users).alias(Sql)
    root.decorate(Users).with_(Cached)
    async with Container(root) as container, container.enter() as scope:
        assert await scope.get(Users) is not await scope.get(Users)


async def test_handles_inside_a_decorator_hand_out_what_it_decorates() -> None:
    class Later:
        def __init__(self, users: Lazy[Users], again: Provider[Users]) -> None:
            self.users, self.again = users, again

        def path(self) -> str:
            assert self.users() is self.again()
            return f"later({self.users().path()})"

    class Holder:
        def __init__(self, users: Lazy[Users]) -> None:
            self.users = users

        def path(self) -> str:
            return self.users().path()

    root = users_module()
    root.bind(Holder)
    root.decorate(Users).with_(Later)
    assert await path_of(root, Holder) == "later(sql)"


async def test_marker_optional_and_key_in_using_mean_the_inner_one() -> None:
    class Marked:
        def __init__(self, users: Any = Depend(Users), other: Users | None = None) -> None:
            assert other is users is not None
            self.users = users

        def path(self) -> str:
            return f"marked({self.users.path()})"

    class Untyped:
        def __init__(self, users) -> None:  # type: ignore[no-untyped-def]
            self.users = users

        def path(self) -> str:
            return f"untyped({self.users.path()})"

    root = users_module()
    root.decorate(Users).with_(Marked)
    root.decorate(Users).with_(Untyped).using(users=Key(Users))
    assert await path_of(root) == "untyped(marked(sql))"


async def test_decorator_and_decorated_are_separate_nodes_with_a_provider_each() -> None:
    root = users_module()
    root.decorate(Users).with_(Cached)
    container = Container(root)
    outer, inner = (
        next(node for node in container.wiring.nodes if node.binding.source is source)
        for source in (Cached, Sql)
    )
    assert outer.binding.origin is Origin.DECORATOR
    assert outer.binding.inner is inner.binding
    assert list(outer.slots) == [inner.slot]
    assert len(container.engine.providers) == len(container.wiring.nodes)
    assert container.engine.difference(container.wiring, container.wiring.nodes) == ""


async def test_a_decorated_key_reaches_handlers() -> None:
    async def show(service: Service = Depend()) -> str:
        return service.users.path()

    root = users_module()
    root.bind(Service)
    root.decorate(Users).with_(Cached)
    route = point(show)
    async with Container(root, entries=[route]) as container:
        assert await run(container.entry(route)) == "cached(sql)"


# From their module outward.


def inner_module() -> Module:
    inner = users_module(name="inner").export(Users, Key(Service, "inner"))
    inner.bind(Key(Service, "inner")).to(Service)
    return inner


async def test_decorators_hold_from_their_module_outward() -> None:
    inner = inner_module()
    middle = module_of(Service, name="middle").include(inner)
    middle.export(Users, Service, Key(Service, "inner"))
    middle.decorate(Users).with_(Cached)
    root = Module("app").include(middle)
    async with Container(root) as container, container.enter() as scope:
        assert (await scope.get(Users)).path() == "cached(sql)"
        assert (await scope.get(Service)).users is await scope.get(Users)
        assert (await scope.get(Key(Service, "inner"))).users.path() == "sql"


async def test_a_module_that_decorates_and_does_not_export_keeps_it_to_itself() -> None:
    inner = inner_module()
    middle = module_of(Service, name="middle").include(inner).export(Service)
    middle.decorate(Users).with_(Cached)
    root = Module("app").include(middle, inner)
    async with Container(root) as container, container.enter() as scope:
        assert (await scope.get(Users)).path() == "sql"
        assert (await scope.get(Service)).users.path() == "cached(sql)"


@pytest.mark.parametrize("order", [0, 1])
async def test_who_sees_inside_and_outside_gets_the_outside(order: int) -> None:
    inner = inner_module()
    middle = Module("middle").include(inner).export(Users)
    middle.decorate(Users).with_(Cached)
    root = Module("app").include(*([middle, inner] if order else [inner, middle]))
    assert await path_of(root) == "cached(sql)"

    adding = Module("adding").export(Users)
    adding.add(Users).to(Sql)
    middle = Module("middle").include(adding).export(Users)
    middle.add(Users).to(Fake)
    middle.decorate(Users).with_(Cached)
    root = module_of(Everyone).include(*([middle, adding] if order else [adding, middle]))
    async with Container(root) as container, container.enter() as scope:
        assert (await scope.get(Everyone)).paths == ["cached(sql)", "cached(fake)"]


async def test_each_module_on_the_way_out_wraps_once_more() -> None:
    inner = users_module(name="inner").export(Users, Clock)
    inner.decorate(Users).with_(Cached)
    root = Module("app").include(inner)
    root.decorate(Users).with_(Logged)
    assert await path_of(root) == "info(cached(sql))"


async def test_what_is_seen_everywhere_is_decorated_where_it_is_said() -> None:
    everywhere = users_module(name="everywhere").export(Users)
    middle = module_of(Service, name="middle").export(Service)
    middle.decorate(Users).with_(Cached)
    root = Module("app").include(middle)
    async with (
        Container(root, everywhere=everywhere) as container,
        container.enter() as scope,
    ):
        assert (await scope.get(Users)).path() == "sql"
        assert (await scope.get(Service)).users.path() == "cached(sql)"


async def test_a_default_that_yields_is_decorated_as_what_it_yields_to() -> None:
    inner = module_of(Service, name="inner").export(Users, Service)
    inner.bind(Users, default=True).to(Sql)
    inner.decorate(Users).with_(Cached)
    root = Module("app").include(inner)
    assert await path_of(root) == "cached(sql)"
    root.bind(Users).to(Fake)
    async with Container(root) as container, container.enter() as scope:
        assert (await scope.get(Users)).path() == "fake"
        assert (await scope.get(Service)).users.path() == "cached(fake)"


async def test_replace_beside_a_decorator_puts_another_inside_it() -> None:
    inner = inner_module()
    middle = Module("middle").include(inner).export(Users)
    middle.bind(Users, replace=True).to(Fake)
    middle.decorate(Users).with_(Cached)
    assert await path_of(Module("app").include(middle, inner)) == "cached(fake)"


async def test_replace_stands_in_for_the_whole_of_a_decorated_key() -> None:
    inner = users_module(name="inner").export(Users)
    inner.decorate(Users).with_(Cached)
    middle = Module("middle").include(inner).export(Users)
    middle.bind(Users, replace=True).to(Fake)
    assert await path_of(Module("app").include(middle, inner)) == "fake"


async def test_two_modules_that_decorate_one_thing_are_ambiguous_above_both() -> None:
    inner = users_module(name="inner").export(Users, Clock)
    one, two = (Module(name).include(inner).export(Users) for name in ("one", "two"))
    one.decorate(Users).with_(Cached)
    two.decorate(Users).with_(Logged)
    error = refusal(module_of(Service).include(one, two))
    assert isinstance(error, AmbiguousBinding)
    assert_golden(error, "decorated_twice_apart.txt")


def test_one_of_many_that_two_modules_decorate_apart_is_refused() -> None:
    inner = users_module(name="inner").export(Users, Clock)
    inner.add(Users).to(Fake)
    one, two = (Module(name).include(inner).export(list[Users]) for name in ("one", "two"))
    one.decorate(Users).with_(Cached)
    two.decorate(Users).with_(Logged)
    Container(Module("app").include(one, inner)).validate()
    error = refusal(Module("app").include(one, two))
    assert isinstance(error, DecoratorMisuse)
    assert_golden(error, "decorated_member_twice.txt")


# Overrides.


async def test_override_of_a_decorated_port_replaces_the_whole() -> None:
    root = users_module(Scope.SINGLETON)
    root.bind(Service, scope=Scope.SINGLETON)
    root.decorate(Users).with_(Cached)
    async with Container(root) as container:
        before = await container.get(Service)
        with container.override(Users).value(Fake()):
            assert (await container.get(Service)).users.path() == "fake"
        with container.override(Users).to(Fake):
            assert (await container.get(Service)).users.path() == "fake"
        assert await container.get(Service) is before
        assert before.users.path() == "cached(sql)"


@pytest.mark.parametrize("alias", [True, False])
async def test_override_of_the_adapter_class_replaces_what_is_inside(alias: bool) -> None:
    class OtherSql(Sql):
        def path(self) -> str:
            return "other"

    root = Module("app")
    if alias:
        root.bind(Sql, scope=Scope.SINGLETON)
        root.bind(Users).alias(Sql)
    else:
        root.bind(Users, scope=Scope.SINGLETON).to(Sql)
    root.decorate(Users).with_(Cached)
    async with Container(root) as container:
        before = await container.get(Users)
        with container.override(Sql).to(OtherSql):
            assert (await container.get(Users)).path() == "cached(other)"
        assert await container.get(Users) is before


async def test_override_of_a_private_decorated_key_replaces_the_whole() -> None:
    inner = users_module(name="inner").export(Service)
    inner.bind(Service)
    inner.decorate(Users).with_(Cached)
    async with Container(Module("app").include(inner)) as container:
        with container.override(Users).value(Fake()):
            async with container.enter() as scope:
                assert (await scope.get(Service)).users.path() == "fake"


async def test_a_stand_in_that_asks_for_the_decorated_key_is_refused() -> None:
    root = users_module(Scope.SINGLETON)
    root.decorate(Users).with_(Cached)
    async with Container(root) as container:
        with pytest.raises(DependencyCycle):
            container.override(Users).to(Logged).__enter__()


# Mistakes.


def test_decorator_that_does_not_ask_for_the_inner_is_refused() -> None:
    class Forgetful:
        def __init__(self, clock: Clock) -> None: ...

        def path(self) -> str:
            return ""

    root = users_module()
    root.decorate(Users).with_(Forgetful)
    error = refusal(root)
    assert isinstance(error, DecoratorMisuse)
    assert error.fix == "Forgetful.__init__(self, inner: Users, ...)"
    assert_golden(error, "decorator_without_inner.txt")


def test_decorator_that_asks_for_the_adapter_is_told_the_port() -> None:
    class Narrow:
        def __init__(self, sql: Sql) -> None: ...

        def path(self) -> str:
            return ""

    root = users_module()
    root.bind(Sql)
    root.decorate(Users).with_(Narrow)
    assert refusal(root).fix == "sql: Users in Narrow.__init__"


def test_decorating_function_that_does_not_ask_shows_its_parameter() -> None:
    async def forgetful() -> Users:
        return Fake()

    root = users_module()
    root.decorate(Users).with_(forgetful)
    assert refusal(root).fix == "async def forgetful(inner: Users, ...)"


def test_decorator_with_an_untyped_parameter_is_one_problem() -> None:
    def untyped(users) -> Users:  # type: ignore[no-untyped-def]
        return Fake()

    root = users_module()
    root.decorate(Users).with_(untyped)
    assert isinstance(refusal(root), UnreadableParameter)


def test_decorating_a_key_that_the_module_does_not_see_is_refused() -> None:
    inner = users_module(name="inner")
    root = Module("app").include(inner)
    root.decorate(Users).with_(Cached)
    error = refusal(root)
    assert isinstance(error, ModuleMisuse)
    assert error.fix.startswith("inner.export(Users)")
    assert_golden(error, "decorate_unseen.txt")

    root = module_of(Clock)
    root.bind(Key(Users, "hot")).to(Sql)
    root.decorate(Users).with_(Cached)
    error = refusal(root)
    assert isinstance(error, ModuleMisuse)
    assert "near: Key(Users, 'hot') is bound" in error.notes


def test_decorating_a_collection_points_to_its_members() -> None:
    root = users_module()
    root.add(Clock)
    root.decorate(list[Users]).with_(lambda users: users)
    error = refusal(root)
    assert isinstance(error, ModuleMisuse)
    assert "decorate(Users)" in error.fix


def test_decorating_what_is_the_containers_own_is_refused() -> None:
    root = Module("app")
    root.decorate(Scopes).with_(lambda scopes: scopes)
    error = refusal(root)
    assert isinstance(error, ModuleMisuse)
    assert "Scopes is the container's own" in str(error)


def test_decorating_what_two_modules_export_is_ambiguous() -> None:
    one, two = (users_module(name=name).export(Users) for name in ("one", "two"))
    root = Module("app").include(one, two)
    root.decorate(Users).with_(Cached)
    assert isinstance(refusal(root), AmbiguousBinding)


def test_decorate_without_with_and_with_two_are_refused() -> None:
    root = users_module()
    root.decorate(Users)
    error = refusal(root)
    assert isinstance(error, DecoratorMisuse)
    assert_golden(error, "decorated_with_nothing.txt")

    root = users_module()
    root.decorate(Users).with_(Cached).with_(Cached)
    error = refusal(root)
    assert isinstance(error, DecoratorMisuse)
    assert "twice in one line" in error.says


def test_decorator_that_does_not_fit_the_port_is_refused() -> None:
    class Unfit:
        def __init__(self, users: Users) -> None: ...

    root = users_module()
    root.decorate(Users).with_(Unfit)  # type: ignore[arg-type]  # what the check is for
    error = refusal(root)
    assert isinstance(error, PortMismatch)
    assert_golden(error, "decorator_misfit.txt")


class Abstract(ABC):
    def __init__(self, users: Users) -> None:
        self.users = users

    @abstractmethod
    def path(self) -> str: ...


def test_abstract_decorator_is_refused_with_the_line() -> None:
    root = users_module()
    root.decorate(Users).with_(Abstract)
    error = refusal(root)
    assert isinstance(error, UnusableSource)
    assert error.fix.startswith("users.decorate(Users).with_(...)")


def test_unknown_using_name_of_a_decorator_is_named() -> None:
    root = users_module()
    root.decorate(Users).with_(Logged).using(levels="debug")
    error = refusal(root)
    assert isinstance(error, UnreadableParameter)
    assert error.fix.startswith("users.decorate(Users).with_(Logged).using(level=...)")


def test_async_decorator_behind_a_sync_entry_is_found() -> None:
    async def awaited(users: Users) -> Users:
        return Cached(users)

    def show(service: Service = Depend()) -> None: ...

    root = users_module()
    root.bind(Service)
    root.decorate(Users).with_(awaited)
    assert isinstance(refusal(root, point(show)), NeedsAwait)


class Round:
    def __init__(self, users: Users, service: Service) -> None: ...

    def path(self) -> str:
        return ""


def test_cycle_through_a_decorator_is_found() -> None:
    root = users_module()
    root.bind(Service)
    root.decorate(Users).with_(Round)
    error = refusal(root)
    assert isinstance(error, DependencyCycle)
    assert_golden(error, "cycle_through_decorator.txt")


def test_cycle_through_a_decorator_and_its_own_list_is_found() -> None:
    class Chooser:
        def __init__(self, users: Users, every: list[Users]) -> None: ...

        def path(self) -> str:
            return ""

    root = module_of()
    root.add(Users).to(Sql)
    root.decorate(Users).with_(Chooser)
    assert isinstance(refusal(root), DependencyCycle)


def test_decorated_source_that_asks_for_its_own_key_is_a_cycle_naming_both() -> None:
    root = module_of(Clock)
    root.bind(Users).to(Cached)
    root.decorate(Users).with_(Logged)
    error = refusal(root)
    assert isinstance(error, DependencyCycle)
    assert error.says == "Cached needs itself: Cached -> Logged -> Cached"


class Wrapping:
    def __init__(self, users: Users) -> None: ...

    def path(self) -> str:
        return ""


def test_self_cycle_suggests_decorate() -> None:
    root = module_of()
    root.bind(Users).to(Wrapping)
    error = refusal(root)
    assert isinstance(error, DependencyCycle)
    assert "app.decorate(Users).with_(Wrapping)" in error.fix
    assert_golden(error, "self_cycle_of_a_port.txt")


def test_aliases_in_a_circle_below_decorators_are_a_cycle() -> None:
    root = module_of()
    root.bind(Users).alias(Key(Users, "other"))
    root.bind(Key(Users, "other")).alias(Users)
    root.decorate(Users).with_(Cached)
    root.decorate(Key(Users, "other")).with_(Cached)
    assert isinstance(refusal(root), DependencyCycle)


class Session:
    pass


class Recording:
    def __init__(self, users: Users, session: Session) -> None: ...

    def path(self) -> str:
        return ""


def test_decorator_of_a_singleton_asking_for_a_request_object_is_refused() -> None:
    root = users_module(Scope.SINGLETON)
    root.bind(Session)
    root.decorate(Users).with_(Recording)
    error = refusal(root)
    assert isinstance(error, CaptiveDependency)
    assert error.fix.startswith("users.bind(Users, scope=Scope.REQUEST).to(Sql)")
    assert_golden(error, "captive_decorator.txt")


def test_decorator_of_a_value_asking_for_a_request_object_is_told_scopes() -> None:
    root = module_of(Session)
    root.bind(Users).value(Fake())
    root.decorate(Users).with_(Recording)
    error = refusal(root)
    assert isinstance(error, CaptiveDependency)
    assert error.fix == "ask for Scopes and enter one per use"


def test_the_layer_rule_sees_what_a_decorator_asks_for() -> None:
    inner = Module("sessions", layer=Layer.PERSISTENCE, bind=[Session], export=[Session])
    root = Module("app", layer=Layer.APPLICATION, bind=[(Users, Sql)]).include(inner)
    root.decorate(Users).with_(Recording)
    error = refusal(root)
    assert isinstance(error, LayerBreach)
    assert error.says == "Recording (application) asks for Session (persistence)"


def test_a_given_value_inside_a_decorator_must_come() -> None:
    async def show(users: Users = Depend()) -> None: ...

    root = module_of()
    root.bind(Users).given()
    root.decorate(Users).with_(Cached)
    assert isinstance(refusal(root, point(show)), MissingValue)


def test_an_unasked_decorator_is_checked_too() -> None:
    inner = users_module(name="inner").export(Users)
    middle = Module("middle").include(inner)
    middle.decorate(Users).with_(Recording)
    error = refusal(Module("app").include(middle))
    assert "nothing provides Session" in str(error)
