"""The catalog in tables."""
