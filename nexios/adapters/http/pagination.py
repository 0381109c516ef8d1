"""Pages of a list: by number, by offset, or after an item, with links to their neighbours."""

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from nexios.adapters.http.errors import (
    InvalidCursorError,
    InvalidPageError,
    InvalidPageSizeError,
    PaginationError,
)
from nexios.records import dataclass

# Beyond this SQL stores refuse the number, and no list is longer.
_MOST: Final = 2**63 - 1

Params = Mapping[str, Any]
"""The query as a mapping of texts; a name may have a list of them."""


class LinkBuilder:
    """Makes addresses of other pages of the same list.

    Attributes:
        base_url: Without its query.
    """

    def __init__(
        self, base_url: str, request_params: Params, pagination_params: Sequence[str]
    ) -> None:
        """Keep every parameter but those that say which page it is, each once."""
        self.base_url, _, query = str(base_url).partition("?")
        kept = dict(request_params)
        for name, value in parse_qsl(query, keep_blank_values=True):
            kept.setdefault(name, value)
        self._kept = {name: kept[name] for name in kept if name not in pagination_params}

    def build_link(self, new_params: Params) -> str:
        """Return the address with these parameters beside the kept ones."""
        return f"{self.base_url}?{urlencode({**self._kept, **new_params}, doseq=True)}"


@dataclass(frozen=True, slots=True)
class Window:
    """What a request asks for.

    Attributes:
        offset: How many items come before; 0 with a cursor.
        limit: How many items at most.
        after: The sort value of the last item the client has seen, with ``has_cursor``.
    """

    offset: int
    limit: int
    after: Any = None
    has_cursor: bool = False


class BasePaginationStrategy(ABC):
    """How a request says which page it wants, and what it is told about the others."""

    @abstractmethod
    def window(self, request_params: Params) -> Window:
        """Read what is asked for.

        Raises:
            PaginationError: A number is none, or is out of bounds: 400.
        """

    @abstractmethod
    def generate_metadata(
        self, total_items: int, items: Sequence[Any], base_url: str, request_params: Params
    ) -> dict[str, Any]:
        """Return the member ``pagination`` of the answer."""


class PageNumberPagination(BasePaginationStrategy):
    """``?page=2&page_size=20``, counted from 1. A larger size than allowed is cut down."""

    def __init__(
        self,
        page_param: str = "page",
        page_size_param: str = "page_size",
        default_page: int = 1,
        default_page_size: int = 20,
        max_page_size: int = 100,
    ) -> None:
        """Name the parameters and their bounds."""
        self.page_param = page_param
        self.page_size_param = page_size_param
        self.default_page = default_page
        self.default_page_size = default_page_size
        self.max_page_size = max_page_size

    def parse_parameters(self, request_params: Params) -> tuple[int, int]:
        """Return page and size.

        Raises:
            PaginationError: One of them is no whole number from 1.
        """
        page = _whole(request_params, self.page_param, self.default_page, 1, InvalidPageError)
        size = _whole(
            request_params,
            self.page_size_param,
            self.default_page_size,
            1,
            InvalidPageSizeError,
        )
        size = min(size, self.max_page_size)
        if page * size > _MOST:
            raise InvalidPageError(f"{self.page_param} is too large")
        return page, size

    def window(self, request_params: Params) -> Window:
        page, size = self.parse_parameters(request_params)
        return Window((page - 1) * size, size)

    def generate_metadata(
        self, total_items: int, _items: Sequence[Any], base_url: str, request_params: Params
    ) -> dict[str, Any]:
        page, size = self.parse_parameters(request_params)
        last = max(1, _pages(total_items, size))
        names = (self.page_param, self.page_size_param)
        links = LinkBuilder(base_url, request_params, names)

        def link(number: int) -> str:
            return links.build_link({self.page_param: number, self.page_size_param: size})

        found = {"first": link(1), "last": link(last)}
        if page > 1:
            found["prev"] = link(min(page - 1, last))
        if page < last:
            found["next"] = link(page + 1)
        return {
            "total_items": total_items,
            "total_pages": _pages(total_items, size),
            "page": page,
            "page_size": size,
            "links": found,
        }


class LimitOffsetPagination(BasePaginationStrategy):
    """``?limit=20&offset=40``. A larger limit than allowed is cut down."""

    def __init__(
        self,
        limit_param: str = "limit",
        offset_param: str = "offset",
        default_limit: int = 20,
        max_limit: int = 100,
    ) -> None:
        """Name the parameters and their bounds."""
        self.limit_param = limit_param
        self.offset_param = offset_param
        self.default_limit = default_limit
        self.max_limit = max_limit

    def parse_parameters(self, request_params: Params) -> tuple[int, int]:
        """Return limit and offset.

        Raises:
            PaginationError: The limit is no whole number from 1, or the offset none from 0.
        """
        limit = _whole(
            request_params, self.limit_param, self.default_limit, 1, InvalidPageSizeError
        )
        offset = _whole(request_params, self.offset_param, 0, 0, InvalidPageError)
        return min(limit, self.max_limit), offset

    def window(self, request_params: Params) -> Window:
        limit, offset = self.parse_parameters(request_params)
        return Window(offset, limit)

    def generate_metadata(
        self, total_items: int, _items: Sequence[Any], base_url: str, request_params: Params
    ) -> dict[str, Any]:
        limit, offset = self.parse_parameters(request_params)
        links = LinkBuilder(base_url, request_params, (self.limit_param, self.offset_param))

        def link(start: int) -> str:
            return links.build_link({self.limit_param: limit, self.offset_param: start})

        last = max(0, _pages(total_items, limit) - 1) * limit
        found = {"first": link(0), "last": link(last)}
        if offset > 0:
            found["prev"] = link(max(0, min(offset - limit, last)))
        if offset + limit < total_items:
            found["next"] = link(offset + limit)
        return {
            "total_items": total_items,
            "limit": limit,
            "offset": offset,
            "current_page": offset // limit + 1,
            "total_pages": _pages(total_items, limit),
            "links": found,
        }


class CursorPagination(BasePaginationStrategy):
    """``?cursor=...``: the items after the one the cursor names, by ``sort_field``.

    The items are sorted by that field, each value once. The cursor is base64 and no secret; a
    client that changes it asks for another place, no more.
    """

    def __init__(
        self,
        cursor_param: str = "cursor",
        page_size_param: str = "page_size",
        default_page_size: int = 20,
        max_page_size: int = 100,
        sort_field: str = "id",
    ) -> None:
        """Name the parameters, their bounds and the field."""
        self.cursor_param = cursor_param
        self.page_size_param = page_size_param
        self.default_page_size = default_page_size
        self.max_page_size = max_page_size
        self.sort_field = sort_field

    def parse_parameters(self, request_params: Params) -> tuple[str | None, int]:
        """Return the cursor as it came, and the size.

        Raises:
            PaginationError: The size is no whole number from 1.
        """
        size = _whole(
            request_params,
            self.page_size_param,
            self.default_page_size,
            1,
            InvalidPageSizeError,
        )
        return _last(request_params, self.cursor_param), min(size, self.max_page_size)

    def window(self, request_params: Params) -> Window:
        cursor, size = self.parse_parameters(request_params)
        if not cursor:
            return Window(0, size)
        return Window(0, size, self.decode_cursor(cursor)[self.sort_field], has_cursor=True)

    def encode_cursor(self, value: Any) -> str:
        """Return the cursor of the place after ``value``, a value of JSON."""
        text = json.dumps({self.sort_field: value}, default=str)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def decode_cursor(self, cursor: str) -> dict[str, Any]:
        """Return what a cursor holds: the sort field and its value, a text or a number.

        Raises:
            InvalidCursorError: It is none of ours.
        """
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (ValueError, RecursionError):
            raise InvalidCursorError(f"{self.cursor_param} is not valid") from None
        value = found.get(self.sort_field) if isinstance(found, dict) else None
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise InvalidCursorError(f"{self.cursor_param} is not valid")
        return {self.sort_field: value}

    def generate_metadata(
        self, total_items: int, items: Sequence[Any], base_url: str, request_params: Params
    ) -> dict[str, Any]:
        cursor, size = self.parse_parameters(request_params)
        links = LinkBuilder(base_url, request_params, (self.cursor_param, self.page_size_param))
        found = {"first": links.build_link({self.page_size_param: size})}
        # A page that is not full has nothing behind it.
        if len(items) == size:
            after = self.encode_cursor(field_of(items[-1], self.sort_field))
            found["next"] = links.build_link(
                {self.cursor_param: after, self.page_size_param: size}
            )
        return {"total_items": total_items, "page_size": size, "cursor": cursor, "links": found}


def field_of(item: Any, name: str) -> Any:
    """Return a field of a mapping or of an object."""
    return item[name] if isinstance(item, Mapping) else getattr(item, name)


def _whole(
    params: Params, name: str, default: int, least: int, error: type[PaginationError]
) -> int:
    text = _last(params, name)
    if text is None or text == "":
        return default
    # More digits than any list has items; Python refuses to read some thousand of them.
    if not (text.isascii() and text.isdigit() and len(text) <= 19) or int(text) > _MOST:
        raise error(f"{name} is no whole number from {least}")
    number = int(text)
    if number < least:
        raise error(f"{name} is at least {least}")
    return number


def _last(params: Params, name: str) -> str | None:
    value = params.get(name)
    if isinstance(value, (list, tuple)):
        value = value[-1] if value else None
    return None if value is None else str(value).strip()


def _pages(total: int, size: int) -> int:
    return (total + size - 1) // size
