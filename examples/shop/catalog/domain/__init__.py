"""What the catalog is about: products, their stock, what was taken for an order."""
