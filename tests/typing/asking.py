"""Read by a type checker in ``test_checkers.py``, never run; lines it must refuse are marked."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from typing import Protocol, TypeVar, assert_type

from nexios.container import Container, Depend, Key, Module, Scope, ScopeContext, profile

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


def user() -> str:
    return ""


async def later() -> int:
    return 1


def opened() -> Iterator[SqlUsers]:
    yield SqlUsers()


async def opened_later() -> AsyncIterator[SqlUsers]:
    yield SqlUsers()


def handler(
    one: SqlUsers = Depend(SqlUsers),
    port: Users = Depend(Users),
    base: Base = Depend(Base),
    generic: Repository[str] = Depend(Repository[str]),
    many: list[Users] = Depend(list[Users]),
    function: str = Depend(user),
    awaited: int = Depend(later),
    made: SqlUsers = Depend(opened),
    made_later: SqlUsers = Depend(opened_later),
    named: str = Depend(Key(str, "host")),
    annotated: Users = Depend(),
    wrong: Child = Depend(SqlUsers),  # refused: assignment
    wrong_function: int = Depend(user),  # refused: assignment
    wrong_made: Child = Depend(opened),  # refused: assignment
) -> None: ...


def declare(module: Module) -> None:
    module.bind(SqlUsers)
    module.bind(Users, scope=Scope.SINGLETON).to(SqlUsers)
    module.bind(Users).to(opened)
    module.bind(Users).to(opened_later)
    module.bind(Base).to(Child)
    module.bind(Users).value(SqlUsers())
    module.bind(Key(str, "host")).value("localhost")
    module.decorate(Users).with_(Cached)
    module.decorate(Users).with_(cached).using(seconds=60)
    module.decorate(Users).with_(opened_around)
    module.decorate(Key(str, "host")).with_(user)
    module.bind(Users, when=profile("prod")).to(SqlUsers)
    module.add(Users, when=~profile("prod", "staging")).to(SqlUsers)
    module.bind(Users, when="prod")  # refused: call-overload
    module.decorate(Users).with_(Wrong)  # refused: arg-type
    module.decorate(Base).with_(user)  # refused: arg-type
    module.bind(Users).to(Wrong)  # refused: arg-type
    module.bind(Users).value(Wrong())  # refused: arg-type
    module.bind(Base).to(user)  # refused: arg-type
    module.bind(Key(str, "host")).value(3)  # refused: arg-type


async def ask(container: Container, scope: ScopeContext) -> None:
    assert_type(await scope.get(Users), Users)
    assert_type(await scope.get(Base), Base)
    assert_type(scope.get_now(Repository[int]), Repository[int])
    assert_type(await container.get(Key(str, "host")), str)
    assert_type(container.provider(Users)(), Users)
    assert_type(container.provider(Key(str, "host"))(), str)
    maybe: Users | None = await scope.get(Users | None)
    assert maybe is None
    with container.override(Users).value(SqlUsers()):
        pass
    with container.override(Base).to(Child):
        pass
    with container.override(Users).value(Wrong()):  # refused: arg-type
        pass
    with container.override(Base).to(user):  # refused: arg-type
        pass
