"""Named keys (``design/container.md`` section 9)."""

from typing import Annotated, Generic, TypeVar

import pytest

from nexios.container.container import Container
from nexios.container.errors import MissingBinding
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope, ScopeContext
from tests.support.wiring import module_of

pytestmark = pytest.mark.anyio

T = TypeVar("T")


class Thing:
    pass


class Repository(Generic[T]):
    pass


A, B = Key(Thing, "a"), Key(Thing, "b")


def named(scope: Scope | None = None) -> Module:
    module = Module("app")
    module.bind(B, scope=scope)
    module.bind(A, scope=scope)
    return module


async def test_two_names_give_two_objects() -> None:
    async with Container(named()) as container, container.enter() as scope:
        assert await scope.get(A) is not await scope.get(B)


async def test_two_names_leave_the_plain_key_unbound() -> None:
    async with Container(named()) as container, container.enter() as scope:
        with pytest.raises(MissingBinding, match="nothing provides Thing"):
            await scope.get(Thing)


async def test_a_named_and_a_plain_binding_do_not_see_each_other() -> None:
    module = module_of(Thing)
    module.bind(A)
    async with Container(module) as container, container.enter() as scope:
        assert await scope.get(Thing) is not await scope.get(A)


async def test_all_named_bindings_come_by_dict_in_registration_order() -> None:
    module = named()
    module.bind(Thing)
    async with Container(module) as container, container.enter() as scope:
        found = await scope.get(dict[str, Thing])
        assert list(found.items()) == [("b", await scope.get(B)), ("a", await scope.get(A))]


async def test_named_generics_resolve() -> None:
    module = Module("app")
    key = Key(Repository[Thing], "main")
    module.bind(key)
    async with Container(module) as container, container.enter() as scope:
        assert isinstance(await scope.get(key), Repository)
        with pytest.raises(MissingBinding):
            await scope.get(Repository[Thing])


async def test_a_named_singleton_behaves_as_its_plain_kin() -> None:
    async with (
        Container(named(Scope.SINGLETON)) as container,
        container.enter() as one,
        container.enter() as two,
    ):
        made = await container.get(A)
        assert made is await one.get(A) is await two.get(A)
        assert made is not await container.get(B)


async def test_a_named_request_object_behaves_as_its_plain_kin() -> None:
    async with (
        Container(named(Scope.REQUEST)) as container,
        container.enter() as one,
        container.enter() as two,
    ):
        assert await one.get(A) is await one.get(A)
        assert await one.get(A) is not await two.get(A)
        with pytest.raises(Exception, match=r"Key\(Thing, 'a'\) lives in a REQUEST scope"):
            await container.get(A)


async def test_a_named_transient_behaves_as_its_plain_kin() -> None:
    async with Container(named(Scope.TRANSIENT)) as container, container.enter() as scope:
        assert await scope.get(A) is not await scope.get(A)
        assert await container.get(A) is not await container.get(A)


async def test_named_supplied_instances_come_back_themselves() -> None:
    one, two = Thing(), Thing()
    module = Module("app")
    module.bind(A).value(one)
    module.bind(B).value(two)
    async with Container(module) as container, container.enter() as scope:
        assert await scope.get(A) is one
        assert await container.get(B) is two


async def test_named_factories_run() -> None:
    made: list[Thing] = []

    async def make() -> Thing:
        made.append(Thing())
        return made[-1]

    module = Module("app")
    module.bind(A).to(make)
    async with Container(module) as container, container.enter() as scope:
        assert await scope.get(A) is made[0]
    assert len(made) == 1


async def test_a_named_parameter_is_filled_by_its_name() -> None:
    class Asker:
        def __init__(self, b: Annotated[Thing, B], a: Annotated[Thing, Key("a")]) -> None:
            self.a, self.b = a, b

    module = named()
    module.bind(Asker)
    async with Container(module) as container, container.enter() as scope:
        asker = await scope.get(Asker)
        assert (asker.a, asker.b) == (await scope.get(A), await scope.get(B))


class First:
    def __init__(self, a: Annotated[Thing, Key("a")], plain: Thing) -> None: ...


class Last:
    def __init__(self, plain: Thing, a: Annotated[Thing, Key("a")]) -> None: ...


class Keyword:
    def __init__(self, plain: Thing, *, a: Annotated[Thing, Key("a")]) -> None: ...


@pytest.mark.parametrize("cls", [First, Last, Keyword])
async def test_a_named_parameter_without_binding_is_refused_whichever_position_it_has(
    cls: type,
) -> None:
    with pytest.raises(MissingBinding) as refusal:
        Container(module_of(cls, Thing)).validate()
    assert refusal.value.key == A
    assert refusal.value.asked_by[0].text == f"{cls.__name__}.__init__(a)"


async def test_with_a_default_the_default_is_used() -> None:
    mine = Thing()

    class Asker:
        def __init__(self, a: Annotated[Thing, Key("a")] = mine) -> None:
            self.a = a

    async with Container(module_of(Asker, Thing)) as container, container.enter() as scope:
        assert (await scope.get(Asker)).a is mine


async def test_a_plain_binding_never_fills_a_named_hole() -> None:
    async def refused(scope: ScopeContext) -> None:
        with pytest.raises(MissingBinding):
            await scope.get(A)

    async with Container(module_of(Thing)) as container, container.enter() as scope:
        await refused(scope)
        assert await scope.get(Thing)
        await refused(scope)


async def test_the_missing_key_error_prints_type_and_name() -> None:
    async with Container(module_of(Thing)) as container, container.enter() as scope:
        with pytest.raises(MissingBinding, match=r"nothing provides Key\(Thing, 'hot'\)"):
            await scope.get(Key(Thing, "hot"))
        with pytest.raises(MissingBinding, match=r"nothing provides Key\(Thing, 0\)"):
            await scope.get(Key(Thing, 0))
