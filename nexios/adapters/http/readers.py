"""Takes single values from the wire, as they came: one function per parameter, made at start."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from nexios.adapters.asgi.params import MISSING
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


ONE: Final[Mapping[str, Callable[[str], Raw]]] = {
    "query": query_last,
    "header": header_last,
    "cookie": cookie,
    "path": path_value,
}

ALL: Final[Mapping[str, Callable[[str], Raw]]] = {"query": query_all, "header": header_all}


def structure(place: str, annotation: Any) -> Raw:
    """Read each member of a model, dataclass or TypedDict from one place."""
    readers = []
    for name, many in members_of(annotation):
        on_wire = name.replace("_", "-") if place == "header" else name
        readers.append((name, (ALL if many and place in ALL else ONE)[place](on_wire)))
    members = tuple(readers)

    def read(exchange: Exchange) -> object:
        given = {}
        for name, raw in members:
            value = raw(exchange)
            if value is not MISSING:
                given[name] = value
        return given

    return read
