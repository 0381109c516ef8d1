"""Orders in tables: one mapper, two repositories."""

from examples.shop.orders.adapters.persistence.tables import order_lines, orders
from examples.shop.orders.domain.order import OfCustomer, Order, Orders
from examples.shop.orders.domain.values import CustomerId, Line, Money, OrderId, Status
from nexios.adapters.persistence import Mapper, MemoryRepository, Rows, SqlRepository
from nexios.domain import AlreadyExists


class OrderMapper(Mapper[Order]):
    """One row for the order, one for each line, in the order of the lines."""

    root = orders
    children = (order_lines,)
    criteria = {OfCustomer: lambda spec: orders.c.customer == spec.customer}
    constraints = {"orders_number_key": lambda _: AlreadyExists("the order number is taken")}

    def dump(self, order: Order) -> Rows:
        return {
            "orders": [
                {
                    "id": order.id,
                    "number": order.number,
                    "customer": order.customer,
                    "status": order.status.value,
                    "reason": order.reason,
                }
            ],
            "order_lines": [
                {
                    "order_id": order.id,
                    "sku": line.sku,
                    "pos": pos,
                    "qty": line.qty,
                    "price": line.price.amount,
                    "currency": line.price.currency,
                }
                for pos, line in enumerate(order.lines)
            ],
        }

    def load(self, rows: Rows) -> Order:
        (row,) = rows["orders"]
        lines = sorted(rows.get("order_lines", ()), key=lambda line: line["pos"])
        return Order(
            id=OrderId.parse(row["id"]),
            number=row["number"],
            customer=CustomerId.parse(row["customer"]),
            status=Status(row["status"]),
            reason=row["reason"],
            lines=[
                Line(line["sku"], line["qty"], Money(line["price"], line["currency"]))
                for line in lines
            ],
        )


class SqlOrders(SqlRepository[Order, OrderId], Orders):
    """Orders in SQLite or PostgreSQL."""

    mapper = OrderMapper()


class MemoryOrders(MemoryRepository[Order, OrderId], Orders):
    """Orders in memory, for tests and play."""

    mapper = OrderMapper()
