"""The shop's repositories pass the suite on memory, SQLite and PostgreSQL."""

from decimal import Decimal
from uuid import UUID

from examples.shop.catalog.adapters.persistence.products import MemoryProducts, SqlProducts
from examples.shop.catalog.adapters.persistence.reservations import (
    MemoryReservations,
    SqlReservations,
)
from examples.shop.catalog.domain.product import Product, WithSku
from examples.shop.catalog.domain.reservation import Outcome, Reservation
from examples.shop.catalog.domain.values import Price, ReservationId
from examples.shop.orders.adapters.persistence.orders import MemoryOrders, SqlOrders
from examples.shop.orders.domain.order import OfCustomer, Order
from examples.shop.orders.domain.values import CustomerId, Line, Money, OrderId, Status
from nexios.domain import Specification
from nexios.testing.contract import RepositoryContract

REGULAR = CustomerId(int=7)


class TestOrders(RepositoryContract[Order]):
    stores = {"memory": MemoryOrders, "sqlite": SqlOrders, "postgres": SqlOrders}

    def make(self, n: int) -> Order:
        """Return a draft of two lines; every third one is the regular's."""
        return Order(
            id=OrderId.new(),
            number=f"n{n}",
            customer=CustomerId.new() if n % 3 else REGULAR,
            status=Status.DRAFT,
            reason="ünusual 'reason'",
            lines=[
                Line("tea", 2, Money(Decimal("3.5001"))),
                Line("cup", 1_000, Money(Decimal(0))),
            ],
        )

    def change(self, order: Order, n: int) -> None:
        """Replace one line, add another."""
        order.put(Line("tea", 3 + n, Money(Decimal("2.99"))))
        order.put(Line(f"sku{n}", 1, Money(Decimal(10) ** 12)))

    def specs(self, made: list[Order]) -> list[Specification[Order]]:
        return [OfCustomer(REGULAR), OfCustomer(made[1].customer), OfCustomer(CustomerId.new())]

    def unique_clash(self, order: Order, n: int) -> Order:
        return Order.open(CustomerId.new(), order.number)


class TestProducts(RepositoryContract[Product]):
    stores = {"memory": MemoryProducts, "sqlite": SqlProducts, "postgres": SqlProducts}

    def make(self, n: int) -> Product:
        return Product.offer(f"sku-{n}", f"Ünusual № {n}", Price(Decimal("0.0001"), "USD"), n)

    def change(self, product: Product, n: int) -> None:
        product.restock(n + 1)

    def specs(self, made: list[Product]) -> list[Specification[Product]]:
        skus = [product.sku for product in made]
        return [WithSku(frozenset(skus[:2])), WithSku(frozenset(skus)), WithSku(frozenset())]

    def unique_clash(self, product: Product, n: int) -> Product:
        return Product.offer(product.sku, "Another", Price(Decimal(1)))


class TestReservations(RepositoryContract[Reservation]):
    stores = {
        "memory": MemoryReservations,
        "sqlite": SqlReservations,
        "postgres": SqlReservations,
    }

    def make(self, n: int) -> Reservation:
        order = UUID(int=n + 1)
        return Reservation(id=ReservationId.parse(order), outcome=Outcome.SHORT)

    def change(self, reservation: Reservation, n: int) -> None:
        """Turn the decision round, which the shop itself never does."""
        other = {Outcome.SHORT: Outcome.TAKEN, Outcome.TAKEN: Outcome.SHORT}
        reservation.outcome = other[reservation.outcome]

    def specs(self, made: list[Reservation]) -> list[Specification[Reservation]]:
        return []
