"""The order, its rules, and the port to all orders."""

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Final

from examples.shop.orders.domain.events import Ordered, OrderMoved, OrderPlaced
from examples.shop.orders.domain.values import CustomerId, Line, Money, OrderId, Status
from nexios.domain import AggregateRoot, InvalidValue, Repository, RuleViolated, Specification

MAX_LINES: Final = 50
_NUMBER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,39}")


class Order(AggregateRoot[OrderId]):
    """What one customer wants.

    It moves ``DRAFT -> PLACED -> CONFIRMED | REJECTED``. Placing looks at the stock, so an
    order that plainly cannot be served is refused at once. But the look is not a promise: two
    orders may both see the last piece. The catalog decides after the commit, one order after
    the other: the first to get there takes the goods and is CONFIRMED, the other takes
    nothing, not even the lines that were there, and is REJECTED. So PLACED means "asked for",
    stock never goes below zero, and nobody is told CONFIRMED without the goods.
    """

    number: str
    customer: CustomerId
    lines: list[Line] = field(default_factory=list)
    status: Status = Status.DRAFT
    reason: str = ""

    def __post_init__(self) -> None:
        if not _NUMBER.fullmatch(self.number):
            raise InvalidValue(
                "an order number is 1 to 40 letters, digits and . _ / -, a letter or digit first"
            )

    @classmethod
    def open(cls, customer: CustomerId, number: str) -> "Order":
        """Start a draft. ``number`` is the customer's own word for it, unique in the shop."""
        return cls(id=OrderId.new(), number=number, customer=customer)

    @property
    def total(self) -> Money | None:
        """The sum of all lines, None without a line: nothing has no currency."""
        if not self.lines:
            return None
        first, *others = (line.total for line in self.lines)
        return sum(others, first)

    def put(self, line: Line) -> None:
        """Add a line; one with the same sku is replaced."""
        if self.status is not Status.DRAFT:
            raise RuleViolated("a placed order cannot change", order=str(self.id))
        kept = [other for other in self.lines if other.sku != line.sku]
        if any(other.price.currency != line.price.currency for other in kept):
            raise RuleViolated("an order has one currency", order=str(self.id))
        if len(kept) == MAX_LINES:
            raise RuleViolated(f"an order has at most {MAX_LINES} lines", order=str(self.id))
        self.lines = [*kept, line]

    def place(self, on_hand: Mapping[str, int]) -> None:
        """Ask for the goods.

        Args:
            on_hand: How many of each sku there are now; a missing one counts as none.

        Raises:
            RuleViolated: Not a draft, no line, or (code ``out-of-stock``) too little on hand.
        """
        if self.status is not Status.DRAFT:
            raise RuleViolated("an order is placed once", order=str(self.id))
        total = self.total
        if total is None:
            raise RuleViolated("an order needs a line before it is placed", order=str(self.id))
        short = [line.sku for line in self.lines if on_hand.get(line.sku, 0) < line.qty]
        if short:
            raise RuleViolated(
                f"not enough on hand of {', '.join(short)}", code="out-of-stock", skus=short
            )
        lines = tuple(Ordered(line.sku, line.qty) for line in self.lines)
        self.record(OrderPlaced(order=self.id, customer=self.customer, total=total, lines=lines))
        self._move(Status.PLACED)

    def confirm(self) -> None:
        """The goods are ours. Said twice, it changes nothing."""
        self._decide(Status.CONFIRMED)

    def reject(self, reason: str) -> None:
        """The goods were gone. Said twice, it changes nothing."""
        self._decide(Status.REJECTED, reason)

    def _decide(self, status: Status, reason: str = "") -> None:
        if self.status is status:
            return
        if self.status is not Status.PLACED:
            raise RuleViolated("only a placed order can be decided", order=str(self.id))
        self._move(status, reason)

    def _move(self, status: Status, reason: str = "") -> None:
        self.status, self.reason = status, reason
        self.record(
            OrderMoved(order=self.id, customer=self.customer, status=status, reason=reason)
        )


class OfCustomer(Specification[Order]):
    """Orders of one customer."""

    customer: CustomerId

    def __call__(self, order: Order) -> bool:
        return order.customer == self.customer


class Orders(Repository[Order, OrderId]):
    """All orders. Every adapter keeps `number` unique (`AlreadyExists`)."""
