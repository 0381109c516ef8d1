"""Circles (``design/container.md`` section 9; generic ones are in ``test_generics.py``)."""

from typing import Any, Protocol

import pytest

from nexios.container.container import Container
from nexios.container.errors import DependencyCycle
from nexios.container.module import Module
from nexios.container.scope import Scope
from tests.support.wiring import module_of

pytestmark = pytest.mark.anyio


class Itself:
    def __init__(self, it: "Itself") -> None: ...


class InItsList:
    def __init__(self, others: "list[InItsList]") -> None: ...


class One:
    def __init__(self, two: "Two") -> None: ...


class Two:
    def __init__(self, one: One) -> None: ...


class A:
    def __init__(self, b: "B") -> None: ...


class B:
    def __init__(self, c: "C") -> None: ...


class C:
    def __init__(self, a: A) -> None: ...


class Port(Protocol):
    def work(self) -> None: ...


class Adapter:
    def __init__(self, port: Port) -> None: ...

    def work(self) -> None: ...


class Leads:
    def __init__(self, one: One) -> None: ...


class Leaf:
    pass


def chain(root: Module) -> str:
    """Return the first line of the one circle there is."""
    with pytest.raises(DependencyCycle) as refusal:
        Container(root).validate()
    return str(refusal.value).splitlines()[0]


LIFETIMES = pytest.mark.parametrize("scope", [Scope.SINGLETON, Scope.REQUEST, Scope.TRANSIENT])


@LIFETIMES
def test_a_service_that_asks_for_itself_is_refused(scope: Scope) -> None:
    assert chain(module_of(Itself, scope=scope)) == "NX205 Itself asks for itself"


@LIFETIMES
def test_a_service_that_asks_for_a_list_of_itself_is_refused(scope: Scope) -> None:
    module = Module("app")
    module.add(InItsList, scope=scope)
    assert chain(module) == (
        "NX205 InItsList needs itself: InItsList -> list[InItsList] -> InItsList"
    )


@LIFETIMES
def test_a_direct_circle_is_refused(scope: Scope) -> None:
    assert chain(module_of(One, Two, scope=scope)) == "NX205 One needs itself: One -> Two -> One"


@LIFETIMES
def test_an_indirect_circle_is_refused(scope: Scope) -> None:
    assert chain(module_of(C, A, B, scope=scope)) == "NX205 A needs itself: A -> B -> C -> A"


def test_a_circle_through_its_own_port_is_refused() -> None:
    module = Module("app")
    module.bind(Port).to(Adapter)
    assert chain(module) == "NX205 Port asks for itself"


def test_a_circle_through_the_port_of_an_alias_is_refused() -> None:
    module = module_of(Adapter)
    module.bind(Port).alias(Adapter)
    assert chain(module) == "NX205 Adapter needs itself: Adapter -> Port -> Adapter"


def test_a_dependency_on_a_circle_names_the_circle() -> None:
    assert chain(module_of(Leads, One, Two)) == "NX205 One needs itself: One -> Two -> One"


async def test_the_same_type_many_times_in_one_tree_is_allowed() -> None:
    class Left:
        def __init__(self, leaf: Leaf, again: Leaf) -> None:
            self.leaf = leaf

    class Right:
        def __init__(self, left: Left, leaf: Leaf) -> None:
            self.left, self.leaf = left, leaf

    class Top:
        def __init__(self, left: Left, right: Right, leaf: Leaf) -> None:
            self.all = {id(left.leaf), id(right.leaf), id(right.left.leaf), id(leaf)}

    async with Container(module_of(Leaf, Left, Right, Top)) as container, container.enter() as it:
        assert len((await it.get(Top)).all) == 1


def test_two_circles_are_two_problems() -> None:
    with pytest.raises(ExceptionGroup) as refusal:
        Container(module_of(One, Two, A, B, C, Itself)).validate()
    found: Any = refusal.value.exceptions
    assert [type(item) for item in found] == [DependencyCycle] * 3


def test_each_text_prints_the_chain_with_every_asker() -> None:
    with pytest.raises(DependencyCycle) as refusal:
        Container(module_of(A, B, C)).validate()
    lines = str(refusal.value).splitlines()
    for line, asker in zip(lines[1:4], ("A", "B", "C"), strict=True):
        assert line.startswith(f"  asks  {asker}.__init__(")
        assert "tests/container/conformance/test_circles.py:" in line
