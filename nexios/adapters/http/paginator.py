"""Cuts a page out of a list or a store, as a pagination strategy reads it from the query."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final

from nexios.adapters.http.errors import InvalidCursorError, InvalidPageError
from nexios.adapters.http.pagination import (
    BasePaginationStrategy,
    CursorPagination,
    LimitOffsetPagination,
    LinkBuilder,
    PageNumberPagination,
    Params,
    Window,
    field_of,
)
from nexios.application.spelling import suggestion
from nexios.domain.specs import Page

# Any: rows are the application's own.
STRATEGIES: Final[Mapping[str, type[BasePaginationStrategy]]] = {
    "page_number": PageNumberPagination,
    "limit_offset": LimitOffsetPagination,
    "cursor": CursorPagination,
}


class SyncDataHandler(ABC):
    """Where items come from."""

    @abstractmethod
    def get_total_items(self) -> int:
        """Return how many there are in all."""

    @abstractmethod
    def get_items(self, offset: int, limit: int) -> Sequence[Any]:
        """Return up to ``limit`` of them after the first ``offset`` ones."""

    def get_items_after(self, field: str, value: Any, limit: int) -> Sequence[Any]:
        """Return up to ``limit`` of those behind the one whose ``field`` is ``value``.

        Needed for cursors alone.
        """
        raise NotImplementedError(
            f"{type(self).__name__} cannot go on after an item"
            f"\n  fix: def get_items_after(self, field, value, limit): ... WHERE {field} > value"
        )


class AsyncDataHandler(ABC):
    """Where items come from, asked by awaiting."""

    @abstractmethod
    async def get_total_items(self) -> int:
        """Return how many there are in all."""

    @abstractmethod
    async def get_items(self, offset: int, limit: int) -> Sequence[Any]:
        """Return up to ``limit`` of them after the first ``offset`` ones."""

    async def get_items_after(self, field: str, value: Any, limit: int) -> Sequence[Any]:
        """Return up to ``limit`` of those behind the one whose ``field`` is ``value``."""
        raise NotImplementedError(
            f"{type(self).__name__} cannot go on after an item"
            f"\n  fix: async def get_items_after(self, field, value, limit): ..."
        )


class SyncListDataHandler(SyncDataHandler):
    """Items of a list, in its order."""

    def __init__(self, data: Sequence[Any]) -> None:
        """Take the list; it is not copied."""
        self.data = data

    def get_total_items(self) -> int:
        return len(self.data)

    def get_items(self, offset: int, limit: int) -> Sequence[Any]:
        return self.data[offset : offset + limit]

    def get_items_after(self, field: str, value: Any, limit: int) -> Sequence[Any]:
        return _after(self.data, field, value)[:limit]


class AsyncListDataHandler(AsyncDataHandler):
    """Items of a list, in its order."""

    def __init__(self, data: Sequence[Any]) -> None:
        """Take the list; it is not copied."""
        self.data = data

    async def get_total_items(self) -> int:
        return len(self.data)

    async def get_items(self, offset: int, limit: int) -> Sequence[Any]:
        return self.data[offset : offset + limit]

    async def get_items_after(self, field: str, value: Any, limit: int) -> Sequence[Any]:
        return _after(self.data, field, value)[:limit]


class _Paginator:
    """What both paginators do before and after they ask for items."""

    def __init__(
        self,
        data_handler: Any,
        pagination_strategy: BasePaginationStrategy,
        base_url: str,
        request_params: Params,
        validate_total_items: bool = True,
    ) -> None:
        """Note where items come from and what was asked for.

        Args:
            data_handler: Asked once for the number and once for the items.
            pagination_strategy: Reads the query.
            base_url: Of the list, for links; its query is read too.
            request_params: The query.
            validate_total_items: Refuse an offset behind the last item.
        """
        self.data_handler = data_handler
        self.pagination_strategy = pagination_strategy
        self.base_url = base_url
        self.request_params = request_params
        self.validate_total_items = validate_total_items

    def _window(self) -> Window:
        return self.pagination_strategy.window(self.request_params)

    def _field(self) -> str:
        return str(getattr(self.pagination_strategy, "sort_field", "id"))

    def _check(self, window: Window, total: int) -> None:
        if self.validate_total_items and window.offset >= total and window.offset > 0:
            raise InvalidPageError("there is no such page")

    def _result(self, total: int, items: Sequence[Any]) -> dict[str, Any]:
        metadata = self.pagination_strategy.generate_metadata(
            total, items, self.base_url, self.request_params
        )
        return {"items": items, "pagination": metadata}


class SyncPaginator(_Paginator):
    """One page of a `SyncDataHandler`."""

    def paginate(self) -> dict[str, Any]:
        """Return ``{"items", "pagination"}``.

        Raises:
            PaginationError: The query asks for what is not there: 400.
        """
        window, source = self._window(), self.data_handler
        total = source.get_total_items()
        self._check(window, total)
        if window.has_cursor:
            items = source.get_items_after(self._field(), window.after, window.limit)
        else:
            items = source.get_items(window.offset, window.limit)
        return self._result(total, items)


class AsyncPaginator(_Paginator):
    """One page of an `AsyncDataHandler`."""

    async def paginate(self) -> dict[str, Any]:
        """Return ``{"items", "pagination"}``.

        Raises:
            PaginationError: The query asks for what is not there: 400.
        """
        window, source = self._window(), self.data_handler
        total = await source.get_total_items()
        self._check(window, total)
        if window.has_cursor:
            items = await source.get_items_after(self._field(), window.after, window.limit)
        else:
            items = await source.get_items(window.offset, window.limit)
        return self._result(total, items)


class PaginatedResponse:
    """The result of a paginator, to be returned under other names.

    Attributes:
        items: Of this page.
        metadata: What was under ``pagination``.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        """Take what ``paginate`` returned."""
        self.items = data["items"]
        self.metadata = data["pagination"]

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"data", "pagination"}``."""
        return {"data": self.items, "pagination": self.metadata}


AsyncPaginatedResponse = PaginatedResponse


def strategy_of(strategy: str | BasePaginationStrategy, **options: Any) -> BasePaginationStrategy:
    """Return a strategy by its name: ``page_number``, ``limit_offset``, ``cursor``.

    Args:
        strategy: Or a strategy, which takes no options any more.
        options: Of the class of that name.

    Raises:
        ValueError: There is no such strategy.
        TypeError: Options beside a strategy that is made already.
    """
    if not isinstance(strategy, str):
        if options:
            raise TypeError(f"{', '.join(options)} belong to the constructor of {strategy!r}")
        return strategy
    made = STRATEGIES.get(strategy)
    if made is None:
        near = suggestion(strategy, STRATEGIES)
        hint = f"did you mean {near!r}?" if near else f"known: {', '.join(STRATEGIES)}"
        raise ValueError(f"there is no strategy {strategy!r}; {hint}")
    return made(**options)


def page_result(
    page: Page[Any], base_url: str, request_params: Params, *, cursor_param: str = "cursor"
) -> dict[str, Any]:
    """Return ``{"items", "pagination"}`` for a page that a repository selected.

    Its ``next`` is the cursor as it is; give it back to the repository as ``after``.
    """
    links = LinkBuilder(base_url, request_params, (cursor_param,))
    found = {} if page.next is None else {"next": links.build_link({cursor_param: page.next})}
    return {"items": list(page.items), "pagination": {"cursor": page.next, "links": found}}


def _after(data: Sequence[Any], field: str, value: Any) -> Sequence[Any]:
    for index, item in enumerate(data):
        if field_of(item, field) == value:
            return data[index + 1 :]
    try:
        # The item has gone meanwhile: go on where it would have stood.
        return [item for item in data if field_of(item, field) > value]
    except TypeError:
        raise InvalidCursorError("the cursor is of another list") from None
