"""The rules of an order."""

from decimal import Decimal

import pytest

from examples.shop.orders.domain.events import Ordered, OrderMoved, OrderPlaced
from examples.shop.orders.domain.order import MAX_LINES, OfCustomer, Order
from examples.shop.orders.domain.values import MAX_QTY, CustomerId, Line, Money, Status
from nexios.domain import InvalidValue, RuleViolated


def euros(text: str) -> Money:
    return Money(Decimal(text))


def order_of(*lines: Line) -> Order:
    order = Order.open(CustomerId.new(), "n1")
    for line in lines:
        order.put(line)
    return order


def placed() -> Order:
    order = order_of(Line("tea", 2, euros("3.50")))
    order.place({"tea": 2})
    order.pull_events()
    return order


def test_placing_says_so() -> None:
    order = order_of(Line("tea", 2, euros("3.50")), Line("cup", 1, euros("8")))

    order.place({"tea": 2, "cup": 5})

    assert order.status is Status.PLACED
    assert order.pull_events() == [
        OrderPlaced(
            order=order.id,
            customer=order.customer,
            total=euros("15.00"),
            lines=(Ordered("tea", 2), Ordered("cup", 1)),
        ),
        OrderMoved(order=order.id, customer=order.customer, status=Status.PLACED),
    ]


def test_an_empty_order_is_not_placed() -> None:
    order = order_of()
    with pytest.raises(RuleViolated, match="needs a line"):
        order.place({})
    assert order.pull_events() == []
    assert order.total is None


@pytest.mark.parametrize("on_hand", [{}, {"tea": 0}, {"tea": 1}])
def test_too_little_on_hand_refuses_and_names_the_goods(on_hand: dict[str, int]) -> None:
    order = order_of(Line("cup", 1, euros("8")), Line("tea", 2, euros("3.50")))
    with pytest.raises(RuleViolated) as refusal:
        order.place({"cup": 1, **on_hand})
    assert refusal.value.code == "out-of-stock"
    assert refusal.value.details == {"skus": ["tea"]}
    assert order.status is Status.DRAFT
    assert order.pull_events() == []


def test_a_placed_order_is_neither_changed_nor_placed_again() -> None:
    order = placed()
    with pytest.raises(RuleViolated, match="cannot change"):
        order.put(Line("cup", 1, euros("8")))
    with pytest.raises(RuleViolated, match="once"):
        order.place({"tea": 9})
    assert order.pull_events() == []


def test_the_same_sku_replaces_its_line() -> None:
    order = order_of(Line("tea", 1, euros("3")), Line("tea", 4, euros("2.5")))
    assert order.lines == [Line("tea", 4, euros("2.5"))]
    assert order.total == euros("10.0")


def test_an_order_has_one_currency() -> None:
    order = order_of(Line("tea", 1, euros("3")))
    with pytest.raises(RuleViolated, match="one currency"):
        order.put(Line("cup", 1, Money(Decimal(9), "USD")))
    order.put(Line("tea", 1, Money(Decimal(4), "USD")))
    assert order.total == Money(Decimal(4), "USD")


def test_the_number_of_lines_is_bounded_but_replacing_one_is_fine() -> None:
    order = order_of(*(Line(f"sku-{n}", 1, euros("1")) for n in range(MAX_LINES)))
    with pytest.raises(RuleViolated, match="at most"):
        order.put(Line("one-more", 1, euros("1")))
    order.put(Line("sku-0", 2, euros("1")))
    assert len(order.lines) == MAX_LINES


def test_confirming_is_said_once() -> None:
    order = placed()
    order.confirm()
    order.confirm()
    assert order.pull_events() == [
        OrderMoved(order=order.id, customer=order.customer, status=Status.CONFIRMED)
    ]


def test_rejecting_is_said_once_with_its_reason() -> None:
    order = placed()
    order.reject("gone")
    order.reject("gone again")
    assert (order.status, order.reason) == (Status.REJECTED, "gone")
    assert order.pull_events() == [
        OrderMoved(order=order.id, customer=order.customer, status=Status.REJECTED, reason="gone")
    ]


def test_a_decision_is_final_and_needs_a_placed_order() -> None:
    confirmed, rejected, draft = placed(), placed(), order_of()
    confirmed.confirm()
    rejected.reject("gone")
    with pytest.raises(RuleViolated):
        confirmed.reject("late")
    with pytest.raises(RuleViolated):
        rejected.confirm()
    with pytest.raises(RuleViolated):
        draft.confirm()


@pytest.mark.parametrize("number", ["", " ", "a b", "-x", "x" * 41, "a\x00", "a\n", "é"])
def test_strange_order_numbers_are_refused(number: str) -> None:
    with pytest.raises(InvalidValue):
        Order.open(CustomerId.new(), number)


@pytest.mark.parametrize("amount", ["-1", "NaN", "sNaN", "Infinity", "1e30", "0.00001"])
def test_strange_amounts_are_refused(amount: str) -> None:
    with pytest.raises(InvalidValue):
        Money(Decimal(amount))


def test_amounts_of_two_currencies_have_no_sum() -> None:
    with pytest.raises(InvalidValue):
        euros("1") + Money(Decimal(1), "USD")


@pytest.mark.parametrize("qty", [-1, 0, MAX_QTY + 1])
def test_a_line_has_a_sensible_quantity(qty: int) -> None:
    with pytest.raises(InvalidValue):
        Line("tea", qty, euros("1"))


@pytest.mark.parametrize("sku", ["", "Tea", "te a", "-tea", "t" * 33, "tea\n", "tea\x00"])
def test_strange_skus_are_refused(sku: str) -> None:
    with pytest.raises(InvalidValue):
        Line(sku, 1, euros("1"))


def test_orders_of_a_customer() -> None:
    mine, other = order_of(), order_of()
    spec = OfCustomer(mine.customer)
    assert (spec(mine), spec(other)) == (True, False)
    assert ((~spec)(mine), (~spec)(other)) == (False, True)
