"""Nexios: an async, domain-driven application framework with an IoC container."""
