"""Products in a table: one mapper, two repositories."""

from examples.shop.catalog.adapters.persistence.tables import products
from examples.shop.catalog.domain.product import Product, Products, WithSku
from examples.shop.catalog.domain.values import Price, ProductId
from nexios.adapters.persistence import Mapper, MemoryRepository, Rows, SqlRepository
from nexios.domain import AlreadyExists


class ProductMapper(Mapper[Product]):
    """One row for each product."""

    root = products
    criteria = {WithSku: lambda spec: products.c.sku.in_(sorted(spec.skus))}
    constraints = {"products_sku_key": lambda _: AlreadyExists("the sku is taken")}

    def dump(self, product: Product) -> Rows:
        return {
            "products": [
                {
                    "id": product.id,
                    "sku": product.sku,
                    "name": product.name,
                    "price": product.price.amount,
                    "currency": product.price.currency,
                    "on_hand": product.on_hand,
                }
            ]
        }

    def load(self, rows: Rows) -> Product:
        (row,) = rows["products"]
        return Product(
            id=ProductId.parse(row["id"]),
            sku=row["sku"],
            name=row["name"],
            price=Price(row["price"], row["currency"]),
            on_hand=row["on_hand"],
        )


class SqlProducts(SqlRepository[Product, ProductId], Products):
    """Products in SQLite or PostgreSQL."""

    mapper = ProductMapper()


class MemoryProducts(MemoryRepository[Product, ProductId], Products):
    """Products in memory, for tests and play."""

    mapper = ProductMapper()
