"""Use cases and ports: what an application is written against, below every adapter."""
