from dataclasses import FrozenInstanceError, field

import pytest

from nexios.domain import (
    AggregateRoot,
    Conflict,
    DomainError,
    DomainEvent,
    Entity,
    Identity,
    NotFound,
    Repository,
    Specification,
)
from nexios.domain.repository import Page
from nexios.domain.specs import AllOf, AnyOf


class OrderId(Identity): ...


class LineNumber(Entity[int]):
    text: str = ""


class Opened(DomainEvent, name="shop.opened", version=3):
    order: OrderId
    name: str


class PlainEvent(DomainEvent):
    pass


class Order(AggregateRoot[OrderId]):
    number: str
    lines: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, number: str) -> "Order":
        order = cls(id=OrderId.new(), number=number)
        order.record(Opened(order=order.id, name=number))
        return order


class Special(Order):
    pass


class Numbered(Specification[Order]):
    number: str

    def __call__(self, aggregate: Order) -> bool:
        return aggregate.number == self.number


def test_entities_are_equal_by_class_and_id() -> None:
    order = Order.open("1")
    assert order == Order(id=order.id, number="other")
    assert order != Order.open("1")
    assert order != Special(id=order.id, number="1")
    assert hash(order) == hash(Order(id=order.id, number="2"))
    assert order != "1"
    assert LineNumber(id=1, text="a") == LineNumber(id=1, text="b")


def test_entities_are_made_by_keyword() -> None:
    with pytest.raises(TypeError):
        Order(OrderId.new(), "1")  # type: ignore[misc]


def test_the_constructor_records_nothing_and_the_factory_does() -> None:
    order = Order.open("1")
    assert Order(id=order.id, number="1").pull_events() == []
    assert order.pull_events() == [Opened(order=order.id, name="1")]
    assert order.pull_events() == []


def test_recorded_events_are_not_shared_between_aggregates() -> None:
    first, second = Order.open("1"), Order(id=OrderId.new(), number="2")
    assert second.pull_events() == []
    assert len(first.pull_events()) == 1


def test_expect_version_tells_both_versions() -> None:
    order = Order(id=OrderId.new(), number="1", version=4)
    order.expect_version(4)
    with pytest.raises(Conflict) as refusal:
        order.expect_version(3)
    assert refusal.value.details == {"expected": 3, "current": 4}


def test_an_event_has_a_stable_name_beside_its_fields() -> None:
    assert (Opened.__event_name__, Opened.__event_version__) == ("shop.opened", 3)
    assert (PlainEvent.__event_name__, PlainEvent.__event_version__) == ("plain-event", 1)


def test_events_are_frozen_and_keyword_only() -> None:
    event = Opened(order=OrderId.new(), name="n")
    with pytest.raises(FrozenInstanceError):
        event.name = "m"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Opened(OrderId.new(), "n")  # type: ignore[misc]


def test_an_old_payload_without_upgrade_is_refused_by_name() -> None:
    with pytest.raises(DomainError, match=r"shop\.opened is stored in version 1"):
        Opened.upgrade(1, {})


def test_specifications_combine_flat() -> None:
    a, b, c = Numbered("a"), Numbered("b"), Numbered("c")
    assert a & b & c == AllOf((a, b, c))
    assert a | (b | c) == AnyOf((a, b, c))
    assert ~~a == a
    order = Order.open("a")
    assert (a & ~b)(order)
    assert not (a & b)(order)
    assert (b | a)(order)
    assert AllOf[Order](())(order)
    assert not AnyOf[Order](())(order)


def test_an_unfinished_specification_cannot_be_made() -> None:
    class Half(Specification[Order]):
        pass

    with pytest.raises(TypeError):
        Half()  # type: ignore[abstract]


class Kept(Repository[Order, OrderId]):
    async def find(self, id: OrderId) -> Order | None:
        return None

    def add(self, aggregate: Order) -> None: ...

    def remove(self, aggregate: Order) -> None: ...

    async def select(
        self,
        spec: Specification[Order] | None = None,
        *,
        limit: int = 50,
        after: str | None = None,
    ) -> Page[Order]:
        return Page(())


def test_get_without_a_find_is_not_found_with_the_id() -> None:
    # No event loop: the coroutine is driven by hand, as the domain needs none.
    id = OrderId.new()
    with pytest.raises(NotFound) as refusal:
        Kept().get(id).send(None)
    assert refusal.value.details == {"id": str(id)}


def test_errors_carry_code_message_and_details() -> None:
    error = DomainError("no tea left", code="sold-out", sku="tea")
    assert (error.code, error.message, error.details) == (
        "sold-out",
        "no tea left",
        {"sku": "tea"},
    )
    assert str(error) == "no tea left"
    assert NotFound().code == "not-found"
    assert NotFound().message == "not found"
