"""Is it known? (``design/container.md`` section 9; open generics are in ``test_generics.py``)."""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from nexios.container.container import Container
from nexios.container.depend import Scopes
from nexios.container.keys import Key
from nexios.container.module import Module

T = TypeVar("T")


class Port(Protocol):
    def work(self) -> str: ...


class Adapter:
    def work(self) -> str:
        return "done"


class Thing:
    pass


class Repository(Generic[T]):
    pass


def test_a_port_is_known_when_bound() -> None:
    module = Module("app")
    assert Port not in Container(module)
    module.bind(Port).to(Adapter)
    assert Port in Container(module)


def test_the_adapter_class_of_a_bound_port_is_not_thereby_known() -> None:
    module = Module("app")
    module.bind(Port).to(Adapter)
    assert Adapter not in Container(module)


def test_a_closed_generic_binding_is_known() -> None:
    module = Module("app")
    module.bind(Repository[Thing])
    assert Repository[Thing] in Container(module)
    assert Repository[int] not in Container(module)


def test_lists_are_always_known() -> None:
    container = Container(Module("app"))
    for form in (list[Thing], tuple[Thing, ...], Sequence[Thing], dict[str, Thing]):
        assert form in container
    assert list not in container
    assert tuple[Thing, int] not in container


def test_scopes_is_known() -> None:
    assert Scopes in Container(Module("app"))


def test_a_named_key_is_known_by_its_name_only() -> None:
    module = Module("app")
    module.bind(Key(Thing, "hot"))
    container = Container(module)
    assert Key(Thing, "hot") in container
    assert Key(Thing, "cold") not in container


def test_the_plain_key_is_not_known_by_a_named_one() -> None:
    module = Module("app")
    module.bind(Key(Thing, "hot"))
    assert Thing not in Container(module)


def test_a_plain_key_does_not_make_a_named_one_known() -> None:
    module = Module("app")
    module.bind(Thing)
    assert Key(Thing, "hot") not in Container(module)


def test_a_private_key_of_an_included_module_is_not_known() -> None:
    inner = Module("inner")
    inner.bind(Thing)
    assert Thing not in Container(Module("app").include(inner))
    inner.export(Thing)
    assert Thing in Container(Module("app").include(inner))
