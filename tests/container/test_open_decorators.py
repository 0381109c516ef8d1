"""One line decorates every closed form of an open key, as if each were decorated by itself."""

from collections.abc import AsyncIterator
from typing import Any, Generic, Protocol, TypeVar

import pytest

from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.errors import (
    CaptiveDependency,
    ContainerError,
    DecoratorMisuse,
    DependencyCycle,
    ModuleMisuse,
    PortMismatch,
    UnreadableParameter,
    UnusableSource,
)
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope
from tests.support.golden import assert_golden
from tests.support.wiring import module_of, point, run

pytestmark = pytest.mark.anyio

T = TypeVar("T")
S = TypeVar("S")


class User:
    pass


class Admin(User):
    pass


class Order:
    pass


U = TypeVar("U", bound=User)


class Mapper(Generic[T]):
    pass


class Repository(Protocol[T]):
    def path(self, item: T) -> str: ...


class Sql(Repository[T]):
    def __init__(self, mapper: Mapper[T]) -> None:
        self.mapper = mapper

    def path(self, item: T) -> str:
        return "sql"


class Fake(Repository[T]):
    def path(self, item: T) -> str:
        return "fake"


class Cached(Repository[T]):
    def __init__(self, inner: Repository[T], mapper: Mapper[T]) -> None:
        self.inner, self.mapper = inner, mapper

    def path(self, item: T) -> str:
        return f"cached({self.inner.path(item)})"


class Logged(Repository[T]):
    def __init__(self, inner: Repository[T], level: str = "info") -> None:
        self.inner, self.level = inner, level

    def path(self, item: T) -> str:
        return f"{self.level}({self.inner.path(item)})"


def cached(inner: Repository[T], mapper: Mapper[T]) -> Repository[T]:
    return Cached(inner, mapper)


async def opened(inner: Repository[T]) -> AsyncIterator[Repository[T]]:
    yield Logged(inner, "opened")


def repositories(name: str = "app", **options: Any) -> Module:
    """Return a module that has repositories and mappers of everything."""
    module = Module(name)
    module.bind(Repository[T], **options).to(Sql[T])
    module.bind(Mapper[T], scope=options.get("scope"))
    return module


def refusal(root: Module, *points: Any) -> Any:
    """Return the error of a container that must not build."""
    with pytest.raises(ContainerError) as found:
        Container(root, entries=points).validate()
    return found.value


async def path_of(root: Module, form: Any = Repository[User], **options: Any) -> str:
    """Return what the object of a key says of its layers."""
    async with Container(root, **options) as container, container.enter() as scope:
        found: str = (await scope.get(form)).path(None)
        return found


# --- what is wrapped ------------------------------------------------------------------------


@pytest.mark.parametrize("source", [Cached[T], Cached, Cached[S], cached])
async def test_every_closed_form_is_wrapped_with_its_type_variables_replaced(source: Any) -> None:
    root = repositories()
    root.decorate(Repository[S]).with_(source if source != Cached[T] else Cached[S])
    async with Container(root) as container, container.enter() as scope:
        for form in (User, Order):
            found: Any = await scope.get(Repository[form])  # type: ignore[valid-type]
            assert found.path(None) == "cached(sql)"
            nodes = {node.title: node for node in container.wiring.nodes}
            assert f"Mapper[{form.__name__}]" in nodes


async def test_a_generator_wraps_each_form_and_is_closed_with_its_scope() -> None:
    root = repositories()
    root.decorate(Repository[T]).with_(opened)
    assert await path_of(root, Repository[Order]) == "opened(sql)"


async def test_decorators_of_open_and_closed_keys_wrap_in_the_order_written() -> None:
    root = repositories()
    root.decorate(Repository[User]).with_(Cached[User])
    root.decorate(Repository[T]).with_(Logged[T]).using(level="all")
    root.decorate(Repository[User]).with_(Logged).using(level="user")
    assert await path_of(root) == "user(all(cached(sql)))"
    assert await path_of(root, Repository[Order]) == "all(sql)"


async def test_a_closed_binding_and_one_asked_by_name_are_wrapped_too() -> None:
    root = repositories()
    root.bind(Repository[Order]).to(Fake[Order])
    root.bind(Key(Repository[T], "hot")).to(Fake[T])
    root.decorate(Repository[T]).with_(Cached[T])
    root.decorate(Key(Repository[T], "hot")).with_(Logged[T])
    assert await path_of(root, Repository[Order]) == "cached(fake)"
    assert await path_of(root, Key(Repository[Order], "hot")) == "info(fake)"


async def test_a_bound_of_the_type_variable_says_which_forms_are_wrapped() -> None:
    root = repositories()
    root.decorate(Repository[U]).with_(Logged[U])
    assert await path_of(root, Repository[Admin]) == "info(sql)"
    assert await path_of(root, Repository[Order]) == "sql"


async def test_each_member_of_a_list_is_wrapped_open_and_closed_ones() -> None:
    root = Module("app")
    root.bind(Mapper[T])
    root.add(Repository[T]).to(Sql[T])
    root.add(Repository[User]).to(Fake[User])
    root.decorate(Repository[T]).with_(Cached[T])
    async with Container(root) as container, container.enter() as scope:
        users = await scope.get(list[Repository[User]])
        orders = await scope.get(list[Repository[Order]])
    assert [one.path(User()) for one in users] == ["cached(sql)", "cached(fake)"]
    assert [one.path(Order()) for one in orders] == ["cached(sql)"]


async def test_a_form_lives_as_long_as_what_it_wraps_and_is_one_object() -> None:
    root = repositories(scope=Scope.SINGLETON)
    root.decorate(Repository[T]).with_(Logged[T])

    def show(one: Repository[User] = Depend(), two: Any = Depend(Repository[User])) -> bool:
        return one is two

    entry_point = point(show)
    async with Container(root, entries=[entry_point]) as container:
        assert await run(container.entry(entry_point))
        one = await container.get(Repository[User])  # type: ignore[type-abstract]
        assert one.path(User()) == "info(sql)"


async def test_what_a_module_includes_keeps_its_own_and_those_above_get_the_wrapped() -> None:
    inner, outer = repositories("inner"), module_of(name="outer")

    class Below:
        def __init__(self, users: Repository[User]) -> None:
            self.users = users

    inner.bind(Below)
    inner.export(Repository[T], Below, Mapper[T])
    outer.include(inner).export(Repository[T], Below)
    outer.decorate(Repository[T]).with_(Cached[T])
    root = Module("app").include(outer)
    assert await path_of(root) == "cached(sql)"
    async with Container(root) as container, container.enter() as scope:
        assert (await scope.get(Below)).users.path(User()) == "sql"


async def test_an_override_stands_in_for_the_whole_form() -> None:
    root = repositories()
    root.decorate(Repository[T]).with_(Cached[T])
    container = Container(root)
    async with container:
        key: Any = Repository[User]
        with container.override(key).value(Fake[User]()):
            async with container.enter() as scope:
                assert (await scope.get(key)).path(None) == "fake"
        async with container.enter() as scope:
            assert (await scope.get(key)).path(None) == "cached(sql)"
        with container.override(Sql[User]).to(Fake):
            async with container.enter() as scope:
                assert (await scope.get(key)).path(None) == "cached(fake)"


async def test_nothing_is_made_of_forms_that_nobody_asks_for() -> None:
    inner = repositories("inner", scope=Scope.SINGLETON)
    inner.decorate(Repository[T]).with_(Logged[T])
    inner.export(Repository[T])
    root = Module("app").include(inner)
    root.bind(Repository[User]).to(Fake[User])
    container = Container(root)
    assert [node.title for node in container.wiring.nodes] == ["Repository[User]"]


# --- what is refused ------------------------------------------------------------------------


class Forgetful(Repository[T]):
    def __init__(self, mapper: Mapper[T]) -> None: ...

    def path(self, item: T) -> str:
        return ""


def asks(form: Any) -> Any:
    """Return an entry that asks for a key."""

    def show(it: Any = Depend(form)) -> None: ...

    return point(show)


def test_a_decorator_that_does_not_ask_for_the_form_is_refused() -> None:
    root = repositories()
    root.decorate(Repository[T]).with_(Forgetful[T])
    error = refusal(root, asks(Repository[User]))
    assert isinstance(error, DecoratorMisuse)
    assert_golden(error, "open_decorator_without_inner.txt")


@pytest.mark.parametrize(
    ("source", "error", "golden"),
    [
        (Cached[User], PortMismatch, "open_decorator_too_special.txt"),
        (Cached[S], UnusableSource, "open_decorator_unsaid_variable.txt"),
        (Mapper[T], PortMismatch, "open_decorator_misfit.txt"),
    ],
)
def test_what_no_form_could_mend_is_refused_before_one_is_asked(
    source: Any, error: type[ContainerError], golden: str
) -> None:
    root = repositories()
    root.decorate(Repository[T]).with_(source)
    found = refusal(root)
    assert isinstance(found, error)
    assert_golden(found, golden)


class TwoVariables(Repository[T], Generic[T, S]):
    def __init__(self, inner: Repository[T], other: Mapper[S]) -> None: ...

    def path(self, item: T) -> str:
        return ""


def test_a_variable_that_the_key_does_not_say_is_refused() -> None:
    root = repositories()
    root.decorate(Repository[T]).with_(TwoVariables)
    error = refusal(root)
    assert isinstance(error, UnreadableParameter)
    assert_golden(error, "open_decorator_unsaid_parameter.txt")


def test_an_open_key_that_the_module_does_not_see_is_refused() -> None:
    root = Module("app").include(repositories("inner"))
    root.decorate(Repository[T]).with_(Cached[T])
    error = refusal(root)
    assert isinstance(error, ModuleMisuse)
    assert_golden(error, "open_decorator_unseen.txt")


def test_an_open_key_that_nothing_binds_is_refused() -> None:
    root = Module("app")
    root.decorate(Repository[T]).with_(Cached[T])
    error = refusal(root)
    assert isinstance(error, ModuleMisuse)
    assert_golden(error, "open_decorator_of_nothing.txt")


async def test_a_closed_binding_is_enough_to_decorate_an_open_key() -> None:
    root = Module("app")
    root.bind(Repository[User]).to(Fake[User])
    root.decorate(Repository[T]).with_(Logged[T])
    assert await path_of(root) == "info(fake)"


def test_a_variable_alone_is_no_key_to_decorate() -> None:
    root = repositories()
    key: Any = T
    root.decorate(key).with_(Cached)
    assert "decorate a type that has it, such as Repository[T]" in str(refusal(root))


def test_one_of_many_that_two_modules_decorate_apart_is_refused_open_too() -> None:
    inner = Module("inner")
    inner.add(Repository[T]).to(Fake[T])
    inner.export(Repository[T])
    left, right = Module("left").include(inner), Module("right").include(inner)
    for side in (left, right):
        side.decorate(Repository[T]).with_(Logged[T])
        side.export(Repository[T])
    error = refusal(Module("app").include(left, right))
    assert isinstance(error, DecoratorMisuse)
    assert_golden(error, "open_decorated_member_twice.txt")


class Session:
    pass


class WithSession(Repository[T]):
    def __init__(self, inner: Repository[T], session: Session) -> None: ...

    def path(self, item: T) -> str:
        return ""


def test_a_form_that_would_keep_what_lives_shorter_is_named() -> None:
    root = repositories(scope=Scope.SINGLETON)
    root.bind(Session)
    root.decorate(Repository[T]).with_(WithSession[T])
    error = refusal(root, asks(Repository[User]))
    assert isinstance(error, CaptiveDependency)
    assert_golden(error, "open_decorator_captive.txt")


class Grows(Repository[T]):
    def __init__(self, inner: Repository[T], more: Repository[list[T]]) -> None: ...

    def path(self, item: T) -> str:
        return ""


def test_a_decorator_that_asks_for_ever_further_forms_is_named() -> None:
    root = repositories()
    root.decorate(Repository[T]).with_(Grows[T])
    error = refusal(root, asks(Repository[User]))
    assert isinstance(error, DependencyCycle)
    assert_golden(error, "open_decorator_endless.txt")
