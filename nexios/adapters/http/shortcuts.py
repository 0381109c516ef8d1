"""Answers a builder makes of several parts: a page of a list, a rendered template."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.types import Scope
from nexios.adapters.http.head import Head
from nexios.adapters.http.pagination import BasePaginationStrategy
from nexios.adapters.http.paginator import (
    AsyncDataHandler,
    AsyncListDataHandler,
    AsyncPaginator,
    SyncDataHandler,
    SyncListDataHandler,
    SyncPaginator,
    page_result,
    strategy_of,
)
from nexios.adapters.http.templates import engine_of
from nexios.domain.specs import Page


class Asked(Protocol):
    """The exchange a builder was made for."""

    @property
    def request(self) -> Connection:
        """Its request."""


class Shortcuts(Head):
    """What `Response` can do beside setting its parts.

    Attributes:
        exchange: What it was made for; unset in one made by hand.
    """

    __slots__ = ("exchange",)

    exchange: Asked
    _scope: Scope | None

    @abstractmethod
    def json(self, data: object) -> Self:
        """Answer with JSON."""

    @abstractmethod
    def html(
        self,
        content: str,
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Answer with HTML."""

    def paginate(
        self,
        items: Any,
        strategy: str | BasePaginationStrategy = "page_number",
        data_handler: Callable[[Any], SyncDataHandler] = SyncListDataHandler,
        **options: Any,
    ) -> Self:
        """Answer with the page of ``items`` the query asks for: ``{items, pagination}``.

        Args:
            items: A list, what ``data_handler`` takes, or a `Page` that was selected already.
            strategy: ``page_number``, ``limit_offset``, ``cursor``, or one made already.
            data_handler: Makes the source of the items.
            options: Of the strategy of that name.

        Raises:
            PaginationError: The query asks for a page that cannot be: 400.
        """
        base, query = self._asked()
        if isinstance(items, Page):
            return self.json(page_result(items, base, query))
        made = strategy_of(strategy, **options)
        return self.json(SyncPaginator(data_handler(items), made, base, query).paginate())

    async def apaginate(
        self,
        items: Any,
        strategy: str | BasePaginationStrategy = "page_number",
        data_handler: Callable[[Any], AsyncDataHandler] = AsyncListDataHandler,
        **options: Any,
    ) -> Self:
        """Answer as `paginate` does, with a source that is awaited."""
        base, query = self._asked()
        if isinstance(items, Page):
            return self.json(page_result(items, base, query))
        made = strategy_of(strategy, **options)
        return self.json(await AsyncPaginator(data_handler(items), made, base, query).paginate())

    async def render(
        self, template: str, context: Mapping[str, Any] | None = None, **values: Any
    ) -> Self:
        """Answer with a template of the app, rendered with these values.

        Raises:
            TemplateError: There is no such template or folder, no app, or no jinja2.
        """
        connection = self._connection()
        engine = engine_of(connection)
        return self.html(await engine.render_for(connection, template, context, **values))

    def _connection(self) -> Connection:
        exchange: Asked | None = getattr(self, "exchange", None)
        if exchange is not None:
            return exchange.request
        return Connection(self._scope or {"path": "/", "headers": []})

    def _asked(self) -> tuple[str, Mapping[str, Any]]:
        connection = self._connection()
        query = connection.query_params
        given = {name: query.getlist(name) for name in query}
        return str(connection.url.replace(query=None)), given
