"""``Group``: routes, a router or another application below one path, by one name."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nexios.adapters.asgi.types import ASGIApp, Receive, Scope, Send
from nexios.adapters.http.entries import Entry
from nexios.adapters.http.router import Router
from nexios.adapters.http.standalone import StandAlone


class Group(Router):
    """What stands below one path: ``app.add_route(Group("/v1", routes=[...]))``.

    A router with another way to write it; itself an ASGI application as well, so that other
    frameworks can mount it.

    Attributes:
        path: Where it stands; may hold parameters, which all its handlers can ask for.
        app: What was given as ``app``.
    """

    def __init__(
        self,
        path: str = "",
        app: ASGIApp | Router | None = None,
        routes: Iterable[Entry | Router] | None = None,
        name: str | None = None,
        *,
        middleware: Sequence[Any] = (),
    ) -> None:
        """Note what stands there.

        Args:
            path: Ends at a segment border.
            app: A router, or any ASGI application.
            routes: Routes, instead of ``app`` or beside it.
            name: First part of dotted route names.
            middleware: Functions or instances, outer to inner.

        Raises:
            TypeError: Neither ``app`` nor ``routes`` is given.
        """
        if app is None and routes is None:
            raise TypeError("Group(path) holds nothing; fix: Group(path, app) or routes=[...]")
        super().__init__(path, routes, name=name, middleware=middleware)
        self.app = app
        if app is not None:
            self.register(app)
        self._alone: Callable[..., Any] = StandAlone(self)

    @property
    def path(self) -> str:
        """Where it stands, without a slash at its end."""
        return self.prefix

    raw_path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP scope without a Nexios application around it.

        An application that the group holds is served, and its lifespan is its own affair.
        """
        await self._alone(scope, receive, send)
