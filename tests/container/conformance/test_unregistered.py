"""Wiring what is not registered, by ``scope.call`` (``design/container.md`` section 9)."""

from abc import ABC, abstractmethod
from typing import Protocol

import pytest

from nexios.container.container import Container
from nexios.container.errors import MisplacedArgument, MissingBinding, UnusableSource
from nexios.container.keys import Key
from nexios.container.module import Module
from tests.support.wiring import module_of

pytestmark = pytest.mark.anyio


class Thing:
    pass


class Uses:
    def __init__(self, thing: Thing) -> None:
        self.thing = thing


class Report:
    def __init__(self, uses: Uses, title: str, pages: int = 3, *, draft: bool = True) -> None:
        self.uses = uses
        self.rest = (title, pages, draft)


class Port(Protocol):
    def work(self) -> str: ...


class Abstract(ABC):
    @abstractmethod
    def work(self) -> str: ...


async def test_a_class_that_was_never_bound_can_be_made_with_its_dependencies() -> None:
    async with Container(module_of(Thing)) as container, container.enter() as scope:
        uses = await scope.call(Uses)
        assert isinstance(uses, Uses)
        assert uses.thing is await scope.get(Thing)
        assert await scope.call(Uses) is not uses
        assert Uses not in container


async def test_a_class_wired_by_its_annotated_attributes_can_be_made() -> None:
    class Attributes:
        thing: Thing
        title: str

    async with Container(module_of(Thing)) as container, container.enter() as scope:
        made = await scope.call(Attributes, title="y")
        assert isinstance(made, Attributes)
        assert (made.thing, made.title) == (await scope.get(Thing), "y")


@pytest.mark.parametrize("given", [["title"], ["title", "pages"], ["draft", "pages", "title"]])
async def test_any_number_of_extra_arguments_may_be_given(given: list[str]) -> None:
    values = {"title": "x", "pages": 7, "draft": False}
    wanted = {"title": "x", "pages": 3, "draft": True} | {name: values[name] for name in given}
    async with Container(module_of(Thing, Uses)) as container, container.enter() as scope:
        report = await scope.call(Report, **{name: values[name] for name in given})
        assert isinstance(report, Report)
        assert report.rest == tuple(wanted.values())
        assert report.uses is await scope.get(Uses)


async def test_a_given_dependency_is_taken_instead_of_the_bound_one() -> None:
    mine = Thing()
    async with Container(module_of(Thing)) as container, container.enter() as scope:
        uses = await scope.call(Uses, thing=mine)
        assert isinstance(uses, Uses)
        assert uses.thing is mine


async def test_defaults_are_honoured() -> None:
    async with Container(module_of(Thing, Uses)) as container, container.enter() as scope:
        report = await scope.call(Report, title="x")
        assert isinstance(report, Report)
        assert report.rest == ("x", 3, True)


async def test_surplus_arguments_are_refused() -> None:
    async with Container(module_of(Thing, Uses)) as container, container.enter() as scope:
        with pytest.raises(MisplacedArgument, match=r"Report\(\) takes no surplus"):
            await scope.call(Report, title="x", surplus=2)
        with pytest.raises(TypeError):
            await scope.call(Report, title="x", surplus=2)


async def test_arguments_of_the_wrong_type_are_refused() -> None:
    async with Container(module_of(Thing, Uses)) as container, container.enter() as scope:
        with pytest.raises(MisplacedArgument, match=r"Report\(title\): int object is no str"):
            await scope.call(Report, title=3)
        with pytest.raises(MisplacedArgument, match=r"Report\(uses\): Thing object is no Uses"):
            await scope.call(Report, title="x", uses=Thing())


@pytest.mark.parametrize("cls", [Port, Abstract])
async def test_an_abstract_class_or_protocol_is_refused_by_name(cls: type) -> None:
    async with Container(Module("app")) as container, container.enter() as scope:
        with pytest.raises(UnusableSource, match=f"{cls.__name__} is abstract"):
            await scope.call(cls)


async def test_the_constructors_own_exception_comes_through_unwrapped() -> None:
    mine = ZeroDivisionError("mine")

    class Broken:
        def __init__(self, thing: Thing) -> None:
            raise mine

    async with Container(module_of(Thing)) as container, container.enter() as scope:
        with pytest.raises(ZeroDivisionError) as refusal:
            await scope.call(Broken)
    assert refusal.value is mine


async def test_a_bound_class_asked_by_get_comes_from_its_scope_and_not_from_a_fresh_call() -> None:
    async with Container(module_of(Thing, Uses)) as container, container.enter() as scope:
        kept = await scope.get(Uses)
        fresh = await scope.call(Uses)
        assert fresh is not kept
        assert await scope.get(Uses) is kept


async def test_a_missing_constructor_parameter_names_asker_and_missing_key() -> None:
    async with Container(Module("app")) as container, container.enter() as scope:
        with pytest.raises(MissingBinding) as refusal:
            await scope.call(Uses)
    assert refusal.value.key == Key(Thing)
    assert refusal.value.asked_by[0].text == "Uses.__init__(thing)"


async def test_a_function_is_called_and_awaited() -> None:
    async def later(thing: Thing, *, number: int) -> tuple[Thing, int]:
        return thing, number

    def now(number: int, **rest: int) -> dict[str, int]:
        return {"number": number, **rest}

    async with Container(module_of(Thing)) as container, container.enter() as scope:
        assert await scope.call(later, number=3) == (await scope.get(Thing), 3)
        assert await scope.call(now, number=1, other=2) == {"number": 1, "other": 2}
