"""Test tools for applications built with Nexios."""
