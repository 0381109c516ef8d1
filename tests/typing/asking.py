"""Read by the type checkers in ``test_checkers.py``, never run; what they must refuse is marked.

A mark names mypy's code; pyright refuses the same lines under names of its own.
"""

# pyright: strict

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Annotated, Protocol, TypeVar, assert_type

from nexios.container import (
    Container,
    Depend,
    Key,
    Lazy,
    Module,
    Provider,
    Scope,
    ScopeContext,
    Scopes,
    profile,
)

T = TypeVar("T")


class Users(Protocol):
    def get(self, number: int) -> str: ...


class SqlUsers:
    def get(self, number: int) -> str:
        return str(number)


class Wrong:
    def get(self) -> str:
        return ""


class Cached:
    def __init__(self, users: Users) -> None:
        self.users = users

    def get(self, number: int) -> str:
        return self.users.get(number)


async def cached(users: Users, seconds: int) -> Users:
    return Cached(users) if seconds else users


async def opened_around(users: Users) -> AsyncIterator[Users]:
    yield users


class Base(ABC):
    @abstractmethod
    def work(self) -> None: ...


class Child(Base):
    def work(self) -> None: ...


class Repository(Protocol[T]):
    def find(self) -> T: ...

    def keep(self, it: T) -> None: ...


class SqlRepository(Repository[T]):
    def __init__(self, made: type[T]) -> None:
        self.made = made

    def find(self) -> T:
        return self.made()

    def keep(self, it: T) -> None: ...


class User: ...


class UserRepository:
    def find(self) -> User:
        return User()

    def keep(self, it: User) -> None: ...


def untyped(value): ...  # refused: no-untyped-def


def user() -> str:
    return ""


def make_users() -> SqlUsers:
    return SqlUsers()


async def make_users_later() -> SqlUsers:
    return SqlUsers()


async def later() -> int:
    return 1


def opened() -> Iterator[SqlUsers]:
    yield SqlUsers()


async def opened_later() -> AsyncIterator[SqlUsers]:
    yield SqlUsers()


def wrong_opened() -> Iterator[Wrong]:
    yield Wrong()


async def wrong_later() -> Wrong:
    return Wrong()


async def wrong_opened_later() -> AsyncIterator[Wrong]:
    yield Wrong()


def handler(
    one: SqlUsers = Depend(SqlUsers),
    port: Users = Depend(Users),
    base: Base = Depend(Base),
    generic: Repository[User] = Depend(Repository[User]),
    many: list[Users] = Depend(list[Users]),
    function: str = Depend(user),
    awaited: int = Depend(later),
    made: SqlUsers = Depend(opened),
    made_later: SqlUsers = Depend(opened_later),
    named: str = Depend(Key(str, "host")),
    named_port: Users = Depend(Key(Users, "hot")),
    by_name: dict[str, Users] = Depend(dict[str, Users]),
    annotated: Users = Depend(),
    wrong: Child = Depend(SqlUsers),  # refused: assignment
    wrong_function: int = Depend(user),  # refused: assignment
    wrong_awaited: str = Depend(later),  # refused: assignment
    wrong_made: Child = Depend(opened),  # refused: assignment
    wrong_made_later: Child = Depend(opened_later),  # refused: assignment
    wrong_generic: Repository[str] = Depend(Repository[User]),  # refused: type-abstract
    wrong_named: int = Depend(Key(str, "host")),  # refused: assignment
) -> None: ...


Hot = Annotated[Users, Key("hot")]


def marked(
    users: Annotated[Users, Depend()], hot: Hot, own: Annotated[int, Depend(later)]
) -> None:
    assert_type(users, Users)
    assert_type(hot, Users)
    assert_type(own, int)


async def held(users: Provider[Users], base: Lazy[Base], many: Lazy[list[Users]]) -> None:
    assert_type(users(), Users)
    assert_type(await users.get(), Users)
    assert_type(base(), Base)
    assert_type(await base.get(), Base)
    assert_type(many(), list[Users])
    wrong: Child = base()  # refused: assignment
    assert wrong


def declare(module: Module) -> None:
    module.bind(SqlUsers)
    module.bind(Users, scope=Scope.SINGLETON).to(SqlUsers)
    module.bind(Users).to(make_users)
    module.bind(Users).to(make_users_later)
    module.bind(Users).to(opened)
    module.bind(Users).to(opened_later)
    module.bind(Users).to(SqlUsers).using(number=3)
    module.bind(Base).to(Child)
    module.bind(Users).value(SqlUsers())
    module.bind(Users).alias(SqlUsers)
    module.bind(Users).alias(Key(SqlUsers, "main"))
    module.bind(SqlUsers).given()
    module.bind(Repository[User]).to(UserRepository)
    module.bind(Repository[User]).to(SqlRepository[User])
    module.bind(Repository[User]).value(UserRepository())
    module.bind(list[Users]).value([SqlUsers()])
    module.bind(dict[str, Users]).value({"main": SqlUsers()})
    module.bind(Key(str, "host")).value("localhost")
    module.decorate(Users).with_(Cached)
    module.decorate(Users).with_(cached).using(seconds=60)
    module.decorate(Users).with_(opened_around)
    module.decorate(Key(str, "host")).with_(user)
    module.bind(Users, when=profile("prod")).to(SqlUsers)
    module.add(Users, when=~profile("prod", "staging")).to(SqlUsers)
    module.bind(Key(Users, "hot")).to(SqlUsers)
    module.bind(Key(Repository[User], "hot")).to(UserRepository)
    module.add(Users).to(SqlUsers)
    module.add(Users).value(SqlUsers())
    module.add(Key(Users, "hot")).to(opened)
    module.export(Users, Base, Repository[User], Key(str, "host"), list[Users])


def declare_wrong(module: Module) -> None:
    module.bind(Users, when="prod")  # refused: call-overload
    module.decorate(Users).with_(Wrong)  # refused: arg-type
    module.decorate(Base).with_(user)  # refused: arg-type
    module.bind(Users).to(Wrong)  # refused: arg-type
    module.bind(Users).to(wrong_opened)  # refused: arg-type
    module.bind(Users).to(wrong_later)  # refused: arg-type
    module.bind(Users).to(wrong_opened_later)  # refused: arg-type
    module.bind(Users).value(Wrong())  # refused: arg-type
    module.bind(Users).alias(Wrong)  # refused: arg-type
    module.bind(Users).alias(Key(Wrong, "w"))  # refused: arg-type
    module.bind(Base).to(user)  # refused: arg-type
    module.bind(Base).to(SqlUsers)  # refused: arg-type
    module.bind(Repository[str]).to(UserRepository)  # refused: arg-type
    module.bind(Key(str, "host")).value(3)  # refused: arg-type
    module.bind(Key(Users, "hot")).to(Wrong)  # refused: arg-type
    module.add(Users).to(Wrong)  # refused: arg-type
    module.add(Users).value(Wrong())  # refused: arg-type


def make_any(form: type[T]) -> Repository[T]:
    raise NotImplementedError


def declare_open(module: Module) -> None:
    module.provides()(make_any)
    # No place that a type variable belongs to: the container reads it, a checker does not.
    module.bind(Repository[T]).to(make_any)  # refused: valid-type # refused: type-abstract


def decorate(module: Module) -> None:
    @module.provides()
    def users() -> SqlUsers:
        return SqlUsers()

    @module.provides(Users, scope=Scope.SINGLETON)
    async def port() -> AsyncIterator[SqlUsers]:
        yield SqlUsers()

    @module.provides(Key(Users, "hot"))
    def hot() -> Iterator[SqlUsers]:
        yield SqlUsers()

    @module.provides(Repository[User])
    async def repository() -> UserRepository:
        return UserRepository()

    @module.provides(Base)
    class Work(Child): ...

    # What is decorated keeps its type; whether it fits the key is checked at the start.
    assert_type(users(), SqlUsers)
    assert_type(port(), AsyncIterator[SqlUsers])
    assert_type(hot(), Iterator[SqlUsers])
    assert_type(Work(), Work)
    assert callable(repository)


async def ask(container: Container, scope: ScopeContext, scopes: Scopes) -> None:
    assert_type(await scope.get(SqlUsers), SqlUsers)
    assert_type(await scope.get(Users), Users)
    assert_type(await scope.get(Base), Base)
    assert_type(await scope.get(Repository[User]), Repository[User])
    assert_type(await scope.get(list[Users]), list[Users])
    assert_type(await scope.get(Sequence[Users]), Sequence[Users])
    assert_type(await scope.get(dict[str, Users]), dict[str, Users])
    assert_type(await scope.get(Lazy[Users]), Lazy[Users])
    assert_type(scope.get_now(Users), Users)
    assert_type(scope.get_now(Base), Base)
    assert_type(scope.get_now(Repository[int]), Repository[int])
    assert_type(scope.get_now(list[Users]), list[Users])
    assert_type(scope.get_now(Key(Users, "hot")), Users)
    assert_type(await container.get(Base), Base)
    assert_type(await container.get(Key(str, "host")), str)
    assert_type(container.provider(Users)(), Users)
    assert_type(container.provider(Key(str, "host"))(), str)
    maybe: Users | None = await scope.get(Users | None)
    assert maybe is None
    async with scopes.enter(Scope.REQUEST, values={Users: SqlUsers()}) as inner:
        assert_type(await inner.get(Users), Users)
    wrong: Child = await scope.get(Base)  # refused: arg-type
    wrong_now: str = scope.get_now(Users)  # refused: assignment
    assert [wrong, wrong_now]


async def stand_in(container: Container) -> None:
    with container.override(Users).value(SqlUsers()):
        pass
    with container.override(Users).to(SqlUsers):
        pass
    with container.override(Users).to(opened):
        pass
    async with container.override(Users).to(opened_later):
        pass
    with container.override(Users).to(make_users_later):
        pass
    with container.override(Base).to(Child):
        pass
    with container.override(Repository[User]).value(UserRepository()):
        pass
    with container.override(Key(str, "host")).value("fake"):
        pass
    with container.override(list[Users]).value([SqlUsers()]):
        pass
    with container.override(Users).value(Wrong()):  # refused: arg-type
        pass
    with container.override(Users).to(Wrong):  # refused: arg-type
        pass
    with container.override(Users).to(wrong_opened):  # refused: arg-type
        pass
    with container.override(Base).to(user):  # refused: arg-type
        pass
    with container.override(Key(str, "host")).value(3):  # refused: arg-type
        pass
