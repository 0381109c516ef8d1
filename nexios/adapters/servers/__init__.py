"""Servers that run a Nexios application."""
