"""What is told of a request or socket in which an error came up: no body, no secret."""

from typing import Final
from urllib.parse import parse_qsl

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.types import Scope
from nexios.adapters.asgi.url import quote_path
from nexios.application.caller import Caller
from nexios.application.scrub import MASK, is_secret
from nexios.application.showing import cut, fit
from nexios.application.tracking import Occasion

_FIELDS: Final = 100


def occasion_of(connection: Connection, route: str = "") -> Occasion:
    """Return what an error report says of a connection.

    Args:
        connection: Its body is not looked at.
        route: The template that matched; the path where none did.
    """
    scope = connection.scope
    caller: Caller | None = scope.get("caller")
    request_id = scope.get("request_id")
    return Occasion(
        kind="socket" if scope["type"] == "websocket" else "request",
        # A path may hold line ends, which would begin a line of the log.
        place=route or cut(fit(quote_path(connection.path))),
        method=scope.get("method"),
        scheme=None if caller is None else caller.scheme,
        request_id=None if request_id is None else str(request_id),
        headers=[_pair(*one) for one in scope["headers"][:_FIELDS]],
        query=_query(scope),
    )


def _query(scope: Scope) -> list[tuple[str, str]]:
    text = scope.get("query_string", b"").decode("latin-1")
    try:
        found = parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError:
        return [("(more fields than are told)", "")]
    return [_pair(name, value) for name, value in found]


def _pair(name: str | bytes, value: str | bytes) -> tuple[str, str]:
    name, value = _text(name), _text(value)
    return cut(fit(name)), MASK if is_secret(name) else cut(fit(value))


def _text(part: str | bytes) -> str:
    return part.decode("latin-1") if isinstance(part, bytes) else part
