"""Hands middleware what it asks for beyond the request: routes, and a task beside them."""

from collections.abc import Iterable
from typing import Any

from anyio.abc import TaskGroup

from nexios.adapters.http.compile import CompiledRoutes


def teach(middleware: Iterable[Any], routes: CompiledRoutes) -> None:
    """Show the routes to whatever has ``learn(routes)``, at start and when they change."""
    for one in middleware:
        if hasattr(one, "learn"):
            one.learn(routes)


def enliven(middleware: Iterable[Any], tasks: TaskGroup) -> None:
    """Run ``async live()`` of whatever has one, until the application ends."""
    for one in middleware:
        if hasattr(one, "live"):
            tasks.start_soon(one.live, name=f"nexios {type(one).__qualname__}")
