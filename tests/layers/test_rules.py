import uuid
from collections.abc import Callable
from typing import Generic, TypeVar

import pytest

from nexios.domain import AggregateRoot, DomainService, Repository
from nexios.layers import Finding, Layer, LayerMap, may_ask
from nexios.layers.rules import Because, layer_of_path, rule

T = TypeVar("T")


def made(module: str, *, mark: str | None = None, bases: tuple[type, ...] = ()) -> type:
    members: dict[str, object] = {"__module__": module}
    if mark:
        members["__nexios_layer__"] = mark
    return type("Made", bases, members)


@pytest.mark.parametrize(
    ("path", "layer"),
    [
        ("shop.orders.domain.order", Layer.DOMAIN),
        ("shop.domain", Layer.DOMAIN),
        ("shop.orders.application.ordering", Layer.APPLICATION),
        ("shop.domain.application.x", Layer.APPLICATION),
        ("shop.orders.adapters.http.orders", Layer.HTTP),
        ("shop.orders.adapters.ws", Layer.WEBSOCKET),
        ("shop.orders.adapters.websocket.status", Layer.WEBSOCKET),
        ("shop.orders.adapters.sql.orders", Layer.PERSISTENCE),
        ("shop.orders.adapters.persistence.orders", Layer.PERSISTENCE),
        ("shop.orders.adapters.memory", Layer.PERSISTENCE),
        ("shop.orders.adapters.mail", Layer.INFRASTRUCTURE),
        ("shop.orders.adapters", Layer.INFRASTRUCTURE),
        ("shop.orders.module", Layer.COMPOSITION),
        ("shop.main", Layer.COMPOSITION),
        ("main", Layer.COMPOSITION),
        ("shop.http.views", None),
        ("shop.domains.x", None),
        ("nexios.domain.values", Layer.DOMAIN),
        ("nexios.application.clock", Layer.APPLICATION),
        ("nexios.config", Layer.APPLICATION),
        ("nexios.adapters.http.request", Layer.HTTP),
        ("nexios.adapters.persistence.database", Layer.PERSISTENCE),
        ("nexios.adapters.asgi.connection", None),
        ("nexios.container.handles", None),
        ("nexios.app", None),
    ],
)
def test_the_place_of_a_module_says_its_layer(path: str, layer: Layer | None) -> None:
    assert layer_of_path(path) is layer


def test_the_table_lets_ask_inward_and_within_and_nothing_else() -> None:
    inner = {Layer.DOMAIN, Layer.APPLICATION}
    for asker in Layer:
        for asked in Layer:
            expected = (
                asker is Layer.COMPOSITION
                or asked is asker
                or (asked in inner and asker is not Layer.DOMAIN)
            )
            assert may_ask(asker, asked) is expected, (asker, asked)


def test_who_has_no_layer_asks_and_is_asked_freely() -> None:
    assert all(may_ask(None, layer) and may_ask(layer, None) for layer in Layer)


def test_declared_beats_place_beats_mark_beats_binding_module() -> None:
    layers = LayerMap({"shop.core": Layer.DOMAIN, "shop.core.mail": Layer.INFRASTRUCTURE})
    assert layers.of(made("shop.core.adapters.sql", mark="http")) is Layer.DOMAIN
    assert layers.of(made("shop.core.mail.smtp")) is Layer.INFRASTRUCTURE
    assert layers.of(made("shop.coreless")) is None
    assert layers.of(made("shop.domain.x", mark="http"), Layer.HTTP) is Layer.DOMAIN
    assert layers.of(made("shop.x", mark="http"), Layer.DOMAIN) is Layer.HTTP
    assert layers.of(made("shop.x"), Layer.DOMAIN) is Layer.DOMAIN
    assert layers.of(made("sqlalchemy.orm", mark="")) is Layer.PERSISTENCE
    assert layers.of(made("shop.x")) is None


def test_what_said_a_layer_is_told_with_it() -> None:
    layers = LayerMap({"shop.core": Layer.DOMAIN})
    said = {
        Because.DECLARED: layers.placed(made("shop.core.x")),
        Because.PLACE: layers.placed(made("shop.domain.x")),
        Because.MARK: layers.placed(made("shop.x", mark="http")),
        Because.PACKAGE: layers.placed(made("redis.client")),
        Because.MODULE: layers.placed(made("shop.x"), Layer.HTTP),
        Because.STANDARD: layers.placed(int, Layer.HTTP),
        Because.NOTHING: layers.placed(made("shop.x")),
    }
    assert {because: found[1] for because, found in said.items()} == {one: one for one in Because}
    assert said[Because.PACKAGE][0] is Layer.INFRASTRUCTURE
    assert said[Because.STANDARD][0] is None


def test_one_object_can_be_declared() -> None:
    assert LayerMap({"shop.x.Made": Layer.HTTP}).of(made("shop.x")) is Layer.HTTP


def test_the_nearest_mark_in_the_method_resolution_order_holds() -> None:
    outer = made("shop.x", mark="persistence", bases=(made("shop.y", mark="domain"),))
    assert LayerMap().of(made("shop.z", bases=(outer,))) is Layer.PERSISTENCE


def test_the_house_marks_its_bases() -> None:
    layers = LayerMap()
    for base in (DomainService, Repository, AggregateRoot):
        assert layers.of(made("shop.x", bases=(base,))) is Layer.DOMAIN


def test_standard_library_and_pydantic_are_neutral_even_in_a_layered_module() -> None:
    layers = LayerMap()
    for neutral in (
        int,
        str,
        uuid.UUID,
        made("pydantic.main"),
        Callable[[int], str],
        dict[str, int],
    ):
        assert layers.of(neutral, Layer.DOMAIN) is None


def test_a_generic_alias_has_the_layer_of_its_origin() -> None:
    class Box(Generic[T]):
        pass

    Box.__module__ = "shop.domain.box"
    assert LayerMap().of(Box[int]) is Layer.DOMAIN


def test_a_function_has_the_layer_of_its_module() -> None:
    def handler() -> None: ...

    handler.__module__ = "shop.adapters.http.views"
    assert LayerMap().of(handler) is Layer.HTTP


def test_own_classes_of_a_script_are_not_taken_for_the_standard_library() -> None:
    assert LayerMap().of(made("__main__", mark="http")) is Layer.HTTP


def test_the_rule_in_words() -> None:
    assert rule(Layer.DOMAIN) == "domain may ask for domain only"
    assert rule(Layer.APPLICATION) == "application may ask for domain and application"
    assert rule(Layer.HTTP) == "http may ask for domain, application and http"


def test_a_finding_prints_place_code_chain_and_fix() -> None:
    finding = Finding("NX101", "a imports b", "shop/a.py", 3, "declare a port", ("a → b",))
    assert str(finding) == "shop/a.py:3 NX101 a imports b\n  a → b\n  fix: declare a port"
