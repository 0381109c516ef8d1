"""The tables of ordering."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from examples.shop.orders.domain.values import CustomerId, OrderId
from nexios.adapters.persistence import ExactDecimal, IdentityType

metadata = MetaData()

orders = Table(
    "orders",
    metadata,
    Column("id", IdentityType(OrderId), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("number", String(40), nullable=False),
    Column("customer", IdentityType(CustomerId), nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("number", name="orders_number_key"),
    Index("orders_customer_id", "customer", "id"),
)

order_lines = Table(
    "order_lines",
    metadata,
    Column("order_id", IdentityType(OrderId), ForeignKey("orders.id"), primary_key=True),
    Column("sku", String(32), primary_key=True),
    Column("pos", Integer, nullable=False),
    Column("qty", Integer, nullable=False),
    Column("price", ExactDecimal(precision=18, scale=4), nullable=False),
    Column("currency", String(3), nullable=False),
)
