"""The rules of the catalog: products, stock, who gets the last piece."""

from decimal import Decimal
from uuid import uuid4

import pytest

from examples.shop.catalog.domain.events import StockShort, StockTaken
from examples.shop.catalog.domain.product import MAX_ON_HAND, Product, WithSku
from examples.shop.catalog.domain.reservation import Allocation, Outcome
from examples.shop.catalog.domain.values import Price, ReservationId, Wanted
from nexios.domain import InvalidValue, RuleViolated


def product(sku: str = "tea", on_hand: int = 3) -> Product:
    return Product.offer(sku, "Something", Price(Decimal("3.50")), on_hand)


def shelf(*products: Product) -> dict[str, Product]:
    return {product.sku: product for product in products}


def test_taking_and_restocking() -> None:
    tea = product(on_hand=3)
    tea.take(3)
    assert tea.on_hand == 0
    tea.restock(2)
    assert tea.on_hand == 2


def test_the_stock_never_goes_below_zero() -> None:
    tea = product(on_hand=3)
    with pytest.raises(RuleViolated) as refusal:
        tea.take(4)
    assert refusal.value.code == "out-of-stock"
    assert tea.on_hand == 3


@pytest.mark.parametrize("qty", [0, -1])
def test_nothing_is_no_quantity(qty: int) -> None:
    tea = product()
    for act in (tea.take, tea.restock):
        with pytest.raises(InvalidValue):
            act(qty)
    with pytest.raises(InvalidValue):
        Wanted("tea", qty)
    assert tea.on_hand == 3


def test_the_stock_is_bounded() -> None:
    tea = product(on_hand=MAX_ON_HAND)
    with pytest.raises(RuleViolated):
        tea.restock(1)


@pytest.mark.parametrize("amount", ["-0.01", "NaN", "Infinity", "1000000.0001", "0.00001"])
def test_strange_prices_are_refused(amount: str) -> None:
    with pytest.raises(InvalidValue):
        Price(Decimal(amount))


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "E\x00R"])
def test_strange_currencies_are_refused(currency: str) -> None:
    with pytest.raises(InvalidValue):
        Price(Decimal(1), currency)


@pytest.mark.parametrize(
    ("sku", "name", "on_hand"),
    [
        ("Tea", "Tea", 1),
        ("tea", "", 1),
        ("tea", "a\x00b", 1),
        ("tea", "x" * 101, 1),
        ("tea", "Tea", -1),
    ],
)
def test_strange_products_are_refused(sku: str, name: str, on_hand: int) -> None:
    with pytest.raises(InvalidValue):
        Product.offer(sku, name, Price(Decimal(1)), on_hand)


def test_all_there_all_taken() -> None:
    order, tea, cup = uuid4(), product("tea", 3), product("cup", 1)

    reservation = Allocation().allocate(
        order, [Wanted("tea", 2), Wanted("cup", 1)], shelf(tea, cup)
    )

    assert (tea.on_hand, cup.on_hand) == (1, 0)
    assert reservation.id == ReservationId.parse(order)
    assert reservation.outcome is Outcome.TAKEN
    assert reservation.pull_events() == [StockTaken(order=order)]


def test_one_missing_none_taken() -> None:
    order, tea, cup = uuid4(), product("tea", 3), product("cup", 0)

    reservation = Allocation().allocate(
        order, [Wanted("tea", 2), Wanted("cup", 1), Wanted("spoon", 1)], shelf(tea, cup)
    )

    assert (tea.on_hand, cup.on_hand) == (3, 0)
    assert reservation.outcome is Outcome.SHORT
    assert reservation.pull_events() == [StockShort(order=order, skus=("cup", "spoon"))]


def test_the_second_order_for_the_last_piece_gets_nothing() -> None:
    cup = product("cup", 1)
    allocation, wanted = Allocation(), [Wanted("cup", 1)]
    first = allocation.allocate(uuid4(), wanted, shelf(cup))
    second = allocation.allocate(uuid4(), wanted, shelf(cup))
    assert (first.outcome, second.outcome, cup.on_hand) == (Outcome.TAKEN, Outcome.SHORT, 0)


def test_a_sku_wanted_twice_counts_twice() -> None:
    tea = product("tea", 3)
    reservation = Allocation().allocate(uuid4(), [Wanted("tea", 2), Wanted("tea", 2)], shelf(tea))
    assert (reservation.outcome, tea.on_hand) == (Outcome.SHORT, 3)


def test_products_with_a_sku() -> None:
    spec = WithSku(frozenset({"tea", "cup"}))
    assert spec(product("tea"))
    assert not spec(product("spoon"))
