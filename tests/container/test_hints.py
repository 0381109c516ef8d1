"""Hints: what works and could be tidier; never in the way."""

from collections.abc import Iterator

from nexios.container.container import Container
from nexios.container.hints import HintKind
from nexios.container.module import Module
from nexios.container.scope import Scope
from nexios.layers.rules import Layer
from tests.support.golden import assert_golden
from tests.support.wiring import module_of


class Clock:
    pass


class Engine:
    pass


class Service:
    def __init__(self, clock: Clock) -> None: ...

    def tell(self) -> int:
        return 1


class Writing(Service):
    def tell(self) -> int:
        self.told = 1
        return 1


def kinds(root: Module) -> list[HintKind]:
    return [hint.kind for hint in Container(root).hints()]


def test_unused_binding_and_unused_export_are_warnings_not_errors() -> None:
    deep = Module("deep", bind=[Engine], export=[Engine])
    inner = Module("inner", include=[deep], layer=Layer.APPLICATION)
    inner.bind(Clock, scope=Scope.SINGLETON)
    inner.bind(Writing)
    root = Module("app", include=[inner])
    container = Container(root)
    container.validate()
    assert_golden("\n".join(map(str, container.hints())), "hints.txt")
    assert [hint.kind for hint in container.hints()] == [
        HintKind.UNUSED_BINDING, HintKind.UNUSED_EXPORT, HintKind.COULD_BE_SINGLETON,
    ]  # fmt: skip


def test_what_is_asked_for_or_bound_by_the_root_is_no_unused_binding() -> None:
    root = Module("app")
    root.bind(Clock, scope=Scope.SINGLETON)
    assert kinds(root) == []


def test_export_that_is_asked_for_or_passed_on_is_used() -> None:
    deep = Module("deep", export=[Clock])
    deep.bind(Clock, scope=Scope.SINGLETON)
    root = Module("app", include=[Module("inner", include=[deep], export=[Clock])])
    root.bind(Writing)
    assert kinds(root) == []


def test_export_to_the_root_may_be_meant_for_scope_get_and_says_so() -> None:
    inner = Module("inner", export=[Clock])
    inner.bind(Clock, scope=Scope.SINGLETON)
    (hint,) = Container(Module("app", include=[inner])).hints()
    assert hint.kind is HintKind.UNUSED_EXPORT
    assert hint.says.endswith("fine where scope.get does")


def test_could_be_singleton_looks_at_what_is_asked_for_and_at_assignments() -> None:
    def source(clock: Clock) -> Iterator[Engine]:
        yield Engine()

    root = Module("app")
    root.bind(Clock, scope=Scope.SINGLETON)
    root.bind(Service)
    root.bind(Writing)
    root.bind(Engine).to(source)
    (hint,) = Container(root).hints()
    assert hint.kind is HintKind.COULD_BE_SINGLETON
    assert hint.says.startswith("Service is made in each request")
    assert hint.fix.startswith("app.bind(Service, scope=Scope.SINGLETON)")

    assert [hint.says[:5] for hint in Container(module_of(Clock, Service)).hints()] == ["Clock"]
