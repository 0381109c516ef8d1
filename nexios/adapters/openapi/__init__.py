"""OpenAPI documents drawn from compiled routes, and the pages that show them."""
