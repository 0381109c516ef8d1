"""The open-generics sentences of the .NET specification suite (design section 9)."""

from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar

import pytest

from nexios.container.container import Container
from nexios.container.errors import DependencyCycle, MissingBinding
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope
from tests.support.wiring import module_of

pytestmark = pytest.mark.anyio

T = TypeVar("T")


class Entity:
    pass


class User(Entity):
    pass


class Price:
    pass


class Named(Protocol):
    def name(self) -> str: ...


class City:
    def name(self) -> str:
        return "Rome"


class Priced(ABC):
    @abstractmethod
    def price(self) -> int: ...


class Tea(Priced):
    def price(self) -> int:
        return 3


E = TypeVar("E", bound=Entity)
N = TypeVar("N", bound=Named)
P = TypeVar("P", bound=Priced)


class Handler(Generic[T]):
    pass


class First(Handler[T]):
    pass


class Second(Handler[T]):
    pass


class UserHandler(Handler[User]):
    pass


async def test_an_open_binding_answers_a_closed_ask() -> None:
    module = Module("app")
    module.bind(Handler[T]).to(First[T])
    async with Container(module) as container, container.enter() as scope:
        assert type(await scope.get(Handler[User])) is First


async def test_a_bound_on_the_type_variable_filters_candidates() -> None:
    module = Module("app")
    module.add(Handler[T]).to(First[T])
    module.add(Handler[E]).to(Second[E])
    async with Container(module) as container, container.enter() as scope:
        assert list(map(type, await scope.get(list[Handler[User]]))) == [First, Second]
        assert list(map(type, await scope.get(list[Handler[Price]]))) == [First]


async def test_when_none_is_left_the_list_is_empty() -> None:
    module = Module("app")
    module.add(Handler[E]).to(First[E])
    async with Container(module) as container, container.enter() as scope:
        assert await scope.get(list[Handler[Price]]) == []
        with pytest.raises(MissingBinding):
            await scope.get(Handler[Price])


async def test_protocol_bounds_and_abstract_class_bounds_count() -> None:
    module = Module("app")
    module.bind(Handler[N]).to(First[N])
    module.bind(Handler[P]).to(Second[P])
    async with Container(module) as container, container.enter() as scope:
        assert type(await scope.get(Handler[City])) is First
        assert type(await scope.get(Handler[Tea])) is Second
        with pytest.raises(MissingBinding):
            await scope.get(Handler[Price])


@pytest.mark.parametrize("open_first", [True, False])
async def test_a_closed_binding_is_preferred_to_an_open_one(open_first: bool) -> None:
    module = Module("app")
    if open_first:
        module.bind(Handler[T]).to(First[T])
    module.bind(Handler[User]).to(UserHandler)
    if not open_first:
        module.bind(Handler[T]).to(First[T])
    async with Container(module) as container, container.enter() as scope:
        assert type(await scope.get(Handler[User])) is UserHandler
        assert type(await scope.get(Handler[Price])) is First


async def test_a_list_mixes_open_closed_and_supplied_in_order() -> None:
    supplied = UserHandler()
    module = Module("app")
    module.add(Handler[T]).to(Second[T])
    module.add(Handler[User]).value(supplied)
    module.add(Handler[Price]).to(First[Price])
    module.add(Handler[User]).to(UserHandler)
    module.add(Handler[T]).to(First[T])
    async with Container(module) as container, container.enter() as scope:
        found = await scope.get(list[Handler[User]])
    assert list(map(type, found)) == [Second, UserHandler, UserHandler, First]
    assert found[1] is supplied
    assert found[2] is not supplied


async def test_a_closed_form_of_an_open_binding_is_known_and_the_open_form_is_not() -> None:
    module = Module("app")
    module.bind(Handler[E]).to(First[E])
    module.add(list[E]).value([])
    container = Container(module)
    assert Handler[User] in container
    assert Handler[E] not in container
    assert Handler[T] not in container
    assert Handler[Price] not in container
    assert Handler not in container


async def test_a_closed_binding_is_known_and_its_other_forms_are_not() -> None:
    container = Container(module_of(First[User]))
    assert First[User] in container
    assert First[Price] not in container
    assert Handler[User] not in container


async def test_named_generics_resolve_by_their_name_only() -> None:
    module = Module("app")
    module.bind(Key(Handler[T], "hot")).to(First[T])
    module.bind(Key(Handler[T], 0)).to(Second[T])
    async with Container(module) as container, container.enter() as scope:
        assert type(await scope.get(Key(Handler[User], "hot"))) is First
        assert type(await scope.get(Key(Handler[User], 0))) is Second
        assert Key(Handler[User], False) not in container
        assert Handler[User] not in container
        found = await scope.get(dict[str, Handler[User]])
    assert {name: type(made) for name, made in found.items()} == {"hot": First, 0: Second}


async def test_a_singleton_is_one_for_each_closed_form() -> None:
    module = Module("app")
    module.bind(Handler[T], scope=Scope.SINGLETON).to(First[T])
    async with Container(module) as container, container.enter() as scope:
        users = await scope.get(Handler[User])
        assert await container.get(Handler[User]) is users
        assert await container.get(Handler[Price]) is not users


class Whole(Generic[T]):
    def __init__(self, part: "Whole[T]") -> None: ...


class Asks:
    def __init__(self, whole: Whole[User]) -> None: ...


async def test_validation_skips_an_open_generic_until_it_is_closed() -> None:
    module = Module("app")
    module.bind(Whole[T])
    async with Container(module) as container, container.enter() as scope:
        with pytest.raises(DependencyCycle):
            await scope.get(Whole[User])
    module.bind(Asks)
    with pytest.raises(DependencyCycle):
        Container(module).validate()


class Tree(Generic[T]):
    def __init__(self, branch: "Tree[list[T]]") -> None:
        self.branch = branch


class Leaves(Tree[list[T]]):
    def __init__(self) -> None: ...


async def test_a_generic_that_looks_circular_but_is_not_is_allowed() -> None:
    module = Module("app")
    module.bind(Tree[T])
    module.bind(Tree[list[list[T]]]).to(Leaves[list[T]])
    async with Container(module) as container, container.enter() as scope:
        tree = await scope.get(Tree[int])
        assert type(tree.branch) is Tree
        assert type(tree.branch.branch) is Leaves
