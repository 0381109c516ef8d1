"""The tables of the catalog."""

from sqlalchemy import Column, Integer, MetaData, String, Table, UniqueConstraint

from examples.shop.catalog.domain.values import ProductId, ReservationId
from nexios.adapters.persistence import ExactDecimal, IdentityType

metadata = MetaData()

products = Table(
    "products",
    metadata,
    Column("id", IdentityType(ProductId), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("sku", String(32), nullable=False),
    Column("name", String(100), nullable=False),
    Column("price", ExactDecimal(precision=18, scale=4), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("on_hand", Integer, nullable=False),
    UniqueConstraint("sku", name="products_sku_key"),
)

reservations = Table(
    "reservations",
    metadata,
    Column("id", IdentityType(ReservationId), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("outcome", String(16), nullable=False),
)
