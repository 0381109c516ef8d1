"""No value of the configuration is in any text: not in problems, notes, reprs or sources."""

import linecache
import traceback
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.errors import ContainerError
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope
from tests.support.wiring import point, run

pytestmark = pytest.mark.anyio

SECRET = "pa55-of-the-database"


class Port(Protocol):
    def send(self) -> None: ...


class Mailer:
    def __init__(self, password: str, number: int = 0) -> None:
        self.password = password


class Asker:
    def __init__(self, mailer: Mailer) -> None: ...


def mailing(**options: Any) -> Module:
    module = Module("mail")
    module.bind(Mailer, **options).using(password=SECRET)
    return module


def value_for_a_class(module: Module) -> None:
    module.bind(Mailer).value(SECRET)  # type: ignore[arg-type]


def value_for_a_port(module: Module) -> None:
    module.bind(Port).value(SECRET)  # type: ignore[arg-type]


def value_as_a_source(module: Module) -> None:
    module.bind(Key(str, "password")).to(SECRET)  # type: ignore[call-overload]


def using_an_unknown_name(module: Module) -> None:
    module.bind(Mailer).using(pasword=SECRET)


def twice(module: Module) -> None:
    for _ in range(2):
        module.bind(Mailer).using(password=SECRET)


def captive(module: Module) -> None:
    module.bind(Asker, scope=Scope.SINGLETON)
    module.bind(Mailer).using(password=SECRET)


def value_with_a_scope(module: Module) -> None:
    module.bind(Key(str, "password"), scope=Scope.REQUEST).value(SECRET)


def beside_a_value_that_nothing_fills(module: Module) -> None:
    class Other:
        def __init__(self, password: str, host: str) -> None: ...

    module.bind(Other).using(password=SECRET)


@pytest.mark.parametrize(
    "declare",
    [
        value_for_a_class, value_for_a_port, value_as_a_source, using_an_unknown_name, twice,
        captive, value_with_a_scope, beside_a_value_that_nothing_fills,
    ],
)  # fmt: skip
def test_wiring_problem_contains_no_value_from_configuration(
    declare: Callable[[Module], None],
) -> None:
    module = Module("app")
    declare(module)
    with pytest.raises(ContainerError) as refusal:
        Container(module).validate()
    assert SECRET not in "".join(traceback.format_exception(refusal.value, limit=0))
    assert SECRET not in repr(refusal.value)


async def test_refusal_at_run_time_contains_no_value_from_configuration() -> None:
    module = mailing()
    module.bind(Asker).given()

    def work(mailer: Mailer) -> None: ...

    async with Container(module) as container, container.enter() as scope:
        with pytest.raises(ContainerError) as of_enter:
            container.enter(values={Asker: SECRET})
        with pytest.raises(ContainerError) as of_override:
            container.override(Mailer).value(SECRET).__enter__()  # type: ignore[arg-type]
        with pytest.raises(ContainerError) as of_call:
            await scope.call(work, mailer=SECRET)
    for refusal in (of_enter, of_override, of_call):
        assert SECRET not in f"{refusal.value} {refusal.value!r}"


async def test_plan_source_contains_no_value_from_configuration() -> None:
    def fails(mailer: Mailer = Depend()) -> None:
        raise OSError("no network")

    entry_point = point(fails, "GET /mail")
    module = mailing()
    module.bind(Key(str, "password")).value(SECRET)
    async with Container(module, entries=[entry_point]) as container:
        with pytest.raises(OSError, match="no network") as refusal:
            await run(container.entry(entry_point))
        shown = "".join(traceback.format_exception(refusal.value))
        sources = [
            "".join(lines)
            for name, entry in list(linecache.cache.items())
            if name.startswith("<nexios") and len(entry) > 2
            for lines in [entry[2]]
        ]
        texts = [shown, *sources, *map(repr, container.engine.providers), repr(module)]
    assert all(SECRET not in text for text in texts)


async def test_failing_constructor_is_noted_without_its_arguments() -> None:
    class Broken:
        def __init__(self, password: str) -> None:
            raise OSError("no network")

    module = Module("app")
    module.bind(Broken).using(password=SECRET)
    async with Container(module) as container, container.enter() as scope:
        with pytest.raises(OSError, match="no network") as refusal:
            await scope.get(Broken)
    assert refusal.value.__notes__
    assert SECRET not in "".join(traceback.format_exception(refusal.value))
