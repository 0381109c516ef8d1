"""Takes single values from the wire, as they came: one function per parameter, made at start."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from nexios.adapters.asgi.annotations import is_many, is_text, values_by_text
from nexios.adapters.asgi.params import MISSING
from nexios.adapters.http.background import Tasks
from nexios.adapters.http.builder import Response
from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.fields import members_of
from nexios.adapters.http.request import Request

Raw = Callable[[Exchange], object]
"""``MISSING`` when the value did not come."""


def request_of(exchange: Exchange) -> Request:
    """Return the request, made when first asked for."""
    return exchange.request


def response_of(exchange: Exchange) -> Response:
    """Return the builder, made when first asked for."""
    return exchange.response


def tasks_of(exchange: Exchange) -> Tasks:
    """Return what takes work for after the answer."""
    return exchange.tasks


def stream_of(exchange: Exchange) -> AsyncIterator[bytes]:
    """Return the body as it arrives."""
    return exchange.request.stream()


def path_value(name: str) -> Raw:
    """Read a path value as the template's converter made it."""

    def read(exchange: Exchange) -> object:
        return exchange.path_params[name]

    return read


def path_text(name: str) -> Raw:
    """Read a path value as text, for a handler that wants it so."""

    def read(exchange: Exchange) -> object:
        return str(exchange.path_params[name])

    return read


def query_last(name: str) -> Raw:
    """Read the last value of a repeated name."""

    def read(exchange: Exchange) -> object:
        query = exchange.query
        return query.get(name, MISSING)

    return read


def query_all(name: str) -> Raw:
    """Read every value of a repeated name."""

    def read(exchange: Exchange) -> object:
        return exchange.query.getlist(name) or MISSING

    return read


def header_last(name: str) -> Raw:
    """Read a header; the last one where it is repeated."""
    wanted = name.lower().encode("latin-1")

    def read(exchange: Exchange) -> object:
        value = exchange.header(wanted)
        return MISSING if value is None else value.decode("latin-1")

    return read


def header_all(name: str) -> Raw:
    """Read every header of this name."""
    wanted = name.lower().encode("latin-1")

    def read(exchange: Exchange) -> object:
        pairs = exchange.scope["headers"]
        return [value.decode("latin-1") for key, value in pairs if key == wanted] or MISSING

    return read


def cookie(name: str) -> Raw:
    """Read a cookie."""

    def read(exchange: Exchange) -> object:
        return exchange.cookies.get(name, MISSING)

    return read


def form_last(name: str, takes_empty: bool) -> Raw:
    """Read the last value of a field of the form, which has been read by then."""

    def read(exchange: Exchange) -> object:
        value = exchange.form_data.get(name, MISSING)
        return MISSING if value == "" and not takes_empty else value

    return read


def form_all(name: str, takes_empty: bool) -> Raw:
    """Read every value of a field of the form, which has been read by then."""

    def read(exchange: Exchange) -> object:
        values = exchange.form_data.getlist(name)
        if not takes_empty:
            values = [value for value in values if value != ""]
        return values or MISSING

    return read


ONE: Final[Mapping[str, Callable[[str], Raw]]] = {
    "query": query_last,
    "header": header_last,
    "cookie": cookie,
    "path": path_value,
}

ALL: Final[Mapping[str, Callable[[str], Raw]]] = {"query": query_all, "header": header_all}


def reader_of(place: str, name: str, annotation: Any) -> Raw:
    """Return what takes a value of this type from its place: one, or all of a repeated name."""
    if place == "form":
        made = form_all if is_many(annotation) else form_last
        return made(name, is_text(annotation))
    return (ALL if place in ALL and is_many(annotation) else ONE)[place](name)


def structure(place: str, annotation: Any) -> Raw:
    """Read each member of a model, dataclass or TypedDict from one place."""
    readers = []
    for name, kind in members_of(annotation):
        on_wire = name.replace("_", "-") if place == "header" else name
        readers.append((name, reader_of(place, on_wire, kind), values_by_text(kind)))
    members = tuple(readers)

    def read(exchange: Exchange) -> object:
        given = {}
        for name, raw, table in members:
            value: Any = raw(exchange)
            if value is MISSING:
                continue
            if table and isinstance(value, list):
                value = [table.get(item, item) for item in value]
            elif table:
                value = table.get(value, value)
            given[name] = value
        return given

    return read
