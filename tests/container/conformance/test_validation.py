"""Validation (``design/container.md`` section 9; open generics are in ``test_generics.py``)."""

from collections.abc import Sequence
from typing import Any, Protocol

import pytest

from nexios.container.container import Container
from nexios.container.depend import Scopes
from nexios.container.errors import (
    CaptiveDependency,
    ContainerError,
    MissingBinding,
    PortMismatch,
    UnusableSource,
    WiringErrors,
    WrongScope,
)
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope
from tests.support.wiring import module_of

pytestmark = pytest.mark.anyio


class Thing:
    pass


class Uses:
    def __init__(self, thing: Thing) -> None: ...


class Above:
    def __init__(self, uses: Uses) -> None: ...


class Many:
    def __init__(self, things: list[Thing]) -> None: ...


class Port(Protocol):
    def work(self) -> str: ...


def refusal(root: Module) -> Any:
    with pytest.raises(ContainerError) as found:
        Container(root).validate()
    return found.value


def wired(**scopes: Scope) -> Module:
    """Return a module of Thing, Uses and Above in the scopes given by their small names."""
    module = Module("app")
    for cls in (Thing, Uses, Above):
        if scope := scopes.get(cls.__name__.lower()):
            module.bind(cls, scope=scope)
    return module


def test_a_request_object_in_a_singleton_is_refused_directly() -> None:
    error = refusal(wired(thing=Scope.REQUEST, uses=Scope.SINGLETON))
    assert isinstance(error, CaptiveDependency)
    assert error.key == Key(Uses)


def test_a_request_object_in_a_singleton_is_refused_through_a_transient() -> None:
    error = refusal(
        wired(thing=Scope.REQUEST, uses=Scope.TRANSIENT, above=Scope.SINGLETON)
    )  # fmt: skip
    assert isinstance(error, CaptiveDependency)
    assert error.key == Key(Above)


def test_a_request_object_in_a_singleton_is_refused_through_another_singleton() -> None:
    error = refusal(
        wired(thing=Scope.REQUEST, uses=Scope.SINGLETON, above=Scope.SINGLETON)
    )  # fmt: skip
    assert isinstance(error, CaptiveDependency)
    assert error.key == Key(Uses)


async def test_a_request_object_in_a_singleton_is_refused_also_when_first_asked_in_a_scope() -> (
    None
):
    module = wired(thing=Scope.REQUEST)
    module.bind(Uses, scope=Scope.SINGLETON, lazy=True)
    container = Container(module)
    # No container starts with such wiring, so no scope of it can be asked first.
    with pytest.raises(CaptiveDependency):
        await container.start()
    with pytest.raises(CaptiveDependency):
        container.enter()


async def test_a_request_object_is_refused_at_the_root() -> None:
    async with Container(wired(thing=Scope.REQUEST)) as container:
        with pytest.raises(WrongScope) as found:
            await container.get(Thing)
    assert (found.value.key, found.value.needs) == ("Thing", "REQUEST")


async def test_a_request_object_is_refused_at_the_root_also_behind_a_transient() -> None:
    async with Container(wired(thing=Scope.REQUEST, uses=Scope.TRANSIENT)) as container:
        with pytest.raises(WrongScope) as found:
            await container.get(Uses)
    assert (found.value.key, found.value.needs) == ("Thing", "REQUEST")


@pytest.mark.parametrize("form", [list[Thing], tuple[Thing, ...], Sequence[Thing]])
def test_a_list_that_holds_a_request_object_is_refused_in_a_singleton(form: Any) -> None:
    class Holder:
        def __init__(self, things: Any) -> None: ...

    Holder.__init__.__annotations__["things"] = form
    module = Module("app")
    module.add(Thing, scope=Scope.SINGLETON)
    module.bind(Holder, scope=Scope.SINGLETON)
    Container(module).validate()
    module.add(Thing, scope=Scope.REQUEST)
    error = refusal(module)
    assert isinstance(error, CaptiveDependency)
    assert error.key == Key(Holder)


def test_a_singleton_that_asks_for_the_scope_opener_is_allowed() -> None:
    class Opener:
        def __init__(self, scopes: Scopes) -> None: ...

    Container(module_of(Opener, scope=Scope.SINGLETON)).validate()


def test_a_replaced_binding_that_is_not_used_any_more_is_not_blamed() -> None:
    inner = Module("inner").export(Uses)
    inner.bind(Uses, default=True)  # nothing provides its Thing
    root = Module("app").include(inner)
    assert isinstance(refusal(root), MissingBinding)

    root.bind(Uses).value(Uses(Thing()))
    Container(root).validate()


async def test_a_default_that_yielded_is_not_made_at_the_start() -> None:
    made: list[type] = []

    class Noted(Thing):
        def __init__(self) -> None:
            made.append(type(self))

    class Better(Noted):
        pass

    inner = Module("inner").export(Thing)
    inner.bind(Thing, scope=Scope.SINGLETON, default=True).to(Noted)
    root = Module("app").include(inner)
    root.bind(Thing, scope=Scope.SINGLETON).to(Better)
    async with Container(root):
        assert made == [Better]


def test_a_binding_replaced_for_the_modules_above_does_not_make_them_captive() -> None:
    inner = Module("inner").export(Thing)
    inner.bind(Thing, scope=Scope.REQUEST)
    root = Module("app").include(inner)
    root.bind(Uses, scope=Scope.SINGLETON)
    assert isinstance(refusal(root), CaptiveDependency)
    root.bind(Thing, scope=Scope.SINGLETON, replace=True)
    Container(root).validate()


def test_validation_collects_several_problems() -> None:
    module = Module("app")
    module.bind(Port)
    module.bind(Above)
    module.bind(Thing)
    module.bind(Many, scope=Scope.SINGLETON)
    module.add(Thing)
    error = refusal(module)
    assert isinstance(error, WiringErrors)
    kinds = {type(item) for item in error.exceptions}
    assert {UnusableSource, MissingBinding, CaptiveDependency} <= kinds


def test_validation_looks_at_every_binding_asked_or_not() -> None:
    class Unasked:
        def __init__(self, missing: Thing) -> None: ...

    private = Module("private")
    private.bind(Unasked)
    error = refusal(Module("app").include(private))
    assert isinstance(error, MissingBinding)
    assert error.asked_by[0].text == "Unasked.__init__(missing)"


def test_a_source_that_does_not_satisfy_its_port_is_refused() -> None:
    module = Module("app")
    module.bind(Port).to(Thing)  # type: ignore[arg-type]
    error = refusal(module)
    assert isinstance(error, PortMismatch)
    assert "Thing does not satisfy Port: it has no work()" in str(error)
