"""Finds the endpoint of a request; answers for paths and methods that have none."""

from collections.abc import Awaitable, Mapping
from typing import Any

from nexios.adapters.asgi.firewall import METHODS
from nexios.adapters.asgi.types import Scope
from nexios.adapters.asgi.url import path_below, quote_path, quote_query
from nexios.adapters.http.compile import CompiledRoutes, Unit
from nexios.adapters.http.endpoint import Endpoint, join
from nexios.adapters.http.errors import (
    HttpError,
    MethodNotAllowed,
    NotFoundException,
    UpgradeRequired,
)
from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.flatten import Surroundings
from nexios.adapters.http.handlers import ErrorPolicy, Handlers
from nexios.adapters.http.missing import Page, page_of
from nexios.adapters.http.pipeline import ROUTE_DEPTH, Answer, Serve, chain, take
from nexios.adapters.http.problems import not_found
from nexios.adapters.http.response import NO_BLOCK, BaseResponse, Parts, RedirectResponse
from nexios.adapters.http.settings import HttpSettings
from nexios.adapters.http.timing import Clocking, without_limits
from nexios.adapters.routing.table import ANY_METHOD, Found, MethodMiss, Table
from nexios.adapters.routing.template import Template
from nexios.container.entry import Entry, EntryPoint

Sought = Found[Endpoint] | MethodMiss | None
"""Where a request belongs, as the table says it."""


class Dispatcher:
    """The compiled routes as one inner call. Immutable: a change makes a new one.

    Attributes:
        plain: Endpoint and path values for a path and a method, where little work finds them;
            None says that `look` has to be asked, which also answers a miss.
    """

    __slots__ = (
        "_errors",
        "_find",
        "_holders",
        "_message",
        "_page",
        "_silent",
        "_slash",
        "_slashed",
        "_socket_at",
        "plain",
    )

    def __init__(
        self,
        routes: CompiledRoutes,
        entries: Mapping[EntryPoint, Entry],
        handlers: Handlers,
        settings: HttpSettings,
        clocks: Clocking,
    ) -> None:
        """Put endpoints into a table.

        Args:
            routes: All of them.
            entries: What the container made of their points.
            handlers: The app's exception handlers; those of routers stand before them.
            settings: Of the app.
            clocks: Bound the time of what can wait.
        """
        self._errors = ErrorPolicy([handlers], settings)
        self._message = settings.not_found.custom_message
        self._page = page_of(settings.not_found, debug=settings.debug)
        self._slash = settings.trailing_slash
        # A miss that nobody wants to know of needs no exception.
        self._silent = (
            self._page is None
            and self._message is None
            and not routes.holders
            and self._errors.leaves_to_the_table(NotFoundException, 404)
        )
        self._socket_at = settings.socket_at
        table: Table[Endpoint] = Table(
            (template, method, endpoint)
            for unit in routes.units
            for endpoint in [_endpoint(unit, entries[unit.point], handlers, settings, clocks)]
            for template in unit.templates
            for method in unit.flat.route.methods
        )
        self._find = table.find
        self._slashed = table.slashed
        self.plain = table.plain
        self._holders: Table[Serve] = Table(
            (Template.parse(holder.prefix, mount=True), ANY_METHOD, self._behind(holder, errors))
            for holder in routes.holders
            for errors in [ErrorPolicy([*reversed(holder.handlers), handlers], settings)]
        )

    def dispatch(self, exchange: Exchange) -> Awaitable[Answer]:
        """Return what serves the request at its endpoint, or says why there is none.

        It answers with the builder, which the middleware around has had made.
        """
        scope = exchange.scope
        known = self.plain(path_of(scope), scope["method"])
        if known is None:
            return self._looked(exchange)
        endpoint, params = known
        return endpoint.serve(endpoint.enter(exchange, params))

    async def _looked(self, exchange: Exchange) -> Answer:
        return take(exchange.response, await self.look(exchange))

    def look(self, exchange: Exchange) -> Awaitable[Any]:
        """Return what serves the request, found by every means; what says why there is none."""
        scope = exchange.scope
        return self.go_on(exchange, self._sought(path_of(scope), scope["method"]))

    def seek(self, scope: Scope) -> "Sought | Parts":
        """Look for an endpoint by every means, where no middleware stands before it.

        Returns:
            The answer to a miss that nobody wants to know of: no exchange is made for it, and it
            takes 0.6 us longer than a hit. Else what `go_on` needs.
        """
        path, method = path_of(scope), scope["method"]
        found = self._sought(path, method)
        if (
            found is None
            and self._silent
            and scope["path"] != "*"
            and not (self._socket_at is not None and self._socket_at(path))
            and self._other_slash(path, method) is None
        ):
            return not_found(scope)
        return found

    def go_on(self, exchange: Exchange, found: "Sought") -> Awaitable[Any]:
        """Return what serves the request where it was found, or says why there is none."""
        if isinstance(found, Found):
            return found.target.serve(found.target.enter(exchange, found.params))
        if exchange.scope["path"] == "*":
            return self._of_the_server()
        return self._miss(exchange, path_of(exchange.scope), found)

    def _sought(self, path: str, method: str) -> "Sought":
        found = self._find(path, method)
        if found is None and self._slash == "ignore" and path != "/":
            found = self._find(path[:-1] if path.endswith("/") else f"{path}/", method)
        return found

    def route_of(self, scope: Scope) -> str | None:
        """Return the template that serves a request, for those who watch; None for a miss."""
        path, method = path_of(scope), scope["method"]
        known = self.plain(path, method)
        if known is not None:
            return known[0].template
        found = self._sought(path, method)
        return found.target.template if isinstance(found, Found) else None

    async def _of_the_server(self) -> Answer:
        """Answer ``OPTIONS *``, which asks about the server as a whole (RFC 9110, 9.3.7)."""
        answer = BaseResponse.made(b"", 204, NO_BLOCK)
        answer.headers["allow"] = ", ".join(METHODS)
        return answer

    async def _miss(self, exchange: Exchange, path: str, found: MethodMiss | None) -> Answer:
        exchange.miss = self._answer_to_miss(exchange, path, found)
        # A router's middleware also sees what misses below its prefix.
        around = self._holders.find(path, ANY_METHOD)
        if isinstance(around, Found):
            serve: Serve = around.target
            return await serve(exchange)
        return await refuse(exchange, self._errors, self._page)

    def _answer_to_miss(
        self, exchange: Exchange, path: str, found: MethodMiss | None
    ) -> BaseResponse | HttpError:
        scope = exchange.scope
        if found is not None:
            if scope["method"] != "OPTIONS":
                return MethodNotAllowed(found.allow)
            answer = BaseResponse.made(b"", 204, NO_BLOCK)
            answer.headers["allow"] = found.allow
            return answer
        other = self._other_slash(path, scope["method"])
        if other is None:
            at_socket = self._socket_at is not None and self._socket_at(path)
            return UpgradeRequired() if at_socket else NotFoundException(self._message)
        query = quote_query(scope.get("query_string", b""))
        # A root of "/" before the path would name another host.
        target = quote_path(scope.get("root_path", "").rstrip("/") + other)
        return RedirectResponse(f"{target}?{query}" if query else target, 308)

    def _other_slash(self, path: str, method: str) -> str | None:
        """Return the path with or without its last slash, if that one leads somewhere."""
        slashed = path.endswith("/")
        if not slashed and not self._slashed:
            return None
        if self._slash != "redirect" or path == "/" or path.startswith(("//", "/\\")):
            return None
        other = path[:-1] if slashed else f"{path}/"
        return None if self._find(other, method) is None else other

    def _behind(self, holder: Surroundings, errors: ErrorPolicy) -> Serve:
        async def inner(exchange: Exchange) -> Answer:
            return take(exchange.response, await refuse(exchange, errors, self._page))

        return chain(holder.middleware, inner, depth=ROUTE_DEPTH)


def path_of(scope: Scope) -> str:
    """Return the path below the place the application is mounted at."""
    root = scope.get("root_path")
    path: str = scope["path"]
    return path_below(path, root) if root else path


async def refuse(exchange: Exchange, errors: ErrorPolicy, page: Page | None) -> Answer:
    """Answer a request that has no endpoint; users may have a handler for it."""
    miss = exchange.miss
    if (
        page is not None
        and isinstance(miss, NotFoundException)
        and errors.handler_for(miss, 404) is None
    ):
        miss = page(exchange) or miss
    if isinstance(miss, BaseResponse):
        return miss if exchange.builder is None else join(exchange.builder, miss)
    if miss is None:
        raise RuntimeError("only a miss is refused here")
    answer = await errors.answer(exchange, miss)
    if answer is None:
        raise miss
    return answer


def _endpoint(
    unit: Unit, entry: Entry, handlers: Handlers, settings: HttpSettings, clocks: Clocking
) -> Endpoint:
    around, route = unit.flat.around, unit.flat.route
    return Endpoint(
        entry,
        unit.templates[0].raw,
        ErrorPolicy([*reversed(around.handlers), handlers], settings),
        without_limits((*around.middleware, *route.middleware)),
        limits=unit.limits,
        status=route.options.get("status"),
        path_only=unit.source.path_only,
        alone=unit.source.alone,
        body=(unit.limits or settings.limits).body,
        clock=clocks.of(unit.point, unit.timing),
    )
