"""Explaining a key: what answers and why, who asks, how long it lives, what it took."""

from collections.abc import AsyncIterator, Iterator
from typing import Generic, Protocol, TypeVar

import anyio
import pytest

from nexios.container.binding import Answer
from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.errors import AmbiguousBinding, MissingBinding
from nexios.container.explain import Explanation
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope
from nexios.layers.rules import Because, Layer
from tests.container.mistakes.adapters.http.users import UserController
from tests.container.mistakes.adapters.persistence.sessions import Session
from tests.container.mistakes.adapters.persistence.users import SqlUsers
from tests.container.mistakes.domain.users import Greeter, Users
from tests.support.golden import assert_golden
from tests.support.wiring import module_of, point

pytestmark = pytest.mark.anyio

T = TypeVar("T")


class Clock:
    pass


class FrozenClock(Clock):
    pass


class Engine:
    pass


class Pool:
    def __init__(self, engine: Engine) -> None: ...


class Mailer(Protocol):
    def send(self) -> None: ...


class Smtp:
    def __init__(self, pool: Pool) -> None: ...

    def send(self) -> None: ...


def people() -> Container:
    users = Module("users")

    @users.provides()
    async def session() -> AsyncIterator[Session]:
        yield Session()

    users.bind(Users).to(SqlUsers)
    users.bind(Greeter)
    users.controllers(UserController)
    users.export(Users)
    root = Module("app", include=[users])

    async def look(users: Users = Depend()) -> None: ...

    points = [
        point(UserController.show, "GET /users/{id}", owner=UserController, module=users),
        point(UserController.show, "GET /users", owner=UserController, module=users),
        point(look, "GET /look", module=root),
    ]
    return Container(root, entries=points)


def test_explain_lists_askers() -> None:
    found = people().explain(Users)
    texts = [[step.text for step in steps] for steps in found.askers]
    assert texts == [
        ["look(users)", "GET /look"],
        ["Greeter.__init__(users)", "UserController.__init__(greeter)", "GET /users/{id}"],
    ]
    assert found.entries == ("GET /users/{id}", "GET /users", "GET /look")
    assert all(step.where.number for steps in found.askers for step in steps)


def test_the_whole_story_has_its_reviewed_file() -> None:
    container = people()
    told = [container.explain(key) for key in (Users, Session, UserController)]
    assert_golden("\n\n".join(map(str, told)), "explain.txt")


def test_scope_layer_module_and_source_are_data() -> None:
    found = people().explain(Users)
    assert (found.key, found.source, found.module) == ("Users", "SqlUsers", "users")
    assert found.scope is found.effective is Scope.REQUEST
    assert found.answer is Answer.SOURCE
    assert (found.layer.layer, found.layer.because) == (Layer.DOMAIN, Because.PLACE)
    assert found.source_layer is not None
    assert found.source_layer.layer is Layer.PERSISTENCE
    assert found.bound.file == __file__
    assert str(found.written) == "tests/container/mistakes/adapters/persistence/users.py:7"
    assert found.asks == ("session: Session, answered by session",)


def test_async_is_said_with_the_node_that_awaits() -> None:
    found = people().explain(UserController)
    assert found.awaiting == ("Session",)
    assert not found.awaited_at_start
    assert "async: Session awaits" in str(found)
    assert found.cleanup == ("Session",)


def test_what_is_awaited_at_start_is_awaited_by_no_entry() -> None:
    root = module_of(Pool)

    @root.provides(scope=Scope.SINGLETON)
    async def engine() -> AsyncIterator[Engine]:
        yield Engine()

    found = Container(root).explain(Pool)
    assert found.awaiting == ("Engine",)
    assert found.awaited_at_start
    assert found.cleanup == ()  # a request that asks for the pool closes nothing


def test_unknown_key_is_the_error_of_get_with_near_misses() -> None:
    class Klock:
        pass

    container = Container(module_of(Clock))
    with pytest.raises(MissingBinding) as refusal:
        container.explain(Klock)
    assert "near: Clock is bound" in str(refusal.value)
    assert refusal.value.fix.startswith("app.bind(Klock)")


def test_private_key_is_explained_where_it_is_bound() -> None:
    root = Module("app", include=[Module("inner", bind=[Clock])])
    assert Container(root).explain(Clock).module == "inner"


def test_private_key_of_two_modules_asks_which_one_is_meant() -> None:
    first, second = Module("first", bind=[Clock]), Module("second", bind=[Clock])
    container = Container(Module("app", include=[first, second]))
    with pytest.raises(AmbiguousBinding) as refusal:
        container.explain(Clock)
    assert_golden(refusal.value, "explain_ambiguous.txt")
    assert container.explain(Clock, module=second).module == "second"


@pytest.mark.parametrize(
    ("build", "says"),
    [
        ("bound", 'module "app" binds it, and nothing else does where it is seen'),
        ("replace", 'replaces Clock of module "inner" (tests/container/test_explain.py:'),
        ("default", 'the default of module "inner", and nothing that includes it binds the key'),
        ("yielded", 'the default Clock of module "inner" (tests/container/test_explain.py:'),
        ("many", 'added in module "app", one of many'),
    ],
)
def test_why_this_adapter_answers(build: str, says: str) -> None:
    inner, root = Module("inner"), Module("app")
    root.include(inner)
    inner.bind(Clock, default=build in ("default", "yielded"))
    inner.export(Clock)
    if build == "replace":
        root.bind(Clock, replace=True).to(FrozenClock)
    elif build == "yielded":
        root.bind(Clock).to(FrozenClock)
    elif build in ("bound", "many"):
        root.included.clear()
        (root.bind if build == "bound" else root.add)(Clock)
    (because,) = Container(root).explain(Clock).because
    assert because.startswith(says)


def test_automatic_binding_says_so() -> None:
    async def show(clock: Clock = Depend()) -> None: ...

    found = Container(Module("app"), entries=[point(show)]).explain(Clock)
    assert found.because == (
        "bound automatically: a handler on the app reaches it, and nothing binds it",
    )
    assert found.entries == ("GET /x",)


def test_override_is_said_while_it_lasts() -> None:
    container = Container(module_of(Clock))
    with container.override(Clock).to(FrozenClock):
        assert "overridden at the moment by FrozenClock" in container.explain(Clock).because
    with container.override(Clock).value(FrozenClock()):
        assert "overridden at the moment by a value" in container.explain(Clock).because
    assert len(container.explain(Clock).because) == 1


def test_controller_with_singleton_graph_is_one_object_and_explain_says_why() -> None:
    class Plain:
        def __init__(self, clock: Clock) -> None: ...

        async def show(self) -> None: ...

    class Writing(Plain):
        async def show(self) -> None:
            self.last = 1

    class Short(Plain):
        def __init__(self, pool: Pool) -> None: ...

    root = module_of(Clock, Engine, scope=Scope.SINGLETON)
    root.bind(Pool)
    root.controllers(Plain, Writing, Short)
    container = Container(root)
    told = {cls: container.explain(cls) for cls in (Plain, Writing, Short)}
    assert told[Plain].scope is Scope.SINGLETON
    assert told[Plain].kept.startswith("one object for the app: all it asks for is SINGLETON")
    assert told[Writing].kept == "one object for each request: a method assigns an attribute"
    assert told[Short].kept == "one object for each request: Pool is REQUEST"


async def test_construction_time_is_measured_at_start_for_each_singleton() -> None:
    root = Module("app")

    @root.provides(scope=Scope.SINGLETON)
    async def engine() -> Engine:
        await anyio.sleep(0.02)
        return Engine()

    root.bind(Pool, scope=Scope.SINGLETON)
    root.bind(Clock, scope=Scope.SINGLETON, lazy=True)
    container = Container(root)
    assert container.explain(Engine).made_s is None
    assert "took       not made" in str(container.explain(Engine))
    async with container:
        took, pool = container.explain(Engine).made_s, container.explain(Pool).made_s
        assert took is not None
        assert pool is not None
        assert took >= 0.02 > pool  # its dependencies apart
        assert not container.explain(Clock).made
        await container.get(Clock)
        assert "made, not at start" in str(container.explain(Clock))
    assert container.explain(Engine).made_s is None


def test_alias_given_collection_and_function_are_explained() -> None:
    def current(clock: Clock = Depend()) -> str:
        return ""

    async def show(
        who: str = Depend(current), mailer: Mailer = Depend(), many: list[Clock] = Depend()
    ) -> None: ...

    root = module_of(Smtp, Pool, Engine)
    root.bind(Mailer).alias(Smtp)
    root.bind(Clock)
    root.bind(Key(Clock, "given")).given()
    container = Container(root, entries=[point(show)])
    alias = container.explain(Mailer)
    assert (alias.source, alias.effective) == ("alias of Smtp", Scope.REQUEST)
    assert "REQUEST, that of what it hands over" in str(alias)
    assert container.explain(Key(Clock, "given")).source == "given with the scope"
    assert container.explain(list[Clock]).answer is Answer.LIST
    function = container.explain(current)
    assert function.because[0].startswith("a function dependency")
    assert function.entries == ("GET /x",)


def test_many_entries_are_counted_after_the_first_twelve() -> None:
    def show(clock: Clock = Depend()) -> None: ...

    points = [point(show, f"GET /{number}") for number in range(15)]
    found = Container(Module("app", bind=[Clock]), entries=points).explain(Clock)
    assert len(found.entries) == 15
    assert "and 3 more" in str(found)
    assert "GET /12" not in str(found).partition("entries")[2]


class Cache(Generic[T]):
    def __init__(self, clock: Clock) -> None: ...


class Counted(Cache[T]):
    def __init__(self, inner: Cache[T]) -> None: ...


def caches() -> Module:
    root = module_of(Clock)
    root.bind(Cache[T]).to(Cache[T])
    root.bind(Cache[str])
    root.decorate(Cache[T]).with_(Counted[T])
    return root


def test_a_closed_form_and_its_decorator_have_their_reviewed_file() -> None:
    def show(numbers: Cache[int] = Depend()) -> None: ...

    plain = Container(module_of(Clock, Cache[T], name="plain"))
    decorated = Container(caches(), entries=[point(show)])
    told = [
        plain.explain(Cache[int]),
        *(decorated.explain(form) for form in (Cache[int], Cache[str])),
    ]
    assert_golden("\n\n".join(map(str, told)), "explain_generic.txt")


def test_explaining_a_form_that_nobody_asks_for_changes_nothing() -> None:
    container = Container(caches())
    before = container.graph().text()
    assert container.explain(Cache[bytes]).source == "Counted[bytes]"
    assert container.graph().text() == before


def test_explaining_changes_nothing() -> None:
    def generator() -> Iterator[Engine]:
        yield Engine()

    root = module_of(Clock)
    root.bind(Engine).to(generator)
    container = Container(root)
    size = len(container.wiring.nodes)
    assert isinstance(container.explain(list[Clock]), Explanation)
    assert len(container.wiring.nodes) == size
    assert "list[Clock]" not in container.graph().text()


async def test_an_entry_is_told_how_it_runs_now() -> None:
    module = Module("app")
    module.bind(Clock, scope=Scope.SINGLETON)

    async def later(clock: Clock = Depend()) -> None: ...
    def now(clock: Clock = Depend()) -> None: ...

    points = [point(later, "GET /later"), point(now, "GET /now")]
    async with Container(module, entries=points, compiled=True) as container:
        assert container.explain(Clock).plans == ("async", "sync")
        with container.override(Clock).value(Clock()):
            told = container.explain(Clock).plans
        assert told[1] == "sync, interpreted: an override reaches it"
