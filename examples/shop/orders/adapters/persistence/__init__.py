"""Orders in tables."""
