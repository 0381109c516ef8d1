"""The container: modules in, scopes out."""
