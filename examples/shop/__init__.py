"""The shop: two bounded contexts, `catalog` and `orders`, over one store."""
